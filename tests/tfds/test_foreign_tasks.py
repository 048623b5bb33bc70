"""A module as T5X users write them is cached, trained on and judged."""

from __future__ import annotations

import dataclasses
import io
import json
import pathlib
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import rich.console
import seqio

from flanjax import run, scoring, start
from flanjax.cached_data import cached_train_data
from flanjax.certificate import split_catalogue
from flanjax.cli.cache import _num_workers
from flanjax.cli.catalog import run_catalog
from flanjax.data.objective import ObjectiveConfig
from flanjax.data.seqio_bridge.registry import register, unregister
from flanjax.data.seqio_bridge.source import BridgeConfig
from flanjax.data.tokenize import ByteTokenizer, TokenizerConfig
from flanjax.evaluation.cluster import EvalConfig
from flanjax.evaluation.converted import evaluator_functions
from flanjax.evaluation.predict import ModelPredictor
from flanjax.evaluation.results import TaskReport
from flanjax.experiment import DataConfig, Experiment
from flanjax.models.configs import RelativeConfig
from flanjax.models.decoder import DecoderConfig
from flanjax.models.t5 import T5Config
from flanjax.parts import assemble, param_shardings
from flanjax.tasks.mini import CATALOGUE
from flanjax.train.loop import TrainConfig
from flanjax.train.optim import OptimizerConfig, ScheduleConfig
from flanjax.train_data import TrainData, prepare_train_data

pytestmark = pytest.mark.filterwarnings("default")  # TensorFlow's own warnings

LENGTHS = {"inputs": 96, "targets": 32}
SIZES = {"vocab_size": 384, "d_model": 32, "d_ff": 64, "num_heads": 2, "d_head": 16}
T5 = T5Config(
    num_encoder_layers=1, num_decoder_layers=1, dropout_rate=0.0,
    positions=RelativeConfig(num_buckets=8, max_distance=20), **SIZES,
)  # fmt: skip
CAUSAL = DecoderConfig(num_layers=2, num_kv_heads=2, **SIZES)
TOKENIZER = TokenizerConfig(extra_ids=125)


def experiment(
    folder: pathlib.Path,
    mixture: str,
    *,
    model: Any = T5,
    objective: str = "instruction",
    **data: Any,
) -> Experiment:
    config = {"catalogue": "seqio:t5x_user_tasks", "task_feature_lengths": LENGTHS, **data}
    return Experiment(
        model_dir=str(folder),
        model=model,
        data=DataConfig(mixture_or_task_name=mixture, **config),
        tokenizer=TOKENIZER,
        objective=ObjectiveConfig(name=objective),
        optimizer=OptimizerConfig(
            name="adamw", schedule=ScheduleConfig(name="constant", peak=3e-3)
        ),
        train=TrainConfig(steps=12, batch_size=8, checkpoint_period=6),
        evaluation=EvalConfig(max_examples=15, max_decode_length=12),
    )


def prepared(made: Experiment) -> TrainData:
    mixture = split_catalogue(made, run_catalog(made)).train
    return prepare_train_data(made, mixture, ByteTokenizer(extra_ids=125))


def trained(made: Experiment, told: list[str] | None = None) -> scoring.Outcome:
    """Trains a run; what it prints is added to `told`."""
    console = rich.console.Console(file=io.StringIO(), width=200)
    outcome = run.train_and_evaluate(
        made, run_catalog(made), resolved_text="", command="flanjax train", console=console
    )
    if told is not None:
        told.append(console.file.getvalue())
    return outcome


@pytest.mark.parametrize("mixture", ["user_all", "user_nli_options.v2", "user_held_out"])
def test_every_example_in_the_cache_is_the_one_that_seqio_gives(user_tasks, tmp_path, mixture):
    data = prepared(experiment(tmp_path, mixture))
    names = [store.task for store in data.tokens.stores]
    num = 0
    for number, name in enumerate(names):
        wanted = seqio.TaskRegistry.get(name).get_dataset(LENGTHS, "train", shuffle=False, seed=0)
        wanted = list(wanted.as_numpy_iterator())
        assert data.tokens.stores[number].pass_sizes == (len(wanted),)
        for place, theirs in enumerate(wanted):
            ours = data.tokens.example(number, place)
            np.testing.assert_array_equal(ours.inputs, theirs["inputs"])
            np.testing.assert_array_equal(ours.targets, theirs["targets"])
        num += len(wanted)
    counts = {"user_all": 630, "user_nli_options.v2": 180, "user_held_out": 180}
    assert num == counts[mixture]


