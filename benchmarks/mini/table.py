"""The miniature's results as one table, and as lines over what a study changes."""

from __future__ import annotations

import collections
import json
import pathlib
import statistics
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from flanjax.evaluation.results import standard_error

COLUMNS = ("untuned", "words", "nearest", "dataset_name", "shuffled", "tuned")
"""What a held-out cluster is scored with, from the least to the most."""


class Value(NamedTuple):
    """A score over seeds.

    Attributes:
      mean: Mean over seeds of the mean over a cluster's tasks, 0 to 100.
      error: Its standard error over seeds; None for a single one.
      num_seeds: How many seeds.
    """

    mean: float
    error: float | None
    num_seeds: int

    def text(self) -> str:
        """Returns "41.2", or "41.2 ± 1.3" where there are several seeds."""
        return f"{self.mean:.1f}" + ("" if self.error is None else f" \u00b1 {self.error:.1f}")


def over_seeds(values: Sequence[float]) -> Value:
    """Returns mean and standard error of one score for each seed."""
    return Value(statistics.fmean(values), standard_error(list(values)), len(values))


def read(folder: pathlib.Path) -> list[dict[str, Any]]:
    """Returns all results of a folder, by name."""
    return [json.loads(path.read_text("utf-8")) for path in sorted(folder.glob("*.json"))]


def cluster_mean(tasks: Mapping[str, Mapping[str, Any]]) -> float:
    """Returns the mean of a cluster's task means, each task counting once."""
    return statistics.fmean(task["mean"] for task in tasks.values())


class Cell(NamedTuple):
    """Where a score stands.

    Attributes:
      family: "t5" or "decoder".
      cluster: What was held out.
      column: Of COLUMNS.
    """

    family: str
    cluster: str
    column: str


def held_out(results: Iterable[Mapping[str, Any]]) -> dict[Cell, Value]:
    """Returns what each held-out cluster scored, over seeds."""
    found: dict[Cell, list[float]] = collections.defaultdict(list)
    for result in results:
        run = result["run"]
        if run["size"] != "base" or run["study"] not in (*COLUMNS, "text"):
            continue
        column = "untuned" if run["study"] == "text" else run["study"]
        for cluster, tasks in result["held_out"].items():
            found[Cell(run["family"], cluster, column)].append(cluster_mean(tasks))
    return {cell: over_seeds(values) for cell, values in found.items()}


def baselines(results: Iterable[Mapping[str, Any]]) -> dict[str, tuple[float | None, float | None]]:
    """Returns chance and majority of each cluster; None where a task has neither."""
    found = {}
    for result in results:
        for cluster, tasks in result["held_out"].items():
            found[cluster] = tuple(
                None
                if any(task[name] is None for task in tasks.values())
                else statistics.fmean(task[name] for task in tasks.values())
                for name in ("chance", "majority")
            )
    return found  # type: ignore[return-value]


class Point(NamedTuple):
    """A place on a line of a study.

    Attributes:
      held_out: The cluster.
      x: How many clusters or templates, or how many parameters.
      value: The score.
    """

    held_out: str
    x: float
    value: Value


def line(results: Iterable[Mapping[str, Any]], study: str, *, last: float) -> list[Point]:
    """Returns a study's points, that of the whole run at `last` among them.

    Args:
      results: All results.
      study: "clusters" or "templates".
      last: What the runs that change nothing have.
    """
    found: dict[tuple[str, float], list[float]] = collections.defaultdict(list)
    kept = [r for r in results if r["run"]["family"] == "t5" and r["run"]["size"] == "base"]
    probed = {r["run"]["hold_out"] for r in kept if r["run"]["study"] == study}
    for result in kept:
        run = result["run"]
        if run["hold_out"] not in probed or run["study"] not in (study, "tuned"):
            continue
        x = float(run["changed"]) if run["study"] == study else last
        (tasks,) = result["held_out"].values()
        found[run["hold_out"], x].append(cluster_mean(tasks))
    return [Point(cluster, x, over_seeds(values)) for (cluster, x), values in sorted(found.items())]


def markdown(results: Sequence[Mapping[str, Any]], family: str) -> str:
    """Returns the table of a family, a row for each held-out cluster."""
    scores, known = held_out(results), baselines(results)
    lines = [
        "| held out | chance | " + " | ".join(COLUMNS) + " |",
        "|---|---|" + "---|" * len(COLUMNS),
    ]
    for cluster in sorted(known):
        chance = known[cluster][0]
        cells = [scores.get(Cell(family, cluster, column)) for column in COLUMNS]
        told = ["-" if cell is None else cell.text() for cell in cells]
        floor = "-" if chance is None else f"{chance:.1f}"
        lines.append(f"| {cluster} | {floor} | {' | '.join(told)} |")
    return "\n".join(lines) + "\n"
