"""A task's metrics as SeqIO calls them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np

from flanjax.data.task import Task
from flanjax.evaluation.metrics import METRICS
from flanjax.evaluation.score import Answers

Target: TypeAlias = Mapping[str, Any]
"""What `postprocess` makes of an example: references, options, group, and the option it is."""


def postprocess(
    text: str, example: Mapping[str, Any] | None = None, is_target: bool = False
) -> str | Target:
    """Returns a prediction as it is, and for a target all that a metric reads."""
    if not is_target or example is None:
        return text
    return {
        "text": text,
        "references": _texts(example["references"]),
        "options": _texts(example["options"]),
        "group": _text(example["group"]),
        "template": int(example["template"]),
        "row": int(example["idx"][0]),
        "option": int(example["idx"][1]),
    }


def _texts(values: Sequence[Any]) -> list[str]:
    return [_text(value) for value in values]


def _text(value: Any) -> str:
    return value.decode("utf-8") if isinstance(value, bytes) else str(value)


def predicted(task: Task) -> list[Callable[[Sequence[Target], Sequence[str]], dict[str, float]]]:
    """Returns the metrics of texts that a model wrote, inverted wordings aside."""

    def written_answers(targets: Sequence[Target], predictions: Sequence[str]) -> dict[str, float]:
        return _scores(task, targets, predictions)

    return [written_answers]


def scored(task: Task) -> list[Callable[[Sequence[Target], Sequence[Any]], dict[str, float]]]:
    """Returns the metrics of options that a model scored; the likeliest counts.

    Of equals the first counts, as in `evaluation.cluster`.
    """

    def rank_classification(targets: Sequence[Target], scores: Sequence[Any]) -> dict[str, float]:
        if np.isnan(np.asarray(scores, np.float64)).any():
            raise ValueError(
                f"task {task.name}: each option must get a number, got NaN; check that training "
                "did not diverge."
            )
        records: dict[int, list[tuple[int, float]]] = {}
        for place, target in enumerate(targets):
            records.setdefault(target["row"], []).append((place, float(scores[place])))
        best, predictions = [], []
        for number, options in enumerate(records.values(), start=1):
            places = [place for place, _ in options]
            if number == len(records) and _is_cut(targets, places):
                continue
            _check_options(task, targets, places)
            place = options[int(np.argmax([score for _, score in options]))][0]
            best.append(targets[place])
            predictions.append(targets[place]["text"])
        return _scores(task, best, predictions)

    return [rank_classification]


def _is_cut(targets: Sequence[Target], places: Sequence[int]) -> bool:
    """Returns whether a record lacks its last options, which SeqIO may cut off."""
    found = [targets[place]["option"] for place in places]
    return found == list(range(len(found))) and len(found) < len(targets[places[0]]["options"])


def _check_options(task: Task, targets: Sequence[Target], places: Sequence[int]) -> None:
    """Checks that a record's options are all there, in their order."""
    first = targets[places[0]]
    found = [targets[place]["option"] for place in places]
    if found != list(range(len(first["options"]))):
        raise ValueError(
            f"task {task.name}, row {first['row']}: all {len(first['options'])} options must be "
            f"scored once, in their order, got {found}; do not shuffle, cut or pad the split."
        )


def _scores(task: Task, targets: Sequence[Target], predictions: Sequence[str]) -> dict[str, float]:
    kept = [i for i, t in enumerate(targets) if not task.templates[t["template"]].inverted]
    if not kept:
        return {}
    answers = Answers(
        [predictions[i] for i in kept],
        [targets[i]["references"] for i in kept],
        [targets[i]["options"] for i in kept],
        [targets[i]["group"] for i in kept],
    )
    found: dict[str, float] = {}
    for name in task.metrics:
        for score, value in METRICS[name].scores(answers).items():
            found[name if score == name else f"{name}/{score}"] = value.value
    return found
