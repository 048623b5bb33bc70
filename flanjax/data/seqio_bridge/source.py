"""A task's records as the examples of a SeqIO source, rendered in plain Python.

What is rendered and tokenized here is what a run of flanjax renders and tokenizes: the same
functions are called, and no step is written again in TensorFlow.
"""

from __future__ import annotations

import dataclasses
import functools
import threading
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import seqio
import tensorflow as tf

from flanjax.data.fewshot import choose_shots, render_fitted
from flanjax.data.records import RecordSet, read_records
from flanjax.data.render import Rendered, template_index
from flanjax.data.sentencepiece_tokenizer import SentencePieceTokenizer
from flanjax.data.task import Record, Task
from flanjax.data.tokenize import (
    Tokenizer,
    TokenizerConfig,
    encode_prompts,
    make_tokenizer,
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class BridgeConfig:
    """How a catalogue's tasks are read, rendered and drawn under SeqIO.

    The fields that `experiment.DataConfig` has too mean what they mean there.

    Attributes:
      tokenizer: Text to ids; a SentencePiece model may lie wherever
        TensorFlow reads files, as in gs://.
      data_dir: Where local files lie.
      seed: Draws wordings, exemplars and records.
      num_shots: Numbers of exemplars to register; 0 is zero-shot.
      max_inputs: Exemplars are left out until a prompt and its end fit so many
        tokens (FLAN 2021, section 4.4).
      max_examples: Training records used of each task.
      rate_cap: A task's size counts as at most this much in a mixture.
      passes: Different wordings of each record in a `_10templates` task.
      bad_record_limit: Share of unreadable records that is an error.
    """

    tokenizer: TokenizerConfig
    data_dir: str | None = None
    seed: int = 0
    num_shots: tuple[int, ...] = (0, 5)
    max_inputs: int = 1024
    max_examples: int = 30_000
    rate_cap: int = 3_000
    passes: int = 1
    bad_record_limit: float = 0.01

    def __post_init__(self) -> None:
        if not self.num_shots or min(self.num_shots) < 0:
            raise ValueError(
                f"num_shots must be numbers of 0 or more, at least one, got {self.num_shots}; "
                "use (0,) for zero-shot alone."
            )
        for name in ("max_inputs", "max_examples", "rate_cap", "passes"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be positive, got {getattr(self, name)}; raise it.")

    @functools.cached_property
    def loaded_tokenizer(self) -> Tokenizer:
        """The tokenizer, read when it is first used."""
        if self.tokenizer.kind != "sentencepiece":
            return make_tokenizer(self.tokenizer)
        path = str(self.tokenizer.path)
        with tf.io.gfile.GFile(path, "rb") as file:
            content: bytes = file.read()
        how = self.tokenizer
        return SentencePieceTokenizer(
            content, extra_ids=how.extra_ids, has_bos=how.has_bos, name=path
        )


class Wording(NamedTuple):
    """What SeqIO calls a task: one of ours, in some wording.

    Attributes:
      task: The task.
      template: Index of its template; None for the one each record draws.
      num_shots: Exemplars in each prompt.
      is_scored: Whether each option of a record is an example.
    """

    task: Task
    template: int | None = None
    num_shots: int = 0
    is_scored: bool = False


class Records:
    """The records of a catalogue's tasks, read when they are first asked for.

    SeqIO asks in several threads, and for each wording of a task anew.
    """

    def __init__(self, config: BridgeConfig):
        self._config = config
        self._lock = threading.Lock()
        self._num_kept: dict[tuple[str, str], int] = {}
        self._last: dict[tuple[str, str], RecordSet] = {}

    def read(self, task: Task, split: str) -> RecordSet:
        """Returns a split's records; those of the last few tasks are kept at hand."""
        key = (task.name, split)
        with self._lock:
            if key not in self._last:
                self._last[key] = read_records(
                    task,
                    split,
                    data_dir=self._config.data_dir,
                    limit=self._config.max_examples if split == "train" else None,
                    bad_record_limit=self._config.bad_record_limit,
                    seed=self._config.seed,
                )
            found = self._last[key]
            self._num_kept[key] = len(found.records)
            while len(self._last) > _NUM_AT_HAND:
                del self._last[next(iter(self._last))]
        return found

    def count(self, task: Task, split: str) -> int:
        """Returns how many records of a split the task keeps."""
        key = (task.name, split)
        return self._num_kept[key] if key in self._num_kept else len(self.read(task, split).records)


_NUM_AT_HAND = 4


def examples(
    wording: Wording,
    records: RecordSet,
    pool: Sequence[Record],
    config: BridgeConfig,
    chosen: Sequence[int],
) -> Iterator[dict[str, Any]]:
    """Yields the examples of some records, as SIGNATURE has them; no end ids.

    Args:
      wording: The task and its wording.
      records: Its records.
      pool: Training records, from which exemplars are drawn.
      config: The seed, the tokenizer, and the room for exemplars.
      chosen: Numbers below passes x records; pass n of record i is
        n x records + i.
    """
    tokenizer = config.loaded_tokenizer
    task = wording.task

    def fits(prompt: str) -> bool:
        return encode_prompts(tokenizer, [prompt])[0].size < config.max_inputs

    for number in chosen:
        pass_index, place = divmod(number, len(records.records))
        record, uid = records.records[place], records.uids[place]
        template = wording.template
        if template is None:
            template = template_index(task, uid, seed=config.seed, pass_index=pass_index)
        shots = choose_shots(
            task, record, pool, num_shots=wording.num_shots, seed=config.seed
        ) if wording.num_shots else ()  # fmt: skip
        fitted = render_fitted(task, record, template=template, shots=shots, fits=fits)
        assert fitted is not None, "read_records returns only records that render"
        row = records.rows[place]
        yield from _tokenized(fitted.example, tokenizer, wording, row=row, template=template)


def _tokenized(
    example: Rendered, tokenizer: Tokenizer, wording: Wording, *, row: int, template: int
) -> Iterator[dict[str, Any]]:
    targets = example.options if wording.is_scored else (example.targets,)
    (inputs,) = encode_prompts(tokenizer, [example.inputs])
    for option, (target, ids) in enumerate(
        zip(targets, tokenizer.encode_batch(targets), strict=True)
    ):
        yield {
            "inputs": inputs,
            "targets": ids,
            "inputs_pretokenized": example.inputs,
            "targets_pretokenized": target,
            "references": list(example.references),
            "options": list(example.options),
            "group": example.group,
            "template": template,
            "idx": [row, option if wording.is_scored else 0],
            "is_correct": target in example.references,
        }


SIGNATURE = {
    "inputs": tf.TensorSpec([None], tf.int32),
    "targets": tf.TensorSpec([None], tf.int32),
    "inputs_pretokenized": tf.TensorSpec([], tf.string),
    "targets_pretokenized": tf.TensorSpec([], tf.string),
    "references": tf.TensorSpec([None], tf.string),
    "options": tf.TensorSpec([None], tf.string),
    "group": tf.TensorSpec([], tf.string),
    "template": tf.TensorSpec([], tf.int32),
    "idx": tf.TensorSpec([2], tf.int64),
    "is_correct": tf.TensorSpec([], tf.bool),
}
"""An example: idx is (row of the source's split, from 1; number of the option)."""


class TaskSource(seqio.DataSource):
    """The examples of a task in some wording, read when they are asked for."""

    def __init__(self, wording: Wording, records: Records, config: BridgeConfig):
        super().__init__(wording.task.source.splits(), performs_internal_shuffling=True)
        self._wording = wording
        self._records = records
        self._config = config

    @property
    def task(self) -> Task:
        """The task whose records these are."""
        return self._wording.task

    @property
    def supports_arbitrary_sharding(self) -> bool:
        return True

    def list_shards(self, split: str) -> Sequence[str]:
        return [split]

    def num_input_examples(self, split: str) -> int:
        """Returns how many records a split has after the task's rules, times wordings."""
        return self.num_passes * self._records.count(self._wording.task, split)

    def get_dataset(
        self,
        split: str,
        shuffle: bool = True,
        seed: int | None = None,
        shard_info: seqio.ShardInfo | None = None,
    ) -> tf.data.Dataset:
        """Returns a split's examples; shuffled means all of them, by the seed."""
        shard = shard_info or seqio.ShardInfo(index=0, num_shards=1)
        # T5X gives an array of no axes, SeqIO's own type is a tensor; either may be negative.
        number = None if seed is None else int(np.asarray(seed)) % 2**64

        def generate() -> Iterator[dict[str, Any]]:
            records = self._records.read(self._wording.task, split)
            pool: Sequence[Record] = ()
            if self._wording.num_shots:
                pool = self._records.read(self._wording.task, "train").records
            num = self.num_passes * len(records.records)
            chosen = np.arange(num)[shard.index :: shard.num_shards]
            if shuffle:  # within the shard: without a seed, shards would not agree on an order
                np.random.default_rng(number).shuffle(chosen)
            yield from examples(self._wording, records, pool, self._config, chosen.tolist())

        return tf.data.Dataset.from_generator(generate, output_signature=SIGNATURE)

    @property
    def num_passes(self) -> int:
        """The wordings of each record."""
        return self._config.passes if self._wording.template is None else 1
