"""Metrics over texts: equal, overlapping, or a few edits apart."""

from __future__ import annotations

import collections
import string
from collections.abc import Sequence
from typing import Any

from flanjax.evaluation.score import Score, check_answers, mean_score, share_equal


def accuracy(predictions: Sequence[str], references: Sequence[Sequence[str]]) -> dict[str, Score]:
    """Share of predictions equal to a reference, outer whitespace aside."""
    return {"accuracy": share_equal(predictions, references, str.strip)}


def exact_match(
    predictions: Sequence[str], references: Sequence[Sequence[str]]
) -> dict[str, Score]:
    """Share equal to a reference without case, punctuation and extra spaces.

    Articles stay, unlike in `squad`. Source: Super-NaturalInstructions
    (Wang et al., 2022), whose evaluation normalizes in this way.
    """
    return {"exact_match": share_equal(predictions, references, _without_punctuation)}


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

    check_answers(predictions, references)
    names = ["rouge1", "rouge2", "rougeL", "rougeLsum"]
    scorer = rouge_scorer.RougeScorer(names, use_stemmer=stemming)
    f_measures = collections.defaultdict(list)
    for prediction, several in zip(predictions, references, strict=True):
        found = scorer.score_multi(
            [_sentence_lines(r) for r in several], _sentence_lines(prediction)
        )
        for name in names:
            f_measures[name].append(found[name].fmeasure)
    return {name: mean_score(f_measures[name]) for name in names}


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

    check_answers(predictions, references)
    streams: list[Any] = [  # None where an example has fewer references than others
        [several[index] if index < len(several) else None for several in references]
        for index in range(max(map(len, references)))
    ]
    found = sacrebleu.corpus_bleu(list(predictions), streams, tokenize=tokenizer)
    return {"bleu": Score(float(found.score), None)}


def edit_distance(
    predictions: Sequence[str], references: Sequence[Sequence[str]]
) -> dict[str, Score]:
    """How few characters must change: `similarity` and `char_error_rate`.

    Levenshtein distance over characters, case and punctuation counting, since
    restoring them is what such tasks ask. `similarity` is the mean over
    examples of 100 * (1 - distance / longer length). `char_error_rate` is 100
    times all distances over all reference lengths, and may exceed 100; each
    prediction is held against the reference that it is most similar to.
    """
    from rapidfuzz.distance import Levenshtein

    check_answers(predictions, references)
    similarities, num_edits, num_characters = [], 0, 0
    for prediction, several in zip(predictions, references, strict=True):
        similarity = {r: Levenshtein.normalized_similarity(prediction, r) for r in several}
        best = max(several, key=similarity.__getitem__)
        similarities.append(similarity[best])
        num_edits += Levenshtein.distance(prediction, best)
        num_characters += len(best)
    rate = 100.0 * num_edits / max(num_characters, 1)
    return {"similarity": mean_score(similarities), "char_error_rate": Score(rate, None)}


def _without_punctuation(text: str) -> str:
    bare = "".join(char for char in text.lower() if char not in string.punctuation)
    return " ".join(bare.split())


def _sentence_lines(text: str) -> str:
    return text.replace(" . ", " .\n")
