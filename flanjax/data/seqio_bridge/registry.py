"""Every task, wording, mixture and hold-out of a catalogue in SeqIO's registries.

Registering is a call, and cheap: nothing is read, tokenized or counted before SeqIO asks for it.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np
import seqio
import tensorflow as tf

from flanjax.base import listed
from flanjax.data.catalogue import Catalogue
from flanjax.data.holdout import Split, hold_out, intra_cluster
from flanjax.data.seqio_bridge import metrics
from flanjax.data.seqio_bridge.names import hold_out_name, mixture_name, task_name
from flanjax.data.seqio_bridge.source import BridgeConfig, Records, TaskSource, Wording
from flanjax.data.task import Task
from flanjax.data.tokenize import Tokenizer


class Registered(NamedTuple):
    """What was registered.

    Attributes:
      tasks: Name -> the task and its wording.
      mixtures: Names.
    """

    tasks: dict[str, Wording]
    mixtures: tuple[str, ...]


def register(catalogue: Catalogue, config: BridgeConfig) -> Registered:
    """Registers a catalogue with SeqIO.

    Args:
      catalogue: The catalogue.
      config: How its tasks are read, rendered and drawn.

    Raises:
      ValueError: A name is taken already, or would be taken twice; nothing is
        registered then.
    """
    tasks = dict(_wordings(catalogue, config))
    mixtures = dict(_mixtures(catalogue, config))
    _check_free(list(tasks), list(mixtures))
    records = Records(config)
    features = _features(config)
    preprocessors = [
        seqio.CacheDatasetPlaceholder(),
        seqio.preprocessors.append_eos_after_trim,
    ]
    for name, wording in tasks.items():
        make = metrics.scored if wording.is_scored else metrics.predicted
        seqio.TaskRegistry.add(
            name,
            source=TaskSource(wording, records, config),
            output_features=features,
            preprocessors=preprocessors,
            postprocess_fn=metrics.postprocess,
            metric_fns=[] if _is_inverted(wording) else make(wording.task),
        )
    rate = _rate(config)
    for name, members in mixtures.items():
        seqio.MixtureRegistry.add(name, members, default_rate=rate)
    return Registered(tasks, tuple(mixtures))


def unregister(registered: Registered) -> None:
    """Takes back what `register` has registered, as before another config."""
    for name in registered.tasks:
        seqio.TaskRegistry.remove(name)
    for name in registered.mixtures:
        seqio.MixtureRegistry.remove(name)


def _wordings(catalogue: Catalogue, config: BridgeConfig) -> Iterable[tuple[str, Wording]]:
    for task in catalogue.tasks():
        for num_shots in config.num_shots:
            if num_shots and not task.is_trainable:
                continue  # exemplars are training records
            for template in (None, *range(len(task.templates))):
                wording = Wording(task, template, num_shots)
                yield task_name(task.name, template=template, num_shots=num_shots), wording
            if task.mode != "rank":
                continue
            for template in _scored_templates(task):
                name = task_name(task.name, template=template, num_shots=num_shots, is_scored=True)
                yield name, Wording(task, template, num_shots, is_scored=True)


def _is_inverted(wording: Wording) -> bool:
    return wording.template is not None and wording.task.templates[wording.template].inverted


def _scored_templates(task: Task) -> list[int]:
    return [i for i, template in enumerate(task.templates) if not template.inverted]


def _mixtures(catalogue: Catalogue, config: BridgeConfig) -> Iterable[tuple[str, list[str]]]:
    splits: dict[str, Split] = {}
    if len(catalogue.clusters) > 1:
        rules = [cluster.name for cluster in catalogue.clusters]
        rules += [held.rule for held in intra_cluster(catalogue)]
        for rule in rules:
            with contextlib.suppress(ValueError):  # nothing would be left to train on
                splits[rule] = hold_out(catalogue, rule)
    for num_shots in config.num_shots:
        every = [(None, catalogue.tasks()), *((c.name, c.tasks) for c in catalogue.clusters)]
        for cluster, tasks in every:
            names = [task_name(t.name, num_shots=num_shots) for t in tasks if t.is_trainable]
            if names:
                yield mixture_name(catalogue.name, cluster, num_shots=num_shots), names
        for rule, split in splits.items():
            names = [task_name(task.name, num_shots=num_shots) for task in split.train.tasks()]
            yield hold_out_name(catalogue.name, rule, part="train", num_shots=num_shots), names
            assert split.test is not None, "a hold-out tests something"
            scored = [name for task in split.test.tasks for name in _scored_names(task, num_shots)]
            if scored:
                yield hold_out_name(catalogue.name, rule, part="eval", num_shots=num_shots), scored


def _scored_names(task: Task, num_shots: int) -> list[str]:
    """Returns the names by which a task is evaluated, one for each wording."""
    if num_shots and not task.is_trainable:
        return []
    is_scored = task.mode == "rank"
    return [
        task_name(task.name, template=template, num_shots=num_shots, is_scored=is_scored)
        for template in _scored_templates(task)
    ]


def _check_free(tasks: Sequence[str], mixtures: Sequence[str]) -> None:
    known = {*seqio.TaskRegistry.names(), *seqio.MixtureRegistry.names()}
    taken = sorted(({*tasks, *mixtures} & known) | (set(tasks) & set(mixtures)))
    if taken:
        raise ValueError(
            f"a SeqIO name must be free, got {listed(taken, 3)}, registered before; "
            "`unregister` those first, or rename yours."
        )


def _rate(config: BridgeConfig) -> Callable[[seqio.Task], float]:
    """Returns a task's rate: its records after its rules, up to the cap.

    Evaluation mixtures hold tasks without training records; those count as one.
    """

    def rate(task: seqio.Task) -> float:
        if "train" not in task.splits:
            return 1.0
        if task.cache_dir:  # the records themselves need not be on this machine
            stats = task.get_cached_stats("train")
            return float(min(stats.get("records", stats["examples"]), config.rate_cap))
        num = task.source.num_input_examples("train") // task.source.num_passes
        return float(min(num, config.rate_cap))

    return rate


def _features(config: BridgeConfig) -> dict[str, seqio.Feature]:
    vocabulary = make_vocabulary(config)
    return {
        name: seqio.Feature(vocabulary=vocabulary, add_eos=True, dtype=tf.int32)
        for name in ("inputs", "targets")
    }


def make_vocabulary(config: BridgeConfig) -> seqio.Vocabulary:
    """Returns SeqIO's own vocabulary of a tokenizer, or one that wraps it."""
    kind = config.tokenizer.kind
    if kind == "sentencepiece":
        return seqio.SentencePieceVocabulary(
            str(config.tokenizer.path), extra_ids=config.tokenizer.extra_ids
        )
    if kind == "bytes":
        return seqio.ByteVocabulary(extra_ids=config.tokenizer.extra_ids)
    return TokenizerVocabulary(config.loaded_tokenizer)


