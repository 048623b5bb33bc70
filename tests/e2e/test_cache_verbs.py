"""`flanjax cache` and `flanjax data peek`, run as a user runs them."""

from __future__ import annotations

import concurrent.futures.process
import glob
import itertools
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from flanjax import gin_bridge, model_dir, train_data
from flanjax.certificate import split_catalogue
from flanjax.cli.catalog import load_catalog
from flanjax.data.tokenize import make_tokenizer
from flanjax.engine import build, staging
from flanjax.engine.account import Account
from flanjax.engine.pipeline import PackedBatches
from tests.e2e.verbs import call
from tests.faults.tiny_run import ROOT

NUM_RECORDS = 400
PART_RECORDS = 20
MODULE = """
from flanjax.data.catalogue import Catalogue
from flanjax.data.sources import Jsonl
from flanjax.data.task import Task, TaskCluster, Template


def make(name):
    return Task(
        name=name,
        version=1,
        source=Jsonl(files={"train": f"{name}.jsonl"}, public="https://example.org/" + name),
        to_fields=lambda record: {"text": record["text"], "answer": record["label"]},
        fields=("text", "answer"),
        templates=(Template("Judge: {text}"), Template("Is {text} fine?"), Template("{text}:")),
        mode="generate",
        metrics=("exact_match",),
        license="none",
        citation="none",
    )


CATALOGUE = Catalogue("stall", (TaskCluster("opinions", (make("fruit"), make("tools"))),))
"""
GIN = """
include 'runs/mini_{family}.gin'
CATALOGUE = '{module}:CATALOGUE'
MIXTURE_OR_TASK_NAME = 'stall'
HOLD_OUT = None
AblationConfig.clusters = None
DATA_DIR = 'data'
MODEL_DIR = 'run'
TRAIN_STEPS = 60
BATCH_SIZE = 4
TASK_FEATURE_LENGTHS = {{'inputs': 96, 'targets': 32}}
"""
PROGRAM = f"""
import os, pathlib, time
from flanjax.engine import build
build.PART_RECORDS = {PART_RECORDS}
lock, meeting = build._lock, os.environ.get("MEETING")

def lock_and_meet(folder, *, wait):
    held = lock(folder, wait=wait)
    if held is not None and meeting:
        pathlib.Path(meeting, str(os.getpid())).touch()
        while len(os.listdir(meeting)) < 2:
            time.sleep(0.01)
    return held

build._lock = lock_and_meet
from flanjax.cli.main import main
try:
    main(prog_name="flanjax")
finally:
    from jax._src import xla_bridge
    assert not xla_bridge._backends, "a backend makes threads, and workers are forked"
"""
_NUMBERS = itertools.count()


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """A user's folder: a catalogue of two tasks, their files, and gin files."""
    folder = tmp_path_factory.mktemp("home")
    module = f"stall_catalogue_{next(_NUMBERS)}"
    (folder / f"{module}.py").write_text(MODULE, "utf-8")
    (folder / "data").mkdir()
    for name in ("fruit", "tools"):
        rows = ({"text": f"{name} {n} " + "ripe " * (n % 9), "label": ("no", "yes")[n % 2]}
                for n in range(NUM_RECORDS))  # fmt: skip
        text = "".join(json.dumps(row) + "\n" for row in rows)
        (folder / "data" / f"{name}.jsonl").write_text(text, "utf-8")
    for family in ("t5", "decoder"):
        (folder / f"{family}.gin").write_text(GIN.format(family=family, module=module), "utf-8")
    return folder


@pytest.fixture(autouse=True)
def _at_home(home, monkeypatch):
    monkeypatch.chdir(home)
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setattr(build, "PART_RECORDS", PART_RECORDS)


def start(home, folder, *args, **variables):
    """Starts `flanjax cache` in a process of its own, where workers may be forked."""
    bound = (f"--gin.MODEL_DIR='{folder}'", *args)
    command = [sys.executable, "-c", PROGRAM, "cache", "--gin_file=t5.gin", *bound]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), **variables}
    return subprocess.Popen(
        command, cwd=home, env=environment, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True,
    )  # fmt: skip


def ended(process):
    """Returns what a process printed; it must end well."""
    printed, errors = process.communicate(timeout=120)
    assert process.returncode == 0, errors
    return printed


def content(folder):
    """Returns path -> content of the files of a cache."""
    paths = (path for path in (folder / "cache").rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in paths}