def test_a_mixture_of_mixtures_is_drawn_from_at_its_own_rates(user_tasks, tmp_path):
    data = prepared(experiment(tmp_path, "user_all"))
    # user_inner has 3 parts of 6: 2 of 102 go to user_nli, which has 1 more; 100 to user_questions.
    shares = {
        "user_fill_in": 0.5 / 6,
        "user_nli": (3 * 2 / 102 + 1) / 6,
        "user_questions": 3 * 100 / 102 / 6,
        "user_reversed": 1.5 / 6,
    }
    assert {n: row["share"] for n, row in data.prepared.items()} == pytest.approx(shares)
    drawn = np.bincount(np.concatenate([data.plan.rows(n).tasks for n in range(3)]), minlength=4)
    np.testing.assert_allclose(drawn / drawn.sum(), list(shares.values()), atol=2e-3)


def test_a_foreign_mixture_is_trained_on_judged_and_resumed(user_tasks, tmp_path):
    made = experiment(tmp_path / "run", "user_all", hold_out="user_held_out", corpus_closure=False)
    outcome = trained(made)
    assert outcome.step == 12
    before, after = outcome.stages["before"], outcome.stages["after"]
    names = [report.cluster for report in after]
    assert names == ["user_held_out", "user_nli", "user_questions", "user_reversed"]
    told = {task.task: task for report in after for task in report.tasks}
    assert told["user_nli_options.v2"].mode == "rank"
    assert told["user_nli_options.v2"].num_examples == 16  # 15 would leave an option out
    assert list(told["user_questions"].metrics) == ["exact_match", "answers"]
    assert before[0].tasks[0].predictions != after[0].tasks[0].predictions
    assert told["user_questions"].num_truncated == 0
    check_against_seqio(made, told)
    report = json.loads((tmp_path / "run/report/report.json").read_text("utf-8"))
    assert report["certificate"]["tested"] == ["user_nli_options.v2"]
    lines = (tmp_path / "run/report/predictions.jsonl").read_text("utf-8").splitlines()
    rows = [json.loads(line) for line in lines]
    scored = [r for r in rows if r["task"] == "user_nli_options.v2" and r["stage"] == "after"]
    assert [r["targets"] for r in scored[:4]] == ["no", "yes", "no", "yes"]
    assert all(r["scores"][0] < 0 for r in scored)
    check_scored_without_choice(made, told["user_questions"])
    assert trained(made).step == 12  # finished: begun again, it takes no step


def check_scored_without_choice(made: Experiment, told: TaskReport) -> None:
    """An evaluation that names no cluster scores what the mixture has scores for."""
    made = dataclasses.replace(made, data=dataclasses.replace(made.data, hold_out=None))
    outcome = scoring.evaluate(
        made,
        run_catalog(made),
        checkpoint=made.model_dir,
        clusters=(),
        output=f"{made.model_dir}/eval",
        command="flanjax eval",
        console=rich.console.Console(file=io.StringIO()),
    )
    (reports,) = outcome.stages.values()
    assert [each.cluster for each in reports] == ["user_nli", "user_questions", "user_reversed"]
    assert reports[1].tasks[0].metrics == told.metrics


def check_against_seqio(made: Experiment, told: dict[str, Any]) -> None:
    """SeqIO's Evaluator, called as T5X calls it, gives what the run told."""
    parts = assemble(made)
    params = start.load_params(made.model_dir, parts, param_shardings(parts))
    functions = evaluator_functions(parts.model, params, eos_id=1, max_length=12, batch_size=8)
    for name, report in told.items():
        evaluator = seqio.Evaluator(
            name, seqio.EncDecFeatureConverter(pack=False), "validation",
            sequence_length=LENGTHS, num_examples=report.num_examples, async_compute_metrics=False,
        )  # fmt: skip
        metrics, outputs = evaluator.evaluate(compute_metrics=True, **functions._asdict())
        assert dict(report.metrics) == pytest.approx(metrics.result()[name])
        ((kind, theirs),) = outputs[name].items()
        if kind == seqio.metrics.ModelOutputType.SCORE:
            ours = [row["scores"][0] for row in report.predictions]
            np.testing.assert_allclose(ours, theirs, rtol=1e-5)
        else:
            texts = [t5x_text(ids) for ids in theirs]
            assert [row["prediction"] for row in report.predictions] == texts


def t5x_text(ids: list[int]) -> str:
    decoded = seqio.ByteVocabulary(extra_ids=125).decode(ids)
    return decoded if decoded.strip() else " ".join(map(str, ids))


def test_what_shares_a_source_with_a_held_out_task_is_not_trained_on(user_tasks, tmp_path):
    made = experiment(tmp_path, "user_all", hold_out="user_held_out")
    split = split_catalogue(made, run_catalog(made))
    assert split.dropped == {"user_nli": "shares the source TFDS user_nli with user_nli_options.v2"}
    trained_on = [task.name for task in split.train.tasks()]
    assert trained_on == ["user_fill_in", "user_questions", "user_reversed"]
    corpora = {t.name: t.corpora for t in run_catalog(made).tasks() if t.name.startswith("user_")}
    assert corpora["user_fill_in"] == corpora["user_text"]
    assert corpora["user_text"] == ("function t5x_user_tasks.sentences",)
    assert len(corpora["user_reversed"]) == 6


