"""Stages of a run side by side: which task moved, how far, how surely."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple, TypeAlias

from flanjax.evaluation.results import (
    Certificate,
    ClusterReport,
    TaskReport,
    mean_error,
    standard_error,
)

Stages: TypeAlias = Mapping[str, Sequence[ClusterReport]]
"""Stage name, such as "before" and "after", in order -> its reports."""


class Change(NamedTuple):
    """How far a score moved between two stages.

    Attributes:
      value: Later minus earlier.
      standard_error: Its standard error over examples; None if unknown.
    """

    value: float
    standard_error: float | None


def task_change(first: TaskReport, last: TaskReport) -> Change | None:
    """Returns a task's change; the error is paired where examples are shared.

    Two stages that score the same records are compared record by record,
    which is sharper than two errors added up as if they were independent.
    None where they were scored by two metrics: SeqIO's functions may give no
    finite number in one stage, and then another metric stands for the task.
    """
    if first.metric != last.metric:
        return None
    value = last.mean - first.mean
    if first.example_scores and first.example_uids == last.example_uids:
        pairs = zip(first.example_scores, last.example_scores, strict=True)
        return Change(value, standard_error([late - early for early, late in pairs]))
    if first.standard_error is None or last.standard_error is None:
        return Change(value, None)
    return Change(value, math.hypot(first.standard_error, last.standard_error))


def cluster_change(first: ClusterReport, last: ClusterReport) -> Change | None:
    """Returns a cluster's change: the mean of its tasks' changes.

    Over the tasks that both stages scored by one metric; None where there are none.
    """
    later = {task.task: task for task in last.tasks}
    found = [task_change(task, later[task.task]) for task in first.tasks if task.task in later]
    changes = [change for change in found if change is not None]
    if not changes:
        return None
    return Change(
        sum(change.value for change in changes) / len(changes),
        mean_error([change.standard_error for change in changes]),
    )


class ClusterRow(NamedTuple):
    """One cluster in all the stages that scored it.

    Attributes:
      cluster: Its name.
      status: "held out", "trained on", "not trained on", or "" where no
        certificate says so.
      stages: Stage name -> its report.
    """

    cluster: str
    status: str
    stages: Mapping[str, ClusterReport]

    def tasks(self) -> dict[str, dict[str, TaskReport]]:
        """Returns task name -> stage name -> its report, in order."""
        found: dict[str, dict[str, TaskReport]] = {}
        for stage, report in self.stages.items():
            for task in report.tasks:
                found.setdefault(task.task, {})[stage] = task
        return found


def compare(stages: Stages, certificate: Certificate | None) -> list[ClusterRow]:
    """Returns the clusters of all stages, the held-out one first.

    Raises:
      ValueError: There is no report, or a stage scored a cluster twice.
    """
    by_cluster: dict[str, dict[str, ClusterReport]] = {}
    for stage, reports in stages.items():
        for report in reports:
            if stage in by_cluster.setdefault(report.cluster, {}):
                raise ValueError(
                    f"stage {stage!r} must score a cluster once, got {report.cluster} twice; "
                    "give each evaluation a stage of its own."
                )
            by_cluster[report.cluster][stage] = report
    if not by_cluster:
        raise ValueError(
            f"a report must have a scored cluster, got none in stages {list(stages)}; "
            "evaluate one first."
        )
    rows = [
        ClusterRow(name, _status(found, certificate), found) for name, found in by_cluster.items()
    ]
    return sorted(rows, key=lambda row: row.status != "held out")


def _status(stages: Mapping[str, ClusterReport], certificate: Certificate | None) -> str:
    if certificate is None:
        return ""
    report = next(iter(stages.values()))
    if report.cluster == certificate.held_out:
        return "held out"
    is_trained = any(task.task in certificate.trained for task in report.tasks)
    return "trained on" if is_trained else "not trained on"


def is_clear(change: Change) -> bool:
    """True where a change is larger than two of its standard errors."""
    return change.standard_error is not None and abs(change.value) > 2 * change.standard_error


def score_text(value: float | None, error: float | None = None) -> str:
    """Returns `52.3 ± 1.4`, the error left out where unknown; None is a hyphen."""
    if value is None:
        return "-"
    return f"{value:.1f}" + (f" \u00b1 {error:.1f}" if error is not None else "")


def change_text(change: Change | None) -> str:
    """Returns `+9.8 ± 2.1`, with a true minus sign for a fall."""
    if change is None:
        return "-"
    sign = "\u2212" if round(change.value, 1) < 0 else "+"
    return sign + score_text(abs(change.value), change.standard_error)


def runs_text(facts: Mapping[str, str]) -> str:
    """Returns how many runs stand behind the figures, where `facts` tell.

    A fact named `seed` stands for a single run; one named `seeds` is repeated
    as it is.
    """
    if "seeds" in facts:
        return f"Seeds: {facts['seeds']}."
    if "seed" in facts:
        return (
            f"One run, one seed ({facts['seed']}): errors are over examples; "
            "how much another seed would change is not known."
        )
    return ""
