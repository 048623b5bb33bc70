"""A task of SeqIO judged by its own metric functions, as one of our reports.

SeqIO's Evaluator decodes, postprocesses and calls the metric functions; the model writes ids and
scores targets for it (`evaluation.converted`).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import seqio

from flanjax.data.seqio_bridge.incoming import ForeignTask, foreign_of, named
from flanjax.data.task import Mode, Task
from flanjax.evaluation.cluster import EvalConfig, Judge, Predictor
from flanjax.evaluation.predict import ModelPredictor
from flanjax.evaluation.results import TaskReport, TemplateScore

_WRITTEN = seqio.metrics.ModelOutputType.PREDICTION
_SCORED = seqio.metrics.ModelOutputType.SCORE


def reason_against(task: Task, split: str) -> str | None:
    """Returns why nothing can judge a task of SeqIO, None where something can."""
    foreign = foreign_of(task)
    if split not in task.source.splits():
        return f"has no {split} split"
    kinds = _kinds(foreign)
    if not kinds:
        return "has no metric functions"
    if unknown := kinds - {_WRITTEN, _SCORED}:
        names = sorted(getattr(kind, "name", str(kind)) for kind in unknown)
        return f"has metric functions of {', '.join(names)}, which no model here gives"
    if _WRITTEN in kinds and "inputs" not in foreign.task.output_features:
        return "has metric functions of answers, but no inputs to be answered"
    return None


def _kinds(foreign: ForeignTask) -> set[Any]:
    with named(foreign.task.name, "name its metric functions"):
        return {metric.model_output_type for metric in foreign.task.metric_objs}


def make_judge(task: Task, config: EvalConfig, *, has_encoder: bool) -> Judge | str:
    """Returns what judges a task of SeqIO, or why nothing can.

    Its examples are made once, here, and kept for every time it is judged.

    Args:
      task: The task.
      config: The split, how many examples, how long answers may be.
      has_encoder: Whether the model reads prompts by an encoder.

    Raises:
      UnavailableError: Its data is not on this machine.
      ValueError: SeqIO cannot make its examples.
    """
    if (why := reason_against(task, config.split)) is not None:
        return why
    foreign = foreign_of(task)
    if has_encoder:
        converter = seqio.EncDecFeatureConverter(pack=False)
    elif "inputs" in foreign.task.output_features:
        converter = seqio.PrefixLMFeatureConverter(pack=False)
    else:
        converter = seqio.LMFeatureConverter(pack=False)
    limit = config.max_examples or None
    if limit is not None and _SCORED in _kinds(foreign):
        limit = _whole_records(foreign, config.split, limit)
    foreign.dataset(config.split)  # says what is wrong with it
    with named(task.name, f"make its {config.split} split"):
        evaluator = seqio.Evaluator(
            task.name,
            converter,
            config.split,
            use_cached=foreign.task.requires_caching,
            seed=foreign.seed,
            sequence_length=foreign.given_lengths,
            num_examples=limit,
            async_compute_metrics=False,
        )
        examples = list(evaluator.cached_task_datasets[task.name].as_numpy_iterator())
    if not examples:
        return f"has no examples in its {config.split} split"
    if _WRITTEN in _kinds(foreign) and not has_encoder and not all(map(_has_prompt, examples)):
        return "has examples without a prompt, which a decoder cannot answer"
    is_limited = limit is not None and len(examples) >= limit
    return _SeqioJudge(task, foreign, config, evaluator, examples, is_limited)


def _has_prompt(example: Mapping[str, Any]) -> bool:
    return len(example["inputs"]) > 0


def _whole_records(foreign: ForeignTask, split: str, limit: int) -> int:
    """Returns how many examples to take so that no record lacks options.

    The first number of `idx`, as T5's rank classification has it, is the record.
    """
    dataset = foreign.dataset(split)
    with named(foreign.task.name, f"make its {split} split"):
        spec = dataset.element_spec.get("idx")
        if spec is None or spec.shape.rank != 1:
            return limit
        num, last = 0, None
        for num, example in enumerate(dataset.as_numpy_iterator()):
            record = example["idx"][0]
            if num >= limit and record != last:
                return num
            last = record
    return max(limit, num + 1)


class _SeqioJudge(NamedTuple):
    """A task's evaluator and its examples, which may be the first of more."""

    task: Task
    foreign: ForeignTask
    config: EvalConfig
    evaluator: seqio.Evaluator
    examples: Sequence[Mapping[str, Any]]
    is_limited: bool

    def report(self, predict: Predictor) -> TaskReport | str:
        """Returns what a model scores, or why that is no number.

        Answers may be as long as targets, as under T5X.

        Raises:
          ValueError: A metric function fails.
        """
        assert isinstance(predict, ModelPredictor), "a task of SeqIO is judged by a model"
        functions = predict.evaluator_functions(self.foreign.lengths["targets"])
        with named(self.task.name, "judge it"):
            found, outputs = self.evaluator.evaluate(
                compute_metrics=True,
                predict_fn=functions.predict_fn,
                score_fn=functions.score_fn,
            )
            values = found.result()[self.task.name]
        metrics = _numbers(values)
        if not metrics:
            return f"has metric functions that gave no finite number: {dict(values)!r:.100}"
        return self._report(metrics, sorted(set(values) - set(metrics)), outputs[self.task.name])

    def _report(
        self,
        metrics: Mapping[str, float],
        not_numbers: Sequence[str],
        outputs: Mapping[Any, Sequence[Any]],
    ) -> TaskReport:
        headline = next(iter(metrics))
        mode: Mode = "generate" if _WRITTEN in outputs else "rank"
        limit = self.foreign.lengths["inputs"]
        return TaskReport(
            task=self.task.name,
            version=self.task.version,
            mode=mode,
            metric=headline,
            mean=metrics[headline],
            template_std=0.0,
            standard_error=None,
            chance=None,
            majority=None,
            num_examples=len(self.examples),
            num_unsampled=None if self.is_limited else 0,
            left_out={},
            num_inverted=0,
            num_truncated=sum(len(e.get("inputs", ())) == limit for e in self.examples),
            templates=(
                TemplateScore(0, "(SeqIO's own prompts)", metrics[headline], dict(metrics)),
            ),
            metrics=metrics,
            example_uids=(),
            example_scores=(),
            judged_by="SeqIO",
            not_numbers=tuple(not_numbers),
            predictions=tuple(self._prediction_rows(outputs)),
        )

    def _prediction_rows(self, outputs: Mapping[Any, Sequence[Any]]) -> Iterator[Mapping[str, Any]]:
        """Yields one entry for each example, in the order of the split."""
        written, scores = outputs.get(_WRITTEN), outputs.get(_SCORED)
        for number, example in enumerate(self.examples):
            targets = self._text(example, "targets")
            yield {
                "task": self.task.name,
                "uid": str(number),
                "template": 0,
                "inputs": self._text(example, "inputs"),
                "options": [],
                "references": [targets],
                "targets": targets,
                "prediction": ""
                if written is None
                else self.foreign.text("targets", np.asarray(written[number])),
                "scores": None if scores is None else [float(scores[number])],
            }

    def _text(self, example: Mapping[str, Any], side: str) -> str:
        known = example.get(f"{side}_pretokenized")
        if isinstance(known, bytes):
            return known.decode("utf-8", "backslashreplace")
        return self.foreign.text(side, example.get(side, np.zeros(0, np.int32)))


def _numbers(values: Mapping[str, Any]) -> dict[str, float]:
    """Returns the metrics that are finite numbers, in their order.

    A correlation of answers that are all the same is none, say.
    """
    found = {}
    for name, value in values.items():
        plain = getattr(value, "value", value)  # SeqIO's Scalar
        is_number = np.ndim(plain) == 0 and np.issubdtype(np.asarray(plain).dtype, np.number)
        if is_number and math.isfinite(plain):
            found[name] = float(plain)
    return found
