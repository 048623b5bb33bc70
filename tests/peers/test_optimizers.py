"""Optimizers against torch's own, over several steps of a moving gradient."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
import torch

from flanjax.train.optim import OptimizerConfig, ScheduleConfig, make_optimizer

_RATE = 0.02
_DECAY = 0.1
_STEPS = 6


def of_torch(make: Callable[[list[Any]], Any], start: np.ndarray) -> np.ndarray:
    """Returns a matrix after some steps towards a target that a rotation moves."""
    weight = torch.nn.Parameter(torch.tensor(start))
    optimizer = make([weight])
    for step in range(_STEPS):
        weight.grad = torch.tensor(gradient(weight.detach().numpy(), step))
        optimizer.step()
    return weight.detach().numpy()


def gradient(weight: np.ndarray, step: int) -> np.ndarray:
    """Returns a gradient that depends on the weight and on the step."""
    return (np.tanh(weight) + np.cos(step + np.arange(weight.size)).reshape(weight.shape)).astype(
        np.float32
    )


def of_flanjax(start: np.ndarray, **settings: Any) -> np.ndarray:
    """Returns the same from an optimizer of a config."""
    config = OptimizerConfig(schedule=ScheduleConfig(peak=_RATE), **settings)
    tx = make_optimizer(config, {"w": ("embed", "mlp")}, num_steps=_STEPS)
    params = {"w": jnp.asarray(start)}
    state = tx.init(params)
    for step in range(_STEPS):
        grads = {"w": jnp.asarray(gradient(np.asarray(params["w"]), step))}
        updates, state = tx.update(grads, state, params)
        params = optax.apply_updates(params, updates)
    return np.asarray(params["w"])


@pytest.fixture
def start() -> np.ndarray:
    return np.asarray(jax.random.normal(jax.random.key(0), (6, 4)))


def test_adamw_is_that_of_torch(start: np.ndarray) -> None:
    found = of_flanjax(start, name="adamw", weight_decay=_DECAY, b2=0.99)
    wanted = of_torch(
        lambda p: torch.optim.AdamW(p, lr=_RATE, betas=(0.9, 0.99), weight_decay=_DECAY), start
    )
    np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=1e-6)


def test_sgd_is_that_of_torch(start: np.ndarray) -> None:
    """Without decay: torch adds it to the gradient, not to the update."""
    found = of_flanjax(start, name="sgd")
    wanted = of_torch(lambda p: torch.optim.SGD(p, lr=_RATE, momentum=0.9), start)
    np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=1e-6)


def test_muon_is_that_of_torch(start: np.ndarray) -> None:
    """Torch multiplies matrices in bfloat16, hence a tolerance on the whole change."""
    found = of_flanjax(start, name="muon", weight_decay=_DECAY, b1=0.95)
    wanted = of_torch(
        lambda p: torch.optim.Muon(
            p, lr=_RATE, weight_decay=_DECAY, momentum=0.95, adjust_lr_fn="match_rms_adamw"
        ),
        start,
    )
    error = np.linalg.norm(found - wanted) / np.linalg.norm(wanted - start)
    assert error < 0.02
