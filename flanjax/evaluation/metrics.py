"""Metrics over predicted and reference texts, all on a scale from 0 to 100.

Conventions that all metrics share:
  - An example has one reference or several; the best one counts, each score
    on its own. An example without a reference is an error, as are no examples.
  - An empty prediction is scored like any other text: it is right only where
    a reference is empty too (after the metric's normalization).
  - A metric that is a mean over examples also gives each example's value, so
    that a standard error over examples exists. A corpus metric does not.
"""

from __future__ import annotations

import collections
import dataclasses
import re
import string
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, TypeAlias

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


Compute: TypeAlias = Callable[[Sequence[str], Sequence[Sequence[str]]], dict[str, Score]]
"""(predictions, references of each) -> score name -> Score."""


@dataclasses.dataclass(frozen=True)
class Metric:
    """A named metric.

    Attributes:
      name: The name tasks use.
      headline: Which of its scores stands for the metric in a table.
      compute: The metric itself; its result always holds `headline`.
    """

    name: str
    headline: str
    compute: Compute

    @property
    def label(self) -> str:
        """Returns the headline's full name: `accuracy`, `squad/f1`."""
        return self.name if self.headline == self.name else f"{self.name}/{self.headline}"


def accuracy(predictions: Sequence[str], references: Sequence[Sequence[str]]) -> dict[str, Score]:
    """Share of predictions equal to a reference, outer whitespace aside."""
    return {"accuracy": _share_equal(predictions, references, str.strip)}


def exact_match(
    predictions: Sequence[str], references: Sequence[Sequence[str]]
) -> dict[str, Score]:
    """Share equal to a reference without case, punctuation and extra spaces.

    Articles stay, unlike in `squad`. Source: Super-NaturalInstructions
    (Wang et al., 2022), whose evaluation normalizes in this way.
    """
    return {"exact_match": _share_equal(predictions, references, _without_punctuation)}


def squad(predictions: Sequence[str], references: Sequence[Sequence[str]]) -> dict[str, Score]:
    """SQuAD's exact match `em` and token `f1`, each the best over references.

    Source: the official SQuAD 2.0 evaluation. Where prediction or reference
    has no tokens left after normalization, f1 is 100 if both have none, else 0.
    """
    _check(predictions, references)
    f1 = [
        max(_token_f1(prediction, reference) for reference in several)
        for prediction, several in zip(predictions, references, strict=True)
    ]
    return {"em": _share_equal(predictions, references, squad_normalize), "f1": _mean_score(f1)}


def rouge(
    predictions: Sequence[str],
    references: Sequence[Sequence[str]],
    *,
    stemming: bool = True,
) -> dict[str, Score]:
    """ROUGE F-measures: rouge1, rouge2, rougeL and rougeLsum.

    The mean over examples, without bootstrap. As in T5, a sentence ends at
    " . " or at a line end, which matters to rougeLsum alone.

    Args:
      predictions: One text per example.
      references: The references of each.
      stemming: Whether words are Porter-stemmed first; T5 does not.
    """
    from rouge_score import rouge_scorer

    _check(predictions, references)
    names = ["rouge1", "rouge2", "rougeL", "rougeLsum"]
    scorer = rouge_scorer.RougeScorer(names, use_stemmer=stemming)
    f_measures = collections.defaultdict(list)
    for prediction, several in zip(predictions, references, strict=True):
        found = scorer.score_multi(
            [_sentence_lines(r) for r in several], _sentence_lines(prediction)
        )
        for name in names:
            f_measures[name].append(found[name].fmeasure)
    return {name: _mean_score(f_measures[name]) for name in names}


def bleu(
    predictions: Sequence[str],
    references: Sequence[Sequence[str]],
    *,
    tokenizer: str = "13a",
) -> dict[str, Score]:
    """Corpus BLEU as sacreBLEU computes it, cased, exponential smoothing.

    Args:
      predictions: One text per example.
      references: The references of each; their number may vary.
      tokenizer: sacreBLEU's name of one: "13a", or "zh" for Chinese.
    """
    import sacrebleu

    _check(predictions, references)
    streams: list[Any] = [  # None where an example has fewer references than others
        [several[index] if index < len(several) else None for several in references]
        for index in range(max(map(len, references)))
    ]
    found = sacrebleu.corpus_bleu(list(predictions), streams, tokenize=tokenizer)
    return {"bleu": Score(float(found.score), None)}


METRICS: Mapping[str, Metric] = {
    metric.name: metric
    for metric in (
        Metric("accuracy", "accuracy", accuracy),
        Metric("exact_match", "exact_match", exact_match),
        Metric("squad", "f1", squad),
        Metric("rouge", "rougeL", rouge),
        Metric("bleu", "bleu", bleu),
    )
}


def squad_normalize(text: str) -> str:
    """Lowercases; drops punctuation, then articles, then extra whitespace."""
    bare = "".join(char for char in text.lower() if char not in string.punctuation)
    return " ".join(re.sub(r"\b(a|an|the)\b", " ", bare).split())


def _without_punctuation(text: str) -> str:
    bare = "".join(char for char in text.lower() if char not in string.punctuation)
    return " ".join(bare.split())


def _token_f1(prediction: str, reference: str) -> float:
    predicted = squad_normalize(prediction).split()
    expected = squad_normalize(reference).split()
    if not predicted or not expected:
        return float(predicted == expected)
    num_common = (collections.Counter(predicted) & collections.Counter(expected)).total()
    return 2 * num_common / (len(predicted) + len(expected))


def _share_equal(
    predictions: Sequence[str],
    references: Sequence[Sequence[str]],
    normalize: Callable[[str], str],
) -> Score:
    _check(predictions, references)
    return _mean_score(
        [
            float(normalize(prediction) in {normalize(reference) for reference in several})
            for prediction, several in zip(predictions, references, strict=True)
        ]
    )


def _mean_score(fractions: Sequence[float]) -> Score:
    per_example = 100.0 * np.asarray(fractions, np.float64)
    return Score(float(per_example.mean()), per_example)


def _sentence_lines(text: str) -> str:
    return text.replace(" . ", " .\n")


def _check(predictions: Sequence[str], references: Sequence[Sequence[str]]) -> None:
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
