"""The training loop, with a step that computes nothing."""

from __future__ import annotations

import types
from typing import Any, NamedTuple

import jax
import numpy as np
import pytest

from flanjax import parallel
from flanjax.base import Mean
from flanjax.data.batch import SeqBatch
from flanjax.train import loop


class State(NamedTuple):
    """A state that only counts."""

    step: int


class Log:
    """Keeps what is written."""

    def __init__(self) -> None:
        self.rows: list[tuple[int, dict[str, float]]] = []

    def write(self, step: int, metrics: Any) -> None:
        self.rows.append((step, dict(metrics)))


class Batches:
    """Rows of 4 tokens and 4 of padding."""

    def __next__(self) -> SeqBatch:
        rows = np.repeat([[1, 1, 1, 1, 0, 0, 0, 0]], 2, axis=0)
        return SeqBatch(rows, rows, rows, rows, rows, rows)

    def get_state(self) -> dict[str, Any]:
        return {}


def trained(work: loop.Work | None, monkeypatch: pytest.MonkeyPatch) -> list[dict[str, float]]:
    """Returns what six steps of a second each write, every third step."""
    seconds = iter(range(100))
    monkeypatch.setattr(loop, "time", types.SimpleNamespace(monotonic=lambda: next(seconds)))

    def step(state: State, batch: SeqBatch, key: Any) -> tuple[State, dict[str, Mean]]:
        return State(state.step + 1), {"non_padding_fraction": Mean(8.0, 16.0)}

    nothing = types.SimpleNamespace(save=lambda *_: None, wait=lambda: None)
    log = Log()
    loop.train(
        loop.TrainConfig(steps=6, batch_size=2, log_period=3),
        step,  # type: ignore[arg-type]
        State(0),  # type: ignore[arg-type]
        Batches(),
        key=jax.random.key(0),
        mesh=parallel.make_mesh(parallel.MeshConfig(), num_devices=1),
        checkpoints=nothing,  # type: ignore[arg-type]
        log=log,
        learning_rate=lambda step: 0.5,
        work=work,
    )
    assert [step for step, _ in log.rows] == [3, 6]
    return [metrics for _, metrics in log.rows]


def test_utilization_is_the_work_over_time_and_peak(monkeypatch) -> None:
    work = loop.Work(lambda rows: 1e12 * rows.segments.sum() / 8, peak_flops=6e12)
    for metrics in trained(work, monkeypatch):
        # Three steps of 1e12 in the one second between two readings of the clock.
        assert metrics["train/teraflops_per_second_per_device"] == pytest.approx(3.0)
        assert metrics["train/model_flops_utilization"] == pytest.approx(0.5)
        assert metrics["train/tokens_per_second"] == pytest.approx(24)


def test_a_device_of_unknown_peak_has_no_utilization(monkeypatch) -> None:
    work = loop.Work(lambda rows: 1e12, peak_flops=None)
    for metrics in trained(work, monkeypatch):
        assert "train/teraflops_per_second_per_device" in metrics
        assert "train/model_flops_utilization" not in metrics


def test_without_work_only_tokens_are_told(monkeypatch) -> None:
    assert not any("flops" in name for row in trained(None, monkeypatch) for name in row)


def test_utilization_is_that_of_one_device(monkeypatch) -> None:
    seconds = iter((0.0, 2.0, 2.0))
    monkeypatch.setattr(loop, "time", types.SimpleNamespace(monotonic=lambda: next(seconds)))
    log = Log()
    work = loop.Work(lambda rows: 24e12, peak_flops=6e12)
    meter = loop._Meter(log, lambda step: 0.5, work, num_devices=4)
    meter.add(1, {"non_padding_fraction": Mean(8.0, 16.0)}, next(Batches()))
    meter.flush()
    assert log.rows[0][1]["train/model_flops_utilization"] == pytest.approx(0.5)


def order_of(config: loop.TrainConfig, *, first: int = 0) -> list[str]:
    """Returns what a run does after its first so many steps, in order."""
    done: list[str] = []

    class Told(Log):
        def write(self, step: int, metrics: Any) -> None:
            done.append(f"line {step} of {metrics['train/loss']:g}")

    class Placed(Batches):
        def __next__(self) -> SeqBatch:
            done.append("rows")
            return super().__next__()

    def step(state: State, batch: SeqBatch, key: Any) -> tuple[State, dict[str, Mean]]:
        done.append(f"step {state.step + 1}")
        loss = Mean(float(state.step + 1), 1.0)
        return State(state.step + 1), {"non_padding_fraction": Mean(8.0, 16.0), "loss": loss}

    loop.train(
        config,
        step,  # type: ignore[arg-type]
        State(first),  # type: ignore[arg-type]
        Placed(),
        key=jax.random.key(0),
        mesh=parallel.make_mesh(parallel.MeshConfig(), num_devices=1),
        checkpoints=types.SimpleNamespace(  # type: ignore[arg-type]
            save=lambda step, *_: done.append(f"kept {step}"), wait=lambda: done.append("end")
        ),
        log=Told(),
        learning_rate=lambda step: 0.5,
        on_eval=lambda step, state: done.append(f"scored {step}"),
    )
    return done


def test_a_line_waits_for_the_next_step_to_be_on_its_way() -> None:
    config = loop.TrainConfig(steps=4, batch_size=2, log_period=2)
    assert order_of(config) == [
        "rows", "step 1", "rows", "step 2",
        "rows", "step 3", "line 2 of 1.5", "rows", "step 4",
        "line 4 of 3.5", "kept 4", "end",
    ]  # fmt: skip


def test_a_line_is_written_before_what_waits_for_its_step() -> None:
    config = loop.TrainConfig(
        steps=3, batch_size=2, log_period=1, checkpoint_period=2, eval_period=1
    )
    assert order_of(config) == [
        "rows", "step 1", "line 1 of 1", "scored 1",
        "rows", "step 2", "line 2 of 2", "kept 2", "scored 2",
        "rows", "step 3", "line 3 of 3", "kept 3", "end",
    ]  # fmt: skip


@pytest.mark.parametrize("cut", [3, 6])
def test_a_resumed_run_writes_the_lines_of_an_unbroken_one(cut: int) -> None:
    config = loop.TrainConfig(
        steps=8, batch_size=2, log_period=2, checkpoint_period=3, eval_period=5
    )
    whole, rest = (
        [event for event in order_of(config, first=first) if event.startswith("line")]
        for first in (0, cut)
    )
    assert rest == [line for line in whole if int(line.split()[1]) > cut]
    assert [int(line.split()[1]) for line in whole] == [2, 3, 4, 5, 6, 8]
