"""After its first steps a run compiles nothing more."""

from __future__ import annotations

import types
from typing import Any

import jax
import numpy as np
import pytest
from jax import monitoring

from flanjax import parallel
from flanjax.losses.tokens import LossConfig
from flanjax.models import families, flops
from flanjax.train import loop, optim
from flanjax.train.objectives import token_loss
from flanjax.train.state import make_state
from flanjax.train.step import compile_step, make_train_step
from tests.numerics.test_step import FAMILIES, examples, pack, packed_rows

_COMPILED = "/jax/core/compile/backend_compile_duration"


class Batches:
    """Other rows each time, of one shape."""

    def __init__(self, layout: Any) -> None:
        self._layout = layout
        self._num_read = 0

    def __next__(self) -> Any:
        self._num_read += 1
        return pack(packed_rows(examples(8, seed=self._num_read), 2), self._layout)

    def get_state(self) -> dict[str, Any]:
        return {}


@pytest.fixture
def compiled() -> list[str]:
    """One entry for each program compiled, or read from a cache, meanwhile."""
    found: list[str] = []
    monitoring.register_event_duration_secs_listener(
        lambda event, seconds, **_: found.append(event) if event == _COMPILED else None
    )
    return found


@pytest.mark.parametrize("family", FAMILIES)
def test_only_the_first_steps_compile(family: str, compiled: list[str]) -> None:
    config, layout = FAMILIES[family]
    model = families.make_model(config)
    settings = optim.OptimizerConfig(
        name="adamw", schedule=optim.ScheduleConfig(name="cosine", warmup_steps=2)
    )
    tx = optim.make_optimizer(settings, model.axes, num_steps=8)
    mesh = parallel.make_mesh(parallel.MeshConfig(), num_devices=1)
    state, shardings = make_state(model, tx, mesh, jax.random.key(0))
    counts: list[int] = []
    loop.train(
        loop.TrainConfig(steps=8, batch_size=4, log_period=1, checkpoint_period=3, eval_period=3),
        compile_step(
            make_train_step(token_loss(model, LossConfig()), tx, microbatches=2), mesh, shardings
        ),
        state,
        Batches(layout),
        key=jax.random.key(1),
        mesh=mesh,
        checkpoints=types.SimpleNamespace(  # type: ignore[arg-type]
            save=lambda step, state, position: jax.device_get(state), wait=lambda: None
        ),
        log=types.SimpleNamespace(write=lambda step, metrics: counts.append(len(compiled))),
        learning_rate=optim.make_schedule(settings.schedule, num_steps=8),
        work=loop.Work(lambda rows: flops.count_work(config, flops.packed_rows(rows)).flops, 1e12),
        on_eval=lambda step, state: jax.device_get(state),
    )
    assert len(counts) == 8 and counts[0] > 0
    np.testing.assert_array_equal(counts[1:], counts[1])
