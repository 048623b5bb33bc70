"""Which row lengths suit a mixture: fill, cuts and cost of each choice.

Everything here follows from how long examples are, as rows of (prompt, target)
tokens that nothing has cut yet, each with its end id:

```
 lengths [[116, 11], ...] --caps--> what is left [[116, 11], ...] --pack_rows--> rows
                           |                                                      |
                           cut, lost                             fill, examples a row, attention
```
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from flanjax.base import stable_hash
from flanjax.engine.bin_packing import least_rows, pack_rows
from flanjax.engine.permutation import permuted, shuffled

INPUT_CAPS = (128, 256, 384, 512, 768, 1024, 1536, 2048, 3072, 4096)
"""Encoder rows that are tried."""

ROW_LENGTHS = (256, 384, 512, 768, 1024, 1536, 2048, 3072, 4096, 6144, 8192)
"""Causal rows that are tried."""

NEAR = 0.005
"""Of choices whose fill is this near to the best, the shortest rows are taken."""

_ENOUGH = 4  # rows of so many of the longest example gain nothing more by length
_SEARCH_NEAR = 0.001  # a packing is not tried for less fill than this


class Rows(NamedTuple):
    """What a run's rows are.

    Attributes:
      inputs: TASK_FEATURE_LENGTHS['inputs'].
      targets: TASK_FEATURE_LENGTHS['targets'].
      batch_size: Rows per step.
      is_causal: Whether a row holds prompts and targets, one after the other.
      is_dropping: Whether an example that is too long is left out, not cut.
      multiple: What the number of rows per step must be a multiple of.
    """

    inputs: int
    targets: int
    batch_size: int
    is_causal: bool = False
    is_dropping: bool = False
    multiple: int = 8

    @property
    def slots(self) -> int:
        """Room for tokens in a row, on both sides."""
        return self.inputs + self.targets

    @property
    def capacities(self) -> tuple[int, ...]:
        """Room of a row, per axis of `costs`."""
        return (self.slots,) if self.is_causal else (self.inputs, self.targets)

    @property
    def attention(self) -> int:
        """Query-key pairs of a row in one layer, masked ones included.

        (inputs + targets)^2 for a causal model. For an encoder-decoder
        inputs^2 in the encoder, targets^2 in the decoder, and inputs * targets
        between the two.
        """
        if self.is_causal:
            return self.slots**2
        return self.inputs**2 + self.targets**2 + self.inputs * self.targets


class Choice(NamedTuple):
    """What rows of some length do to a mixture.

    Attributes:
      inputs: Most tokens of a prompt, its end id included; one more fits a
        causal row, whose first token is not predicted.
      targets: Most tokens of a target, its end id included.
      batch_size: Rows per step.
      slots: Room for tokens in a row, inputs + targets.
      fill: Share of slots that hold a token.
      bound: A fill that no packing can beat.
      inputs_cut: Share of examples whose prompt is too long.
      targets_cut: Share of examples whose target is too long.
      tokens_lost: Share of tokens that are cut away.
      examples_per_row: Mean.
      tokens_per_step: batch_size * slots * fill.
      attention_per_token: Query-key pairs in one layer for each token that is
        not padding, Rows.attention / (slots * fill).
    """

    inputs: int
    targets: int
    batch_size: int
    slots: int
    fill: float
    bound: float
    inputs_cut: float
    targets_cut: float
    tokens_lost: float
    examples_per_row: float
    tokens_per_step: float
    attention_per_token: float

    @property
    def cut(self) -> float:
        """The larger of the two shares of examples that are cut."""
        return max(self.inputs_cut, self.targets_cut)

    def gin_lines(self) -> tuple[str, str]:
        """Returns the bindings that make a run's rows these."""
        lengths = {"inputs": self.inputs, "targets": self.targets}
        return f"TASK_FEATURE_LENGTHS = {lengths}", f"BATCH_SIZE = {self.batch_size}"


class Advice(NamedTuple):
    """Choices of row lengths for a mixture.

    Attributes:
      current: The run's own.
      choices: The best for each input cap or causal row, shortest first.
      recommended: The one to take, which may be the run's own; None where all
        cut more than is allowed.
      max_truncation: Share of examples that may be cut on each side.
      max_attention: Attention per token that is worth more fill, over the
        run's own.
    """

    current: Choice
    choices: tuple[Choice, ...]
    recommended: Choice | None
    max_truncation: float
    max_attention: float

    def listed(self) -> tuple[Choice, ...]:
        """Returns all choices, the run's own among them, shortest rows first."""
        return tuple(sorted({self.current, *self.choices}, key=lambda c: (c.slots, c.inputs)))

    def relative_attention(self, choice: Choice) -> float:
        """Returns a choice's attention per token over the run's own."""
        return choice.attention_per_token / self.current.attention_per_token