@pytest.mark.parametrize(("mixture", "objective"), [
    ("user_text", "causal_lm"), ("user_all", "instruction"), ("user_all", "prefix_lm"),
])  # fmt: skip
def test_decoders_train_on_foreign_tasks(user_tasks, tmp_path, mixture, objective):
    model = dataclasses.replace(CAUSAL, prefix_lm=objective == "prefix_lm")
    made = experiment(tmp_path, mixture, model=model, objective=objective)
    reports = trained(made).stages["after"]
    metrics = {task.task: task.metric for report in reports for task in report.tasks}
    judged = {
        "user_nli": "accuracy",
        "user_questions": "exact_match",
        "user_reversed": "exact_match",
    }
    assert metrics == ({"user_text": "nats_per_example"} if mixture == "user_text" else judged)


def test_the_cache_alone_gives_a_foreign_runs_rows(user_tasks, tmp_path, monkeypatch):
    made = experiment(tmp_path, "user_all")
    data = prepared(made)
    monkeypatch.setattr(seqio.Task, "get_dataset", None)  # whatever reads now, fails
    again = cached_train_data(made, run_catalog(made), ByteTokenizer(extra_ids=125))
    assert again.fingerprint() == data.fingerprint()


def test_answers_may_be_as_long_as_targets(user_tasks, tmp_path, monkeypatch):
    asked = []
    real = ModelPredictor.evaluator_functions

    def functions(self: ModelPredictor, max_length: int) -> Any:
        asked.append(max_length)
        return real(self, max_length)

    monkeypatch.setattr(ModelPredictor, "evaluator_functions", functions)
    trained(experiment(tmp_path, "user_questions"))
    assert set(asked) == {LENGTHS["targets"]}


def test_one_process_builds_what_tensorflow_reads(user_tasks, tmp_path):
    made = experiment(tmp_path, "user_all")
    assert _num_workers(split_catalogue(made, run_catalog(made)).train, 4) == 1
    assert _num_workers(CATALOGUE.mixture("mini"), 4) == 4


def test_noise_follows_the_runs_seed(user_tasks, tmp_path):
    made = experiment(tmp_path / "a", "user_fill_in")
    other = dataclasses.replace(made, train=dataclasses.replace(made.train, seed=1))
    other = dataclasses.replace(other, model_dir=str(tmp_path / "b"))
    sums = [prepared(each).prepared["user_fill_in"]["fingerprints"] for each in (made, other)]
    assert sums[0] != sums[1]
    again = dataclasses.replace(made, model_dir=str(tmp_path / "c"))
    assert prepared(again).prepared["user_fill_in"]["fingerprints"] == sums[0]


def test_a_change_anywhere_in_a_file_makes_other_tokens(user_tasks: ModuleType, tmp_path):
    made = experiment(tmp_path, "user_questions")
    first = prepared(made).prepared["user_questions"]
    path = pathlib.Path(user_tasks.DATA) / "questions.train.tsv"
    content = path.read_text("utf-8")
    try:
        path.write_text(content.replace("What is 319 plus", "What is 319 and"), "utf-8")
        second = prepared(made).prepared["user_questions"]
    finally:
        path.write_text(content, "utf-8")
    assert first["fingerprints"] != second["fingerprints"]


def test_tasks_of_ours_come_back_from_seqio_in_a_mixture_with_others(user_tasks, tmp_path):
    registered = register(CATALOGUE, BridgeConfig(tokenizer=TOKENIZER, num_shots=(0,)))
    try:
        name = "mini_people_10templates"
        seqio.MixtureRegistry.add("user_and_mini", [(name, 1.0), ("user_nli", 3.0)])
        made = experiment(tmp_path, "user_and_mini")
        data = prepared(made)
        assert {n: row["share"] for n, row in data.prepared.items()} == {
            name: 0.25,
            "user_nli": 0.75,
        }
        catalogue = run_catalog(made)
        assert "task mini_people" in catalogue.task(name).corpora
        native = dataclasses.replace(
            made,
            data=DataConfig(
                mixture_or_task_name="mini_people", task_feature_lengths=LENGTHS, passes=1
            ),
        )
        own = prepare_train_data(
            native, split_catalogue(native, CATALOGUE).train, ByteTokenizer(extra_ids=125)
        )
        number = [store.task for store in data.tokens.stores].index(name)
        for place in range(own.tokens.stores[0].pass_sizes[0]):
            ours, theirs = own.tokens.example(0, place), data.tokens.example(number, place)
            np.testing.assert_array_equal(ours.inputs, theirs.inputs)
            np.testing.assert_array_equal(ours.targets, theirs.targets)
    finally:
        unregister(registered)
        seqio.MixtureRegistry.remove("user_and_mini")
