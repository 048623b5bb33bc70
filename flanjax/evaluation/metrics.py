"""The metrics that tasks name."""

from __future__ import annotations

from collections.abc import Mapping

from flanjax.data.task import Task, nearest
from flanjax.evaluation.answer_metrics import record, squad, trivia_qa
from flanjax.evaluation.class_metrics import f1, matthews, mean_f1, multirc, pearson, spearman
from flanjax.evaluation.score import Metric
from flanjax.evaluation.text_metrics import accuracy, bleu, edit_distance, exact_match, rouge

METRICS: Mapping[str, Metric] = {
    metric.name: metric
    for metric in (
        Metric("accuracy", "accuracy", accuracy),
        Metric("exact_match", "exact_match", exact_match),
        Metric("squad", "f1", squad),
        Metric("trivia_qa", "em", trivia_qa),
        Metric("record", "f1", record, reads=("groups",)),
        Metric("multirc", "f1a", multirc, reads=("options", "groups")),
        Metric("f1", "f1", f1, reads=("options",)),
        Metric("mean_f1", "mean_f1", mean_f1, reads=("options",)),
        Metric("matthews", "matthews", matthews, reads=("options",)),
        Metric("pearson", "pearson", pearson),
        Metric("spearman", "spearman", spearman),
        Metric("rouge", "rougeL", rouge),
        Metric("bleu", "bleu", bleu),
        Metric("edit_distance", "similarity", edit_distance),
    )
}


def metrics_of(task: Task) -> tuple[Metric, ...]:
    """Returns the metrics that a task names.

    Raises:
      ValueError: It names none, or one that is not known.
    """
    if not task.metrics:
        raise ValueError(
            f"task {task.name}: metrics must name at least one of {', '.join(METRICS)}, got none; "
            "add one."
        )
    for name in task.metrics:
        if name not in METRICS:
            raise ValueError(
                f"task {task.name}: metrics must be among {', '.join(METRICS)}, got {name!r}; "
                f"{nearest(name, METRICS)}"
            )
    return tuple(METRICS[name] for name in task.metrics)
