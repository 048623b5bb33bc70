"""Reports of evaluations: a terminal table, JSON, a page, predictions."""

from __future__ import annotations

import json
import os
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

import rich.markup
import rich.table
from rich import box

from flanjax.base import listed
from flanjax.evaluation.comparison import (
    ClusterRow,
    Stages,
    change_text,
    cluster_change,
    compare,
    runs_text,
    score_text,
    task_change,
)
from flanjax.evaluation.page import render_page
from flanjax.evaluation.results import Certificate, ClusterReport, TaskReport

SCHEMA = 1
"""Raised whenever a key of report.json changes its meaning."""


def terminal_table(
    stages: Stages,
    *,
    certificate: Certificate | None = None,
    facts: Mapping[str, str] | None = None,
) -> rich.table.Table:
    """Returns the comparison of the first and last stage, at most 80 wide.

    Stages between those two stand in the other reports.

    Args:
      stages: What was scored.
      certificate: Which cluster was held out.
      facts: Facts of the run; `seed` is told in the caption.
    """
    rows = compare(stages, certificate)
    shown = list(dict.fromkeys([next(iter(stages)), list(stages)[-1]]))
    table = rich.table.Table(
        box=box.SIMPLE_HEAD,
        padding=(0, 1, 0, 0),
        caption=rich.markup.escape(_caption(rows, shown[-1], facts or {})),
        caption_justify="left",
    )
    table.add_column("task", overflow="fold")
    for name in ("scored", "chance", "major-\nity", *map(rich.markup.escape, shown)):
        table.add_column(name, justify="right", no_wrap=True)
    if len(shown) == 2:
        table.add_column("change", justify="right", no_wrap=True)
    table.add_column("std", justify="right", no_wrap=True)
    for row in rows:
        table.add_row(*_cluster_cells(row, shown), style="bold")
        for found in row.tasks().values():
            table.add_row(*_task_cells(found, shown))
        table.add_section()
    return table


def _caption(rows: Sequence[ClusterRow], last: str, facts: Mapping[str, str]) -> str:
    is_held_out = any(row.status == "held out" for row in rows)
    lines = [
        "* held out: training never saw this cluster." if is_held_out else "",
        "Scores are 0 to 100: mean over templates \u00b1 standard error over examples.",
        _foreign_note(rows),
        _shots_note(rows, last),
        _not_scored_note(rows, last),
        f"scored: examples x templates that are not inverted; std: over templates, {last}.",
        "A cluster's row is the mean of its tasks, whatever their metrics.",
        runs_text(facts),
    ]
    return "\n".join(line for line in lines if line)


def _foreign_note(rows: Sequence[ClusterRow]) -> str:
    tasks = (task for row in rows for found in row.tasks().values() for task in found.values())
    others = sorted({task.judged_by for task in tasks if task.judged_by})
    return f"But metric functions of {', '.join(others)} are told as they are." if others else ""


def _shots_note(rows: Sequence[ClusterRow], last: str) -> str:
    """Says how many exemplars had no room in their prompts."""
    lost = {
        name: found[last].num_shots_dropped
        for row in rows
        for name, found in row.tasks().items()
        if last in found and found[last].num_shots_dropped
    }
    if not lost:
        return ""
    each = [f"{count:,} of {name}" for name, count in lost.items()]
    return f"Exemplars left out of prompts without room for them: {listed(each, 3)}."


def _not_scored_note(rows: Sequence[ClusterRow], last: str) -> str:
    """Says which tasks the clusters' means are without."""
    names = [name for row in rows if last in row.stages for name in row.stages[last].not_scored]
    return f"Not scored, and in no mean: {listed(names, 5)}." if names else ""


def _cluster_cells(row: ClusterRow, shown: Sequence[str]) -> list[str]:
    mark = " *" if row.status == "held out" else ""
    cells = [rich.markup.escape(row.cluster) + mark, "", "", ""]
    for stage in shown:
        cells.append(_cell(row.stages.get(stage)))
    if len(shown) == 2:
        first, last = (row.stages.get(stage) for stage in shown)
        cells.append(_tight(change_text(cluster_change(first, last) if first and last else None)))
    return [*cells, ""]


