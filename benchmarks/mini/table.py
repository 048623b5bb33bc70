"""The miniature's results as one table, and as lines over what a study changes."""

from __future__ import annotations

import collections
import json
import pathlib
import statistics
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from benchmarks.mini.grid import FAMILIES, NUM_TEMPLATES, SIZES
from flanjax.evaluation.results import standard_error

TITLES = {"t5": "Encoder-decoder", "decoder": "Causal model"}
"""Family -> what readers call it."""

COLUMNS = ("untuned", "words", "nearest", "dataset_name", "shuffled", "uninverted", "tuned")
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

    def text(self, sign: str = "") -> str:
        """Returns "41.2", or "41.2 ± 1.3" where there are several; "+" writes the sign."""
        error = "" if self.error is None else f" \u00b1 {self.error:.1f}"
        return f"{round(self.mean, 1) + 0.0:{sign}.1f}{error}"  # no "-0.0"


def over_seeds(values: Sequence[float]) -> Value:
    """Returns mean and standard error of one score for each seed."""
    return Value(statistics.fmean(values), standard_error(list(values)), len(values))


def read(folder: pathlib.Path) -> list[dict[str, Any]]:
    """Returns all results of a folder, by name.

    Raises:
      ValueError: They are of several worlds, or of models trained for unlike numbers of steps.
    """
    results = [json.loads(path.read_text("utf-8")) for path in sorted(folder.glob("*.json"))]
    worlds = {result["world"] for result in results}
    if len(worlds) > 1:
        raise ValueError(
            f"results of {folder} must be of one world, got {', '.join(sorted(worlds))}; "
            "remove those of the others."
        )
    steps: dict[tuple[str, bool], set[str]] = collections.defaultdict(set)
    for result in results:
        if "facts" in result:  # the bag of words takes no steps
            kind = (result["run"]["family"], result["run"]["study"] == "text")
            steps[kind].add(result["facts"]["steps"])
    for (family, is_text), found in steps.items():
        if len(found) > 1:
            raise ValueError(
                f"{'texts' if is_text else 'tuned models'} of {family} in {folder} must have "
                f"equally many steps, got {', '.join(sorted(found, key=int))}; remove some."
            )
    return results


def cluster_mean(tasks: Mapping[str, Mapping[str, Any]]) -> float:
    """Returns the mean of a cluster's task means, each task counting once."""
    return statistics.fmean(task["mean"] for task in tasks.values())


class Cell(NamedTuple):
    """Where a score stands.

    Attributes:
      family: "t5" or "decoder"; "words" for the baseline, which is of neither.
      cluster: What was held out.
      column: Of COLUMNS.
    """

    family: str
    cluster: str
    column: str


def by_seed(results: Iterable[Mapping[str, Any]]) -> dict[Cell, dict[int, float]]:
    """Returns what each held-out cluster scored, by seed."""
    found: dict[Cell, dict[int, float]] = collections.defaultdict(dict)
    for result in results:
        run = result["run"]
        if run["size"] != "base" or run["study"] not in (*COLUMNS, "text"):
            continue
        column = "untuned" if run["study"] == "text" else run["study"]
        for cluster, tasks in result["held_out"].items():
            found[Cell(run["family"], cluster, column)][run["seed"]] = cluster_mean(tasks)
    return found


