"""Which examples stand in which row: decided from lengths alone.

The plan is a sequence of windows. A window is a pure function of the seed and
its index, so any window can be computed first, on any host.

```
 shares ----> draws of each task in window w ----> shuffled examples ---pack_rows--> rows
 (exact: what stands before w + 1, less what stands before w)
```
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from flanjax.base import stable_hash
from flanjax.engine.bin_packing import pack_rows
from flanjax.engine.permutation import permuted, shuffled

MIN_WINDOW, MAX_WINDOW = 1_024, 65_536
"""Draws in a window: a shuffle this wide, and one ragged row this often."""

ALGORITHM = 2
"""Raised whenever the same arguments would give other rows."""

_SHARE_BITS = 40

CostFn: TypeAlias = Callable[[np.ndarray], np.ndarray]
"""Example numbers int64 [n] -> int64 [n, axes], the room that each takes."""


class PlannedTask(NamedTuple):
    """What the plan knows of a task.

    Attributes:
      name: The task's name; it seeds the task's shuffles.
      pass_sizes: Units in each prepared pass; when all are used up, the first
        comes again, in another order.
      costs: The room that examples take.
      group: Examples in a unit; they stand side by side in one row. 2 for
        preference pairs, chosen before rejected; 1 for everything else. Unit
        u is the examples u * group to (u + 1) * group - 1.
    """

    name: str
    pass_sizes: tuple[int, ...]
    costs: CostFn
    group: int = 1


class Stage(NamedTuple):
    """Shares from some draw of the run on.

    Attributes:
      start: The draw, counted over all tasks, from which the shares hold.
      shares: Each task's share of the draws; they sum to one.
    """

    start: int
    shares: Mapping[str, float]


class Rows(NamedTuple):
    """The rows of a window, each a run of examples.

    Attributes:
      tasks: int32 [n], which task each example is of.
      examples: int64 [n], its number among that task's examples.
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


def fitting_window(num_units: int) -> int:
    """Returns draws for a window: one pass over `num_units`, within limits."""
    return min(max(num_units, MIN_WINDOW), MAX_WINDOW)