def draw(
    lengths: Mapping[str, np.ndarray],
    shares: Mapping[str, float],
    *,
    num_draws: int,
    seed: int = 0,
) -> np.ndarray:
    """Draws examples as a run does: exactly by share, each once before any twice.

    Args:
      lengths: Task name -> int64 [n, 2], lengths of its examples.
      shares: Task name -> its share of the draws; they sum to one.
      num_draws: Examples drawn.
      seed: Another seed draws others.

    Returns:
      int64 [num_draws, 2], in random order.

    Example:
      lengths {a: [[1, 1]], b: [[2, 2], [3, 3]]}, shares {a: .5, b: .5}, num_draws 4
      -> [[2, 2], [1, 1], [3, 3], [1, 1]], in some order
    """
    ends = np.round(np.cumsum([shares[name] for name in lengths]) * num_draws).astype(np.int64)
    drawn = []
    for (name, each), count in zip(lengths.items(), np.diff(ends, prepend=0), strict=True):
        cycle, within = np.divmod(np.arange(count), len(each))
        for number in range(int(count > 0) + int(cycle.max(initial=0))):
            seed_here = stable_hash("advise", name, seed, number)
            drawn.append(each[permuted(within[cycle == number], len(each), seed_here)])
    order = shuffled(num_draws, stable_hash("advise", seed))
    return np.concatenate(drawn)[order]


def examine(lengths: np.ndarray, rows: Rows) -> Choice:
    """Packs examples into rows and counts.

    Args:
      lengths: int64 [n, 2], tokens of prompt and target that nothing has cut,
        each with its end id; in random order.
      rows: The rows.

    Raises:
      ValueError: No example is left.

    Example:
      lengths [[3, 1], [1, 3], [2, 2], [9, 2]], inputs 4, targets 4
      -> rows {[3, 1], [1, 3]}, {[2, 2]}, {[4, 2]}: fill 18 / 24, inputs_cut 1 / 4,
         targets_cut 0, tokens_lost 5 / 23
    """
    fitted, is_cut = _fitted(lengths, rows)
    if not len(fitted):
        raise ValueError(
            f"rows of {rows.inputs} inputs and {rows.targets} targets must fit an example, got "
            "none that does; raise TASK_FEATURE_LENGTHS, or let DataConfig.over_long cut."
        )
    costs = _costs(fitted, rows)
    num_rows = len(pack_rows(costs, rows.capacities).offsets) - 1
    tokens = int(costs.sum())
    fill = tokens / (num_rows * rows.slots)
    inputs_cut, targets_cut = is_cut.mean(axis=0).tolist()
    return Choice(
        inputs=rows.inputs,
        targets=rows.targets,
        batch_size=rows.batch_size,
        slots=rows.slots,
        fill=fill,
        bound=_bound(costs, rows),
        inputs_cut=inputs_cut,
        targets_cut=targets_cut,
        tokens_lost=1 - int(fitted.sum()) / int(lengths.sum()),
        examples_per_row=len(fitted) / num_rows,
        tokens_per_step=fill * rows.slots * rows.batch_size,
        attention_per_token=rows.attention / (fill * rows.slots),
    )


def advise(
    lengths: np.ndarray,
    current: Rows,
    *,
    max_truncation: float = 0.01,
    max_attention: float = 1.1,
) -> Advice:
    """Searches row lengths for a mixture.

    For each input cap the targets are sought that fill rows best and cut no
    more than is allowed; for each causal row the split that loses the fewest
    tokens. Rows per step keep the slots of a step near to the run's own.

    Args:
      lengths: int64 [n, 2], as for `examine`.
      current: The run's rows.
      max_truncation: Share of examples that may be cut, on each side.
      max_attention: Attention per token that is worth more fill, over the
        run's own.

    Raises:
      ValueError: The run's own rows leave no example.
    """
    own = examine(lengths, current)
    choices = [
        (_best_split if current.is_causal else _best_targets)(lengths, options, max_truncation)
        for options in _candidates(lengths, current)
    ]
    advice = Advice(own, tuple(choices), None, max_truncation, max_attention)
    return advice._replace(recommended=recommend(advice))


def recommend(advice: Advice) -> Choice | None:
    """Returns the choice to take; None where all cut too much.

    Of those that cut no more than `max_truncation` on either side, and whose
    attention is at most `max_attention` times the run's own, the best filled,
    or a shorter row that is filled as well within NEAR; of rows of one length
    the better filled, then the one that cuts less, then the first. Where all
    ask for more attention, the one that asks for least.
    """
    allowed = [choice for choice in advice.listed() if choice.cut <= advice.max_truncation]
    if not allowed:
        return None
    most = advice.max_attention * advice.current.attention_per_token
    cheap = [choice for choice in allowed if choice.attention_per_token <= most]
    if not cheap:
        return min(allowed, key=lambda choice: choice.attention_per_token)
    enough = max(choice.fill for choice in cheap) - NEAR
    near = [choice for choice in cheap if choice.fill >= enough]
    return min(near, key=lambda choice: (choice.slots, -choice.fill, choice.cut))


