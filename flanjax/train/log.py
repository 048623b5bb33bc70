"""Where a run's numbers go: a JSONL file, TensorBoard, one calm line."""

from __future__ import annotations

import json
import math
import os
import pathlib
import time
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Any, Protocol

import jax
import rich.console
import rich.live
import rich.text
import tensorboardX

METRICS_FILE = "metrics.jsonl"
TENSORBOARD_DIR = "tensorboard"


class _Writer(Protocol):
    def write(self, step: int, metrics: Mapping[str, float]) -> None: ...

    def close(self) -> None: ...


class TrainLog:
    """Writes a run's metrics; made by `open_log`."""

    def __init__(
        self, writers: tuple[_Writer, ...], *, console: rich.console.Console | None
    ) -> None:
        self._writers = writers
        self._console = console

    def write(self, step: int, metrics: Mapping[str, float]) -> None:
        """Writes the metrics of a step.

        Args:
          step: The step just taken; larger than any written before.
          metrics: Name -> value. The terminal shows those of training
            (`train/loss` and its neighbours); the files keep all.
        """
        values = {name: float(value) for name, value in metrics.items()}
        for writer in self._writers:
            writer.write(step, values)
        if broken := _broken(values):
            self.note(f"step {step:,}: {broken}")

    def note(self, text: str) -> None:
        """Prints a line that stays above the live one."""
        if self._console is not None:
            self._console.print(rich.text.Text(text), soft_wrap=True)

    def close(self) -> None:
        """Ends the live line and closes the files."""
        for writer in self._writers:
            writer.close()
        self._writers = ()

    def __enter__(self) -> TrainLog:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


def open_log(
    model_dir: str | os.PathLike[str],
    *,
    total_steps: int,
    start_step: int,
    console: rich.console.Console,
    clock: Callable[[], float] = time.monotonic,
) -> TrainLog:
    """Opens the log of a run, or goes on with it after a resume.

    Every process may call it; process 0 alone writes and prints.

    Args:
      model_dir: The run's directory; the log lies in `metrics.jsonl` and
        `tensorboard/` below it.
      total_steps: The run's last step.
      start_step: The step that the run goes on from. Lines after it, left
        by an attempt that got further than its last checkpoint, are cut. At 0
        nothing is kept.
      console: Where the live line is drawn. Without a terminal, and where
        NO_COLOR or CI is set, each write prints a plain line instead.
      clock: Seconds; the time left is reckoned from it.

    Raises:
      ValueError: The file of metrics holds a line that is not one of ours.
    """
    if jax.process_index() != 0:
        return TrainLog((), console=None)
    folder = pathlib.Path(model_dir)
    folder.mkdir(parents=True, exist_ok=True)
    files = _JsonLines(folder / METRICS_FILE, start_step=start_step)
    board = _TensorBoard(folder / TENSORBOARD_DIR, start_step=start_step)
    progress = _Progress(total_steps=total_steps, start_step=start_step, clock=clock)
    line: _Writer = (
        _LiveLine(console, progress) if _is_live(console) else _PlainLines(console, progress)
    )
    return TrainLog((files, board, line), console=console)


class _JsonLines:
    """One object a line: the step, its metrics, and what was not finite."""

    def __init__(self, path: pathlib.Path, *, start_step: int) -> None:
        if path.exists():
            _cut(path, start_step)
        self._file = path.open("a", encoding="utf-8")

    def write(self, step: int, metrics: Mapping[str, float]) -> None:
        finite = {n: value if math.isfinite(value) else None for n, value in metrics.items()}
        row: dict[str, Any] = {"step": step, "metrics": finite}
        if broken := _broken(metrics):
            row["note"] = broken
        self._file.write(json.dumps(row, allow_nan=False) + "\n")
        self._file.flush()

    def close(self) -> None:
        self._file.close()


def _cut(path: pathlib.Path, start_step: int) -> None:
    """Removes the lines after `start_step`, and a last line cut short."""
    lines = path.read_text("utf-8").split("\n")[:-1] if start_step else []
    kept = []
    for number, line in enumerate(lines, start=1):
        try:
            step = json.loads(line)["step"]
        except (ValueError, KeyError, TypeError):
            raise ValueError(
                f"{path}, line {number}: a line of metrics must be an object with a step, "
                f"got {line[:60]!r}; move the file away."
            ) from None
        if step <= start_step:
            kept.append(line + "\n")
    aside = path.with_name(path.name + ".partial")
    aside.write_text("".join(kept), "utf-8")
    os.replace(aside, path)