class TokenizerVocabulary(seqio.Vocabulary):
    """A tokenizer of flanjax as a vocabulary of SeqIO."""

    def __init__(self, tokenizer: Tokenizer):
        super().__init__(extra_ids=0)
        self._tokenizer = tokenizer

    @property
    def bos_id(self) -> int | None:
        return None

    @property
    def eos_id(self) -> int:
        return self._tokenizer.eos_id

    @property
    def unk_id(self) -> int | None:
        return None

    @property
    def _base_vocab_size(self) -> int:
        return self._tokenizer.vocab_size

    def _encode(self, s: str) -> list[int]:
        return self._tokenizer.encode_batch([s])[0].tolist()

    def _decode(self, ids: Sequence[int]) -> str:
        return self._tokenizer.decode(ids)

    def _encode_tf(self, s: tf.Tensor) -> tf.Tensor:
        def encode(text: Any) -> np.ndarray:
            content = text.item() if isinstance(text, np.ndarray) else text
            text = content.decode("utf-8") if isinstance(content, bytes) else content
            return self._tokenizer.encode_batch([text])[0]

        ids = tf.numpy_function(encode, [s], tf.int32, stateful=False)
        ids.set_shape([None])
        return ids

    def _decode_tf(self, ids: tf.Tensor) -> tf.Tensor:
        def decode(values: np.ndarray) -> np.ndarray:
            rows = values.reshape(-1, values.shape[-1]).tolist()
            texts = [self._tokenizer.decode(row).encode("utf-8") for row in rows]
            return np.array(texts, object).reshape(values.shape[:-1])

        return tf.numpy_function(decode, [ids], tf.string, stateful=False)

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, TokenizerVocabulary)
            and other._tokenizer.fingerprint == self._tokenizer.fingerprint
        )

    def __hash__(self) -> int:
        return hash(self._tokenizer.fingerprint)
