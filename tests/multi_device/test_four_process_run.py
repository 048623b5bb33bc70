"""`flanjax train` as four processes reads and learns what one process does."""

from __future__ import annotations

import json
import pathlib
from collections import Counter

import numpy as np
import pytest

from tests.faults import tiny_run
from tests.multi_device.process_runs import (
    FIRST,
    LAST,
    ON_FOUR_DEVICES,
    curve,
    data_metrics,
    positions,
    report,
    run,
)

UNSCORED = "EvalConfig.before_and_after=False"


@pytest.fixture(scope="module")
def four_processes(tmp_path_factory, cache):
    """Runs four processes of one device each to FIRST; returns their directory."""
    folder = tmp_path_factory.mktemp("four") / "run"
    bindings = (ON_FOUR_DEVICES, UNSCORED)
    run(folder, cache, *bindings, steps=FIRST, num_processes=4, num_devices=1)
    return folder


def test_loss_curve_of_four_processes_is_that_of_one(one_process, four_processes):
    steps = range(1, FIRST + 1)
    found = curve(four_processes, steps)
    np.testing.assert_allclose(found, curve(one_process, steps), rtol=1e-5)
    assert found[0] - found[-1] > 1e-3


def test_each_of_four_processes_accounts_for_the_data_as_one(one_process, four_processes):
    (expected,) = positions(one_process, FIRST, 1)
    assert expected["account"]["rows"] == FIRST * 8
    assert positions(four_processes, FIRST, 4) == 4 * [expected]
    assert report(four_processes, FIRST, 4) == report(one_process, FIRST, 1)


def test_four_processes_build_one_cache(one_process, four_processes):
    found, expected = (
        Counter(path.name for path in (folder / "cache").rglob("*") if path.is_file())
        for folder in (four_processes, one_process)
    )
    assert found == expected
    assert found["entry.json"] == found[".lock"] == found["pass-00.tokens"] > 1
    assert not any(name.endswith(".partial") for name in found)


def test_two_processes_go_on_with_the_run_of_four(one_process, four_processes, cache):
    bindings = (ON_FOUR_DEVICES, UNSCORED)
    run(four_processes, cache, *bindings, steps=LAST, num_processes=2, num_devices=2)
    assert list(tiny_run.logged(four_processes)) == list(range(1, LAST + 1))
    steps = range(FIRST + 1, LAST + 1)
    np.testing.assert_allclose(curve(four_processes, steps), curve(one_process, steps), rtol=1e-5)
    assert positions(four_processes, LAST, 2) == 2 * positions(one_process, LAST, 1)
    assert data_metrics(four_processes) == data_metrics(one_process)
    assert data_report(four_processes) == data_report(one_process)
    assert data_report(four_processes)["rows"] == LAST * 8


def data_report(folder: pathlib.Path):
    return json.loads((folder / "data_report.json").read_text("utf-8"))
