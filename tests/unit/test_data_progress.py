"""What is said while a cache is built, on a terminal and without one."""

from __future__ import annotations

import io

import rich.console

from flanjax import data_progress
from flanjax.engine.staging import StageCounts


def printed(*, terminal: bool) -> str:
    """Returns what stands there after thirty tasks are built, the last one by half."""
    file = io.StringIO()
    console = rich.console.Console(
        file=file, force_terminal=terminal, width=80, height=12, highlight=False
    )
    with data_progress.shown(console) as on_progress:
        for number in range(30):
            on_progress(f"task_{number}", 0, 600)
            on_progress(f"task_{number}", 300, 600)
            if number < 29:
                on_progress(f"task_{number}", 600, 600)
    return file.getvalue()


def test_a_terminal_shows_the_bar_of_the_task_in_work_and_not_of_those_before():
    last = printed(terminal=True).rpartition("tokenized task_28: 600 records")[2]
    assert "task_29" in last
    assert "300/600" in last
    assert "task_28" not in last


def test_each_task_is_told_once_when_it_is_whole():
    for terminal in (True, False):
        text = printed(terminal=terminal)
        told = [text.count(f"tokenized task_{number}: 600 records\n") for number in range(30)]
        assert told == [1] * 29 + [0]


def test_without_a_terminal_there_are_no_bars():
    lines = printed(terminal=False).splitlines()
    assert all(line.startswith("tokenized ") for line in lines)
    assert len(lines) == 29


def test_what_was_copied_is_measured():
    counts = StageCounts(num_files=1200, num_bytes=3 * 2**20, num_reads=1230, seconds=1.5)
    assert data_progress.staged_lines(counts) == [
        "remote cache: copied 1,200 files, 3.0 MiB, at 2.0 MiB/s and 820.0 reads/s"
    ]
    nothing = StageCounts(num_files=0, num_bytes=0, num_reads=0, seconds=0.1)
    assert data_progress.staged_lines(nothing) == ["remote cache: nothing to copy"]
    assert data_progress.staged_lines(None) == []
