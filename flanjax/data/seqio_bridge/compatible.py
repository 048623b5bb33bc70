"""Whether a task of SeqIO gives what a model reads, in its vocabulary."""

from __future__ import annotations

import hashlib

import seqio
import tensorflow as tf

from flanjax.data.seqio_bridge.incoming import SIDES, foreign_of
from flanjax.data.task import Task
from flanjax.data.tokenize import Tokenizer

_PROBES = (
    "It was the best of times, it was the worst of times.",
    "Für 3,50 € (oder 12.7%) — naïve façade; 東京 and Ωμέγα!",
    "  two  spaces\tand a tab\nand a line",
    "[MASK] {x} \\ ~ @user #1",
)
"""What two vocabularies must encode alike where their files cannot be compared."""


def check(task: Task, tokenizer: Tokenizer, *, has_encoder: bool) -> None:
    """Checks a task's features and vocabularies.

    Args:
      task: A task of SeqIO.
      tokenizer: The run's.
      has_encoder: Whether the model reads prompts by an encoder.

    Raises:
      ValueError: The model does not read a feature or lacks one, a feature's
        ids are those of another vocabulary, or prompts begin with an id that
        SeqIO's do not.
    """
    if tokenizer.bos_id is not None:
        raise ValueError(
            f"TokenizerConfig.has_bos must be False for task {task.name} of SeqIO, got True; set "
            "it, and begin prompts in the task's preprocessors."
        )
    features = foreign_of(task).task.output_features
    _check_names(task.name, list(features), has_encoder)
    for side, feature in features.items():
        where = f"task {task.name}: feature {side}"
        if not isinstance(feature, seqio.Feature) or feature.rank != 1 or not _is_int(feature):
            raise ValueError(
                f"{where} must hold ids in one row, got {type(feature).__name__} of "
                f"{feature.rank} axes and type {feature.dtype.name}; no model here reads others."
            )
        if not feature.required:
            raise ValueError(
                f"{where} must be in every example, got required=False; leave that out, or "
                "register the task without the feature."
            )
        _check_vocabulary(where, feature.vocabulary, tokenizer)


def _check_names(name: str, features: list[str], has_encoder: bool) -> None:
    unknown = sorted(set(features) - set(SIDES))
    if unknown:
        raise ValueError(
            f"task {name}: output_features must be inputs and targets, got {', '.join(unknown)} "
            "besides, which no model here reads; register it without."
        )
    needed = SIDES if has_encoder else ("targets",)
    lacking = [side for side in needed if side not in features]
    if lacking:
        model = "an encoder-decoder" if has_encoder else "a decoder"
        raise ValueError(
            f"task {name}: output_features must have {' and '.join(needed)} for {model}, got "
            f"{', '.join(features) or 'none'}; register it with {' and '.join(lacking)}, or "
            "train a decoder-only model."
        )


def _is_int(feature: seqio.Feature) -> bool:
    return bool(feature.dtype.is_integer)


def _check_vocabulary(where: str, vocabulary: seqio.Vocabulary, tokenizer: Tokenizer) -> None:
    """Checks that ids mean what they mean to the run.

    Files are compared by content; of a PassThroughVocabulary, whose ids are
    made elsewhere, only the size can be.
    """
    differs = _difference(vocabulary, tokenizer)
    if differs:
        raise ValueError(
            f"{where} must have the run's vocabulary ({tokenizer.fingerprint}), got {vocabulary} "
            f"with {differs}; set TOKENIZER_PATH and TokenizerConfig to the task's."
        )


def _difference(vocabulary: seqio.Vocabulary, tokenizer: Tokenizer) -> str:
    """Returns in what a vocabulary differs from a tokenizer, "" if in nothing."""
    if isinstance(vocabulary, seqio.PassThroughVocabulary):
        ends = (None, tokenizer.eos_id)
        if vocabulary.vocab_size != tokenizer.vocab_size:
            return f"{vocabulary.vocab_size} ids, not {tokenizer.vocab_size}"
        return "" if vocabulary.eos_id in ends else f"the end id {vocabulary.eos_id}"
    if vocabulary.vocab_size != tokenizer.vocab_size:
        return f"{vocabulary.vocab_size} ids, not {tokenizer.vocab_size}"
    if vocabulary.eos_id != tokenizer.eos_id:
        return f"the end id {vocabulary.eos_id}, not {tokenizer.eos_id}"
    if isinstance(vocabulary, seqio.SentencePieceVocabulary):
        with tf.io.gfile.GFile(vocabulary.sentencepiece_model_file, "rb") as file:
            content = hashlib.sha256(file.read()).hexdigest()[:16]
        found = f"sentencepiece-{content}-{vocabulary.extra_ids}"
        if found != tokenizer.fingerprint:
            return f"another model ({found})"
    for text, ids in zip(_PROBES, tokenizer.encode_batch(_PROBES), strict=True):
        if list(vocabulary.encode(text)) != ids.tolist():
            return f"other ids of {text!r}"
    return ""