@pytest.fixture(scope="module")
def cached(home, tmp_path_factory):
    """A cache that one process has built: its MODEL_DIR, and what was printed."""
    folder = tmp_path_factory.mktemp("cached")
    return folder, json.loads(ended(start(home, folder, "--workers=1", "--json")))


def test_the_cache_verb_tells_what_it_has_built(cached):
    folder, told = cached
    assert told["cache"] == str(folder / "cache")
    assert (told["missing"], told["staged"]) == ({}, None)
    fruit, tools = told["tasks"]
    assert [fruit["task"], tools["task"]] == ["fruit", "tools"]
    for task in (fruit, tools):
        assert task["records"] == NUM_RECORDS
        assert task["passes"] == task["passes_built"] == 2
        assert task["examples"] == 2 * NUM_RECORDS
        files = [path for path in content(folder) if f"/{task['task']}/" in path]
        passes = [path for path in files if "/pass-" in path]
        assert len(passes) == 6
        assert task["bytes"] == sum(len(content(folder)[path]) for path in passes)
        tokens = sum(len(content(folder)[path]) for path in passes if path.endswith(".tokens"))
        assert task["tokens"] == tokens // 2
    assert not any(".parts" in path for path in content(folder))


def test_a_second_call_builds_nothing_and_says_so(cached):
    folder, _ = cached
    before = content(folder)
    result = call("cache", "--gin_file=t5.gin", f"--gin.MODEL_DIR='{folder}'", "--workers=1")
    assert result.exit_code == 0, result.output
    assert f"{folder}/cache: nothing to build, all 4 passes are there" in result.stdout
    assert "tokenized" not in result.stdout
    assert result.stdout.count("was there") == 2
    assert content(folder) == before


def test_workers_write_the_very_files_that_one_process_writes(home, cached, tmp_path):
    printed = ended(start(home, tmp_path, "--workers=2"))
    assert "built 4 of 4 passes in" in printed
    assert content(tmp_path) == content(cached[0])


def parts_in(folder):
    """Whole parts of passes; glob, unlike pathlib, lets a folder go while it is read."""
    return glob.glob(f"{folder}/**/*.parts/*.json", recursive=True)


def wait_for_parts(process, folder, count):
    limit = time.monotonic() + 60
    while len(parts_in(folder)) < count:
        assert process.poll() is None, "the builder ended before it could be stopped"
        assert time.monotonic() < limit
        time.sleep(0.002)


def test_a_builder_that_was_killed_and_then_interrupted_is_gone_on_from(home, cached, tmp_path):
    killed = start(home, tmp_path, "--workers=2")
    wait_for_parts(killed, tmp_path, 3)
    killed.send_signal(signal.SIGKILL)
    killed.communicate(timeout=60)  # the pipes close when no worker is left
    num_parts = len(parts_in(tmp_path))
    assert num_parts >= 3
    assert not list(tmp_path.rglob("entry.json"))
    interrupted = start(home, tmp_path, "--workers=2")
    wait_for_parts(interrupted, tmp_path, num_parts + 1)
    os.killpg(interrupted.pid, signal.SIGINT)
    _, errors = interrupted.communicate(timeout=60)
    assert interrupted.returncode == 130
    assert errors == (
        f"flanjax: error: interrupted; whole parts are kept in {tmp_path}/cache, the same command "
        "goes on from there\n"
    )
    assert len(parts_in(tmp_path)) > num_parts
    ended(start(home, tmp_path, "--workers=1"))
    assert content(tmp_path) == content(cached[0])


def test_two_builders_that_hold_what_the_other_wants_write_the_same_files(home, cached, tmp_path):
    (tmp_path / "meeting").mkdir()
    meeting = str(tmp_path / "meeting")
    both = [start(home, tmp_path, "--workers=2", "--json", MEETING=meeting) for _ in range(2)]
    told = [json.loads(ended(process)) for process in both]
    assert content(tmp_path) == content(cached[0])
    built = [sum(task["passes_built"] for task in each["tasks"]) for each in told]
    assert sum(built) == 4
    assert min(built) > 0