def held_out(results: Iterable[Mapping[str, Any]]) -> dict[Cell, Value]:
    """Returns what each held-out cluster scored, over seeds."""
    return {cell: over_seeds(list(scores.values())) for cell, scores in by_seed(results).items()}


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
      x: How many clusters or templates; of a size, its place in SIZES.
      value: The score.
    """

    x: float
    value: Value


class Line(NamedTuple):
    """What a study found for a held-out cluster.

    Attributes:
      seeds: Those that have every point: points of unlike seeds would tell of the seeds.
      points: By x, over these seeds.
      untuned: The models of text that the points started from, by x; of sizes alone.
    """

    seeds: tuple[int, ...]
    points: list[Point]
    untuned: list[Point]


def line(results: Iterable[Mapping[str, Any]], study: str, held: str) -> Line:
    """Returns a study's points for a held-out cluster.

    Args:
      results: All results.
      study: "clusters", "templates" or "size".
      held: One of the clusters that it holds out.
    """
    found: dict[float, dict[int, float]] = collections.defaultdict(dict)
    untuned: dict[float, dict[int, float]] = collections.defaultdict(dict)
    for result in results:
        run = result["run"]
        if (x := _x(result, study)) is not None:
            found[x][run["seed"]] = cluster_mean(result["held_out"][held])
        elif study == "size" and _is_start(result) and held in result["held_out"]:
            x = float(SIZES.index(run["size"]))
            untuned[x][run["seed"]] = cluster_mean(result["held_out"][held])
    seeds = shared_seeds(found.values())
    starts = {x: scores for x, scores in untuned.items() if set(seeds) <= scores.keys()}
    return Line(seeds, _points(found, seeds), _points(starts, seeds))


def _is_start(result: Mapping[str, Any]) -> bool:
    return (result["run"]["study"], result["run"]["family"]) == ("text", "t5")


def shared_seeds(scores: Iterable[Mapping[int, float]]) -> tuple[int, ...]:
    """Returns the seeds that all of some scores by seed have, in order."""
    each = [set(known) for known in scores]
    return tuple(sorted(set.intersection(*each))) if each else ()


def _points(scores: Mapping[float, Mapping[int, float]], seeds: Sequence[int]) -> list[Point]:
    if not seeds:
        return []
    return [Point(x, over_seeds([scores[x][seed] for seed in seeds])) for x in sorted(scores)]


def _x(result: Mapping[str, Any], study: str) -> float | None:
    """Returns where a result stands on a study's line, None for nowhere."""
    run = result["run"]
    if study == "size" and run["study"] in ("size", "together"):
        return float(SIZES.index(run["size"]))
    if run["study"] == study:
        return float(run["changed"])
    if study == "clusters" and run["study"] == "together":
        return float(result["num_clusters"])
    is_whole = run["study"] == "wording" and run["changed"] == "instruction"
    return float(NUM_TEMPLATES[-1]) if study == "templates" and is_whole else None


REFERENCES = ("uninverted", "tuned")
"""What columns are subtracted from: other wordings have no inverted template either."""


class Difference(NamedTuple):
    """How far some models lie from a column, over clusters.

    Attributes:
      value: Mean over clusters of the mean over the seeds that both have, and its standard error
        over clusters.
      num_better: Clusters where these models score more.
      num_clusters: Of so many.
    """

    value: Value
    num_better: int
    num_clusters: int


def differences(
    results: Iterable[Mapping[str, Any]],
    family: str,
    *,
    of: Collection[str] | None = None,
    reference: str = "tuned",
) -> dict[str, Difference]:
    """Returns what tuning adds to each column, over the clusters that have both.

    Args:
      results: All results.
      family: Of FAMILIES.
      of: Only these clusters; None for all.
      reference: Of REFERENCES, which models are tuned.
    """
    scores = by_seed(results)
    found = {}
    for column in (name for name in COLUMNS[:-1] if name != reference):
        values = [
            added
            for (kind, cluster, name), known in scores.items()
            if name == column
            and kind in (family, "words")
            and (of is None or cluster in of)
            and (added := _added(scores.get(Cell(family, cluster, reference), {}), known, kind))
            is not None
        ]
        if values:
            num_better = sum(value > 0 for value in values)
            found[column] = Difference(over_seeds(values), num_better, len(values))
    return found


def _added(tuned: Mapping[int, float], known: Mapping[int, float], kind: str) -> float | None:
    """Returns how much more tuned models score, seed by seed; the bag of words has no seed."""
    if kind == "words":
        known = dict.fromkeys(tuned, statistics.fmean(known.values()))
    values = [tuned[seed] - known[seed] for seed in tuned if seed in known]
    return statistics.fmean(values) if values else None


def over_pairs(
    results: Iterable[Mapping[str, Any]], cell: Cell, less: str = "untuned"
) -> Value | None:
    """Returns how much more a cell scores than another column, seed by seed; None for no pair."""
    scores = by_seed(results)
    known, other = (scores.get(c, {}) for c in (cell, cell._replace(column=less)))
    values = [known[seed] - other[seed] for seed in known if seed in other]
    return over_seeds(values) if values else None


def wordings(results: Iterable[Mapping[str, Any]], held: str) -> dict[str, Value]:
    """Returns what a cluster scored with each thing that training put before the fields.

    Over the seeds that have them all.
    """
    found: dict[str, dict[int, float]] = collections.defaultdict(dict)
    for result in results:
        if (run := result["run"])["study"] in ("wording", "together"):
            name = run["changed"] or "with inverted"
            found[name][run["seed"]] = cluster_mean(result["held_out"][held])
    seeds = shared_seeds(found.values())
    order = ("none", "dataset_name", "shuffled", "instruction", "with inverted")
    there = [name for name in order if name in found and seeds]
    return {name: over_seeds([found[name][seed] for seed in seeds]) for name in there}


