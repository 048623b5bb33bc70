"""Metrics over classes, numbers and groups against hand values."""

from __future__ import annotations

import math

import numpy as np
import pytest

from flanjax.evaluation import metrics
from flanjax.evaluation.score import Answers

YES_NO = ("no", "yes")


def scores(name: str, predictions, references, options=(), groups=()):
    answers = Answers(
        predictions,
        [[reference] for reference in references],
        options or [()] * len(predictions),
        groups or [""] * len(predictions),
    )
    return {key: score.value for key, score in metrics.METRICS[name].scores(answers).items()}


def test_f1_is_that_of_the_second_option() -> None:
    # yes: 2 right of 3 predicted and of 3 expected.
    predictions = ["yes", "yes", "yes", "no", "no"]
    references = ["yes", "yes", "no", "yes", "no"]
    assert scores("f1", predictions, references, [YES_NO] * 5) == {"f1": pytest.approx(200 / 3)}


def test_f1_is_zero_where_the_class_is_never_right() -> None:
    assert scores("f1", ["no", "no"], ["no", "yes"], [YES_NO] * 2) == {"f1": 0}


def test_a_text_that_is_no_option_is_never_right() -> None:
    assert scores("f1", ["maybe", "yes"], ["yes", "yes"], [YES_NO] * 2) == {
        "f1": pytest.approx(200 / 3)  # precision 1, recall 1/2
    }


def test_mean_f1_weighs_each_class_alike() -> None:
    # a: precision 2/3, recall 1 -> 0.8; b: 1, 1/2 -> 2/3; c: 1, 1 -> 1.
    predictions = ["a", "a", "a", "b", "c"]
    references = ["a", "a", "b", "b", "c"]
    expected = 100 * (0.8 + 2 / 3 + 1) / 3
    assert scores("mean_f1", predictions, references, [("a", "b", "c")] * 5) == {
        "mean_f1": pytest.approx(expected)
    }


def test_matthews_is_the_correlation_of_the_two_by_two_table() -> None:
    # tp 3, tn 2, fp 1, fn 2: (3*2 - 1*2) / sqrt(4 * 5 * 3 * 4)
    predictions = ["yes"] * 3 + ["no"] * 2 + ["yes"] + ["no"] * 2
    references = ["yes"] * 3 + ["no"] * 2 + ["no"] + ["yes"] * 2
    expected = 100 * 4 / math.sqrt(240)
    assert scores("matthews", predictions, references, [YES_NO] * 8) == {
        "matthews": pytest.approx(expected)
    }
    assert scores("matthews", ["no"] * 3, ["no", "yes", "no"], [YES_NO] * 3) == {"matthews": 0}


def test_pearson_and_spearman_take_numbers_from_text() -> None:
    predictions, references = ["1", "2", "3", "5"], ["0.5", "1.0", "4.5", "5.0"]
    x, y = np.array([1, 2, 3, 5.0]), np.array([0.5, 1, 4.5, 5])
    x, y = x - x.mean(), y - y.mean()
    expected = 100 * (x @ y) / math.sqrt((x @ x) * (y @ y))
    assert scores("pearson", predictions, references) == {"pearson": pytest.approx(expected)}
    assert scores("spearman", predictions, references) == {"spearman": pytest.approx(100)}


def test_a_prediction_that_is_no_number_counts_as_minus_one() -> None:
    references = ["0", "3", "5"]
    assert scores("pearson", ["none", "3", "5"], references) == scores(
        "pearson", ["-1", "3", "5"], references
    )
    assert scores("spearman", ["nan", "inf", "x"], references) == {"spearman": 0}  # all constant


def test_multirc_pools_answers_for_f1_and_counts_whole_questions_for_em() -> None:
    predictions = ["yes", "no", "yes", "yes", "no"]
    references = ["yes", "no", "yes", "no", "no"]
    groups = ["q1", "q1", "q2", "q2", "q3"]
    # yes: 2 right of 3 predicted and 2 expected -> f1 0.8; q1 and q3 are whole.
    assert scores("multirc", predictions, references, [YES_NO] * 5, groups) == {
        "f1a": pytest.approx(80),
        "em": pytest.approx(200 / 3),
    }


def test_record_counts_a_query_once() -> None:
    found = metrics.record(
        ["Ann Lee", "Ann Lee", "Bob"],
        [["Ann Lee", "Lee"], ["Lee"], ["Robert"]],
        groups=["q1", "q1", "q2"],
    )
    assert (found["em"].value, found["f1"].value) == (50, 50)
    assert found["em"].per_example is None
    apart = metrics.record(["a", "b"], [["a"], ["c"]], groups=["", ""])
    np.testing.assert_array_equal(apart["em"].per_example, [100, 0])


def test_trivia_qa_parts_words_at_punctuation_where_squad_joins_them() -> None:
    predictions = ["Jay-Z", "the_beatles", "Rock \u2018n\u2019 Roll"]
    references = [["jay z"], ["Beatles"], ["rock n roll"]]
    np.testing.assert_array_equal(
        metrics.trivia_qa(predictions, references)["em"].per_example, [100, 100, 100]
    )
    np.testing.assert_array_equal(
        metrics.squad(predictions, references)["em"].per_example, [0, 0, 0]
    )


def test_edit_distance_is_over_characters_and_keeps_case() -> None:
    # "Paris." to "paris": two edits of six; "ab" to "ab": none; the nearest reference counts.
    found = metrics.edit_distance(["Paris.", "ab"], [["paris"], ["xyz", "ab"]])
    np.testing.assert_allclose(found["similarity"].per_example, [100 * 4 / 6, 100])
    assert found["char_error_rate"].value == pytest.approx(100 * 2 / 7)


def test_a_class_metric_refuses_answers_without_options() -> None:
    with pytest.raises(ValueError, match="must have each example's options, got none; use it in"):
        scores("f1", ["yes"], ["yes"])
