"""Metrics over classes and numbers: F1, correlations.

A prediction's class is its place among the example's options; one that is no
option is of a class of its own, and never right. All are corpus metrics.
"""

from __future__ import annotations

import collections
import math
from collections.abc import Sequence

import numpy as np

from flanjax.evaluation.score import Score, check_answers

NO_OPTION = -1
"""The class of a text that is no option; the number of one that is no number, as in T5."""


def f1(
    predictions: Sequence[str],
    references: Sequence[Sequence[str]],
    *,
    options: Sequence[Sequence[str]],
) -> dict[str, Score]:
    """F1 of the second option's class; 0 where it is never right.

    The paraphrase tasks of GLUE have it beside accuracy (Wang et al., 2018).
    """
    predicted, expected = _classes(predictions, references, options)
    return {"f1": Score(_positive_f1(predicted, expected), None)}


def mean_f1(
    predictions: Sequence[str],
    references: Sequence[Sequence[str]],
    *,
    options: Sequence[Sequence[str]],
) -> dict[str, Score]:
    """F1 of each class, their unweighted mean.

    CommitmentBank's in SuperGLUE (Wang et al., 2019). A class that is neither
    predicted nor expected counts as 0, as there.
    """
    from sklearn import metrics

    predicted, expected = _classes(predictions, references, options)
    classes = list(range(max(map(len, options))))
    value = metrics.f1_score(expected, predicted, labels=classes, average="macro", zero_division=0)
    return {"mean_f1": Score(100.0 * float(value), None)}


def matthews(
    predictions: Sequence[str],
    references: Sequence[Sequence[str]],
    *,
    options: Sequence[Sequence[str]],
) -> dict[str, Score]:
    """Matthews correlation, -100 to 100; 0 where one side has one class.

    CoLA's (Warstadt et al., 2019).
    """
    from sklearn import metrics

    predicted, expected = _classes(predictions, references, options)
    value = metrics.matthews_corrcoef(expected, predicted)
    return {"matthews": Score(100.0 * float(value), None)}


def pearson(predictions: Sequence[str], references: Sequence[Sequence[str]]) -> dict[str, Score]:
    """Pearson correlation of numbers, -100 to 100; 0 where one side is constant.

    A prediction that is no number counts as -1, as in T5.
    """
    from scipy import stats

    predicted, expected = _numbers(predictions, references)
    return {"pearson": _correlation(stats.pearsonr, predicted, expected)}


def spearman(predictions: Sequence[str], references: Sequence[Sequence[str]]) -> dict[str, Score]:
    """Spearman rank correlation of numbers; conventions as `pearson`."""
    from scipy import stats

    predicted, expected = _numbers(predictions, references)
    return {"spearman": _correlation(stats.spearmanr, predicted, expected)}


def multirc(
    predictions: Sequence[str],
    references: Sequence[Sequence[str]],
    *,
    options: Sequence[Sequence[str]],
    groups: Sequence[str],
) -> dict[str, Score]:
    """MultiRC's two: `f1a` over all answers, `em` of whole questions.

    `f1a` is the F1 of "this answer is right" over all candidate answers; `em`
    is the share of questions whose candidates are all judged rightly. Source:
    Khashabi et al., 2018; SuperGLUE.
    """
    predicted, expected = _classes(predictions, references, options)
    is_right = collections.defaultdict(list)
    for index, group in enumerate(groups):
        is_right[group or f"#{index}"].append(predicted[index] == expected[index])
    em = 100.0 * sum(map(all, is_right.values())) / len(is_right)
    return {"f1a": Score(_positive_f1(predicted, expected), None), "em": Score(em, None)}


def _positive_f1(predicted: Sequence[int], expected: Sequence[int]) -> float:
    from sklearn import metrics

    value = metrics.f1_score(
        [label == 1 for label in expected], [label == 1 for label in predicted], zero_division=0
    )
    return 100.0 * float(value)


def _classes(
    predictions: Sequence[str],
    references: Sequence[Sequence[str]],
    options: Sequence[Sequence[str]],
) -> tuple[list[int], list[int]]:
    check_answers(predictions, references)
    predicted, expected = [], []
    for prediction, several, choices in zip(predictions, references, options, strict=True):
        if not choices:
            raise ValueError(
                "a metric over classes must have each example's options, got none; "
                "use it in a task of rank mode."
            )
        places = {choice: place for place, choice in enumerate(choices)}
        if several[0] not in places:
            raise ValueError(
                f"a reference must be one of its options {', '.join(choices)}, got "
                f"{several[0]!r}; use another metric where it may be something else."
            )
        predicted.append(places.get(prediction, NO_OPTION))
        expected.append(places[several[0]])
    return predicted, expected


def _numbers(
    predictions: Sequence[str], references: Sequence[Sequence[str]]
) -> tuple[np.ndarray, np.ndarray]:
    check_answers(predictions, references)
    for several in references:
        if not _is_number(several[0]):
            raise ValueError(
                f"a reference of a correlation must be a number, got {several[0]!r}; "
                "let the target be {answer} alone."
            )
    expected = np.array([float(several[0]) for several in references])
    return np.array([_number(prediction) for prediction in predictions]), expected


def _is_number(text: str) -> bool:
    try:
        return math.isfinite(float(text))
    except ValueError:
        return False


def _number(text: str) -> float:
    return float(text) if _is_number(text) else float(NO_OPTION)


def _correlation(correlate: object, predicted: np.ndarray, expected: np.ndarray) -> Score:
    is_constant = np.ptp(predicted) == 0 or np.ptp(expected) == 0
    value = 0.0 if is_constant else float(correlate(predicted, expected).statistic)  # type: ignore[operator]
    return Score(100.0 * value, None)
