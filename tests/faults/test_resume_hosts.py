"""Runs killed at random go on with other hosts and read the very same rows."""

from __future__ import annotations

import json
import pathlib
import subprocess
import sys
import types
from collections import Counter

import pytest

from benchmarks.data import resume
from benchmarks.data.resume import Read
from benchmarks.data.resume_host import Place, Run

ROOT = pathlib.Path(__file__).parents[2]


def test_nothing_is_lost_or_repeated_by_kills_and_other_hosts(tmp_path: pathlib.Path) -> None:
    output = tmp_path / "found.json"
    sizes = ["--records", "700", "400", "--steps", "90", "--kills", "6"]
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.data.resume", "--output", str(output), *sizes],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    found = json.loads(output.read_text("utf-8"))
    assert found["identical"] and found["kills"] == 6
    assert found["rows"] == 90 * 24
    assert found["windows"] >= 2 and found["passes"] >= 2
    assert sum(count > 0 for count in found["hosts"].values()) > 1


@pytest.fixture
def run(tmp_path: pathlib.Path) -> Run:
    """A run of two steps by hand: killed in step 2 on one host, then on two."""
    rows = {
        "rows.000.0-of-1": [*range(24), 24, 25],
        "rows.001.0-of-2": range(24, 36),
        "rows.001.1-of-2": range(36, 48),
    }
    for name, numbers in rows.items():
        (tmp_path / name).write_text("".join(f"{number} hash a\n" for number in numbers))
    for name in ("000001.000.0-of-1", "000002.001.0-of-2", "000002.001.1-of-2"):
        (tmp_path / f"state.{name}").write_text(f"[{int(name[:6])}]")
    return Run(tmp_path, (1, 1), 2)


def test_attempts_are_cut_at_the_checkpoint_that_the_next_began_with(run: Run) -> None:
    found = resume.what_was_read(run, 2)
    assert found.rows == {number: f"{number} hash a" for number in range(48)}
    assert found.num_again == 2
    assert found.states == {1: [1], 2: [2]}
    assert Place.parsed(run.folder / "state.000002.001.1-of-2") == Place(1, 1, 2)


def test_a_checkpoint_that_one_host_lacks_does_not_count(run: Run) -> None:
    (run.folder / "state.000002.000.0-of-2").write_text("[2]")
    assert resume.resume_host.newest(run.folder, before=1) == (1, [1])
    assert resume.resume_host.newest(run.folder, before=2) == (2, [2])
    assert resume.resume_host.newest(run.folder, before=0) == (0, None)


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("rows.001.0-of-2", "24 hash a\n", "must have every row, got none of"),
        ("rows.001.0-of-2", "24 hash b\n", "row 24 must be read alike and once, got 24 hash b"),
        ("rows.001.2-of-3", "30 hash a\n", "row 30 must be read alike and once"),
        ("state.000002.001.1-of-2", "[3]", "hosts must agree on the state after 2"),
    ],
)
def test_a_row_or_state_that_differs_is_found(
    run: Run, name: str, text: str, expected: str
) -> None:
    (run.folder / name).write_text(text)
    with pytest.raises(ValueError, match=expected):
        resume.what_was_read(run, 2)


def test_runs_that_differ_are_told_by_their_first_row() -> None:
    expected = Read({0: "0 h a", 1: "1 h b"}, 0, {1: "x"})
    resume.check_same(expected._replace(num_again=5), expected)
    with pytest.raises(ValueError, match="rows must be the same, got 1 h c for 1 h b"):
        resume.check_same(expected._replace(rows={0: "0 h a", 1: "1 h c"}), expected)
    with pytest.raises(ValueError, match="states must be the same, got None for x"):
        resume.check_same(expected._replace(states={}), expected)


def test_passes_that_lack_or_repeat_an_example_are_found() -> None:
    task = types.SimpleNamespace(name="plain", pass_sizes=(2, 2))
    plan = types.SimpleNamespace(tasks=[task], num_draws=lambda task, window: 5)
    names = [["Ap0", "Ap1", "Bp0", "Bp1"]]
    once_and_one_more = Counter({"Ap0": 2, "Ap1": 1, "Bp0": 1, "Bp1": 1})
    assert resume.check_passes(plan, names, once_and_one_more, 1) == 2
    for wrong in ({"Ap0": 1}, {"Ap0": 3, "Ap1": 0}, {"Bp0": 2}, {"Bp0": 0, "Bp1": 2}):
        with pytest.raises(ValueError, match=r"plain must be drawn 1 times, . of 2 once more, got"):
            resume.check_passes(plan, names, Counter({**once_and_one_more, **wrong}), 1)
