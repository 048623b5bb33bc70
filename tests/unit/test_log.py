"""The log of a run: what is kept, cut, and shown."""

from __future__ import annotations

import io
import json
import pathlib

import jax
import pytest
import rich.console
from tensorboardX.proto import event_pb2
from tensorboardX.record_writer import masked_crc32c

from flanjax.train import log

TRAIN = {
    "train/loss": 2.5,
    "train/tokens_per_second": 12345.6,
    "train/non_padding_fraction": 0.931,
    "train/grad_norm": 0.75,
}


@pytest.fixture(autouse=True)
def _plain_environment(monkeypatch):
    for name in ("NO_COLOR", "CI", "COLUMNS"):
        monkeypatch.delenv(name, raising=False)


def make_console(*, is_terminal: bool = False) -> rich.console.Console:
    return rich.console.Console(
        file=io.StringIO(),
        width=120,
        force_terminal=is_terminal,
        _environ={"TERM": "xterm"} if is_terminal else {},
    )


def printed(console: rich.console.Console) -> str:
    return console.file.getvalue()


def open_log(folder, *, start_step=0, console=None, clock=lambda: 0.0):
    console = console or make_console()
    return log.open_log(
        folder, total_steps=100, start_step=start_step, console=console, clock=clock
    )


def rows(folder: pathlib.Path) -> list[dict]:
    return [json.loads(line) for line in (folder / log.METRICS_FILE).read_text().splitlines()]


def write_steps(folder, steps, *, start_step=0, loss=1.0):
    with open_log(folder, start_step=start_step) as opened:
        for step in steps:
            opened.write(step, {"train/loss": loss})


def test_each_write_is_on_disk_before_the_next(tmp_path):
    opened = open_log(tmp_path)
    opened.write(10, TRAIN)
    assert rows(tmp_path) == [{"step": 10, "metrics": TRAIN}]
    opened.close()


def test_a_resume_cuts_the_lines_after_its_step_and_keeps_the_rest(tmp_path):
    write_steps(tmp_path, [10, 20, 30], loss=1.0)
    write_steps(tmp_path, [30, 40], start_step=20, loss=2.0)
    assert [(row["step"], row["metrics"]["train/loss"]) for row in rows(tmp_path)] == [
        (10, 1.0),
        (20, 1.0),
        (30, 2.0),
        (40, 2.0),
    ]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["metrics.jsonl", "tensorboard"]


def test_a_run_from_step_zero_keeps_no_line_of_an_earlier_attempt(tmp_path):
    write_steps(tmp_path, [0, 10])
    write_steps(tmp_path, [0])
    assert [row["step"] for row in rows(tmp_path)] == [0]


def test_a_last_line_cut_short_by_a_kill_is_left_out(tmp_path):
    write_steps(tmp_path, [10, 20])
    with (tmp_path / log.METRICS_FILE).open("a") as file:
        file.write('{"step": 30, "metr')
    write_steps(tmp_path, [30], start_step=20)
    assert [row["step"] for row in rows(tmp_path)] == [10, 20, 30]


def test_a_foreign_line_is_refused_with_its_number_and_nothing_is_cut(tmp_path):
    path = tmp_path / log.METRICS_FILE
    path.write_text('{"step": 10, "metrics": {}}\n[1]\n')
    with pytest.raises(ValueError, match=r"metrics\.jsonl, line 2: a line .* got '\[1\]'"):
        open_log(tmp_path, start_step=10)
    assert path.read_text() == '{"step": 10, "metrics": {}}\n[1]\n'


def test_values_that_are_not_finite_are_null_and_named(tmp_path):
    console = make_console()
    with open_log(tmp_path, console=console) as opened:
        opened.write(1200, {"train/loss": float("nan"), "train/grad_norm": float("-inf")})
    assert rows(tmp_path) == [
        {
            "step": 1200,
            "metrics": {"train/loss": None, "train/grad_norm": None},
            "note": "train/loss is nan, train/grad_norm is -inf",
        }
    ]
    assert "step 1,200: train/loss is nan, train/grad_norm is -inf\n" in printed(console)


