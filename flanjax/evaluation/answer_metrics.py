"""Metrics of question answering: tokens shared with an accepted answer."""

from __future__ import annotations

import collections
import re
import string
from collections.abc import Callable, Sequence

from flanjax.evaluation.score import Score, check_answers, mean_score, share_equal


def squad(predictions: Sequence[str], references: Sequence[Sequence[str]]) -> dict[str, Score]:
    """SQuAD's exact match `em` and token `f1`, each the best over references.

    Source: the official SQuAD 2.0 evaluation. Where prediction or reference
    has no tokens left after normalization, f1 is 100 if both have none, else 0.
    """
    return _best_over_references(predictions, references, squad_normalize)


def trivia_qa(predictions: Sequence[str], references: Sequence[Sequence[str]]) -> dict[str, Score]:
    """TriviaQA's `em` and token `f1` over a question's aliases.

    As `squad`, but punctuation (quotes of every kind and underscores too)
    parts words instead of joining them. Source: the official TriviaQA
    evaluation (Joshi et al., 2017).
    """
    return _best_over_references(predictions, references, trivia_qa_normalize)


def record(
    predictions: Sequence[str],
    references: Sequence[Sequence[str]],
    *,
    groups: Sequence[str],
) -> dict[str, Score]:
    """ReCoRD's `em` and `f1`, each query counted once.

    As `squad`; where a source gives a query several times, once for each of
    its answers, only the first is scored. Source: Zhang et al., 2018.
    """
    check_answers(predictions, references)
    first: dict[str, int] = {}
    for index, group in enumerate(groups):
        first.setdefault(group or f"#{index}", index)
    kept = sorted(first.values())
    scores = squad([predictions[i] for i in kept], [references[i] for i in kept])
    if len(kept) == len(predictions):
        return scores
    return {name: Score(score.value, None) for name, score in scores.items()}


def squad_normalize(text: str) -> str:
    """Lowercases; drops punctuation, then articles, then extra whitespace."""
    bare = "".join(char for char in text.lower() if char not in string.punctuation)
    return " ".join(re.sub(r"\b(a|an|the)\b", " ", bare).split())


def trivia_qa_normalize(text: str) -> str:
    """Lowercases; parts words at punctuation; drops articles and extra whitespace."""
    bare = "".join(" " if char in _TRIVIA_QA_PUNCTUATION else char for char in text.lower())
    return " ".join(re.sub(r"\b(a|an|the)\b", " ", bare).split())


_TRIVIA_QA_PUNCTUATION = frozenset(string.punctuation + "\u2018\u2019\u00b4")


def _best_over_references(
    predictions: Sequence[str],
    references: Sequence[Sequence[str]],
    normalize: Callable[[str], str],
) -> dict[str, Score]:
    check_answers(predictions, references)
    f1 = [
        max(_token_f1(normalize(prediction), normalize(reference)) for reference in several)
        for prediction, several in zip(predictions, references, strict=True)
    ]
    return {"em": share_equal(predictions, references, normalize), "f1": mean_score(f1)}


def _token_f1(prediction: str, reference: str) -> float:
    predicted, expected = prediction.split(), reference.split()
    if not predicted or not expected:
        return float(predicted == expected)
    num_common = (collections.Counter(predicted) & collections.Counter(expected)).total()
    return 2 * num_common / (len(predicted) + len(expected))
