"""The metrics against hand values and published figures."""

from __future__ import annotations

import csv
import json
import pathlib

import numpy as np
import pytest

from flanjax.evaluation import metrics
from flanjax.evaluation.score import Answers


def lines_of(file: pathlib.Path) -> list[str]:
    return file.read_text(encoding="utf-8").removesuffix("\n").split("\n")


def test_accuracy_counts_any_reference_and_keeps_case_and_punctuation():
    scores = metrics.accuracy([" yes\n", "Yes", "no.", "b"], [["yes"], ["yes"], ["no"], ["a", "b"]])
    np.testing.assert_array_equal(scores["accuracy"].per_example, [100, 0, 0, 100])
    assert scores["accuracy"].value == 50


def test_exact_match_ignores_case_and_punctuation_but_not_articles():
    scores = metrics.exact_match(
        ["ROPER.!", "the  cat", "It's"], [["x", "Roper"], ["cat"], ["its"]]
    )
    np.testing.assert_array_equal(scores["exact_match"].per_example, [100, 0, 100])


def test_squad_f1_is_the_harmonic_mean_of_token_overlap_and_the_best_reference_counts():
    # "big red dog" against "red cat": one common token, precision 1/3, recall 1/2, f1 = 0.4.
    # "x x" against "x": the repeated token counts once, f1 = 2/3.
    scores = metrics.squad(
        ["The big red dog", "x x", "An apple!"], [["zebra", "red cat"], ["x"], ["apple"]]
    )
    np.testing.assert_allclose(scores["f1"].per_example, [40, 200 / 3, 100])
    np.testing.assert_array_equal(scores["em"].per_example, [0, 0, 100])


def test_an_empty_prediction_is_right_only_where_the_reference_is_empty_too():
    predictions, references = ["", "the", "", "a b"], [["x"], ["", "x"], ["."], ["..."]]
    scores = metrics.squad(predictions, references)
    np.testing.assert_array_equal(scores["f1"].per_example, [0, 100, 100, 0])
    np.testing.assert_array_equal(scores["em"].per_example, [0, 100, 100, 0])
    assert metrics.rouge([""], [["x"]])["rougeL"].value == 0
    assert metrics.bleu([""], [["x"]])["bleu"].value == 0


def test_rouge_takes_the_best_reference_for_each_type_on_its_own():
    # Against "d c b a": all words (rouge1 = 100), no pair in order, longest run 1 of 4.
    # Against "a b x y": two words of four (rouge1 = 50), one pair of three, run 2 of 4.
    scores = metrics.rouge(["a b c d"], [["d c b a", "a b x y"]])
    assert scores["rouge1"].value == pytest.approx(100)
    assert scores["rouge2"].value == pytest.approx(100 / 3)
    assert scores["rougeL"].value == pytest.approx(50)


def test_rouge_stems_words_unless_told_otherwise():
    assert metrics.rouge(["running dogs"], [["run dog"]])["rouge1"].value == pytest.approx(100)
    assert metrics.rouge(["running dogs"], [["run dog"]], stemming=False)["rouge1"].value == 0


def test_rouge_lsum_alone_sees_sentence_ends():
    scores = metrics.rouge(["w x . y z ."], [["y z . w x ."]])
    assert scores["rougeLsum"].value == pytest.approx(100)
    assert scores["rougeL"].value == pytest.approx(50)


def test_bleu_lets_the_number_of_references_vary():
    # Four words, each n-gram of the prediction in one of its references; equal lengths: 100.
    predictions = ["the cat sat down", "a dog ran off"]
    references = [["x y z w", "the cat sat down"], ["a dog ran off"]]
    score = metrics.bleu(predictions, references)["bleu"]
    assert score.value == pytest.approx(100)
    assert score.per_example is None


@pytest.mark.parametrize("name", sorted(metrics.METRICS))
def test_every_metric_has_its_headline_and_scores_a_perfect_answer_100(name):
    metric = metrics.METRICS[name]
    texts = ["1", "2"] if name in ("pearson", "spearman") else ["the quick brown fox jumps"] * 2
    texts = ["no", "yes"] if "options" in metric.reads else texts
    references = [[texts[0]], [texts[1]] if "options" in metric.reads else [texts[1], "9 z"]]
    options = [("no", "yes")] * 2
    score = metric.scores(Answers(texts, references, options, ["", ""]))[metric.headline]
    assert score.value == pytest.approx(100)
    assert metric.name == name
    if score.per_example is not None:
        np.testing.assert_allclose(score.per_example, [100, 100])


