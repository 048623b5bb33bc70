"""Sampled lengths are the run's own, before anything is cut, weighted as it draws."""

from __future__ import annotations

import dataclasses
import pathlib

import numpy as np
import pytest

from flanjax import gin_bridge
from flanjax.certificate import split_catalogue
from flanjax.data.catalogue import Catalogue, Mixture
from flanjax.data.sources import Jsonl
from flanjax.data.tokenize import make_tokenizer
from flanjax.engine import advise as advisor
from flanjax.experiment import Experiment
from flanjax.length_sample import LengthSample, rows_of, sample_lengths
from flanjax.tasks.flan2021 import CATALOGUE as FLAN
from flanjax.tasks.mini import CATALOGUE as MINI
from flanjax.train_data import prepare_train_data

RUNS = pathlib.Path(gin_bridge.__file__).parents[1] / "gin_configs" / "runs"
LONG = "TASK_FEATURE_LENGTHS={'inputs': 512, 'targets': 128}"


def experiment(folder, *bindings: str, run: str = "mini_t5") -> Experiment:
    bound = [f"MODEL_DIR='{folder}'", "DataConfig.max_examples=400", "TRAIN_STEPS=2"]
    bound += ["MIXTURE_OR_TASK_NAME='reading_comprehension'"]
    named = {each.partition("=")[0] for each in bindings}
    bound = [each for each in bound if each.partition("=")[0] not in named]
    return gin_bridge.load([str(RUNS / f"{run}.gin")], [*bound, *bindings]).experiment


def sample(of: Experiment, num_records: int, catalogue: Catalogue = MINI) -> LengthSample:
    mixture = split_catalogue(of, catalogue).train
    tokenizer = make_tokenizer(of.tokenizer)
    return sample_lengths(of, mixture, tokenizer, num_records=num_records)


def prepared(of: Experiment):
    return prepare_train_data(of, split_catalogue(of, MINI).train, make_tokenizer(of.tokenizer))


@pytest.mark.parametrize("run", ["mini_t5", "mini_decoder"])
def test_lengths_and_shares_are_those_that_the_run_would_draw(tmp_path, run):
    of = experiment(tmp_path, LONG, run=run)
    found, data = sample(of, 10_000), prepared(of)
    assert list(found.lengths) == [store.task for store in data.tokens.stores]
    for store, share in zip(data.tokens.stores, data.plan.shares_until(1), strict=True):
        first_pass = np.arange(store.pass_sizes[0])
        np.testing.assert_array_equal(found.lengths[store.task], store.lengths(first_pass))
        assert found.shares[store.task] == pytest.approx(share)
        assert found.sizes[store.task] == store.pass_sizes[0] == 400


def test_a_limit_takes_part_of_the_run_s_records_and_keeps_their_number(tmp_path):
    of = experiment(tmp_path)
    whole, part = sample(of, 400), sample(of, 30)
    assert part.shares == whole.shares and part.sizes == whole.sizes
    for task, lengths in part.lengths.items():
        assert lengths.shape == (30, 2)
        rows = {tuple(row) for row in whole.lengths[task].tolist()}
        assert {tuple(row) for row in lengths.tolist()} <= rows


@pytest.mark.parametrize("over_long", ["drop", "error", "truncate_left"])
def test_nothing_is_cut_whatever_the_run_does_to_long_examples(tmp_path, over_long):
    short = "TASK_FEATURE_LENGTHS={'inputs': 8, 'targets': 2}"
    cut = sample(experiment(tmp_path, short, f"DataConfig.over_long='{over_long}'"), 20)
    whole = sample(experiment(tmp_path), 20)
    assert {t: each.tolist() for t, each in cut.lengths.items()} == {
        t: each.tolist() for t, each in whole.lengths.items()
    }


