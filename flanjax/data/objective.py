"""What a tokenized example asks the model to predict."""

from __future__ import annotations

import bisect
import dataclasses
from typing import Literal

import numpy as np

from flanjax.base import stable_hash
from flanjax.data.tokenize import Tokenizer

ObjectiveName = Literal["instruction", "causal_lm", "prefix_lm", "span_corruption"]


@dataclasses.dataclass(frozen=True, kw_only=True)
class ObjectiveConfig:
    """The objective of a run.

    Attributes:
      name: "instruction" takes loss on targets only; "causal_lm" on every
        token; "prefix_lm" on targets, with the prompt seen in both
        directions; "span_corruption" masks spans of the whole text (T5,
        section 3.1.4).
      noise_density: Share of tokens masked by span corruption.
      mean_span_length: Their mean run length.
    """

    name: ObjectiveName = "instruction"
    noise_density: float = 0.15
    mean_span_length: float = 3.0

    def __post_init__(self) -> None:
        names = ("instruction", "causal_lm", "prefix_lm", "span_corruption")
        if self.name not in names:
            raise ValueError(f"objective must be one of {', '.join(names)}, got {self.name!r}.")
        if not 0 < self.noise_density < 1:
            raise ValueError(
                f"noise_density must lie between 0 and 1, got {self.noise_density}; T5 uses 0.15."
            )
        if self.mean_span_length < 1:
            raise ValueError(
                f"mean_span_length must be at least 1, got {self.mean_span_length}; T5 uses 3.0."
            )


def noise_mask(config: ObjectiveConfig, length: int, *, seed: int) -> np.ndarray:
    """Returns a bool [length] mask whose runs alternate, starting clean.

    As in T5: the number of masked tokens and of runs is fixed by the length,
    their sizes are a random composition of that number.
    """
    if length < 2:
        return np.zeros(length, bool)
    num_noise, num_spans = _noise(config, length)
    rng = np.random.Generator(np.random.Philox(key=stable_hash("spans", seed)))
    noise = _composition(num_noise, num_spans, rng)
    clean = _composition(length - num_noise, num_spans, rng)
    runs = np.stack([clean, noise], axis=1).reshape(-1)
    return np.repeat(np.tile([False, True], num_spans), runs)


def _composition(total: int, parts: int, rng: np.random.Generator) -> np.ndarray:
    """Returns `parts` positive integers that sum to `total`, uniformly."""
    cuts = np.sort(rng.permutation(total - 1)[: parts - 1]) + 1
    return np.diff(np.concatenate([[0], cuts, [total]])).astype(np.int64)


def longest_text(
    config: ObjectiveConfig, *, max_inputs: int, max_targets: int, num_sentinels: int
) -> int:
    """Returns the most tokens of a text that span corruption fits into a row.

    As in T5, a text is cut before its spans are masked: afterwards each sentinel of a target
    would not stand in its input.

    Args:
      config: The objective.
      max_inputs: Most tokens of what is left, sentinels included, ends not.
      max_targets: The same of what was masked.
      num_sentinels: The most spans.

    Returns:
      At least 1; a text of one token has nothing to mask.
    """

    def is_over(length: int) -> bool:
        num_noise, num_spans = _noise(config, length)
        sizes = (length - num_noise + num_spans, num_noise + num_spans, num_spans)
        return any(np.greater(sizes, (max_inputs, max_targets, num_sentinels)))

    lengths = range(2, max_inputs + max_targets + 1)  # none of the three falls with the length
    return 1 + bisect.bisect_left(lengths, True, key=is_over)


def _noise(config: ObjectiveConfig, length: int) -> tuple[int, int]:
    """Returns how many of at least two tokens are masked, and in how many runs."""
    num_noise = min(max(round(length * config.noise_density), 1), length - 1)
    num_spans = max(round(num_noise / config.mean_span_length), 1)
    return num_noise, min(num_spans, num_noise, length - num_noise)


def corrupt_spans(
    text: np.ndarray, mask: np.ndarray, tokenizer: Tokenizer
) -> tuple[np.ndarray, np.ndarray]:
    """Replaces each masked run by a sentinel; targets hold the runs.

    Example (X = sentinel 0, Y = sentinel 1):
      text     a b c d e f
      mask     0 1 1 0 1 0
      inputs   a X   d Y f
      targets  X b c Y e

    Raises:
      ValueError: There are more runs than the tokenizer has sentinels.
    """
    starts = mask & ~np.concatenate([[False], mask[:-1]])
    span = np.cumsum(starts)  # 1-based run number at each masked token
    inputs: list[int] = []
    targets: list[int] = []
    for token, is_masked, is_start, number in zip(text, mask, starts, span, strict=True):
        if is_masked and is_start:
            inputs.append(tokenizer.sentinel(int(number) - 1))
            targets.append(tokenizer.sentinel(int(number) - 1))
        (targets if is_masked else inputs).append(int(token))
    return np.asarray(inputs, np.int32), np.asarray(targets, np.int32)