@pytest.mark.parametrize("name", sorted(metrics.METRICS))
@pytest.mark.parametrize(
    ("predictions", "references", "message"),
    [
        ([], [], "got 0 predictions and 0 lists"),
        (["a"], [["a"], ["b"]], "got 1 predictions and 2 lists"),
        (["a", "b"], [["a"], []], r"references of example 1 must be a list .* got \[\]"),
        (["a"], ["a"], "references of example 0 must be a list .* got 'a'"),
    ],
)
def test_every_metric_refuses_examples_without_references(name, predictions, references, message):
    options, groups = [("a", "b")] * len(predictions), [""] * len(predictions)
    with pytest.raises(ValueError, match=message):
        metrics.METRICS[name].scores(Answers(predictions, references, options, groups))


def test_labels_name_the_headline_where_a_metric_has_several_scores():
    assert metrics.METRICS["accuracy"].label == "accuracy"
    assert metrics.METRICS["squad"].label == "squad/f1"
    assert metrics.METRICS["rouge"].label == "rouge/rougeL"


def test_bleu_reproduces_published_wmt21_scores(test_data):
    with (test_data / "reference/wmt21_systems/automatic-scores.tsv").open(
        encoding="utf-8"
    ) as file:
        published = {
            (row["pair"], row["system"], row["metric"]): float(row["score"])
            for row in csv.DictReader(file, delimiter="\t")
        }
    for pair, system, letters in (
        ("de-en", "Facebook-AI", {"bleu-A": "A", "bleu-all": "AB"}),
        ("en-de", "UEdin", {"bleu-C": "C", "bleu-all": "ACD"}),
        ("en-zh", "Borderline", {"bleu-all": "AB"}),
    ):
        into = pair.split("-")[1]
        hypothesis = (
            test_data / f"reference/wmt21_systems/{pair}/newstest2021.{pair}.hyp.{system}.{into}"
        )
        for metric, names in letters.items():
            files = [
                test_data / f"translation/wmt21/newstest2021.{pair}.ref.{n}.{into}" for n in names
            ]
            references = list(zip(*map(lines_of, files), strict=True))
            tokenizer = "zh" if into == "zh" else "13a"
            score = metrics.bleu(lines_of(hypothesis), references, tokenizer=tokenizer)["bleu"]
            assert score.value == pytest.approx(published[pair, system, metric], abs=5e-4)


def test_rouge_reproduces_t5_and_perl_rouge_figures(test_data):
    folder = test_data / "reference/rouge_score_testdata"
    predictions = lines_of(folder / "prediction_large.txt")
    references = [[target] for target in lines_of(folder / "target_large.txt")]
    t5 = json.loads(
        (test_data / "reference/t5_metrics_testdata/expected_bootstrap_results.json").read_text()
    )
    plain = metrics.rouge(predictions, references, stemming=False)
    for name, mean in (("rouge1", 38.553), ("rouge2", 22.145), ("rougeLsum", 38.326)):
        assert plain[name].value == pytest.approx(mean, abs=5e-4)
        assert plain[name].value == pytest.approx(t5[name], abs=0.1)
    perl = json.loads((folder / "expected.json").read_text())["stemming"]
    stemmed = metrics.rouge(predictions, references)
    for name in ("rouge1", "rougeL"):
        middle = 100 * perl[name]["fmeasure"][1]
        assert stemmed[name].value == pytest.approx(middle, abs=0.02)


def test_squad_reproduces_the_official_script(test_data):
    questions = json.loads((test_data / "reading_comprehension/squad_v1/xquad.en.json").read_text())
    references = {
        qa["id"]: [answer["text"] for answer in qa["answers"]]
        for article in questions["data"]
        for paragraph in article["paragraphs"]
        for qa in paragraph["qas"]
    }
    folder = test_data / "reference/squad_predictions"
    expected = json.loads((folder / "expected.json").read_text())["scores"]
    assert len(expected) == 3
    for name, figures in expected.items():
        answers = json.loads((folder / f"{name}").read_text())
        scores = metrics.squad(list(answers.values()), [references[key] for key in answers])
        assert scores["em"].value == pytest.approx(figures["exact_match"], abs=1e-9)
        assert scores["f1"].value == pytest.approx(figures["f1"], abs=1e-9)


def test_exact_match_and_rouge_reproduce_super_natural_instructions(test_data):
    folder = test_data / "reference/sni_metrics"
    rows = [json.loads(line) for line in lines_of(folder / "predictions.jsonl")]
    overall = json.loads((folder / "expected.json").read_text())["overall"]
    predictions = [row["prediction"] for row in rows]
    references = [row["references"] for row in rows]
    exact = metrics.exact_match(predictions, references)["exact_match"]
    rouge = metrics.rouge(predictions, references)
    np.testing.assert_array_equal(exact.per_example, [100.0 * row["exact_match"] for row in rows])
    assert exact.value == pytest.approx(overall["exact_match"], abs=5e-5)
    for name in ("rouge1", "rougeL"):
        np.testing.assert_allclose(rouge[name].per_example, [100 * row[name] for row in rows])
        assert rouge[name].value == pytest.approx(overall[name], abs=5e-5)