def seen(results: Iterable[Mapping[str, Any]], family: str) -> dict[str, Value]:
    """Returns what each cluster scored in the runs that trained on it, a mean for each seed."""
    found: dict[str, dict[int, list[float]]] = {}
    for result in results:
        if result["run"]["study"] == "tuned" and result["run"]["family"] == family:
            for cluster, tasks in result.get("seen", {}).items():
                seeds = found.setdefault(cluster, collections.defaultdict(list))
                seeds[result["run"]["seed"]].append(cluster_mean(tasks))
    return {
        cluster: over_seeds([statistics.fmean(values) for values in seeds.values()])
        for cluster, seeds in found.items()
    }


def cells(results: Sequence[Mapping[str, Any]], family: str) -> dict[str, dict[str, Value]]:
    """Returns cluster -> column -> score, of what there is."""
    scores = held_out(results)
    found: dict[str, dict[str, Value]] = {}
    for cluster in sorted({cell.cluster for cell in scores}):
        row = {}
        for column in COLUMNS:
            kind = "words" if column == "words" else family
            if (value := scores.get(Cell(kind, cluster, column))) is not None:
                row[column] = value
        found[cluster] = row
    return found


HEADS = ("held out", "chance", "majority", *COLUMNS, "tuned less untuned", "trained on")


def rows(results: Sequence[Mapping[str, Any]], family: str) -> Iterator[list[str]]:
    """Yields the cells below HEADS: each held-out cluster, then what tuning adds to a column."""
    known, learnt = baselines(results), seen(results, family)
    for cluster, row in cells(results, family).items():
        told = ["-" if score is None else f"{score:.1f}" for score in known[cluster]]
        told += [row[column].text() if column in row else "-" for column in COLUMNS]
        added = over_pairs(results, Cell(family, cluster, "tuned"))
        told.append("-" if added is None else added.text("+"))
        told.append(learnt[cluster].text() if cluster in learnt else "-")
        yield [cluster, *told]
    for name, told in _less_columns(results, family):
        yield [name, "", "", *told, "", ""]


def _less_columns(
    results: Sequence[Mapping[str, Any]], family: str, of: Collection[str] | None = None
) -> Iterator[tuple[str, list[str]]]:
    """Yields rows of what each reference scores more than each column, where there is one."""
    for reference in REFERENCES:
        differ = differences(results, family, of=of, reference=reference)
        told = [differ[name].value.text("+") if name in differ else "" for name in COLUMNS]
        if differ or reference == REFERENCES[-1]:
            yield f"{reference} less column", told


def markdown(results: Sequence[Mapping[str, Any]], family: str) -> str:
    """Returns the table of a family, a row for each held-out cluster."""
    return joined([HEADS, *rows(results, family)])


def summary(results: Sequence[Mapping[str, Any]]) -> str:
    """Returns a short table: means over the clusters of options, and what tuning adds to them."""
    known = {name: pair for name, pair in baselines(results).items() if None not in pair}
    floors = [f"{statistics.fmean(scores):.1f}" for scores in zip(*known.values(), strict=True)]
    heads = ("", "chance", "majority", *COLUMNS, "trained on")
    lines: list[Sequence[str]] = [heads]
    for family in FAMILIES:
        scored, learnt = cells(results, family), seen(results, family)

        def mean(values: Iterable[Value | None]) -> str:
            there = [value.mean for value in values if value is not None]
            return f"{statistics.fmean(there):.1f}" if len(there) == len(known) else "-"

        told = [mean(scored[name].get(column) for name in known) for column in COLUMNS]
        told.append(mean(learnt.get(name) for name in known))
        lines.append((TITLES[family], *floors, *told))
        for name, added in _less_columns(results, family, of=known):
            lines.append((name, "", "", *added, ""))
    return joined(lines)


def joined(lines: Sequence[Sequence[str]]) -> str:
    """Returns a Markdown table; the first line is its head."""
    head, *rest = lines
    ruled = [head, ["---"] * len(head), *rest]
    return "\n".join(f"| {' | '.join(line)} |" for line in ruled) + "\n"


def documented(text: str, results: Sequence[Mapping[str, Any]]) -> str:
    """Returns a document with the tables between its marks put anew: a family's, or "summary"."""
    tables = {family: markdown(results, family) for family in FAMILIES}
    for name, table in (tables | {"summary": summary(results)}).items():
        begin, end = (f"<!-- {name}{mark} -->" for mark in ("", " ends"))
        before, found, rest = text.partition(begin)
        if found:
            text = f"{before}{begin}\n\n{table}\n{end}{rest.partition(end)[2]}"
    return text
