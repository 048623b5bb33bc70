"""What a metric sees, and what it gives: numbers on a scale to 100.

Conventions that all metrics share:
  - An example has one reference or several; the best one counts, each score
    on its own. An example without a reference is an error, as are no examples.
  - An empty prediction is scored like any other text: it is right only where
    a reference is empty too (after the metric's normalization).
  - A metric that is a mean over examples also gives each example's value, so
    that a standard error over examples exists. A corpus metric does not.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np


class Score(NamedTuple):
    """One score of a metric over a set of examples.

    Attributes:
      value: The score of the whole set, 0 to 100.
      per_example: float64 [examples] whose mean is `value`; None for a score
        that exists only for a corpus.
    """

    value: float
    per_example: np.ndarray | None


class Answers(NamedTuple):
    """A task's answers in one wording, an entry per example.

    Attributes:
      predictions: What was answered.
      references: Every acceptable answer.
      options: What could be chosen, in the task's order; empty where a text
        was written.
      groups: Which examples are judged together; "" for each on its own.
    """

    predictions: Sequence[str]
    references: Sequence[Sequence[str]]
    options: Sequence[Sequence[str]]
    groups: Sequence[str]


@dataclasses.dataclass(frozen=True)
class Metric:
    """A named metric.

    Attributes:
      name: The name tasks use.
      headline: Which of its scores stands for the metric in a table.
      compute: (predictions, references, **reads) -> score name -> Score; its
        result always holds `headline`.
      reads: Which further entries of Answers it takes, by their names.
    """

    name: str
    headline: str
    compute: Callable[..., dict[str, Score]]
    reads: tuple[str, ...] = ()

    @property
    def label(self) -> str:
        """Returns the headline's full name: `accuracy`, `squad/f1`."""
        return self.name if self.headline == self.name else f"{self.name}/{self.headline}"

    def scores(self, answers: Answers) -> dict[str, Score]:
        """Returns the metric's scores of a set of answers."""
        further = {name: getattr(answers, name) for name in self.reads}
        return self.compute(answers.predictions, answers.references, **further)


def mean_score(fractions: Sequence[float]) -> Score:
    """Returns the mean of fractions as a score to 100, with each example's."""
    per_example = 100.0 * np.asarray(fractions, np.float64)
    return Score(float(per_example.mean()), per_example)


def share_equal(
    predictions: Sequence[str],
    references: Sequence[Sequence[str]],
    normalize: Callable[[str], str],
) -> Score:
    """Returns the share of predictions that equal a reference once normalized."""
    check_answers(predictions, references)
    return mean_score(
        [
            float(normalize(prediction) in {normalize(reference) for reference in several})
            for prediction, several in zip(predictions, references, strict=True)
        ]
    )


def check_answers(predictions: Sequence[str], references: Sequence[Sequence[str]]) -> None:
    """Checks that each prediction has its references.

    Raises:
      ValueError: The numbers differ, or an example has no reference.
    """
    if len(predictions) != len(references) or not predictions:
        raise ValueError(
            "a metric must have one list of references for each of its predictions, at least one, "
            f"got {len(predictions)} predictions and {len(references)} lists; pass them in pairs."
        )
    for index, several in enumerate(references):
        if isinstance(several, str) or not several:
            raise ValueError(
                f"references of example {index} must be a list of at least one text, "
                f"got {several!r}; put a single reference into a list."
            )