def test_plain_lines_show_speed_and_the_time_left_since_the_first_line(tmp_path):
    console = make_console()
    times = iter([100.0, 110.0])  # ten seconds for ten steps, eighty are left
    with open_log(tmp_path, console=console, clock=lambda: next(times)) as opened:
        opened.write(10, TRAIN)
        opened.write(15, {"validation/nli/rte/all/accuracy": 0.5})
        opened.write(20, TRAIN)
    assert printed(console) == (
        "step 10/100  loss 2.5000  12,346 tokens/s  93.1% non-padding\n"
        "step 20/100  loss 2.5000  12,346 tokens/s  93.1% non-padding  1m 20s left\n"
    )


def test_the_line_shows_utilization_where_it_is_known(tmp_path):
    console = make_console()
    with open_log(tmp_path, console=console) as opened:
        opened.write(10, {**TRAIN, "train/model_flops_utilization": 0.5012})
    assert "12,346 tokens/s  50.1% MFU  93.1% non-padding\n" in printed(console)


@pytest.mark.parametrize("name", ["NO_COLOR", "CI"])
def test_a_terminal_gets_plain_lines_where_the_environment_asks(tmp_path, monkeypatch, name):
    monkeypatch.setenv(name, "1")
    console = make_console(is_terminal=True)
    with open_log(tmp_path, console=console) as opened:
        opened.write(10, {"train/loss": 1.0})
    assert printed(console) == "step 10/100  loss 1.0000\n"


def test_a_terminal_shows_one_line_written_over_with_notes_above(tmp_path):
    console = make_console(is_terminal=True)
    with open_log(tmp_path, console=console) as opened:
        opened.write(10, {"train/loss": 1.5})
        opened.note("saved step 10")
        opened.write(20, {"train/loss": 1.25})
    shown = printed(console)
    assert "\x1b[2K" in shown  # the line is erased, not scrolled
    assert shown.count("\n") == 2  # the note, and the end of the live line
    assert shown.index("saved step 10\n") < shown.index("step 20/100  loss 1.2500")
    assert "\x1b[?25h" in shown  # the cursor is back


def test_the_live_line_ends_when_the_run_fails(tmp_path):
    console = make_console(is_terminal=True)
    with pytest.raises(RuntimeError, match="lost"), open_log(tmp_path, console=console):
        raise RuntimeError("lost")
    assert printed(console).rstrip().endswith("\x1b[?25h")


def test_other_processes_write_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr(jax, "process_index", lambda: 1)
    console = make_console()
    with open_log(tmp_path / "run", console=console) as opened:
        opened.write(10, TRAIN)
        opened.note("hello")
    assert printed(console) == ""
    assert not (tmp_path / "run").exists()


def read_events(folder: pathlib.Path) -> list[event_pb2.Event]:
    """Reads the record framing of event files: length, crc, payload, crc."""
    events = []
    for path in sorted(folder.iterdir()):
        content = path.read_bytes()
        while content:
            size = int.from_bytes(content[:8], "little")
            payload = content[12 : 12 + size]
            assert int.from_bytes(content[12 + size : 16 + size], "little") == masked_crc32c(
                payload
            )
            events.append(event_pb2.Event.FromString(payload))
            content = content[16 + size :]
    return events


def test_tensorboard_gets_every_finite_metric_and_the_step_of_a_resume(tmp_path):
    with open_log(tmp_path, start_step=40) as opened:
        opened.write(60, {"train/loss": 0.5, "train/grad_norm": float("inf"), "a/b": 2.0})
    events = read_events(tmp_path / log.TENSORBOARD_DIR)
    scalars = [(e.step, v.tag, v.simple_value) for e in events for v in e.summary.value]
    assert scalars == [(60, "train/loss", 0.5), (60, "a/b", 2.0)]
    starts = [e.step for e in events if e.session_log.status == event_pb2.SessionLog.START]
    assert starts == [41]


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.4, "0s"), (59.4, "59s"), (59.6, "1m 00s"), (190, "3m 10s"), (7505, "2h 05m")],
)
def test_durations_read_in_two_units(seconds, words):
    assert log._duration(seconds) == words