def test_what_a_remote_cache_has_is_copied_and_measured(cached, tmp_path):
    store = staging.open_store("memory://stall/")
    for path, data in content(cached[0]).items():
        store.write(path.removeprefix("cache/"), data).result()
    args = ("cache", "--gin_file=t5.gin", "--workers=1", f"--gin.MODEL_DIR='{tmp_path}'")
    result = call(*args, "--gin.CACHE_DIR='memory://stall/'")
    assert result.exit_code == 0, result.output
    assert f"{tmp_path}/cache: nothing to build, all 4 passes are there" in result.stdout
    (line,) = [line for line in result.stdout.splitlines() if line.startswith("remote cache: ")]
    assert line.endswith(" reads/s")
    assert " MiB, at " in line


def test_a_cache_that_cannot_be_built_is_one_line(tmp_path):
    args = ("cache", "--gin_file=t5.gin", "--workers=1", f"--gin.MODEL_DIR='{tmp_path}'")
    result = call(*args, f"--gin.DATA_DIR='{tmp_path}'")
    assert result.exit_code == 1
    assert result.stderr.startswith("flanjax: error: task fruit: a source's file must exist")
    assert result.stderr.count("\n") == 1


def test_a_worker_that_is_killed_is_one_line(tmp_path, monkeypatch):
    def broken(*_, **__):
        raise concurrent.futures.process.BrokenProcessPool("terminated abruptly")

    monkeypatch.setattr(train_data, "prepare_train_data", broken)
    result = call("cache", "--gin_file=t5.gin", "--workers=3", f"--gin.MODEL_DIR='{tmp_path}'")
    assert result.exit_code == 1
    assert "each of the 3 workers must live until the end, got one that was killed" in result.stderr


def peek(*args):
    return json.loads(call("data", "peek", *args, "--json").stdout)


def run_of(family, folder, *bindings):
    """Returns a run's experiment, tokenizer and data, as training has them."""
    bound = [f"MODEL_DIR='{folder}'", *bindings]
    experiment = gin_bridge.load([f"{family}.gin"], bound).experiment
    mixture = split_catalogue(experiment, load_catalog(experiment.data.catalogue)).train
    tokenizer = make_tokenizer(experiment.tokenizer)
    return experiment, tokenizer, train_data.prepare_train_data(experiment, mixture, tokenizer)


def leave_run(experiment, tokenizer, data):
    """Leaves in MODEL_DIR what a run with a checkpoint leaves of its data."""
    folder = pathlib.Path(experiment.model_dir)
    model_dir.claim(experiment, resolved_text="", tokenizer=tokenizer)
    (folder / "checkpoints").mkdir()
    report = data.report(0, Account.empty(len(data.plan.tasks)))
    model_dir.write_json(folder / model_dir.DATA_REPORT, report)


def batches(experiment, data):
    return PackedBatches(
        data.plan, data.tokens, data.layout, batch_size=experiment.train.batch_size
    )


@pytest.mark.parametrize("family", ["t5", "decoder"])
def test_peek_prints_the_very_arrays_that_training_reads(family, tmp_path):
    experiment, _, data = run_of(family, tmp_path, "TRAIN_STEPS=2000")
    num_rows = len(data.plan.rows(0))
    over_the_edge = num_rows // 4 + 1
    assert num_rows % 4, "a batch must hold rows of two windows"
    args = (f"--gin_file={family}.gin", f"--gin.MODEL_DIR='{tmp_path}'", "--gin.TRAIN_STEPS=2000")
    for step in (1, 2, over_the_edge):
        (batch,) = itertools.islice(iter(batches(experiment, data)), step - 1, step)
        seen = peek(*args, f"--step={step}", "--rows=4")
        assert (seen["step"], seen["first_row"], seen["num_rows"]) == (step, 4 * step - 4, 4)
        expected = batch._asdict() | {"encoder": batch.encoder and batch.encoder._asdict()}
        for number, row in enumerate(seen["rows"]):
            encoder = row["arrays"].pop("encoder", {})
            assert len(encoder) == 3 * (family == "t5")
            for name, array in row["arrays"].items():
                np.testing.assert_array_equal(array, expected[name][number])
            for name, array in encoder.items():
                np.testing.assert_array_equal(array, expected["encoder"][name][number])
        assert seen["trained_tokens"] == int(batch.weights.sum())


