"""What an evaluation found: scores of templates, tasks and clusters."""

from __future__ import annotations

import collections
import dataclasses
import math
from collections.abc import Mapping
from typing import Any, NamedTuple

from flanjax.data.task import Mode


class TemplateScore(NamedTuple):
    """A task's scores in one wording.

    Attributes:
      template: Its index in the task's templates.
      wording: The template's inputs, fields unfilled.
      score: The task's headline score, 0 to 100.
      metrics: Every score, by full name (`squad/em`).
    """

    template: int
    wording: str
    score: float
    metrics: Mapping[str, float]


@dataclasses.dataclass(frozen=True, kw_only=True)
class TaskReport:
    """A task's scores over its templates; all scores are 0 to 100.

    Those of a task of SeqIO are what its metric functions return, unchanged.

    Attributes:
      task: The task's name.
      version: The task's version.
      mode: "rank" or "generate".
      metric: Full name of the headline score, such as `rouge/rougeL`.
      mean: The headline, mean over templates.
      template_std: Its standard deviation over templates (ddof = 1; 0.0 for a
        single template).
      standard_error: Standard error of `mean` over examples, from each
        example's mean over templates (ddof = 1). None for a corpus metric or
        a single example.
      chance: Expected accuracy of a uniform choice; None where the headline
        is not the accuracy of a choice.
      majority: Accuracy of always giving the most frequent answer, or always
        choosing the most frequent position, whichever is higher; None as for
        `chance`.
      num_examples: Records scored, each in every template.
      num_unsampled: Records not looked at because enough were scored; None if
        their number is not known.
      left_out: Reason -> records left out for it.
      num_inverted: Inverted templates, which are never scored.
      num_truncated: Prompts that the predictor shortened; None if not told.
        Of a task of SeqIO, prompts that fill their row, perhaps cut to it.
      num_shots_dropped: Exemplars left out of prompts that had no room.
      templates: The scores of each template, in order.
      metrics: Every score, mean over templates.
      example_uids: Which records were scored, in the order of the data.
      example_scores: Each record's headline, mean over templates; empty for
        a corpus metric.
      predictions: One entry per record and template, as plain JSON values.
      judged_by: The library whose metric functions scored it; "" for our own.
      not_numbers: Its scores that were no finite number, and are left out.
    """

    task: str
    version: int
    mode: Mode
    metric: str
    mean: float
    template_std: float
    standard_error: float | None
    chance: float | None
    majority: float | None
    num_examples: int
    num_unsampled: int | None
    left_out: Mapping[str, int]
    num_inverted: int
    num_truncated: int | None
    templates: tuple[TemplateScore, ...]
    metrics: Mapping[str, float]
    example_uids: tuple[int, ...]
    example_scores: tuple[float, ...]
    predictions: tuple[Mapping[str, Any], ...]
    num_shots_dropped: int = 0
    judged_by: str = ""
    not_numbers: tuple[str, ...] = ()

    @property
    def best_template(self) -> TemplateScore:
        """Returns the template of the highest score, the first of equals."""
        return max(self.templates, key=lambda template: template.score)

    @property
    def worst_template(self) -> TemplateScore:
        """Returns the template of the lowest score, the first of equals."""
        return min(self.templates, key=lambda template: template.score)

    def to_json(self) -> dict[str, Any]:
        """Returns plain JSON values, without what is kept per example."""
        per_example = ("example_uids", "example_scores", "predictions")
        plain = {
            field.name: getattr(self, field.name)
            for field in dataclasses.fields(self)
            if field.name not in per_example
        }
        plain["left_out"] = dict(self.left_out)
        plain["metrics"] = dict(self.metrics)
        plain["templates"] = [
            {**template._asdict(), "metrics": dict(template.metrics)} for template in self.templates
        ]
        plain["best_template"] = self.best_template.template
        plain["worst_template"] = self.worst_template.template
        return plain


