"""Clusters scored with predictors whose answers are written down."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Callable, Sequence

import numpy as np
import pytest

from flanjax.data.fewshot import choose_shots
from flanjax.data.render import record_uid
from flanjax.data.task import Task, TaskCluster, Template
from flanjax.evaluation.cluster import EvalConfig, evaluate_cluster
from flanjax.evaluation.comparison import cluster_change, task_change
from flanjax.evaluation.queries import LEFT_OUT_BY_RULE

ALL = EvalConfig(max_examples=0)


class NoSource:
    def splits(self):
        return ()

    def records(self, split, *, data_dir=None):
        return iter(())

    def describe(self):
        return "none"


def to_fields(record):
    if record["answer"] == "unlabelled":
        return None
    return {**record, "options": tuple(record["options"])}


def make_task(**changes) -> Task:
    values = {
        "name": "colour",
        "version": 1,
        "source": NoSource(),
        "to_fields": to_fields,
        "fields": ("text", "answer", "options"),
        "templates": (
            Template("A: {text}\n{options}"),
            Template("Ask about {answer}.", "{text}", inverted=True),
            Template("B: {text}\n{options}", "it is {answer}"),
        ),
        "mode": "rank",
        "metrics": ("accuracy",),
        "license": "CC0-1.0",
        "citation": "none",
    }
    return Task(**(values | changes))


def record(text: str, answer: str, options: Sequence[str] = ("red", "blue")) -> dict:
    return {"text": text, "answer": answer, "options": list(options)}


class Scripted:
    """Answers by functions of the prompt, and keeps what it was asked."""

    def __init__(
        self,
        *,
        score: Callable[[str, Sequence[str]], Sequence[float]] | None = None,
        generate: Callable[[str], str] | None = None,
    ):
        self._score = score
        self._generate = generate
        self.prompts: list[list[str]] = []
        self.options: list[list[tuple[str, ...]]] = []

    def score(self, prompts, options):
        self.prompts.append(list(prompts))
        self.options.append([tuple(choices) for choices in options])
        return [
            np.asarray(self._score(prompt, choices), np.float32)
            for prompt, choices in zip(prompts, options, strict=True)
        ]

    def generate(self, prompts, *, max_length):
        self.prompts.append(list(prompts))
        return [f"{self._generate(prompt)}"[:max_length] for prompt in prompts]


def evaluate(predict, task, records, **flags):
    flags.setdefault("config", ALL)
    report = evaluate_cluster(
        predict, TaskCluster("seeing", (task,)), {task.name: records}, **flags
    )
    return report.tasks[0]


FOUR = [record("r0", "red"), record("r1", "red"), record("r2", "red"), record("r3", "blue")]


def likes_red_in_a_and_is_right_on_two_in_b(prompt, choices):
    if prompt.startswith("A"):
        return [-1.0, -2.0]
    return [-1.0, -2.0] if prompt.startswith(("B: r0", "B: r3")) else [-2.0, -1.0]


def test_scores_are_summed_up_over_templates_and_examples_by_the_stated_formulas():
    # Template 0 is right on r0, r1, r2: 75. Template 2 on r0 alone: 25.
    # Mean over templates per example: 100, 50, 50, 0; standard deviation sqrt(5000 / 3).
    predict = Scripted(score=likes_red_in_a_and_is_right_on_two_in_b)
    task = evaluate(predict, make_task(), FOUR)
    assert [(t.template, t.score) for t in task.templates] == [(0, 75), (2, 25)]
    assert task.mean == 50
    assert task.template_std == pytest.approx(math.sqrt(2) * 25)
    assert task.example_scores == (100, 50, 50, 0)
    assert task.standard_error == pytest.approx(math.sqrt(5000 / 3) / 2)
    assert (task.best_template.template, task.worst_template.template) == (0, 2)
    assert (task.chance, task.majority) == (50, 75)
    assert (task.num_examples, task.num_inverted, task.metric) == (4, 1, "accuracy")
    assert task.templates[1].wording == "B: {text}\n{options}"


def test_inverted_templates_are_never_asked_and_all_others_go_in_one_call():
    predict = Scripted(score=lambda prompt, choices: [0.0, -1.0])
    evaluate(predict, make_task(), FOUR[:2])
    block = "\nOPTIONS:\n- red\n- blue"
    assert predict.prompts == [["A: r0" + block, "B: r0" + block, "A: r1" + block, "B: r1" + block]]
    assert predict.options[0][:2] == [("red", "blue"), ("it is red", "it is blue")]


def test_the_highest_sum_wins_whatever_its_length_and_the_first_of_equals():
    # Per word the second option is likelier (-1 against -2), as a sum it is not.
    options = ("blue", "a deep dark red")
    predict = Scripted(score=lambda prompt, choices: [-2.0, -4.0])
    longer = evaluate(predict, make_task(), [record("r0", "a deep dark red", options)])
    assert longer.mean == 0
    tie = Scripted(score=lambda prompt, choices: [-5.0, -3.0, -3.0])
    options = ("x", "y", "z")
    tied = evaluate(
        tie, make_task(), [record("a", "y", options), record("b", "z", options)], templates=[0]
    )
    assert tied.example_scores == (100, 0)


def test_a_single_template_has_no_spread_and_a_single_example_no_error():
    predict = Scripted(score=lambda prompt, choices: [0.0, -1.0])
    task = evaluate(predict, make_task(), FOUR[:1], templates=[2])
    assert (task.mean, task.template_std, task.standard_error) == (100, 0.0, None)


def test_chance_is_the_mean_of_one_over_the_number_of_options():
    predict = Scripted(score=lambda prompt, choices: np.arange(len(choices)))
    records = [record("a", "w", "wxyz"), record("b", "q", "pq")]
    assert evaluate(predict, make_task(), records).chance == pytest.approx(37.5)


def test_majority_is_the_better_of_a_constant_text_and_a_constant_position():
    predict = Scripted(score=lambda prompt, choices: [0.0, 0.0])
    by_text = [record("a", "x", "xy"), record("b", "x", "yx"), record("c", "x", "yx")]
    assert evaluate(predict, make_task(), by_text).majority == pytest.approx(100)
    by_place = [record("a", "p", "pq"), record("b", "r", "rs"), record("c", "u", "tu")]
    assert evaluate(predict, make_task(), by_place).majority == pytest.approx(200 / 3)


def test_generated_text_is_judged_by_the_metrics_and_the_first_one_leads():
    task = make_task(mode="generate", metrics=("squad", "accuracy"))
    predict = Scripted(generate=lambda prompt: "It is red!" if prompt.startswith("B") else "blue")
    found = evaluate(predict, task, FOUR[2:])
    # Template 0 writes "blue": f1 0 on r2, 100 on r3. Template 2 writes "It is red!":
    # against "it is red" 100, against "it is blue" 2 common of 3 and 3: 66.67.
    assert found.metric == "squad/f1"
    assert [t.score for t in found.templates] == pytest.approx([50, 250 / 3])
    assert found.example_scores == pytest.approx((50, 250 / 3))
    assert found.metrics["squad/em"] == pytest.approx(50)
    assert found.metrics["accuracy"] == pytest.approx(25)
    assert (found.chance, found.majority) == (None, None)
    assert found.predictions[1]["prediction"] == "It is red!"


def test_generation_stops_at_the_configured_length():
    config = EvalConfig(max_examples=0, max_decode_length=3)
    task = make_task(mode="generate")
    found = evaluate(Scripted(generate=lambda _: "redder"), task, FOUR[:1], config=config)
    assert [row["prediction"] for row in found.predictions] == ["red", "red"]


def test_a_corpus_metric_has_no_error_over_examples():
    task = make_task(mode="generate", metrics=("bleu",))
    found = evaluate(Scripted(generate=lambda _: "it is red"), task, FOUR)
    assert found.standard_error is None
    assert found.example_scores == ()


def test_every_acceptable_answer_counts():
    task = make_task(mode="generate", fields=("text", "answer", "options", "references"))
    several = record("a", "red") | {"references": ["scarlet", "red"]}
    found = evaluate(Scripted(generate=lambda _: "scarlet"), task, [several], templates=[0])
    assert found.mean == 100
    assert found.predictions[0]["references"] == ["scarlet", "red"]


def test_records_left_out_are_counted_with_their_reasons():
    records = [*FOUR, record("r4", "unlabelled"), record("r5", "green")]
    predict = Scripted(score=lambda prompt, choices: [0.0, -1.0])
    task = evaluate(predict, make_task(), records, bad_record_limit=0.2)
    assert task.num_examples == 4
    reasons = dict(task.left_out)
    assert reasons.pop(LEFT_OUT_BY_RULE) == 1
    [(reason, count)] = reasons.items()
    assert count == 1
    assert "task colour: options must hold the answer 'green'" in reason


def test_too_many_bad_records_are_an_error():
    with pytest.raises(
        ValueError, match=r"task colour: at most 1.00% .* got 1 of 5; first: .*green"
    ):
        evaluate(Scripted(), make_task(), [*FOUR, record("r5", "green")])


def test_max_examples_draws_the_same_records_in_any_order_of_the_data():
    records = [record(f"r{number}", "red") for number in range(40)]
    config = EvalConfig(max_examples=5)
    predict = Scripted(score=lambda prompt, choices: [0.0, -1.0])
    first = evaluate(predict, make_task(), records, config=config)
    again = evaluate(predict, make_task(), records[::-1], config=config)
    other = evaluate(predict, make_task(), records, config=EvalConfig(max_examples=5, seed=1))
    assert first.num_examples == 5
    assert first.num_unsampled == 35
    assert sorted(first.example_uids) == sorted(again.example_uids)
    assert sorted(first.example_uids) != sorted(other.example_uids)


def test_exemplars_are_training_records_and_the_same_in_all_templates():
    pool = [record(f"shot{number}", "blue") for number in range(6)] + [record("s", "unlabelled")]
    config = EvalConfig(max_examples=0, num_shots=2, seed=3)
    predict = Scripted(score=lambda prompt, choices: [0.0, -1.0])
    evaluate(predict, make_task(), FOUR[:1], config=config, shots={"colour": pool})
    shots = choose_shots(make_task(), FOUR[0], pool[:6], num_shots=2, seed=3)
    block = "\nOPTIONS:\n- red\n- blue"
    for prompt, letter, says in zip(predict.prompts[0], "AB", ("blue", "it is blue"), strict=True):
        solved = [f"{letter}: {shot['text']}{block}\n{says}" for shot in shots]
        assert prompt == "\n\n".join([*solved, f"{letter}: r0{block}"])


def test_too_few_exemplars_are_an_error():
    config = EvalConfig(max_examples=0, num_shots=2)
    with pytest.raises(ValueError, match=r"task colour: .* num_shots = 2 exemplars .* got 1"):
        evaluate(
            Scripted(), make_task(), FOUR, config=config, shots={"colour": [record("s", "red")]}
        )


def test_truncated_prompts_are_counted_per_task_where_the_predictor_tells():
    predict = Scripted(score=lambda prompt, choices: [0.0, -1.0])
    assert evaluate(predict, make_task(), FOUR).num_truncated is None

    class Cutting(Scripted):
        num_truncated = 10

        def score(self, prompts, options):
            self.num_truncated += len(prompts) - 1
            return super().score(prompts, options)

    cutting = Cutting(score=lambda prompt, choices: [0.0, -1.0])
    tasks = (make_task(), make_task(name="colour2"))
    records = {"colour": FOUR, "colour2": FOUR[:1]}
    report = evaluate_cluster(cutting, TaskCluster("seeing", tasks), records, config=ALL)
    assert [task.num_truncated for task in report.tasks] == [7, 1]


def test_predictions_name_record_template_and_option_scores():
    predict = Scripted(score=lambda prompt, choices: [-1.5, -0.5])
    task = evaluate(predict, make_task(), FOUR[:1])
    assert json.loads(json.dumps(task.predictions[1])) == {
        "task": "colour",
        "uid": f"{record_uid(FOUR[0]):016x}",
        "template": 2,
        "inputs": "B: r0\nOPTIONS:\n- red\n- blue",
        "options": ["it is red", "it is blue"],
        "references": ["it is red"],
        "targets": "it is red",
        "prediction": "it is blue",
        "scores": [-1.5, -0.5],
    }


def two_tasks(score):
    tasks = (make_task(), make_task(name="colour2"))
    records = {"colour": FOUR, "colour2": FOUR[:2]}
    cluster = TaskCluster("seeing", tasks)
    return evaluate_cluster(Scripted(score=score), cluster, records, config=ALL)


def test_a_cluster_is_the_mean_of_its_tasks_whatever_their_sizes():
    report = two_tasks(lambda prompt, choices: [0.0, -1.0])
    assert [task.mean for task in report.tasks] == [75, 100]
    assert report.mean == 87.5
    # Task errors: values 100, 100, 100, 0 have deviation 50, so 25; the other has none.
    assert report.standard_error == pytest.approx(12.5)
    plain = json.loads(json.dumps(report.to_json()))
    assert plain["tasks"][0]["mean"] == 75
    assert plain["tasks"][0]["best_template"] == 0
    assert "predictions" not in plain["tasks"][0]


def test_the_error_of_a_change_is_paired_where_the_records_are_the_same():
    # Per record 100, 100, 100, 0 before and 0, 0, 0, 100 after: changes -100, -100, -100, 100.
    before = two_tasks(lambda prompt, choices: [0.0, -1.0])
    after = two_tasks(lambda prompt, choices: [-1.0, 0.0])
    change = task_change(before.tasks[0], after.tasks[0])
    assert change.value == -50
    assert change.standard_error == pytest.approx(50)
    unpaired = dataclasses.replace(after.tasks[0], example_uids=(1, 2, 3, 4))
    assert task_change(before.tasks[0], unpaired).standard_error == pytest.approx(
        math.hypot(25, 25)
    )
    whole = cluster_change(before, after)
    assert whole.value == -75
    assert whole.standard_error == pytest.approx(25)


def test_a_change_is_of_what_both_stages_scored_by_one_metric():
    """A metric function of SeqIO's may give no number before training, and one after."""
    before = two_tasks(lambda prompt, choices: [0.0, -1.0])
    after = two_tasks(lambda prompt, choices: [-1.0, 0.0])
    fewer = dataclasses.replace(after, tasks=after.tasks[:1])
    assert cluster_change(before, fewer) == task_change(before.tasks[0], after.tasks[0])
    other = dataclasses.replace(after.tasks[0], metric="pearson")
    assert task_change(before.tasks[0], other) is None
    assert cluster_change(before, dataclasses.replace(after, tasks=(other,))) is None