def test_peek_tells_the_source_row_and_wording_of_each_example(tmp_path):
    run_of("decoder", tmp_path)
    seen = peek("--gin_file=decoder.gin", f"--gin.MODEL_DIR='{tmp_path}'", "--step=60", "--rows=4")
    shown = [segment for row in seen["rows"] for segment in row["segments"]]
    assert len(shown) == sum(seen["examples"].values()) > 4
    for segment in shown:
        lines = pathlib.Path("data", f"{segment['task']}.jsonl").read_text("utf-8").splitlines()
        record = json.loads(lines[segment["source_row"] - 1])
        wording = ("Judge: {text}", "Is {text} fine?", "{text}:")[segment["template"]]
        (prompt,), (target,) = segment["prompt"], segment["target"]
        text = wording.format(text=record["text"])
        assert (prompt["text"], prompt["is_trained"]) == (f"{text}<end>", False)
        assert (target["text"], target["is_trained"]) == (f"{record['label']}<end>", True)


def test_peek_marks_what_is_trained_on_without_colour(tmp_path):
    run_of("t5", tmp_path)
    args = ("--gin_file=t5.gin", f"--gin.MODEL_DIR='{tmp_path}'", "--step=2")
    segment = peek(*args, "--row=3")["rows"][0]["segments"][0]
    printed = call("data", "peek", *args, "--row=3").stdout
    head = f"1. {segment['task']}, template {segment['template']}, row {segment['source_row']} of "
    assert f"{head}train, pass 0: prompt " in printed
    assert f"decoder \u27e6{segment['target'][0]['text']}\u27e7" in printed
    assert "trained on: \u27e6green, in brackets\u27e7" in printed
    assert printed.startswith("step 2 of 60: rows 4 to 7 of the run's sequence\n")
    assert "row 3: " in printed
    assert "row 0: " not in printed
    assert "batch of 4 rows: " in printed


def test_peek_reads_the_cache_of_a_run_and_no_source(home, tmp_path):
    experiment, tokenizer, data = run_of("t5", tmp_path / "run")
    leave_run(experiment, tokenizer, data)
    before = peek("--gin_file=t5.gin", f"--gin.MODEL_DIR='{tmp_path}/run'", "--step=5")
    (tmp_path / "run").rename(tmp_path / "moved")
    (home / "data").rename(home / "away")
    try:
        (home / "data").mkdir()
        (home / "data" / "fruit.jsonl").write_text('{"text": "other", "label": "no"}\n', "utf-8")
        assert peek(f"--checkpoint={tmp_path}/moved", "--step=5") == before
        shutil.rmtree(home / "data")
        assert peek(f"--checkpoint={tmp_path}/moved", "--step=5") == before
        assert peek(f"--model_dir={tmp_path}/moved/checkpoints/40", "--step=5") == before
    finally:
        (home / "away").rename(home / "data")


def test_peek_takes_the_tokens_that_the_run_has_read(home, tmp_path):
    experiment, tokenizer, data = run_of("t5", tmp_path)
    file = home / "data" / "fruit.jsonl"
    kept = file.read_text("utf-8")
    try:
        for text in (kept.replace("ripe", "sour"), kept.replace("ripe", "soft")):
            file.write_text(text, "utf-8")
            run_of("t5", tmp_path)
    finally:
        file.write_text(kept, "utf-8")
    leave_run(experiment, tokenizer, data)
    printed = call("data", "peek", f"--checkpoint={tmp_path}", "--step=5", "--rows=4").stdout
    assert "ripe" in printed
    assert "sour" not in printed
    assert "soft" not in printed
    shutil.rmtree(tmp_path / "cache" / "fruit" / first_entry(data))
    result = call("data", "peek", f"--checkpoint={tmp_path}", "--step=5")
    assert result.exit_code == 1
    assert "must hold task fruit as the run reads it, got one of other records" in result.stderr


def first_entry(data):
    (fruit, _) = data.tokens.stores
    return fruit.shards[0].tokens.parent.name


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["--step=61"], "step must be one of the run's steps 1 to 60, got 61; name another, or"),
        (["--step=2", "--row=4"], "row must be below the batch size 4, got 4; count from 0."),
        (
            ["--step=2"],
            "must hold task fruit as the run reads it, got nothing of it; build it with",
        ),
    ],
)
def test_a_peek_at_what_is_not_there_is_refused(tmp_path, args, message):
    result = call("data", "peek", "--gin_file=t5.gin", f"--gin.MODEL_DIR='{tmp_path}'", *args)
    assert (result.exit_code, result.stdout) == (1, "")
    assert message in result.stderr
    assert result.stderr.count("\n") == 1