@dataclasses.dataclass(frozen=True, kw_only=True)
class ClusterReport:
    """A cluster's scores: those of its tasks, and their mean.

    Attributes:
      cluster: The cluster's name.
      split: The split that was scored.
      num_shots: Exemplars in each prompt.
      tasks: One report per task.
      not_scored: Task -> why it has none.
    """

    cluster: str
    split: str
    num_shots: int
    tasks: tuple[TaskReport, ...]
    not_scored: Mapping[str, str] = dataclasses.field(default_factory=dict)

    @property
    def mean(self) -> float:
        """Returns the mean of the tasks' means, each task counting once."""
        return sum(task.mean for task in self.tasks) / len(self.tasks)

    @property
    def standard_error(self) -> float | None:
        """Returns the standard error of `mean`, tasks taken as independent."""
        return mean_error([task.standard_error for task in self.tasks])

    def to_json(self) -> dict[str, Any]:
        """Returns plain JSON values, without what is kept per example."""
        return {
            "cluster": self.cluster,
            "split": self.split,
            "num_shots": self.num_shots,
            "mean": self.mean,
            "standard_error": self.standard_error,
            "not_scored": dict(self.not_scored),
            "tasks": [task.to_json() for task in self.tasks],
        }

    def whole_json(self) -> dict[str, Any]:
        """Returns everything as plain JSON values, that of each example too."""
        plain = dataclasses.asdict(self)
        for task, report in zip(plain["tasks"], self.tasks, strict=True):
            task["templates"] = [template._asdict() for template in report.templates]
        return plain

    @classmethod
    def from_whole_json(cls, plain: Mapping[str, Any]) -> ClusterReport:
        """Returns what `whole_json` wrote.

        Raises:
          TypeError: A field is missing or not known.
        """
        tasks = tuple(_task_report(task) for task in plain["tasks"])
        return cls(**{**plain, "tasks": tasks})


def _task_report(plain: Mapping[str, Any]) -> TaskReport:
    values: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value for name, value in plain.items()
    }
    values["templates"] = tuple(TemplateScore(**template) for template in plain["templates"])
    return TaskReport(**values)


_KINDS = {
    "its": "for want of data",
    "shares": "for a shared source text",
    "cluster": "too close to what is held out",
    "is": "as variants",
    "ablation": "by the ablation",
    "has": "for want of a split",
}
"""First word of a reason -> how a summary tells it."""


class Certificate(NamedTuple):
    """What a run trained on, and what it was kept from.

    Attributes:
      catalogue: The catalogue's name.
      held_out: The cluster that training never saw; None if none was held out.
      trained: Names of the tasks trained on.
      tested: Names of the held-out tasks.
      dropped: Task name -> why it was neither trained on nor held out.
      rule: The hold-out as it was written: a cluster, or "intra:0".
      corpus_closure: Whether a shared source text kept tasks from training.
      ablation: What training went without, in words; "" for nothing.
      trained_corpora: Source texts of the tasks trained on.
      tested_corpora: Source texts of the held-out tasks; none of them is
        among the former where `corpus_closure` holds.
    """

    catalogue: str
    held_out: str | None
    trained: tuple[str, ...]
    tested: tuple[str, ...]
    dropped: Mapping[str, str]
    rule: str | None = None
    corpus_closure: bool = True
    ablation: str = ""
    trained_corpora: tuple[str, ...] = ()
    tested_corpora: tuple[str, ...] = ()

    def summary(self) -> str:
        """Returns how many tasks were trained on, held out and left out, and why."""
        reasons = collections.Counter(why.partition(":")[0] for why in self.dropped.values())
        kinds = collections.Counter(why.partition(" ")[0] for why in reasons.elements())
        told = ", ".join(f"{num} {_KINDS.get(kind, kind)}" for kind, num in kinds.most_common())
        line = f"{len(self.trained)} tasks are trained on"
        if self.held_out:
            line += f", {len(self.tested)} of {self.held_out} held out"
        return f"{line}, {len(self.dropped)} left out" + (f" ({told})." if told else ".")

    def to_json(self) -> dict[str, Any]:
        """Returns plain JSON values."""
        plain = {**self._asdict(), "dropped": dict(self.dropped)}
        return {k: list(value) if isinstance(value, tuple) else value for k, value in plain.items()}

    @classmethod
    def from_json(cls, plain: Mapping[str, Any]) -> Certificate:
        """Returns what `to_json` wrote.

        Raises:
          TypeError: A field is missing or not known.
        """
        values: dict[str, Any] = {
            key: tuple(value) if isinstance(value, list) else value for key, value in plain.items()
        }
        return cls(**values)


def standard_error(values: list[float]) -> float | None:
    """Returns std(values, ddof=1) / sqrt(n); None for fewer than two."""
    num = len(values)
    if num < 2:
        return None
    mean = math.fsum(values) / num
    return math.sqrt(math.fsum((value - mean) ** 2 for value in values) / (num - 1) / num)


def mean_error(errors: list[float | None]) -> float | None:
    """Returns the standard error of a mean of independent values."""
    known = [error for error in errors if error is not None]
    if len(known) < len(errors):
        return None
    return math.hypot(*known) / len(known)