def test_stages_count_by_the_draws_they_last(tmp_path):
    bindings = ["TRAIN_STEPS=100", "BATCH_SIZE=8"]
    plain = sample(experiment(tmp_path, *bindings), 50)
    first, second = list(plain.lengths)[:2]
    of = experiment(tmp_path, *bindings, f"DataConfig.stages={{0: {{'{first}': 1.0}}}}")
    found = sample(of, 50)
    assert found.shares[first] == 1.0
    rows = rows_of(of)
    examples_per_row = (np.array(rows.capacities) / found.lengths[first].mean(axis=0)).min()
    half = round(50 * 8 * examples_per_row)
    stages = f"{{0: {{'{first}': 1.0}}, {half}: {{'{second}': 1.0}}, 10_000_000: {{'{first}': 1}}}}"
    found = sample(experiment(tmp_path, *bindings, f"DataConfig.stages={stages}"), 50)
    assert found.shares[first] == pytest.approx(0.5, abs=0.001)
    assert found.shares[second] == pytest.approx(0.5, abs=0.001)
    assert sum(found.shares.values()) == pytest.approx(1)


def test_tasks_whose_data_is_not_here_are_told(tmp_path):
    bindings = ["CATALOGUE='flanjax.tasks.flan2021:CATALOGUE'", "HOLD_OUT='nli'"]
    bindings += ["MIXTURE_OR_TASK_NAME='flan2021'", f"DATA_DIR='{tmp_path}'"]
    of = experiment(tmp_path, *bindings, "DataConfig.missing_tasks='drop'")
    with pytest.raises(ValueError, match=r"mixture .* must have a task whose data is here, got"):
        sample(of, 5, FLAN)
    with pytest.raises(ValueError, match="missing_tasks = 'drop' to go on without it"):
        sample(experiment(tmp_path, *bindings), 5, FLAN)


def test_rows_are_a_multiple_of_what_mesh_and_microbatches_ask_for(tmp_path):
    of = experiment(tmp_path, "MeshConfig.fsdp=3", "TrainConfig.microbatches=4")
    assert rows_of(of) == advisor.Rows(256, 64, 32, multiple=24)
    assert rows_of(of, multiple=5).multiple == 60
    of = experiment(
        tmp_path, "MeshConfig.data=16", "DataConfig.over_long='drop'", run="mini_decoder"
    )
    assert rows_of(of) == advisor.Rows(256, 64, 32, True, True, multiple=16)


@pytest.mark.parametrize("run", ["mini_t5", "mini_decoder"])
def test_the_fill_is_what_the_plan_realises(tmp_path, run):
    of = experiment(tmp_path, run=run)
    found = sample(of, 400)
    drawn = advisor.draw(found.lengths, found.shares, num_draws=4_096)
    advice = advisor.advise(drawn, rows_of(of))
    assert advice.recommended is not None
    for choice in {advice.current, advice.recommended}:
        lengths = {"inputs": choice.inputs, "targets": choice.targets}
        data = dataclasses.replace(of.data, task_feature_lengths=lengths)
        plan = prepared(dataclasses.replace(of, data=data)).plan
        rows = plan.rows(0)
        costs = [
            plan.tasks[task].costs(rows.examples[rows.tasks == task]).sum()
            for task in range(len(plan.tasks))
        ]
        realised = sum(costs) / (len(rows) * choice.slots)
        assert realised == pytest.approx(choice.fill, abs=0.01)


def test_a_stage_may_name_a_task_whose_data_is_not_here(tmp_path):
    words = dataclasses.replace(
        MINI.task("mini_people"),
        name="words",
        source=Jsonl(files={"train": "gone.jsonl"}, public="https://example.org/words"),
    )
    mixture = Mixture("both", (MINI.task("mini_objects"), words), max_examples=50)
    stages = "DataConfig.stages={0: {'mini_objects': 1.0, 'words': 1.0}}"
    of = experiment(tmp_path, stages, "DataConfig.missing_tasks='drop'", f"DATA_DIR='{tmp_path}'")
    found = sample_lengths(of, mixture, make_tokenizer(of.tokenizer), num_records=5)
    assert (found.shares, list(found.missing)) == ({"mini_objects": 1.0}, ["words"])
    assert prepare_train_data(of, mixture, make_tokenizer(of.tokenizer)).missing.keys() == {"words"}
