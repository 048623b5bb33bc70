"""Which examples stand in which row: decided from lengths alone.

The plan is a sequence of windows. A window is a pure function of the seed and
its index, so any window can be computed first, on any host.

```
 shares ----> draws of each task in window w ----> shuffled examples ---first fit--> rows
 (exact: floor((w + 1) W share) - floor(w W share))
```
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from flanjax.base import stable_hash

WINDOW = 4096
"""Examples in a window: a shuffle this wide, and one ragged end this often."""

_SHARE_BITS = 40


class Rows(NamedTuple):
    """The rows of a window, each a run of examples.

    Attributes:
      tasks: int32 [n], which task each example is of.
      examples: int64 [n], its index in that task's store.
      offsets: int64 [rows + 1], where each row starts.
    """

    tasks: np.ndarray
    examples: np.ndarray
    offsets: np.ndarray

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def row(self, index: int) -> list[tuple[int, int]]:
        """Returns the (task, example) pairs of a row, in order."""
        start, end = self.offsets[index : index + 2]
        pairs = zip(self.tasks[start:end], self.examples[start:end], strict=True)
        return [(int(task), int(example)) for task, example in pairs]


class Position(NamedTuple):
    """Where the next row of the plan is read: the whole state of the data."""

    window: int = 0
    row: int = 0


class Plan:
    """The order of a run's examples and rows.

    Args:
      seed: The run's seed.
      names: Task names; they seed each task's shuffles.
      shares: Each task's share of the examples; they sum to one.
      num_records: Records of each task.
      costs: Per task, int64 [examples, axes]: room that each example takes.
      capacities: Room in a row, per axis: (inputs, targets) for an
        encoder-decoder, (tokens,) for a causal model.
      window: Examples in a window.
    """

    def __init__(
        self,
        *,
        seed: int,
        names: Sequence[str],
        shares: Mapping[str, float],
        num_records: Sequence[int],
        costs: Sequence[np.ndarray],
        capacities: tuple[int, ...],
        window: int = WINDOW,
    ):
        for name, cost in zip(names, costs, strict=True):
            if cost.size and (cost.max(axis=0) > np.asarray(capacities)).any():
                raise ValueError(
                    f"task {name}: an example must fit a row of {capacities}, got "
                    f"{tuple(cost.max(axis=0).tolist())}; cut it or raise task_feature_lengths."
                )
        self.seed = seed
        self.names = tuple(names)
        self.num_records = tuple(num_records)
        self.costs = tuple(costs)
        self.capacities = capacities
        self.window = window
        self._shares = tuple(round(shares[name] * (1 << _SHARE_BITS)) for name in names)
        self._rows = functools.lru_cache(maxsize=2)(self._make_rows)
        self._order = functools.lru_cache(maxsize=2 * len(names))(self._make_order)

    def num_draws(self, task: int, window: int) -> int:
        """Returns how many examples of a task stand before a window."""
        return (window * self.window * self._shares[task]) >> _SHARE_BITS

    def rows(self, window: int) -> Rows:
        """Returns the rows of a window."""
        return self._rows(window)

    def walk(self, position: Position) -> Iterator[tuple[list[tuple[int, int]], Position]]:
        """Yields rows from a position on, each with the position after it."""
        window, row = position
        while True:
            rows = self.rows(window)
            for index in range(row, len(rows)):
                is_last = index + 1 == len(rows)
                after = Position(window + 1, 0) if is_last else Position(window, index + 1)
                yield rows.row(index), after
            window, row = window + 1, 0

    def _make_rows(self, window: int) -> Rows:
        tasks, examples = self._examples(window)
        pairs = zip(tasks, examples, strict=True)
        costs = np.stack([self.costs[task][example] for task, example in pairs])
        row_of = first_fit(costs, self.capacities)
        num_rows = int(row_of.max()) + 1
        order = np.argsort(
            _mix(np.arange(num_rows, dtype=np.uint64), stable_hash("rows", self.seed, window)),
            kind="stable",
        )
        place = np.empty(num_rows, np.int64)
        place[order] = np.arange(num_rows)
        by_row = np.argsort(place[row_of], kind="stable")
        counts = np.bincount(place[row_of], minlength=num_rows)
        offsets = np.concatenate([[0], np.cumsum(counts)])
        return Rows(tasks[by_row], examples[by_row], offsets)

    def _examples(self, window: int) -> tuple[np.ndarray, np.ndarray]:
        tasks, examples = [], []
        for task in range(len(self.names)):
            drawn = np.arange(self.num_draws(task, window), self.num_draws(task, window + 1))
            tasks.append(np.full(len(drawn), task, np.int32))
            examples.append(self._draw(task, drawn))
        all_tasks, all_examples = np.concatenate(tasks), np.concatenate(examples)
        seed = stable_hash("window", self.seed, window)
        order = np.argsort(_mix(np.arange(len(all_tasks), dtype=np.uint64), seed), kind="stable")
        return all_tasks[order], all_examples[order]

    def _draw(self, task: int, drawn: np.ndarray) -> np.ndarray:
        """Maps a task's draw numbers to examples: each record once a pass."""
        size = self.num_records[task]
        num_passes = len(self.costs[task]) // size
        pass_index = drawn // size
        examples = np.empty(len(drawn), np.int64)
        for p in np.unique(pass_index):
            here = pass_index == p
            records = self._order(task, int(p))[drawn[here] % size]
            examples[here] = (p % num_passes) * size + records
        return examples

    def _make_order(self, task: int, pass_index: int) -> np.ndarray:
        seed = stable_hash("pass", self.names[task], self.seed, pass_index)
        keys = _mix(np.arange(self.num_records[task], dtype=np.uint64), seed)
        return np.argsort(keys, kind="stable")


def first_fit(costs: np.ndarray, capacities: tuple[int, ...]) -> np.ndarray:
    """Puts each example into the first row with room for it.

    Args:
      costs: int64 [n, axes].
      capacities: Room per axis.

    Returns:
      int64 [n], the row of each example.

    Example:
      costs [[3], [3], [1], [2]], capacity 4 -> rows [0, 1, 0, 2]
    """
    room = np.tile(np.asarray(capacities, np.int64), (len(costs), 1))
    row_of = np.empty(len(costs), np.int64)
    num_open = 0
    for index, cost in enumerate(costs):
        fits = (room[: num_open + 1] >= cost).all(axis=1)
        row = int(fits.argmax())
        room[row] -= cost
        row_of[index] = row
        num_open = max(num_open, row + 1)
    return row_of


def _mix(values: np.ndarray, seed: int) -> np.ndarray:
    """Hashes uint64 values (the SplitMix64 finalizer, Steele et al. 2014)."""
    with np.errstate(over="ignore"):
        z = values * np.uint64(0x9E3779B97F4A7C15) + np.uint64(seed)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return z ^ (z >> np.uint64(31))
