"""The average of weights, by hand."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from flanjax.train import ema
from flanjax.train.ema import EmaConfig
from flanjax.train.optim import OptimizerConfig, ScheduleConfig, make_optimizer

AXES = {"w": ("embed",), "norm": ("norm",)}


def optimizer(**settings):
    config = OptimizerConfig(
        name="sgd", schedule=ScheduleConfig(peak=0.1), ema=EmaConfig(**settings)
    )
    return make_optimizer(config, AXES, num_steps=10)


def history(tx, steps):
    """The weights after each update, the averages, and the last state."""
    params = {"w": jnp.array([1.0, -2.0]), "norm": jnp.array([1.0])}
    state = tx.init(params)
    weights, averages = [], []
    for step in range(steps):
        grads = jax.tree.map(lambda p, step=step: jnp.sin(p + step), params)
        updates, state = tx.update(grads, state, params)
        params = optax.apply_updates(params, updates)
        weights.append(np.asarray(params["w"], np.float64))
        averages.append(np.asarray(ema.averaged(state, params)["w"]))
    return weights, averages, state, params


@pytest.mark.parametrize("decay", [0.5, 0.9, 0.9999])
@pytest.mark.parametrize("start", [0, 3])
def test_the_average_is_the_weighted_mean_of_the_weights_since_its_start(decay, start):
    weights, averages, _, _ = history(optimizer(decay=decay, start=start), 8)
    for last in range(1, 9):
        if last <= start:
            np.testing.assert_array_equal(averages[last - 1], weights[last - 1])
            continue
        counted = weights[start:last]
        shares = decay ** np.arange(len(counted))[::-1]
        expected = np.average(counted, axis=0, weights=shares)
        np.testing.assert_allclose(averages[last - 1], expected, rtol=2e-6)
    assert not np.allclose(averages[-1], weights[-1], rtol=1e-3)


def test_the_average_is_named_and_float32_and_leaves_training_alone():
    weights, _, state, params = history(optimizer(decay=0.9), 4)
    plain, _, _, _ = history(optimizer(), 4)
    np.testing.assert_array_equal(weights, plain)
    assert {name for name in state if ema.is_leaf(name)} == {"ema/w", "ema/norm", "ema_count/0"}
    assert state["ema/w"].dtype == jnp.float32
    half = jax.tree.map(lambda p: p.astype(jnp.bfloat16), params)
    begun = optimizer(decay=0.9).init(half)
    assert {begun[ema.leaf(name)].dtype for name in half} == {jnp.dtype(jnp.float32)}


def test_before_the_first_update_and_without_an_average_the_weights_stand_for_it():
    params = {"w": jnp.ones(2), "norm": jnp.ones(1)}
    for tx in (optimizer(decay=0.9), optimizer()):
        assert ema.averaged(tx.init(params), params) is params


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"decay": 1.0}, r"EmaConfig decay must lie in \[0, 1\), got 1.0"),
        ({"decay": 0.9, "start": -1}, "EmaConfig start must not be negative, got -1"),
    ],
)
def test_bad_averages_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        EmaConfig(**settings)


def test_an_average_that_begins_late_begins_at_its_weight():
    tx = optimizer(decay=0.9)
    _, _, state, params = history(tx, 30)
    state = state | {"ema/norm": jnp.zeros(1)}
    state |= ema.begun(params, state, fresh={"ema/norm", "trace/w"})
    np.testing.assert_array_equal(state["ema/norm"], params["norm"])
    begun = params["norm"]
    updates, state = tx.update(jax.tree.map(jnp.ones_like, params), state, params)
    after = optax.apply_updates(params, updates)
    share = 0.1 / (1 - 0.9**31)
    expected = (1 - share) * begun + share * after["norm"]
    np.testing.assert_allclose(ema.averaged(state, after)["norm"], expected, rtol=1e-6)
    assert set(ema.begun(params, state, fresh=set())) == set()