def fitting_batch_size(slots_per_step: int, slots: int, multiple: int) -> int:
    """Returns the rows of `slots` each that come nearest to a step's slots.

    Args:
      slots_per_step: What they should hold together.
      slots: Room of a row.
      multiple: What the rows must be a multiple of; at least one such is taken.
    """
    return max(1, math.floor(slots_per_step / (slots * multiple) + 0.5)) * multiple


def _fitted(lengths: np.ndarray, rows: Rows) -> tuple[np.ndarray, np.ndarray]:
    """Returns what is left of examples, int64 [m, 2], and which were cut, bool [n, 2]."""
    caps = np.asarray([rows.inputs + rows.is_causal, rows.targets])
    is_cut = lengths > caps
    if rows.is_dropping:
        return lengths[~is_cut.any(axis=1)], is_cut
    return np.minimum(lengths, caps), is_cut


def _costs(fitted: np.ndarray, rows: Rows) -> np.ndarray:
    """Returns the room that examples take, as Layout.costs does."""
    return fitted.sum(axis=1, keepdims=True) - 1 if rows.is_causal else fitted


def _bound(costs: np.ndarray, rows: Rows) -> float:
    return int(costs.sum()) / (least_rows(costs, rows.capacities) * rows.slots)


def _candidates(lengths: np.ndarray, current: Rows) -> Iterator[list[Rows]]:
    """Yields, for each row that is tried, its ways to give room to targets."""
    totals = lengths.sum(axis=1) - 1 if current.is_causal else lengths[:, 0]
    for length in _worth_trying(ROW_LENGTHS if current.is_causal else INPUT_CAPS, totals):
        options = []
        for targets in _target_caps(lengths, length, is_causal=current.is_causal):
            inputs = length - targets if current.is_causal else length
            batch_size = fitting_batch_size(
                current.batch_size * current.slots, inputs + targets, current.multiple
            )
            found = current._replace(inputs=inputs, targets=targets, batch_size=batch_size)
            if len(_fitted(lengths, found)[0]):
                options.append(found)
        if options:
            yield options


def _worth_trying(caps: Sequence[int], lengths: np.ndarray) -> list[int]:
    """Returns caps from half of the examples' to room for several of the longest."""
    fewest, most = np.median(lengths), _ENOUGH * lengths.max()
    beyond = [cap for cap in caps if cap >= most][:1]
    return [cap for cap in caps if fewest <= cap < most] + beyond


def _target_caps(lengths: np.ndarray, length: int, *, is_causal: bool) -> list[int]:
    """Returns caps of targets, from half of the examples' to more than any needs.

    An encoder row of `length` wants targets in the proportion of the means,
    and twice that is tried.
    """
    inputs, targets = lengths.mean(axis=0)
    most = max(int(lengths[:, 1].max()), math.ceil(2 * length * targets / inputs))
    fewest = np.median(lengths[:, 1])
    found = [cap for cap in _ladder(most) if cap >= fewest]
    return [cap for cap in found if cap <= length - 2] if is_causal else found


def _ladder(most: int) -> list[int]:
    """Returns caps to `most` or one beyond, ever coarser.

    4, 8, ... 32, 40, ... 64, 80, ... 512, 544, and from there 16 an octave.
    """
    found = [4]
    while found[-1] < most:
        last = found[-1]
        coarse = 1 << (last.bit_length() - 1) >> 4
        step = 4 if last < 32 else 8 if last < 64 else max(16, coarse)
        found.append(last + step)
    return found


def _best_targets(lengths: np.ndarray, options: Sequence[Rows], max_truncation: float) -> Choice:
    """Returns the best filled of some rows whose targets are cut seldom enough.

    Options are packed in the order of their bounds, until no bound is above
    the fill that has been reached.
    """
    longest = lengths[:, 1]
    allowed = [rows for rows in options if (longest > rows.targets).mean() <= max_truncation]
    bounds = [(_bound(_costs(_fitted(lengths, rows)[0], rows), rows), rows) for rows in allowed]
    best: Choice | None = None
    for bound, rows in sorted(bounds, key=lambda entry: (-entry[0], entry[1].targets)):
        if best is not None and bound <= best.fill + _SEARCH_NEAR:
            break
        found = examine(lengths, rows)
        if best is None or found.fill > best.fill:
            best = found
    assert best is not None, "the longest cap cuts no target"
    return best


def _best_split(lengths: np.ndarray, options: Sequence[Rows], max_truncation: float) -> Choice:
    """Returns the split of a causal row that loses the fewest tokens.

    One that cuts more than is allowed on a side comes after all others; of
    equal ones the one with the shortest targets is taken.
    """

    def badness(rows: Rows) -> tuple[bool, int]:
        fitted, is_cut = _fitted(lengths, rows)
        return bool(is_cut.mean(axis=0).max() > max_truncation), -int(fitted.sum())

    return examine(lengths, min(options, key=badness))