@pytest.mark.parametrize(
    ("changes", "flags", "message"),
    [
        (
            {"metrics": ()},
            {},
            "task colour: metrics must name at least one of accuracy, .* got none",
        ),
        ({"metrics": ("acuracy",)}, {}, "got 'acuracy'; did you mean accuracy"),
        ({}, {"templates": [3]}, "task colour: a template must be one of 0 to 2, got 3"),
        ({}, {"templates": [1]}, r"task colour: templates to score .* got \[1\]"),
        ({}, {"templates": [0, 0]}, r"task colour: templates to score .* got \[0, 0\]"),
    ],
)
def test_what_cannot_be_scored_is_refused_before_the_model_is_asked(changes, flags, message):
    predict = Scripted()
    with pytest.raises(ValueError, match=message):
        evaluate(predict, make_task(**changes), FOUR, **flags)
    assert predict.prompts == []


def test_no_record_to_score_is_an_error():
    with pytest.raises(ValueError, match=r"task colour: .* got none that the task keeps among 1"):
        evaluate(Scripted(), make_task(), [record("r", "unlabelled")])


@pytest.mark.parametrize("scores", [[math.nan, 0.0], [0.0]])
def test_scores_that_are_no_numbers_or_too_few_are_an_error(scores):
    with pytest.raises(
        ValueError, match="task colour, template 0: each of 2 options must get a num"
    ):
        evaluate(Scripted(score=lambda prompt, choices: scores), make_task(), FOUR)


def test_an_impossible_option_is_never_chosen_and_has_no_number_in_json():
    predict = Scripted(score=lambda prompt, choices: [-math.inf, -1000.0])
    found = evaluate(predict, make_task(), [record("r", "blue")])
    assert found.mean == 100
    assert found.predictions[0]["scores"] == [None, -1000.0]


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("split", "train", "evaluation split must be validation or test, got 'train'"),
        ("batch_size", 0, "evaluation batch_size must be positive, got 0"),
        ("max_decode_length", 0, "evaluation max_decode_length must be positive, got 0"),
        ("max_examples", -1, "evaluation max_examples must not be negative, got -1"),
        ("num_shots", -1, "evaluation num_shots must not be negative, got -1"),
    ],
)
def test_eval_config_refuses_what_cannot_be(field, value, message):
    with pytest.raises(ValueError, match=message):
        EvalConfig(**{field: value})