def _task_cells(found: Mapping[str, TaskReport], shown: Sequence[str]) -> list[str]:
    task = next(iter(found.values()))
    metric = "" if task.metric == "accuracy" else f"\n  {task.metric}"
    cells = [
        rich.markup.escape(f"  {task.task}{metric}"),
        f"{task.num_examples}x{len(task.templates)}",
        score_text(task.chance),
        score_text(task.majority),
    ]
    for stage in shown:
        cells.append(_cell(found.get(stage)))
    if len(shown) == 2:
        first, last = (found.get(stage) for stage in shown)
        cells.append(_tight(change_text(task_change(first, last) if first and last else None)))
    end = found.get(shown[-1])
    return [*cells, score_text(end.template_std if end else None)]


def _cell(scored: TaskReport | ClusterReport | None) -> str:
    return _tight(score_text(scored.mean, scored.standard_error) if scored else score_text(None))


def _tight(text: str) -> str:
    return text.replace(" \u00b1 ", "\u00b1")


def report_json(
    stages: Stages, *, facts: Mapping[str, str], certificate: Certificate | None
) -> dict[str, Any]:
    """Returns everything but the predictions as plain JSON values.

    Keys: schema, facts, certificate, stages (name -> clusters), changes
    (cluster -> from the first stage to the last, with its tasks).
    """
    changes = {}
    first, last = next(iter(stages)), list(stages)[-1]
    for row in compare(stages, certificate):
        if first == last or first not in row.stages or last not in row.stages:
            continue
        whole = cluster_change(row.stages[first], row.stages[last])
        if whole is None:
            continue
        tasks = {
            name: task_change(found[first], found[last])
            for name, found in row.tasks().items()
            if found.keys() >= {first, last}
        }
        changes[row.cluster] = {
            "from": first,
            "to": last,
            **whole._asdict(),
            "tasks": {name: each._asdict() for name, each in tasks.items() if each is not None},
        }
    return {
        "schema": SCHEMA,
        "facts": dict(facts),
        "certificate": None if certificate is None else certificate.to_json(),
        "stages": {stage: [r.to_json() for r in reports] for stage, reports in stages.items()},
        "changes": changes,
    }


def write_report(
    directory: str | os.PathLike[str],
    stages: Stages,
    *,
    facts: Mapping[str, str],
    certificate: Certificate | None,
) -> dict[str, str]:
    """Writes report.html, report.json and predictions.jsonl.

    Each file is written aside and renamed, so none is ever seen half-written.

    Args:
      directory: Made if it is not there.
      stages: What was scored.
      facts: What a reader needs to run it again, as they should be shown.
      certificate: What was trained on and held out; None if not known.

    Returns:
      "html", "json" and "predictions" -> the path written.
    """
    folder = pathlib.Path(directory)
    plain = report_json(stages, facts=facts, certificate=certificate)
    rows = [
        {"stage": stage, "cluster": report.cluster, **row}
        for stage, reports in stages.items()
        for report in reports
        for task in report.tasks
        for row in task.predictions
    ]
    texts = {
        "report.html": render_page(stages, facts=facts, certificate=certificate),
        "report.json": json.dumps(plain, indent=1, ensure_ascii=False, allow_nan=False) + "\n",
        "predictions.jsonl": "".join(
            json.dumps(row, ensure_ascii=False, allow_nan=False) + "\n" for row in rows
        ),
    }
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in texts.items():
        _write(folder / name, text)
    names = {"html": "report.html", "json": "report.json", "predictions": "predictions.jsonl"}
    return {key: str(folder / name) for key, name in names.items()}


def _write(path: pathlib.Path, text: str) -> None:
    aside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        # A lone surrogate, which only broken data holds, is written as \udcXX.
        aside.write_text(text, encoding="utf-8", errors="backslashreplace", newline="\n")
        aside.replace(path)
    finally:
        aside.unlink(missing_ok=True)
