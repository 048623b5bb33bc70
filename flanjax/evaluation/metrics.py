"""The metrics that tasks name."""

from __future__ import annotations

from collections.abc import Mapping

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
