"""Records to tokenized examples: a pure function of some records of a pass."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal, NamedTuple, TypeAlias, get_args

import numpy as np

from flanjax.base import stable_hash
from flanjax.data.fewshot import choose_shots, render_fitted
from flanjax.data.objective import ObjectiveConfig, corrupt_spans, longest_text, noise_mask
from flanjax.data.render import template_index
from flanjax.data.task import Pretokenized, Record, Task
from flanjax.data.tokenize import Tokenizer, encode_prompts
from flanjax.engine.shard import EXAMPLE, INPUTS_CUT, TARGETS_CUT, Part, token_dtype

OverLong: TypeAlias = Literal["truncate_right", "truncate_left", "drop", "error"]
"""What becomes of an example that is longer than its row."""

OVER_LONG: tuple[OverLong, ...] = get_args(OverLong)
EMPTY_TARGET = "empty_target"
INPUTS_DROPPED, TARGETS_DROPPED = "inputs_too_long", "targets_too_long"
INPUTS_TRUNCATED, TARGETS_TRUNCATED = "inputs_truncated", "targets_truncated"
SHOTS_DROPPED = "shots_dropped"
INPUTS_FULL, TARGETS_FULL = "inputs_at_limit", "targets_at_limit"
"""As long as may be, of a task that cuts by itself: perhaps it was longer."""
DROPPED = (EMPTY_TARGET, INPUTS_DROPPED, TARGETS_DROPPED)
"""Reasons for which an example is not trained on."""


class TokenSettings(NamedTuple):
    """What a run asks of every example it trains on.

    Attributes:
      tokenizer: Text to ids.
      objective: What an example asks to predict.
      max_inputs: Most tokens of a prompt, its first and its end id included.
      max_targets: Most tokens of a target, its end id included.
      over_long: What becomes of an example that exceeds either.
      seed: Draws templates, exemplars and spans.
      num_shots: Exemplars in each prompt.
    """

    tokenizer: Tokenizer
    objective: ObjectiveConfig
    max_inputs: int
    max_targets: int
    over_long: OverLong = "truncate_right"
    seed: int = 0
    num_shots: int = 0


class Ragged(NamedTuple):
    """Sequences end to end.

    Attributes:
      values: int32, all of them.
      lengths: int64 [n].
    """

    values: np.ndarray
    lengths: np.ndarray

    @property
    def starts(self) -> np.ndarray:
        """Where each sequence starts, int64 [n]."""
        return np.cumsum(self.lengths) - self.lengths


class Batch(NamedTuple):
    """Records of one task to be tokenized together.

    Attributes:
      records: Records that the task keeps.
      uids: Their identities.
      rows: Their rows in the source's split, from 1.
      shots: Exemplars of each; empty for zero-shot.
    """

    records: Sequence[Record]
    uids: Sequence[int]
    rows: Sequence[int]
    shots: Sequence[tuple[Record, ...]] = ()


def batch_of(
    task: Task,
    records: Sequence[Record],
    uids: Sequence[int],
    rows: Sequence[int],
    chosen: slice,
    settings: TokenSettings,
) -> Batch:
    """Returns some of a task's records, with exemplars drawn from all of them."""
    shots = [
        choose_shots(task, record, records, num_shots=settings.num_shots, seed=settings.seed)
        for record in (records[chosen] if settings.num_shots else ())
    ]
    return Batch(records[chosen], uids[chosen], rows[chosen], shots)


def tokenize_batch(task: Task, batch: Batch, settings: TokenSettings, *, pass_index: int) -> Part:
    """Renders and tokenizes records, each in its wording of one pass.

    A prompt begins with the tokenizer's `bos_id` where it has one; a prompt and
    a target each get an end id. What is too long is cut, dropped or an error, as
    the settings say: "truncate_right" keeps the beginning and "truncate_left" the
    end; `bos_id` stays first and the end id last. Before a prompt is cut, its
    exemplars are left out one by one until it fits. Span corruption cuts the
    whole text, before it masks any of it, to what fits both sides.

    Args:
      task: The task.
      batch: Its records.
      settings: Lengths, tokenizer and what else the run asks.
      pass_index: How often the records were seen before.

    Raises:
      ValueError: An example is too long, and that is to be an error.
    """
    if task.pretokenized is not None:
        return _given(task, task.pretokenized, batch, settings)
    texts, templates, num_shots_dropped = _rendered(task, batch, settings, pass_index)
    inputs, targets = _encoded(texts, settings.tokenizer)
    firsts = (settings.tokenizer.bos_id, None)
    limits = (settings.max_inputs - 1 - (firsts[0] is not None), settings.max_targets - 1)
    if settings.objective.name == "span_corruption":
        whole = _joined(inputs, targets)
        longest = _longest_text(settings, limits)
        is_long = (whole.lengths > longest, np.zeros(len(whole.lengths), bool))
        _check_text(task, batch, whole.lengths, longest, settings)
        inputs, targets = _corrupted(whole, longest, batch.uids, settings, pass_index)
    else:
        is_long = (inputs.lengths > limits[0], targets.lengths > limits[1])
        _check_lengths(task, batch, (inputs, targets), limits, settings)
    is_empty = targets.lengths == 0
    reasons = {EMPTY_TARGET: is_empty}
    kept = ~is_empty
    if settings.over_long == "drop":
        reasons[INPUTS_DROPPED] = kept & is_long[0]
        reasons[TARGETS_DROPPED] = kept & ~is_long[0] & is_long[1]
        kept &= ~(is_long[0] | is_long[1])
    reasons[INPUTS_TRUNCATED] = kept & is_long[0]
    reasons[TARGETS_TRUNCATED] = kept & is_long[1]
    counts = {reason: int(hit.sum()) for reason, hit in reasons.items() if hit.any()}
    if num_shots_dropped:
        counts[SHOTS_DROPPED] = num_shots_dropped
    sides = [
        _ended(side, kept, limit, first, settings)
        for side, limit, first in zip((inputs, targets), limits, firsts, strict=True)
    ]
    part = _part(sides[0], sides[1], np.asarray(batch.rows, np.int64)[kept], counts, settings)
    part.examples["template"] = np.asarray(templates, np.int64)[kept]
    part.examples["flags"] = (INPUTS_CUT * is_long[0] + TARGETS_CUT * is_long[1])[kept]
    return part


