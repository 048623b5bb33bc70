"""The miniature's grid: its runs, their order, and how one is made."""

from __future__ import annotations

import concurrent.futures
import itertools
import os
import pathlib
import signal
import subprocess
import sys
import threading
import time

import click
import pytest

from benchmarks.mini import execute, grid
from benchmarks.mini.__main__ import (
    DOCUMENT,
    _make_all,
    _without_idle_texts,
    wanted,
)
from flanjax import gin_bridge
from flanjax.model_dir import EXPERIMENT, write_json
from flanjax.tasks.mini import CATALOGUE
from flanjax.train.checkpoint import Checkpoints

RUNS = list(grid.every_run(CATALOGUE))


def test_no_two_runs_share_a_name() -> None:
    assert len({run.name for run in RUNS}) == len(RUNS)


def test_each_cluster_is_held_out_of_three_seeds_of_both_families() -> None:
    clusters = [cluster.name for cluster in CATALOGUE.clusters]
    each = sorted((f, c, s) for f in grid.FAMILIES for c in clusters for s in (0, 1, 2))
    for study in ("tuned", "shuffled", "dataset_name", "uninverted", "nearest"):
        runs = [run for run in RUNS if run.study == study]
        assert sorted((run.family, held, run.seed) for run in runs for held in run.held) == each


def test_clusters_that_leave_the_same_share_a_run() -> None:
    held = [name.split("+") for name in grid.held_in_turn(CATALOGUE)]
    assert ["entailment", "paraphrase"] in held
    assert ["reading_comprehension", "coreference"] in held
    assert len(held) == 9
    for names in held:
        alone = {tuple(grid.allowed(CATALOGUE, name)) for name in names}
        assert alone == {tuple(grid.allowed(CATALOGUE, "+".join(names)))}


def test_a_model_of_text_comes_before_what_starts_from_it() -> None:
    made: set[str] = set()
    for run in RUNS:
        assert run.study == "text" or run.text.name in made
        made.add(run.name)


def test_the_short_grid_tunes_both_families() -> None:
    runs = wanted(RUNS, short=True, only=(), seeds=())
    made = [(run.study, run.family) for run in runs]
    assert sorted(made) == sorted(itertools.product(("text", "tuned"), grid.FAMILIES))


def test_two_machines_share_the_grid_by_its_seeds() -> None:
    shares = [wanted(RUNS, short=False, only=(), seeds=seeds) for seeds in ((0,), (1, 2))]
    assert {run.seed for run in shares[0]} == {0} and {run.seed for run in shares[1]} == {1, 2}
    assert sum(map(len, shares)) == len(RUNS)


def test_a_study_brings_the_models_of_text_that_it_starts_from_alone() -> None:
    found = wanted(RUNS, short=False, only=("wording",), seeds=(1,))
    assert {each.name for each in found if each.study == "text"} == {"text-t5-base-1"}
    assert {each.changed for each in found if each.study == "wording"} == {
        "none", "dataset_name", "shuffled", "instruction",
    }  # fmt: skip
    assert len(found) == 5
    sizes = wanted(RUNS, short=False, only=("size",), seeds=(2,))
    assert {each.size for each in sizes if each.study == "text"} == {"small", "large"}
    assert wanted(RUNS, short=False, only=(), seeds=()) == RUNS


def test_every_question_is_asked_of_the_first_seed_before_a_second_begins() -> None:
    second = next(at for at, run in enumerate(RUNS) if run.seed > 0)
    assert {run.study for run in RUNS[:second]} == {run.study for run in RUNS}


def test_tuned_models_of_every_seed_come_before_the_controls_of_a_second() -> None:
    last_tuned = max(at for at, run in enumerate(RUNS) if run.study == "tuned")
    assert all(run.seed == 0 for run in RUNS[:last_tuned] if run.study not in ("text", "tuned"))


def test_tuned_models_of_one_family_are_whole_before_those_of_the_other() -> None:
    later = [run.family for run in RUNS if run.study == "tuned" and run.seed > 0]
    assert later == sorted(later, key=grid.FAMILIES.index)


def test_what_is_near_a_held_out_cluster_is_not_trained_on() -> None:
    assert "paraphrase" not in grid.allowed(CATALOGUE, "entailment")
    assert len(grid.allowed(CATALOGUE, "entailment")) == 9
    assert len(grid.allowed(CATALOGUE, "sentiment")) == 10
    assert len(grid.allowed(CATALOGUE, "+".join(grid.PROBED))) == 7  # as in FLAN 2021


def test_nearest_clusters_may_be_trained_on() -> None:
    for held, nearest in grid.NEAREST.items():
        assert nearest in grid.allowed(CATALOGUE, held)


def test_each_seed_adds_clusters_in_an_order_of_its_own() -> None:
    orders = [grid.added_in_turn(CATALOGUE, "sentiment", seed) for seed in grid.SEEDS]
    assert len(set(map(tuple, orders))) == 3
    assert all(sorted(order) == sorted(orders[0]) for order in orders)


@pytest.mark.parametrize("study", sorted({run.study for run in RUNS}))
def test_the_settings_of_every_study_are_a_run(study: str) -> None:
    run = next(run for run in reversed(RUNS) if run.study == study)
    bindings = ["MODEL_DIR='m'", "TOKENIZER_PATH='t'", *run.bindings]
    if study != "text":
        bindings += [f"HOLD_OUT='{run.hold_out}'", "INITIAL_CHECKPOINT_PATH='text'"]
    model = f"models/miniature_{run.family}_{run.size}.gin"
    experiment = gin_bridge.load([run.gin_file, model], bindings).experiment
    assert experiment.data.hold_out == run.hold_out
    if study == "clusters":
        assert len(experiment.ablation.clusters or ()) == int(run.changed)
    if study == "templates":
        assert experiment.ablation.num_templates == int(run.changed)
    if study in ("shuffled", "dataset_name", "wording"):
        assert experiment.ablation.wording == (run.changed or study)
    if study == "nearest":
        assert {(grid.NEAREST[held],) for held in run.held} == {experiment.ablation.clusters}
    if study == "size":
        assert experiment.model.d_model == {"small": 64, "large": 192}[run.size]
    assert experiment.evaluation.max_decode_length == 32


