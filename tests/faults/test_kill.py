"""A run killed at any moment ends in the parameters and data of an unbroken one."""

import json
import random
import shutil
import signal
import subprocess
import time

import numpy as np
import pytest

from tests.faults import tiny_run


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return tmp_path_factory.mktemp("compiled")


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory, cache):
    folder = tmp_path_factory.mktemp("unbroken") / "run"
    tiny_run.finish(folder, cache)
    return folder


def kill_after(folder, cache, step):
    """Starts the run, and kills it a random while after a step is logged."""
    process = subprocess.Popen(
        tiny_run.command(folder),
        env=tiny_run.environment(cache),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    limit = time.monotonic() + 240
    while max(tiny_run.logged(folder), default=0) < step:
        assert process.poll() is None, "the run ended before it could be killed"
        assert time.monotonic() < limit
        time.sleep(0.01)
    time.sleep(random.uniform(0, 0.1))
    process.send_signal(signal.SIGKILL)
    return process.wait()


def test_killed_run_ends_bit_identical(tmp_path, cache, unbroken):
    folder = tmp_path / "run"
    for step in (5, 13):
        assert kill_after(folder, cache, step) == -signal.SIGKILL
    tiny_run.finish(folder, cache)
    expected, found = tiny_run.final_params(unbroken), tiny_run.final_params(folder)
    assert len(expected) == len(found) > 10
    for a, b in zip(expected, found, strict=True):
        np.testing.assert_array_equal(a, b)
    assert tiny_run.logged(folder) == tiny_run.logged(unbroken)
    assert list(tiny_run.logged(folder)) == list(range(1, tiny_run.STEPS + 1))
    report = tiny_run.data_report(folder)
    assert report == tiny_run.data_report(unbroken)
    assert (report["step"], report["rows"]) == (tiny_run.STEPS, tiny_run.STEPS * 8)


def test_a_run_killed_between_checkpoint_and_data_report_writes_it_when_it_goes_on(
    tmp_path, cache, unbroken
):
    folder = tmp_path / "run"
    shutil.copytree(unbroken, folder)
    expected = tiny_run.data_report(unbroken)
    stale = {**expected, "step": 20, "rows": 160}
    (folder / "data_report.json").write_text(json.dumps(stale))
    tiny_run.finish(folder, cache)
    assert tiny_run.data_report(folder) == expected


def test_another_experiment_in_the_directory_is_refused_by_name(cache, unbroken):
    done = subprocess.run(
        tiny_run.command(unbroken, "BATCH_SIZE=4"),
        env=tiny_run.environment(cache),
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 1
    line = done.stderr.strip().splitlines()[-1]
    assert "MODEL_DIR must hold the same experiment" in line
    assert "train.batch_size: 8 -> 4" in line


def test_another_seed_would_not_be_identical(tmp_path, cache, unbroken):
    folder = tmp_path / "run"
    tiny_run.finish(folder, cache, "RANDOM_SEED=1")
    pairs = zip(tiny_run.final_params(unbroken), tiny_run.final_params(folder), strict=True)
    assert any((a != b).any() for a, b in pairs)