def _part(
    inputs: Ragged,
    targets: Ragged,
    rows: np.ndarray,
    counts: dict[str, int],
    settings: TokenSettings,
) -> Part:
    """Returns ended prompts and targets as a part of a cache."""
    index = np.zeros(len(inputs.lengths), EXAMPLE)
    index["inputs"], index["targets"] = inputs.lengths, targets.lengths
    index["start"] = np.cumsum(inputs.lengths + targets.lengths) - index["inputs"]
    index["start"] -= index["targets"]
    index["row"] = rows
    tokens = _alternating(inputs, targets).astype(token_dtype(settings.tokenizer.vocab_size))
    return Part(tokens, index, counts)


def _given(task: Task, given: Pretokenized, batch: Batch, settings: TokenSettings) -> Part:
    """Returns the ids that a task gives, as they are, where some are predicted."""
    pairs = [given.ids(record) for record in batch.records]
    # Without a prompt the first target follows from nothing: it is only read.
    kept = np.array([targets.size > (inputs.size == 0) for inputs, targets in pairs], bool)
    pairs = [pair for pair, is_kept in zip(pairs, kept, strict=True) if is_kept]
    rows = np.asarray(batch.rows, np.int64)[kept]
    sides = {
        name: _ragged([pair[side] for pair in pairs])
        for side, name in enumerate(("inputs", "targets"))
    }
    counts = {EMPTY_TARGET: int((~kept).sum())}
    for name, reason in (("inputs", INPUTS_FULL), ("targets", TARGETS_FULL)):
        limit = given.lengths[name]
        _check_given(task, name, sides[name], rows, limit, settings.tokenizer.vocab_size)
        counts[reason] = int((sides[name].lengths == limit).sum())
    counts = {reason: num for reason, num in counts.items() if num}
    return _part(sides["inputs"], sides["targets"], rows, counts, settings)


def _check_given(
    task: Task, name: str, side: Ragged, rows: np.ndarray, limit: int, vocab_size: int
) -> None:
    for at in np.flatnonzero(side.lengths > limit)[:1]:
        raise ValueError(
            f"task {task.name}, source row {rows[at]}: {name} must fit {limit} tokens, got "
            f"{side.lengths[at]}; cut them in the task's preprocessors, or raise "
            "TASK_FEATURE_LENGTHS."
        )
    for at in np.flatnonzero((side.values < 0) | (side.values >= vocab_size))[:1]:
        row = rows[np.searchsorted(np.cumsum(side.lengths), at, side="right")]
        raise ValueError(
            f"task {task.name}, source row {row}: {name} must hold ids below the vocabulary's "
            f"{vocab_size}, got {side.values[at]}; mend the task's preprocessors."
        )


def _rendered(
    task: Task, batch: Batch, settings: TokenSettings, pass_index: int
) -> tuple[list[tuple[str, str]], list[int], int]:
    """Returns (prompt, target) of each record, its template, and exemplars left out."""
    fits = _fits(settings)
    texts, templates, num_dropped = [], [], 0
    shots = batch.shots or [()] * len(batch.records)
    for record, uid, exemplars in zip(batch.records, batch.uids, shots, strict=True):
        template = template_index(task, uid, seed=settings.seed, pass_index=pass_index)
        fitted = render_fitted(task, record, template=template, shots=exemplars, fits=fits)
        assert fitted is not None, f"task {task.name}: records must be those the task keeps"
        num_dropped += fitted.num_dropped
        texts.append((fitted.example.inputs, fitted.example.targets))
        templates.append(template)
    return texts, templates, num_dropped


def _fits(settings: TokenSettings) -> Callable[[str], bool]:
    def fits(prompt: str) -> bool:
        return encode_prompts(settings.tokenizer, [prompt])[0].size < settings.max_inputs

    return fits