class _TensorBoard:
    """Event files; a resumed run hides the events after its first step."""

    def __init__(self, path: pathlib.Path, *, start_step: int) -> None:
        self._writer = tensorboardX.SummaryWriter(
            str(path), purge_step=start_step + 1 if start_step else 0, flush_secs=10
        )

    def write(self, step: int, metrics: Mapping[str, float]) -> None:
        for name, value in metrics.items():
            if math.isfinite(value):
                self._writer.add_scalar(name, value, step)

    def close(self) -> None:
        self._writer.close()


class _Progress:
    """Words for where a run stands, and its estimate of the time left."""

    def __init__(self, *, total_steps: int, start_step: int, clock: Callable[[], float]) -> None:
        self._total_steps = total_steps
        self._start_step = start_step
        self._clock = clock
        self._first: tuple[int, float] | None = None

    def opening(self) -> str:
        return f"step {self._start_step:,}/{self._total_steps:,}"

    def line(self, step: int, metrics: Mapping[str, float]) -> str:
        """Returns the line of a step, from those metrics that are given."""
        shown = (
            ("train/loss", "loss {:.4f}"),
            ("train/tokens_per_second", "{:,.0f} tokens/s"),
            ("train/model_flops_utilization", "{:.1%} MFU"),
            ("train/non_padding_fraction", "{:.1%} non-padding"),
        )
        parts = [f"step {step:,}/{self._total_steps:,}"]
        parts += [form.format(metrics[name]) for name, form in shown if name in metrics]
        if (left_s := self._time_left_s(step)) is not None:
            parts.append(f"{_duration(left_s)} left")
        return "  ".join(parts)

    def _time_left_s(self, step: int) -> float | None:
        """Reckons from the first line on: before it lies the compilation."""
        now = self._clock()
        if self._first is None:
            self._first = (step, now)
        first_step, first_time = self._first
        if step <= first_step:
            return None
        return (now - first_time) / (step - first_step) * (self._total_steps - step)


class _LiveLine:
    """One line of a terminal, written over at each period of the log."""

    def __init__(self, console: rich.console.Console, progress: _Progress) -> None:
        self._progress = progress
        self._live = rich.live.Live(
            _one_line(progress.opening()), console=console, auto_refresh=False
        )
        self._live.start(refresh=True)

    def write(self, step: int, metrics: Mapping[str, float]) -> None:
        if "train/loss" in metrics:
            self._live.update(_one_line(self._progress.line(step, metrics)), refresh=True)

    def close(self) -> None:
        self._live.stop()


class _PlainLines:
    """A line of its own for each period, for files and pipes."""

    def __init__(self, console: rich.console.Console, progress: _Progress) -> None:
        self._console = console
        self._progress = progress

    def write(self, step: int, metrics: Mapping[str, float]) -> None:
        if "train/loss" in metrics:
            line = self._progress.line(step, metrics)
            self._console.print(rich.text.Text(line), soft_wrap=True)

    def close(self) -> None:
        """Nothing is held open."""


def _one_line(text: str) -> rich.text.Text:
    return rich.text.Text(text, no_wrap=True, overflow="ellipsis")


def _is_live(console: rich.console.Console) -> bool:
    is_plain = os.environ.get("NO_COLOR") or os.environ.get("CI")
    return console.is_terminal and not console.is_dumb_terminal and not is_plain


def _broken(metrics: Mapping[str, float]) -> str:
    """Returns which metrics are not finite, in words; "" if all are."""
    wrong = [f"{name} is {value}" for name, value in metrics.items() if not math.isfinite(value)]
    return ", ".join(wrong)


def _duration(seconds: float) -> str:
    """Returns a time in its two largest units: "2h 05m", "3m 10s", "9s"."""
    minutes, rest_s = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours}h {minutes:02d}m"
    return f"{minutes}m {rest_s:02d}s" if minutes else f"{rest_s}s"
