"""Schedules by hand; Adafactor layer by layer."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from flanjax.train.optim import (
    OptimizerConfig,
    ScheduleConfig,
    make_optimizer,
    make_schedule,
    per_layer,
)


def rates_of(num_steps, **settings):
    schedule = make_schedule(ScheduleConfig(**settings), num_steps=num_steps)
    return [float(schedule(step)) for step in range(num_steps)]


def test_constant_schedule_warms_up_to_its_peak():
    assert rates_of(5, name="constant", peak=0.4, warmup_steps=2) == pytest.approx(
        [0.2, 0.4, 0.4, 0.4, 0.4]
    )


def test_linear_schedule_falls_to_its_end():
    assert rates_of(6, name="linear", peak=1.0, warmup_steps=2, end=0.2) == pytest.approx(
        [0.5, 1.0, 1.0, 0.8, 0.6, 0.4]
    )


def test_cosine_schedule_is_half_way_at_half_time():
    values = rates_of(9, name="cosine", peak=2.0, end=0.0)
    assert values[0] == pytest.approx(2.0)
    assert make_schedule(ScheduleConfig(name="cosine", peak=2.0), num_steps=8)(4) == pytest.approx(
        1.0
    )
    assert values[8] == pytest.approx(1.0 + math.cos(math.pi * 8 / 9))


def test_rsqrt_schedule_halves_at_four_times_the_warmup():
    values = rates_of(40, name="rsqrt", peak=0.1, warmup_steps=10)
    assert values[9] == pytest.approx(0.1)
    assert values[39] == pytest.approx(0.05)


def test_warmup_longer_than_the_run_is_refused():
    with pytest.raises(ValueError, match="warmup_steps must be below the run's 5 steps, got 5"):
        make_schedule(ScheduleConfig(warmup_steps=5), num_steps=5)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"name": "polynomial"}, "schedule must be constant, rsqrt, cosine or linear"),
        ({"peak": 0.0}, "schedule peak must be positive, got 0.0"),
        ({"warmup_steps": -1}, "warmup_steps must not be negative, got -1"),
    ],
)
def test_bad_schedules_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        ScheduleConfig(**settings)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"name": "sgd"}, "optimizer must be adamw or adafactor, got 'sgd'"),
        ({"clip_norm": -1.0}, "optimizer clip_norm must not be negative, got -1.0"),
    ],
)
def test_bad_optimizers_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        OptimizerConfig(**settings)


def unlike_layers():
    """Three layers whose scales differ a hundredfold, wide enough to factor."""
    keys = jax.random.split(jax.random.key(0), 2)
    scale = jnp.array([0.01, 1.0, 100.0])[:, None, None]
    params = jax.random.normal(keys[0], (3, 130, 140)) * scale
    grads = jax.random.normal(keys[1], (3, 130, 140)) * scale[::-1]
    return params, grads


def two_updates(tx, params, grads):
    state = tx.init(params)
    for _ in range(2):
        updates, state = tx.update(grads, state, params)
        params = optax.apply_updates(params, updates)
    return params


def test_adafactor_on_stacked_layers_is_adafactor_on_each_layer():
    params, grads = unlike_layers()
    axes = {"w": ("layers", "embed", "mlp"), "norm": ("norm",)}
    config = OptimizerConfig(schedule=ScheduleConfig(peak=0.01))
    stacked = two_updates(
        make_optimizer(config, axes, num_steps=10),
        {"w": params, "norm": jnp.ones(7)},
        {"w": grads, "norm": jnp.ones(7)},
    )
    plain = optax.adafactor(0.01, min_dim_size_to_factor=128)
    for layer in range(3):
        alone = two_updates(plain, params[layer], grads[layer])
        np.testing.assert_allclose(stacked["w"][layer], alone, rtol=1e-5, atol=1e-7)


def test_stacks_may_differ_in_their_number_of_layers():
    params, grads = unlike_layers()
    names = ("layers", "embed", "mlp")
    axes = {side: {"layers": {"w": names}} for side in ("encoder", "decoder")}

    def sides(values):
        return {"encoder": {"layers": {"w": values}}, "decoder": {"layers": {"w": values[:2]}}}

    config = OptimizerConfig(schedule=ScheduleConfig(peak=0.01))
    made = make_optimizer(config, axes, num_steps=10)
    stacked = two_updates(made, sides(params), sides(grads))
    plain = optax.adafactor(0.01, min_dim_size_to_factor=128)
    for side, num_layers in (("encoder", 3), ("decoder", 2)):
        assert len(stacked[side]["layers"]["w"]) == num_layers
        for layer, found in enumerate(stacked[side]["layers"]["w"]):
            alone = two_updates(plain, params[layer], grads[layer])
            np.testing.assert_allclose(found, alone, rtol=1e-5, atol=1e-7)


def test_without_per_layer_the_update_would_differ():
    params, grads = unlike_layers()
    plain = optax.adafactor(0.01, min_dim_size_to_factor=128)
    together = two_updates(plain, params, grads)
    apart = two_updates(
        per_layer(plain, {"w": ("layers", "embed", "mlp")}), {"w": params}, {"w": grads}
    )
    change = jnp.abs(together - params).mean((1, 2)) / jnp.abs(apart["w"] - params).mean((1, 2))
    assert float(jnp.abs(jnp.log(change)).max()) > 0.5


def test_global_norm_is_clipped_before_the_optimizer():
    config = OptimizerConfig(name="adamw", clip_norm=1.0, schedule=ScheduleConfig(peak=0.1))
    clipping = make_optimizer(config, {"w": ("embed",)}, num_steps=3)
    params = {"w": jnp.zeros(2)}
    big, state = clipping.update({"w": jnp.array([30.0, 40.0])}, clipping.init(params), params)
    # Clipped to [0.6, 0.8]; Adam's first step is then lr * sign, its mean 0.1 x that.
    momentum = next(x for x in jax.tree.leaves(state) if x.shape == (2,))
    np.testing.assert_allclose(momentum, [0.06, 0.08], rtol=1e-5)
    np.testing.assert_allclose(big["w"], [-0.1, -0.1], rtol=1e-4)