class Plan:
    """The order of a run's examples and rows.

    Args:
      seed: The run's seed.
      tasks: The tasks drawn from.
      stages: Shares over the run; the first starts at draw 0.
      capacities: Room in a row, per axis: (inputs, targets) for an
        encoder-decoder, (tokens,) for a causal model.
      window: Draws in a window; None fits it to the tasks.

    Raises:
      ValueError: A task has nothing to draw, or the stages are out of order.
    """

    def __init__(
        self,
        *,
        seed: int,
        tasks: Sequence[PlannedTask],
        stages: Sequence[Stage],
        capacities: tuple[int, ...],
        window: int | None = None,
    ):
        for task in tasks:
            if not task.pass_sizes or min(task.pass_sizes) < 1:
                raise ValueError(
                    f"task {task.name}: every pass must have examples, got sizes "
                    f"{task.pass_sizes}; check what was dropped of it."
                )
        _check_stages(stages)
        self.seed = seed
        self.tasks = tuple(tasks)
        self.stages = tuple(stages)
        self.capacities = capacities
        self.window = window or fitting_window(sum(task.pass_sizes[0] for task in tasks))
        self._pass_ends = [np.cumsum(task.pass_sizes) for task in tasks]
        self._shares = [
            [round(stage.shares.get(task.name, 0.0) * (1 << _SHARE_BITS)) for stage in stages]
            for task in tasks
        ]
        self._rows = functools.lru_cache(maxsize=1)(self.make_rows)

    def identity(self) -> dict[str, Any]:
        """Returns what decides the order of rows, lengths aside, as JSON values."""
        return {
            "algorithm": ALGORITHM,
            "seed": self.seed,
            "window": self.window,
            "capacities": list(self.capacities),
            "groups": {task.name: task.group for task in self.tasks},
            "stages": [[stage.start, dict(stage.shares)] for stage in self.stages],
        }

    def num_draws(self, task: int, window: int) -> int:
        """Returns how many units of a task stand before a window."""
        lengths = self._stage_lengths(window * self.window)
        return sum(n * share for n, share in zip(lengths, self._shares[task], strict=True)) >> (
            _SHARE_BITS
        )

    def shares_until(self, num_draws: int) -> list[float]:
        """Returns each task's share of the first so many draws, as asked."""
        weights = self._stage_lengths(num_draws)
        total = sum(weights) << _SHARE_BITS
        return [
            sum(w * share for w, share in zip(weights, shares, strict=True)) / total
            for shares in self._shares
        ]

    def _stage_lengths(self, end: int) -> list[int]:
        """Returns how many of the draws before `end` lie in each stage."""
        starts = [min(stage.start, end) for stage in self.stages]
        return [after - start for start, after in zip(starts, [*starts[1:], end], strict=True)]

    def rows(self, window: int) -> Rows:
        """Returns the rows of a window; the last one asked for is kept."""
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

    def make_rows(self, window: int) -> Rows:
        """Returns the rows of a window, computed anew."""
        tasks, units = self._units(window)
        groups = np.asarray([task.group for task in self.tasks], np.int64)[tasks]
        costs = self._unit_costs(tasks, units)
        packed = pack_rows(costs, self.capacities)
        order, offsets = _shuffled_rows(
            packed.order, packed.offsets, stable_hash("rows", self.seed, window)
        )
        return _spread_groups(tasks[order], units[order], groups[order], offsets)

    def _units(self, window: int) -> tuple[np.ndarray, np.ndarray]:
        """Returns the task and number of each unit of a window, shuffled."""
        tasks, units = [], []
        for task in range(len(self.tasks)):
            drawn = np.arange(self.num_draws(task, window), self.num_draws(task, window + 1))
            tasks.append(np.full(len(drawn), task, np.int32))
            units.append(self._draw(task, drawn))
        order = shuffled(sum(map(len, units)), stable_hash("window", self.seed, window))
        return np.concatenate(tasks)[order], np.concatenate(units)[order]

    def _draw(self, task: int, drawn: np.ndarray) -> np.ndarray:
        """Maps a task's draw numbers to units: each once a pass."""
        ends = self._pass_ends[task]
        cycle, within = np.divmod(drawn, ends[-1])
        pass_index = np.searchsorted(ends, within, side="right")
        units = np.empty(len(drawn), np.int64)
        for c, p in sorted(set(zip(cycle.tolist(), pass_index.tolist(), strict=True))):
            here = (cycle == c) & (pass_index == p)
            size = self.tasks[task].pass_sizes[p]
            start = int(ends[p]) - size
            seed = stable_hash("pass", self.tasks[task].name, self.seed, c, p)
            units[here] = start + permuted(within[here] - start, size, seed)
        return units

    def _unit_costs(self, tasks: np.ndarray, units: np.ndarray) -> np.ndarray:
        costs = np.empty((len(units), len(self.capacities)), np.int64)
        for number in np.unique(tasks):
            task, here = self.tasks[number], np.flatnonzero(tasks == number)
            examples = units[here, None] * task.group + np.arange(task.group)
            each = task.costs(examples.reshape(-1)).reshape(len(here), task.group, -1)
            costs[here] = each.sum(axis=1)
            self._check_fit(task, costs[here])
        return costs

    def _check_fit(self, task: PlannedTask, costs: np.ndarray) -> None:
        longest = tuple(costs.max(axis=0).tolist())
        if any(cost > room for cost, room in zip(longest, self.capacities, strict=True)):
            what = "an example" if task.group == 1 else f"{task.group} examples of one unit"
            raise ValueError(
                f"task {task.name}: {what} must fit a row of {self.capacities}, got {longest}; "
                "cut it or raise task_feature_lengths."
            )


def _check_stages(stages: Sequence[Stage]) -> None:
    starts = [stage.start for stage in stages]
    if not starts or starts[0] != 0 or sorted(set(starts)) != starts:
        raise ValueError(
            f"stages must start at draw 0 and go on in order, got starts {starts}; sort them."
        )


def _shuffled_rows(
    order: np.ndarray, offsets: np.ndarray, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Returns the same rows in another order."""
    rows = shuffled(len(offsets) - 1, seed)
    sizes = np.diff(offsets)[rows]
    ends = np.cumsum(sizes)
    taken = np.repeat(offsets[rows] - (ends - sizes), sizes) + np.arange(len(order))
    return order[taken], np.concatenate([[0], ends])


def _spread_groups(
    tasks: np.ndarray, units: np.ndarray, groups: np.ndarray, offsets: np.ndarray
) -> Rows:
    """Returns rows of examples from rows of units."""
    if (groups == 1).all():
        return Rows(tasks, units, offsets)
    ends = np.cumsum(groups)
    member = np.arange(ends[-1]) - np.repeat(ends - groups, groups)
    examples = np.repeat(units * groups, groups) + member
    return Rows(np.repeat(tasks, groups), examples, np.concatenate([[0], ends])[offsets])