def test_a_run_waits_for_its_text_and_for_no_other(tmp_path, monkeypatch) -> None:
    """A large model reads for long; the other core goes on meanwhile with what it can."""
    place = execute.Place(tmp_path, tmp_path, "a:B", "a:C")
    text, large = grid.Run("text", "t5", 0), grid.Run("text", "t5", 0, size="large")
    tuned, size = grid.Run("tuned", "t5", 0, "topics"), grid.Run("size", "t5", 0, "a", "large")
    is_read, is_tuned, made = threading.Event(), threading.Event(), []

    def make(run: grid.Run, place: execute.Place) -> None:
        if run == text:
            assert is_read.wait(10)  # the large one has started beside it
        if run == large:
            is_read.set()
            assert is_tuned.wait(10)
        made.append(run)
        if run == tuned:
            is_tuned.set()

    monkeypatch.setattr("benchmarks.mini.__main__.make", make)
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        _make_all([text, large, size, tuned], place, pool, 2)
    assert made == [text, tuned, large, size]


def test_a_failing_verb_names_its_run(tmp_path) -> None:
    place = execute.Place(tmp_path, tmp_path, "no.such:CATALOGUE", "no.such:TEXT")
    with pytest.raises(RuntimeError, match=r"text-t5-base-0: .*no\.such"):
        execute.make(grid.Run("text", "t5", 0), place)
    assert not list(tmp_path.glob("*.json"))


def test_a_model_of_text_is_made_again_where_runs_start_from_it(tmp_path) -> None:
    """Scores are committed, models are not: a fresh WORK has the first alone."""
    place = execute.Place(tmp_path / "work", tmp_path / "results", "a:B", "a:C")
    text, tuned = grid.Run("text", "t5", 0), grid.Run("tuned", "t5", 0, "entailment")
    place.results.mkdir()
    write_json(place.result(text), {})
    assert not place.is_made(text)
    assert _without_idle_texts([text, tuned], place) == [text, tuned]
    write_json(place.result(tuned), {})
    assert place.is_made(tuned)
    assert _without_idle_texts([text, tuned], place) == []
    checkpoints = place.model(text) / "checkpoints"
    (checkpoints / "400").mkdir(parents=True)
    write_json(place.model(text) / EXPERIMENT, {"train": {"steps": 500}})
    assert not place.is_made(text)  # cut short after a save, not at its end
    saving = checkpoints / "500.orbax-checkpoint-tmp-1"
    saving.mkdir()
    assert not place.is_made(text)
    saving.rename(saving.with_name("500"))
    assert place.is_made(text)
    assert Checkpoints(place.model(text)).latest_step() == 500
    assert place.is_made(text)


def test_a_made_run_is_not_made_again(tmp_path, monkeypatch) -> None:
    place = execute.Place(tmp_path, tmp_path, "a:B", "a:C")
    write_json(place.result(RUNS[1]), {"kept": True})
    monkeypatch.setattr(execute, "_train", lambda *_: pytest.fail("it was trained"))
    execute.make(RUNS[1], place)
    assert "kept" in place.result(RUNS[1]).read_text("utf-8")


def test_what_fails_stands_in_the_log(tmp_path) -> None:
    place = execute.Place(tmp_path, tmp_path, "no.such:CATALOGUE", "no.such:TEXT")
    with pytest.raises(RuntimeError):
        execute.make(grid.Run("text", "t5", 0), place)
    log = (tmp_path / "logs" / "text-t5-base-0.log").read_text("utf-8")
    assert log.startswith("$ flanjax train ")
    assert "no.such" in log.splitlines()[-1]


def test_a_verb_that_ends_with_a_status_fails(tmp_path, monkeypatch) -> None:
    verb = click.Command("verb", callback=lambda: click.get_current_context().exit(3))
    monkeypatch.setattr(execute, "main", verb)
    with pytest.raises(
        RuntimeError, match=r"^text: a verb must end with 0, got 3; see .*text\.log"
    ):
        execute._flanjax(execute.Place(tmp_path, tmp_path, "", ""), log="text")


_PARENT = """
import os, pathlib, sys, time
from benchmarks.mini.execute import Place, start_workers
if __name__ == "__main__":
    folder = pathlib.Path(sys.argv[1])
    with start_workers(Place(folder, folder, "", ""), 1) as pool:
        print(pool.submit(os.getpid).result(), flush=True)
        pool.submit(time.sleep, 600)
        time.sleep(600)
"""


def test_workers_end_with_a_grid_that_is_killed(tmp_path) -> None:
    script = tmp_path / "parent.py"
    script.write_text(_PARENT)
    root = str(DOCUMENT.parents[1])
    with subprocess.Popen(
        [sys.executable, str(script), str(tmp_path)], stdout=subprocess.PIPE, text=True,
        env={**os.environ, "PYTHONPATH": root},
    ) as parent:  # fmt: skip
        assert parent.stdout is not None
        worker = int(parent.stdout.readline())
        parent.kill()
    for _ in range(300):
        if not pathlib.Path(f"/proc/{worker}").exists():
            return
        time.sleep(0.1)
    os.kill(worker, signal.SIGKILL)
    pytest.fail("the worker went on for half a minute")
