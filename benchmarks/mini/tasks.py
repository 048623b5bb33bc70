"""The miniature task by task: what a cluster's mean is made of."""

from __future__ import annotations

import collections
import statistics
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from benchmarks.mini import table

HEADS = ("task", "chance", "majority", "untuned", "tuned", "trained on")
_PARTS = {("text", "held_out"): "untuned", ("tuned", "held_out"): "tuned",
          ("tuned", "seen"): "trained on"}  # fmt: skip


def rows(results: Sequence[Mapping[str, Any]], family: str) -> Iterator[tuple[str, ...]]:
    """Yields the cells below HEADS: means over wordings and runs, ± one standard error over seeds.

    Args:
      results: All results.
      family: Of grid.FAMILIES.
    """
    known: dict[str, Mapping[str, Any]] = {}
    scores: dict[tuple[str, str], dict[int, list[float]]] = {}
    for column, seed, name, task in _scored(results, family):
        seeds = scores.setdefault((name, column), collections.defaultdict(list))
        seeds[seed].append(task["mean"])
        known.setdefault(name, task)
    for name, task in known.items():
        floors = (task["chance"], task["majority"])
        told = ["-" if floor is None else f"{floor:.1f}" for floor in floors]
        told += [_text(scores.get((name, column), {})) for column in HEADS[3:]]
        yield (name, *told)


def _scored(
    results: Sequence[Mapping[str, Any]], family: str
) -> Iterator[tuple[str, int, str, Mapping[str, Any]]]:
    """Yields column, seed, task and its scores, of every run that a column is of."""
    for (study, part), column in _PARTS.items():
        for result in results:
            run = result["run"]
            if (run["study"], run["family"], run["size"]) == (study, family, "base"):
                for tasks in result.get(part, {}).values():
                    yield from ((column, run["seed"], *pair) for pair in tasks.items())


def _text(seeds: Mapping[int, Sequence[float]]) -> str:
    means = [statistics.fmean(values) for values in seeds.values()]
    return table.over_seeds(means).text() if means else "-"
