"""Scores a task cluster over all its templates."""

from __future__ import annotations

import collections
import dataclasses
import math
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple, Protocol

import numpy as np

from flanjax.data.render import Rendered
from flanjax.data.task import Record, Task, TaskCluster
from flanjax.evaluation.metrics import metrics_of
from flanjax.evaluation.queries import Query, Sample, draw_sample, make_queries
from flanjax.evaluation.results import ClusterReport, TaskReport, TemplateScore, standard_error
from flanjax.evaluation.score import Answers, Metric, Score
from flanjax.models.generation import DecodeConfig


@dataclasses.dataclass(frozen=True, kw_only=True)
class EvalConfig:
    """How clusters are scored.

    Attributes:
      split: "validation" or "test".
      max_examples: Records per task, chosen by a stable hash; each is scored
        under every template. 0 takes all.
      batch_size: Prompts scored at a time.
      max_decode_length: Tokens generated at most.
      decode: How they are chosen; the first of several answers is scored.
      stop_texts: Texts that end an answer, and are not part of it.
      num_shots: Exemplars in each prompt.
      seed: Chooses records and exemplars, and seeds draws.
      before_and_after: Whether training also scores the held-out cluster
        before the first and after the last step.
      score_seen_clusters: Whether it then scores the clusters it trained on
        too, so that the table shows what was learnt beside what carried over.
    """

    split: str = "validation"
    max_examples: int = 200
    batch_size: int = 32
    max_decode_length: int = 64
    decode: DecodeConfig = dataclasses.field(default_factory=DecodeConfig)
    stop_texts: tuple[str, ...] = ()
    num_shots: int = 0
    seed: int = 0
    before_and_after: bool = True
    score_seen_clusters: bool = True

    def __post_init__(self) -> None:
        object.__setattr__(self, "stop_texts", tuple(self.stop_texts))
        if self.split not in ("validation", "test"):
            raise ValueError(
                f"evaluation split must be validation or test, got {self.split!r}; choose one."
            )
        for name in ("batch_size", "max_decode_length"):
            if getattr(self, name) < 1:
                raise ValueError(
                    f"evaluation {name} must be positive, got {getattr(self, name)}; raise it."
                )
        for name in ("max_examples", "num_shots"):
            if getattr(self, name) < 0:
                raise ValueError(
                    f"evaluation {name} must not be negative, got {getattr(self, name)}; use 0."
                )


class Predictor(Protocol):
    """A model that answers prompts.

    A predictor that shortens long prompts counts them, over all calls, in an
    attribute `num_truncated`; the report tells each task's share of it. One
    that has `fits(prompt)` gets fewer exemplars where they have no room.
    """

    def score(self, prompts: Sequence[str], options: Sequence[Sequence[str]]) -> list[np.ndarray]:
        """Returns the log-likelihood of each option, summed over its tokens.

        Args:
          prompts: The prompts.
          options: The options of each prompt; their number may vary.

        Returns:
          One array [options] of nats per prompt.
        """
        ...

    def generate(self, prompts: Sequence[str], *, max_length: int) -> list[str]:
        """Returns what the model writes after each prompt.

        Args:
          prompts: The prompts.
          max_length: Tokens written at most.
        """
        ...


class Judge(Protocol):
    """What scores a task by another library's means."""

    def report(self, predict: Predictor) -> TaskReport | str:
        """Returns what a model scores, or why it cannot be said."""
        ...


class _Answer(NamedTuple):
    """A predictor's answer to a query.

    Attributes:
      text: The option chosen, or the text written.
      scores: In rank mode the log-likelihood of each option, else None.
    """

    text: str
    scores: tuple[float, ...] | None


