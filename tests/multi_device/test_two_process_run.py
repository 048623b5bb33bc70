"""`flanjax train` as two processes on loopback is the run of one process."""

from __future__ import annotations

import json

import numpy as np
import pytest

from tests.faults import tiny_run
from tests.multi_device.process_runs import (
    FIRST,
    LAST,
    ON_FOUR_DEVICES,
    curve,
    files,
    outcome_of,
    positions,
    report,
    run,
)


@pytest.fixture(scope="module")
def two_processes(tmp_path_factory, cache):
    """Runs two processes to FIRST: their directory, files, prints and scores."""
    folder = tmp_path_factory.mktemp("two") / "run"
    printed = run(folder, cache, ON_FOUR_DEVICES, steps=FIRST, num_processes=2, num_devices=2)
    return folder, files(folder), printed, scores(folder, "before")


def scores(folder, stage):
    """Returns the log-likelihoods of every option that a stage scored."""
    lines = (folder / "report" / "predictions.jsonl").read_text("utf-8").splitlines()
    rows = [json.loads(line) for line in lines]
    return np.concatenate([row["scores"] for row in rows if row["stage"] == stage])


def test_loss_curve_of_two_processes_is_that_of_one(one_process, two_processes):
    folder = two_processes[0]
    steps = range(1, FIRST + 1)
    found = curve(folder, steps)
    np.testing.assert_allclose(found, curve(one_process, steps), rtol=1e-5)
    assert found[0] - found[-1] > 1e-3


def test_two_processes_score_as_one(one_process, two_processes):
    found = two_processes[3]
    assert found.size == 3 * 4 * 10 * 3  # tasks, records, wordings, options
    np.testing.assert_allclose(found, scores(one_process, "before"), rtol=1e-5)


def test_two_processes_account_for_the_data_as_one(one_process, two_processes):
    folder = two_processes[0]
    assert positions(folder, FIRST, 2) == 2 * positions(one_process, FIRST, 1)
    assert report(folder, FIRST, 2) == report(one_process, FIRST, 1)


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
        "stages/before.json",
        "tokenizer/flanjax_tokenizer.json",
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
