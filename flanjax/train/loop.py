"""The training loop."""

from __future__ import annotations

import contextlib
import dataclasses
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple, Protocol

import jax
from jax.sharding import Mesh

from flanjax.base import Key, Mean
from flanjax.data.batch import SeqBatch
from flanjax.train.checkpoint import Checkpoints
from flanjax.train.state import TrainState
from flanjax.train.step import StepFn, put_batch


@dataclasses.dataclass(frozen=True, kw_only=True)
class TrainConfig:
    """How long and how often.

    Attributes:
      steps: The last step; a resumed run goes on to the same one.
      batch_size: Packed rows per step over all devices.
      microbatches: Parts of a step whose sums are added before one update.
      seed: Seeds parameters, data order, templates and dropout.
      log_period: Steps between lines of the log.
      checkpoint_period: Steps between checkpoints; the last is always kept.
      keep_checkpoints: The newest so many are kept.
      eval_period: Steps between evaluations; 0 evaluates before and after.
    """

    steps: int
    batch_size: int = 128
    microbatches: int = 1
    seed: int = 0
    log_period: int = 20
    checkpoint_period: int = 1000
    keep_checkpoints: int = 3
    eval_period: int = 0

    def __post_init__(self) -> None:
        periods = ("log_period", "checkpoint_period", "keep_checkpoints")
        for name in ("steps", "batch_size", "microbatches", *periods):
            if getattr(self, name) < 1:
                raise ValueError(
                    f"train {name} must be positive, got {getattr(self, name)}; raise it."
                )
        if self.eval_period < 0:
            raise ValueError(
                f"train eval_period must not be negative, got {self.eval_period}; 0 evaluates "
                "before and after."
            )
        if not 0 <= self.seed < 1 << 32:  # jax.random.key reads 32 bits
            raise ValueError(
                f"train seed must lie in [0, 2**32), got {self.seed}; set RANDOM_SEED."
            )
        if self.batch_size % self.microbatches:
            raise ValueError(
                f"batch_size must be a multiple of microbatches, got {self.batch_size} and "
                f"{self.microbatches}; change one."
            )

    def is_eval_step(self, step: int) -> bool:
        """Returns whether what is trained is scored after a step that is not the last."""
        is_due = self.eval_period > 0 and step % self.eval_period == 0
        return is_due and 0 < step < self.steps


class Batches(Protocol):
    """An endless, seekable stream of batches."""

    def __next__(self) -> SeqBatch: ...

    def get_state(self) -> dict[str, Any]:
        """Returns where the next batch is read, as JSON values."""
        ...


class Log(Protocol):
    """Where metrics go."""

    def write(self, step: int, metrics: Mapping[str, float]) -> None: ...


class DataLog(Protocol):
    """Tells of the data seen until a position, which `Batches.get_state` gave."""

    def metrics(self, position: Mapping[str, Any]) -> Mapping[str, float]:
        """Returns what the log shows of it."""
        ...

    def at_checkpoint(self, step: int, position: Mapping[str, Any]) -> None:
        """Keeps the account that goes with a checkpoint."""
        ...


class Work(NamedTuple):
    """What a step computes, and what a device could.

    Attributes:
      flops: This process's rows -> FLOPs of the step on all processes.
      peak_flops: FLOP/s of a device; None where it is not known.
    """

    flops: Callable[[SeqBatch], float]
    peak_flops: float | None


OnEval = Callable[[int, TrainState], None]
"""(step, state), called between steps; what it does is the caller's."""


