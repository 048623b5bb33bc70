"""`flanjax train` as two processes on loopback is the run of one process."""

from __future__ import annotations

import json
import socket
import subprocess

import numpy as np
import pytest

from tests.faults import tiny_run

FIRST, LAST = 4, 6
BINDINGS = (
    "HOLD_OUT='entailment'",
    "DROPOUT_RATE=0.0",
    "TASK_FEATURE_LENGTHS={'inputs': 48, 'targets': 64}",
    "ScheduleConfig.name='constant'",
    "ScheduleConfig.warmup_steps=2",
    "EvalConfig.before_and_after=True",
    "EvalConfig.score_seen_clusters=False",
    "EvalConfig.max_examples=4",
    "EvalConfig.batch_size=80",
    "DataConfig.max_examples=60",
)
ON_FOUR_DEVICES = "MeshConfig.fsdp=2"


def run(folder, cache, *bindings, steps, num_processes, num_devices):
    """Runs `flanjax train --json` to its end; returns what each process printed."""
    command = tiny_run.command(folder, *BINDINGS, f"TRAIN_STEPS={steps}", *bindings)
    environment = tiny_run.environment(
        cache, XLA_FLAGS=f"--xla_force_host_platform_device_count={num_devices}"
    )
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        address = f"--coordinator_address=127.0.0.1:{probe.getsockname()[1]}"
    number = f"--num_processes={num_processes}"
    alone = num_processes == 1
    places = [[] if alone else [address, number, f"--process_id={i}"] for i in range(num_processes)]
    processes = [
        subprocess.Popen(
            [*command, "--json", *place],
            env={name: v for name, v in environment.items() if not name.lower().endswith("_proxy")},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for place in places
    ]
    try:
        outputs = [process.communicate(timeout=240) for process in processes]
    finally:
        for process in processes:
            process.kill()
    for process, (_, errors) in zip(processes, outputs, strict=True):
        assert process.returncode == 0, errors[-3000:]
    return [printed for printed, _ in outputs]


def outcome_of(printed):
    """Returns the JSON on stdout; the library of collectives writes there before it."""
    return json.loads(printed[printed.index("{\n") :])


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return tmp_path_factory.mktemp("compiled")


@pytest.fixture(scope="module")
def one_process(tmp_path_factory, cache):
    folder = tmp_path_factory.mktemp("one") / "run"
    run(folder, cache, ON_FOUR_DEVICES, steps=LAST, num_processes=1, num_devices=4)
    return folder


@pytest.fixture(scope="module")
def two_processes(tmp_path_factory, cache):
    """Runs two processes to FIRST: their directory, files, prints and scores."""
    folder = tmp_path_factory.mktemp("two") / "run"
    printed = run(folder, cache, ON_FOUR_DEVICES, steps=FIRST, num_processes=2, num_devices=2)
    return folder, files(folder), printed, scores(folder, "before")


def files(folder):
    found = (path.relative_to(folder) for path in folder.rglob("*") if path.is_file())
    return sorted(str(path) for path in found if path.parts[0] != "checkpoints")


def scores(folder, stage):
    """Returns the log-likelihoods of every option that a stage scored."""
    lines = (folder / "report" / "predictions.jsonl").read_text("utf-8").splitlines()
    rows = [json.loads(line) for line in lines]
    return np.concatenate([row["scores"] for row in rows if row["stage"] == stage])


def curve(folder, steps):
    return [tiny_run.logged(folder)[step] for step in steps]


def test_loss_curve_of_two_processes_is_that_of_one(one_process, two_processes):
    folder = two_processes[0]
    steps = range(1, FIRST + 1)
    found = curve(folder, steps)
    np.testing.assert_allclose(found, curve(one_process, steps), rtol=1e-5)
    assert found[0] - found[-1] > 1e-3


def test_two_processes_score_as_one(one_process, two_processes):
    found = two_processes[3]
    assert found.size == 2 * 4 * 10 * 3  # tasks, records, wordings, options
    np.testing.assert_allclose(found, scores(one_process, "before"), rtol=1e-5)


def test_the_first_process_alone_writes_and_prints(two_processes):
    _, written, printed, _ = two_processes
    events = [name for name in written if name.startswith("tensorboard")]
    assert len(events) == 1
    assert [name for name in written if name not in events] == [
        "certificate.json",
        "config.gin",
        "data_report.json",
        "experiment.json",
        "metrics.jsonl",
        "report/predictions.jsonl",
        "report/report.html",
        "report/report.json",
        "tokenizer/tokenizer_config.json",
    ]
    assert outcome_of(printed[0])["step"] == FIRST
    assert "{" not in printed[1]


def test_one_process_goes_on_with_the_run_of_two(one_process, two_processes, cache):
    folder = two_processes[0]
    (printed,) = run(folder, cache, "MeshConfig.fsdp=1", steps=LAST, num_processes=1, num_devices=1)
    assert outcome_of(printed)["step"] == LAST
    assert list(tiny_run.logged(folder)) == list(range(1, LAST + 1))
    steps = range(FIRST + 1, LAST + 1)
    np.testing.assert_allclose(curve(folder, steps), curve(one_process, steps), rtol=1e-5)
    expected = scores(one_process, "after")
    np.testing.assert_allclose(scores(folder, "after"), expected, rtol=1e-4)
    assert np.abs(expected - scores(folder, "before")).max() > 0.1