def _encoded(texts: Sequence[tuple[str, str]], tokenizer: Tokenizer) -> tuple[Ragged, Ragged]:
    """Returns the ids of prompts and targets, unended."""
    prompts, answers = zip(*texts, strict=True) if texts else ((), ())
    return Ragged(*tokenizer.encode_flat(prompts)), Ragged(*tokenizer.encode_flat(answers))


def _joined(inputs: Ragged, targets: Ragged) -> Ragged:
    """Returns each prompt and its target as one text."""
    return Ragged(_alternating(inputs, targets), inputs.lengths + targets.lengths)


def _longest_text(settings: TokenSettings, limits: tuple[int, int]) -> int:
    num_sentinels = settings.tokenizer.num_sentinels
    if not num_sentinels:
        raise ValueError(
            f"tokenizer must have sentinels for span_corruption, got "
            f"{settings.tokenizer.fingerprint} without; raise TokenizerConfig.extra_ids, or use "
            "another tokenizer or objective."
        )
    return longest_text(
        settings.objective,
        max_inputs=limits[0],
        max_targets=limits[1],
        num_sentinels=num_sentinels,
    )


def _corrupted(
    whole: Ragged, longest: int, uids: Sequence[int], settings: TokenSettings, pass_index: int
) -> tuple[Ragged, Ragged]:
    """Returns texts, cut to `longest` tokens, with spans masked, and the spans."""
    is_cut_left = settings.over_long == "truncate_left"
    texts = [ids[-longest:] if is_cut_left else ids[:longest] for ids in _split(whole)]
    made = []
    for text, uid in zip(texts, uids, strict=True):
        seed = stable_hash("spans of", settings.seed, uid, pass_index)
        mask = noise_mask(settings.objective, len(text), seed=seed)
        made.append(corrupt_spans(text, mask, settings.tokenizer))
    return _ragged([left for left, _ in made]), _ragged([masked for _, masked in made])


def _split(ragged: Ragged) -> list[np.ndarray]:
    return np.split(ragged.values, np.cumsum(ragged.lengths)[:-1])


def _ragged(arrays: Sequence[np.ndarray]) -> Ragged:
    lengths = np.fromiter((array.size for array in arrays), np.int64, len(arrays))
    return Ragged(np.concatenate([np.zeros(0, np.int32), *arrays]), lengths)


def _check_text(
    task: Task, batch: Batch, lengths: np.ndarray, longest: int, settings: TokenSettings
) -> None:
    if settings.over_long != "error":
        return
    for at in np.flatnonzero(lengths > longest)[:1]:
        raise ValueError(
            f"task {task.name}, source row {batch.rows[at]}: a text must fit the {longest} tokens "
            f"that span corruption leaves room for, got {lengths[at]}; raise TASK_FEATURE_LENGTHS, "
            "or set DataConfig.over_long to 'truncate_right', 'truncate_left' or 'drop'."
        )


def _check_lengths(
    task: Task,
    batch: Batch,
    sides: tuple[Ragged, Ragged],
    limits: tuple[int, int],
    settings: TokenSettings,
) -> None:
    if settings.over_long != "error":
        return
    wholes = (settings.max_inputs, settings.max_targets)
    named = zip(("inputs", "targets"), sides, limits, wholes, strict=True)
    for name, (_, lengths), limit, whole in named:
        for at in np.flatnonzero(lengths > limit)[:1]:
            raise ValueError(
                f"task {task.name}, source row {batch.rows[at]}: {name} and their end must fit "
                f"{whole} tokens, got {lengths[at] + whole - limit}; raise "
                "TASK_FEATURE_LENGTHS, or set DataConfig.over_long to 'truncate_right', "
                "'truncate_left' or 'drop'."
            )


def _ended(
    side: Ragged, kept: np.ndarray, limit: int, first: int | None, settings: TokenSettings
) -> Ragged:
    """Returns the kept sequences, cut to `limit`, after `first` and ended."""
    lengths = np.minimum(side.lengths[kept], limit)
    starts = side.starts[kept]
    if settings.over_long == "truncate_left":
        starts = starts + side.lengths[kept] - lengths
    wholes = lengths + 1 + (first is not None)
    values = np.full(int(wholes.sum()), settings.tokenizer.eos_id, np.int32)
    ends = np.cumsum(wholes)
    is_inner = np.ones(len(values), bool)
    is_inner[ends - 1] = False
    if first is not None:
        values[ends - wholes] = first
        is_inner[ends - wholes] = False
    offsets = starts - (np.cumsum(lengths) - lengths)
    values[is_inner] = side.values[np.arange(int(lengths.sum())) + np.repeat(offsets, lengths)]
    return Ragged(values, wholes)


def _alternating(inputs: Ragged, targets: Ragged) -> np.ndarray:
    """Returns prompt, target, prompt, target, ... end to end."""
    lengths = np.stack([inputs.lengths, targets.lengths], axis=1).reshape(-1)
    is_input = np.repeat(np.tile([True, False], len(inputs.lengths)), lengths)
    values = np.empty(len(is_input), np.int32)
    values[is_input] = inputs.values
    values[~is_input] = targets.values
    return values