def train(
    config: TrainConfig,
    step_fn: StepFn,
    state: TrainState,
    batches: Batches,
    *,
    key: Key,
    mesh: Mesh,
    checkpoints: Checkpoints,
    log: Log,
    learning_rate: Callable[[int], Any],
    work: Work | None = None,
    on_eval: OnEval | None = None,
    data_log: DataLog | None = None,
) -> TrainState:
    """Trains from the state's step to the last, and returns the last state.

    A step returns before it is computed: the next rows are put on the device meanwhile. The line
    of step n is written when step n + 1 is on its way, so the device never waits for the log;
    only a checkpoint, an evaluation and the end wait for the step before them.

    Args:
      config: Steps and periods.
      step_fn: The compiled step; it consumes the state it is given.
      state: Where to start.
      batches: This process's share of each global batch, already at the
        state's position.
      key: Seeds dropout; each step folds in its number.
      mesh: Where batches go.
      checkpoints: Where states are kept.
      log: Where metrics go.
      learning_rate: The schedule, for the log.
      work: What the log's utilization is reckoned from; None leaves it out.
      on_eval: Called every `eval_period` steps, but not at the first or last.
      data_log: Told of the data's position.
    """
    meter = _Meter(log, learning_rate, work, num_devices=mesh.size)
    for step in range(int(state.step) + 1, config.steps + 1):
        rows = next(batches)
        state, metrics = step_fn(state, put_batch(rows, mesh), key)
        meter.write_due()
        meter.add(step, metrics, rows)
        is_last = step == config.steps
        is_kept = step % config.checkpoint_period == 0 or is_last
        is_scored = on_eval is not None and config.is_eval_step(step)
        # A line ends wherever a run may be cut, so that a resumed one writes the same lines.
        if step % config.log_period == 0 or is_kept or is_scored:
            meter.make_due(data_log.metrics(batches.get_state()) if data_log else {})
        if is_kept or is_scored:
            meter.write_due()
        if is_kept:
            position = batches.get_state()
            checkpoints.save(step, state, position)
            if data_log:
                data_log.at_checkpoint(step, position)
        if on_eval is not None and is_scored:
            with meter.paused():
                on_eval(step, state)
    checkpoints.wait()
    return state


class _Meter:
    """Adds up metrics between lines of the log."""

    def __init__(
        self,
        log: Log,
        learning_rate: Callable[[int], Any],
        work: Work | None,
        *,
        num_devices: int,
    ):
        self._log = log
        self._learning_rate = learning_rate
        self._work = work
        self._num_devices = num_devices
        self._flops = 0.0
        self._pending: list[tuple[int, dict[str, Mean]]] = []
        self._due: Mapping[str, float] | None = None
        self._since = time.monotonic()

    def add(self, step: int, metrics: dict[str, Mean], rows: SeqBatch) -> None:
        """Keeps metrics that are still being computed; counts the work meanwhile."""
        self._pending.append((step, metrics))
        if self._work:
            self._flops += self._work.flops(rows)

    def make_due(self, data: Mapping[str, float]) -> None:
        """Asks for a line of the steps so far, with what is told of the data."""
        self._due = data

    def write_due(self) -> None:
        """Writes the line that was asked for, if one was."""
        if self._due is not None:
            self.flush(self._due)
            self._due = None

    @contextlib.contextmanager
    def paused(self) -> Iterator[None]:
        """Does not count the time of what is done meanwhile."""
        yield
        self._since = time.monotonic()

    def flush(self, data: Mapping[str, float] | None = None) -> None:
        """Writes the means of the steps since the last line, and what is told of the data."""
        if not self._pending:
            return
        steps = len(self._pending)
        fetched: list[dict[str, Mean]] = jax.device_get([m for _, m in self._pending])
        seconds = max(time.monotonic() - self._since, 1e-9)
        last = self._pending[-1][0]
        values = {f"train/{name}": _total(fetched, name).value() for name in fetched[0]}
        tokens = float(_total(fetched, "non_padding_fraction").total)
        values["train/learning_rate"] = float(self._learning_rate(last - 1))
        values["train/tokens_per_second"] = tokens / seconds
        values["train/steps_per_second"] = steps / seconds
        values.update(self._utilization(seconds))
        self._log.write(last, {**values, **(data or {})})
        self._pending.clear()
        self._flops = 0.0
        self._since = time.monotonic()

    def _utilization(self, seconds: float) -> Mapping[str, float]:
        """Returns the FLOP/s of a device, and their share of its peak where that is known."""
        if not self._work:
            return {}
        each = self._flops / seconds / self._num_devices
        peak = self._work.peak_flops
        share = {"train/model_flops_utilization": each / peak} if peak else {}
        return {"train/teraflops_per_second_per_device": each / 1e12, **share}


def _total(steps: list[dict[str, Mean]], name: str) -> Mean:
    return Mean(
        sum(float(step[name].total) for step in steps),
        sum(float(step[name].weight) for step in steps),
    )