def evaluate_cluster(
    predict: Predictor,
    cluster: TaskCluster,
    records: Mapping[str, Sequence[Record]],
    *,
    config: EvalConfig,
    templates: Sequence[int] | None = None,
    shots: Mapping[str, Sequence[Record]] | None = None,
    judges: Mapping[str, Judge] = MappingProxyType({}),
    left_out: Mapping[str, Mapping[str, int]] = MappingProxyType({}),
    bad_record_limit: float = 0.01,
) -> ClusterReport:
    """Scores every task of a cluster in every template that is not inverted.

    With options the answer is the one of the highest summed log-likelihood,
    not normalised by length (FLAN 2021, section 2.3); of equals the first.
    Without, the model writes an answer, judged by the task's first metric.

    Args:
      predict: The model.
      cluster: The tasks.
      records: Task name -> raw records of the split that is scored.
      config: How many records, how many exemplars.
      templates: Indices of the templates to score; None for all.
      shots: Task name -> raw training records, from which exemplars are drawn.
      judges: Task name -> what scores it in place of templates and metrics.
      left_out: Task name -> reason -> records that reading left out before.
      bad_record_limit: Share of broken records that is an error; fewer are
        counted and left out.

    Raises:
      ValueError: A task lacks records, metrics, templates or exemplars.
    """
    _check_tasks([task for task in cluster.tasks if task.name not in judges], templates)

    def score(task: Task) -> TaskReport | str:
        if task.name in judges:
            return judges[task.name].report(predict)
        sample = draw_sample(
            task,
            records.get(task.name, ()),
            max_examples=config.max_examples,
            seed=config.seed,
            bad_record_limit=bad_record_limit,
        )
        queries, num_shots_dropped = make_queries(
            task,
            sample,
            _scored_templates(task, templates),
            pool=(shots or {}).get(task.name, ()),
            num_shots=config.num_shots,
            seed=config.seed,
            fits=getattr(predict, "fits", lambda _: True),
        )
        answers, num_truncated = _counted_answers(predict, task, queries, config)
        report = _task_report(task, sample, queries, answers, num_truncated)
        out = _added(sample.left_out, left_out.get(task.name, {}))
        return dataclasses.replace(report, num_shots_dropped=num_shots_dropped, left_out=out)

    return _cluster_report(cluster, {task.name: score(task) for task in cluster.tasks}, config)


def _added(counts: Mapping[str, int], more: Mapping[str, int]) -> dict[str, int]:
    return dict(collections.Counter(counts) + collections.Counter(more))


def _cluster_report(
    cluster: TaskCluster, found: Mapping[str, TaskReport | str], config: EvalConfig
) -> ClusterReport:
    return ClusterReport(
        cluster=cluster.name,
        split=config.split,
        num_shots=config.num_shots,
        tasks=tuple(each for each in found.values() if isinstance(each, TaskReport)),
        not_scored={name: each for name, each in found.items() if isinstance(each, str)},
    )


def _check_tasks(tasks: Sequence[Task], templates: Sequence[int] | None) -> None:
    """Complains of tasks that cannot be scored before the model works."""
    for task in tasks:
        metrics_of(task)
        _scored_templates(task, templates)


def _scored_templates(task: Task, templates: Sequence[int] | None) -> tuple[int, ...]:
    num_templates = len(task.templates)
    chosen = range(num_templates) if templates is None else templates
    for index in chosen:
        if not 0 <= index < num_templates:
            raise ValueError(
                f"task {task.name}: a template must be one of 0 to {num_templates - 1}, "
                f"got {index}; choose among these."
            )
    kept = tuple(index for index in chosen if not task.templates[index].inverted)
    if not kept or len(set(kept)) != len(kept):
        raise ValueError(
            f"task {task.name}: templates to score must differ and one must not be inverted, "
            f"got {list(chosen)}; choose others."
        )
    return kept


def _counted_answers(
    predict: Predictor, task: Task, queries: Sequence[Query], config: EvalConfig
) -> tuple[list[_Answer], int | None]:
    """Returns the answers, and how many prompts were cut if the model tells."""
    before = getattr(predict, "num_truncated", 0)
    answers = _answers(predict, task, queries, config)
    after = getattr(predict, "num_truncated", None)
    return answers, None if after is None else after - before


def _answers(
    predict: Predictor, task: Task, queries: Sequence[Query], config: EvalConfig
) -> list[_Answer]:
    prompts = [query.example.inputs for query in queries]
    if task.mode == "generate":
        texts = predict.generate(prompts, max_length=config.max_decode_length)
        return [_Answer(text, None) for text in texts]
    options = [query.example.options for query in queries]
    answers = []
    for query, scores in zip(queries, predict.score(prompts, options), strict=True):
        if len(scores) != len(query.example.options) or np.isnan(scores).any():
            raise ValueError(
                f"task {task.name}, template {query.template}: each of "
                f"{len(query.example.options)} options must get a number, got {list(scores)}; "
                "check that training did not diverge."
            )
        best = int(np.argmax(scores))
        answers.append(_Answer(query.example.options[best], tuple(map(float, scores))))
    return answers


