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