def _task_report(
    task: Task,
    sample: Sample,
    queries: Sequence[Query],
    answers: Sequence[_Answer],
    num_truncated: int | None,
) -> TaskReport:
    metrics = metrics_of(task)
    by_template: dict[int, list[int]] = {}
    for place, query in enumerate(queries):
        by_template.setdefault(query.template, []).append(place)
    scores = {
        index: _template_scores(metrics, queries, answers, places)
        for index, places in by_template.items()
    }
    headline = metrics[0].label
    values = [found[headline].value for found in scores.values()]
    per_example = [found[headline].per_example for found in scores.values()]
    example_scores: list[float] = []
    if all(row is not None for row in per_example):
        example_scores = np.mean(np.stack(per_example), axis=0).tolist()  # type: ignore[arg-type]
    is_choice = task.mode == "rank" and headline in ("accuracy", "exact_match")
    first = [queries[place].example for place in next(iter(by_template.values()))]
    return TaskReport(
        task=task.name,
        version=task.version,
        mode=task.mode,
        metric=headline,
        mean=float(np.mean(values)),
        template_std=float(np.std(values, ddof=1)) if len(values) > 1 else 0.0,
        standard_error=standard_error(example_scores),
        chance=chance(first) if is_choice else None,
        majority=majority(first) if is_choice else None,
        num_examples=len(sample.records),
        num_unsampled=sample.num_unsampled,
        left_out=sample.left_out,
        num_inverted=sum(template.inverted for template in task.templates),
        num_truncated=num_truncated,
        templates=tuple(
            TemplateScore(
                template=index,
                wording=task.templates[index].inputs,
                score=found[headline].value,
                metrics={name: score.value for name, score in found.items()},
            )
            for index, found in scores.items()
        ),
        metrics={
            name: float(np.mean([found[name].value for found in scores.values()]))
            for name in next(iter(scores.values()))
        },
        example_uids=sample.uids,
        example_scores=tuple(example_scores),
        predictions=_prediction_rows(task, queries, answers),
    )


def _template_scores(
    metrics: Sequence[Metric],
    queries: Sequence[Query],
    answers: Sequence[_Answer],
    places: Sequence[int],
) -> dict[str, Score]:
    examples = [queries[place].example for place in places]
    given = Answers(
        predictions=[answers[place].text for place in places],
        references=[example.references for example in examples],
        options=[example.options for example in examples],
        groups=[example.group for example in examples],
    )
    found = {}
    for metric in metrics:
        for name, score in metric.scores(given).items():
            found[metric.name if name == metric.name else f"{metric.name}/{name}"] = score
    return found


def chance(examples: Sequence[Rendered]) -> float:
    """Returns the expected accuracy of a uniform choice, 0 to 100."""
    return 100.0 * float(np.mean([1 / len(example.options) for example in examples]))


def majority(examples: Sequence[Rendered]) -> float:
    """Returns the accuracy of the better constant answer, 0 to 100.

    One constant always gives the most frequent gold text, the other always
    chooses the most frequent gold position.
    """
    texts = collections.Counter(example.targets for example in examples)
    positions = collections.Counter(example.options.index(example.targets) for example in examples)
    most = max(count for counter in (texts, positions) for count in counter.values())
    return 100.0 * most / len(examples)


def _prediction_rows(
    task: Task, queries: Sequence[Query], answers: Sequence[_Answer]
) -> tuple[dict[str, Any], ...]:
    return tuple(
        {
            "task": task.name,
            "uid": f"{query.uid:016x}",
            "template": query.template,
            "inputs": query.example.inputs,
            "options": list(query.example.options),
            "references": list(query.example.references),
            "targets": query.example.targets,
            "prediction": answer.text,
            "scores": _json_scores(answer.scores),
        }
        for query, answer in zip(queries, answers, strict=True)
    )


def _json_scores(scores: tuple[float, ...] | None) -> list[float | None] | None:
    """Returns log-likelihoods with None for minus infinity, as JSON has none."""
    if scores is None:
        return None
    return [score if math.isfinite(score) else None for score in scores]
