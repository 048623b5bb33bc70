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


def test_linear_schedule_falls_to_what_the_step_after_its_last_would_have():
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
        ({"peak": 0.0}, "schedule peak must be positive and finite, got 0.0"),
        ({"peak": math.inf}, "schedule peak must be positive and finite, got inf"),
        ({"end": -1.0}, "schedule end must lie between 0 and the peak 0.001, got -1.0"),
        ({"end": 5.0}, "schedule end must lie between 0 and the peak 0.001, got 5.0"),
        ({"warmup_steps": -1}, "warmup_steps must not be negative, got -1"),
    ],
)
def test_bad_schedules_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        ScheduleConfig(**settings)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"name": "adam"}, "optimizer must be one of adamw, .*, sgd, got 'adam'; choose one"),
        ({"clip_norm": -1.0}, "optimizer clip_norm must not be negative, got -1.0"),
        ({"weight_decay": math.nan}, "optimizer weight_decay must not be negative, got nan"),
        ({"b1": 2.0}, r"optimizer b1 must lie in \[0, 1\), got 2.0; leave it at 0.9"),
        ({"b2": -1.0}, r"optimizer b2 must lie in \[0, 1\), got -1.0"),
        ({"eps": 0.0}, "optimizer eps must be positive, got 0.0"),
        ({"decay_rate": -3.0}, r"optimizer decay_rate must lie in \(0, 1\], got -3.0"),
        ({"min_dim_to_factor": -1}, "optimizer min_dim_to_factor must be positive, got -1"),
        (
            {"b2": 0.95},
            "optimizer b2 must stay 0.999 with adafactor, which .*, got 0.95; leave it out",
        ),
        ({"name": "sgd", "eps": 1e-6}, "optimizer eps must stay 1e-08 with sgd, .*, got 1e-06"),
        ({"name": "adamw", "decay_rate": 0.9}, "decay_rate must stay 0.8 with adamw, .* got 0.9"),
        ({"name": "lion", "moment_dtype": "int4"}, "must be one of float32, .*, int8, got 'int4'"),
        (
            {"weight_dtype": "float16"},
            "weight_dtype must be one of float32, bfloat16, got 'float",
        ),
        ({"moment_dtype": "int8"}, "must be float32 with adafactor, got int8; it keeps"),
        ({"freeze": "norm"}, r"freeze must be a tuple of patterns, got the text 'norm'; write \("),
        ({"moment_dtype": "bfloat16"}, "must be float32 with adafactor, got bfloat16; it keeps"),
        ({"rate_factors": (".*", 0.1)}, r"rate_factors must hold \(pattern, factor\) pairs, got"),
        ({"rate_factors": (("[", 0.1),)}, r"rate_factors must hold regular expressions, got '\['"),
        (
            {"decay_factors": ((".*", -1.0),)},
            "decay_factors must be numbers from 0, .*, got -1.0 f",
        ),
        (
            {"decay_factors": ((".*", "no"),)},
            "decay_factors must be numbers from 0, .*, got 'no' f",
        ),
        ({"rate_factors": ((".*", math.inf),)}, "rate_factors must be .* and finite, got inf for"),
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


def test_adafactor_keeps_the_moments_that_it_uses():
    axes = {"wide": ("layers", "embed", "mlp"), "narrow": ("embed", "mlp"), "norm": ("norm",)}
    params = {"wide": jnp.ones((3, 8, 6)), "narrow": jnp.ones((8, 3)), "norm": jnp.ones(1)}
    made = make_optimizer(OptimizerConfig(min_dim_to_factor=6), axes, num_steps=10)
    state = made.init(params)
    _, after = made.update(params, state, params)
    for leaves in (state, after):
        shapes = {name: leaf.shape for name, leaf in leaves.items() if name.startswith("v")}
        assert shapes == {
            "v_row/wide": (3, 6),
            "v_col/wide": (3, 8),
            "v/narrow": (8, 3),
            "v/norm": (1,),
        }


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


# --- every optimizer ---------------------------------------------------------

ALL = ("adamw", "adafactor", "lion", "muon", "sgd")


def made(name, axes, **settings):
    config = OptimizerConfig(
        name=name, weight_decay=0.1, schedule=ScheduleConfig(peak=0.01), **settings
    )
    return make_optimizer(config, axes, num_steps=10)


@pytest.mark.parametrize("name", ALL)
def test_stacked_layers_are_updated_as_single_ones(name):
    params, grads = unlike_layers()
    stacked = two_updates(
        made(name, {"w": ("layers", "embed", "mlp")}), {"w": params}, {"w": grads}
    )
    for layer in range(3):
        alone = two_updates(
            made(name, {"w": ("embed", "mlp")}), {"w": params[layer]}, {"w": grads[layer]}
        )
        np.testing.assert_allclose(stacked["w"][layer], alone["w"], rtol=2e-5, atol=1e-7)


def by_hand(name, w, g, steps):
    """Two published rules, written as their papers do; rate 0.01, decay 0.1."""
    m = np.zeros_like(w)
    for _ in range(steps):
        if name == "lion":  # Chen et al. 2023, algorithm 2, with b1 0.9 and b2 0.99
            change = np.sign(0.9 * m + 0.1 * g)
            m = 0.99 * m + 0.01 * g
        else:  # heavy ball
            m = change = 0.9 * m + g
        w = w - 0.01 * (change + 0.1 * w)
    return w


@pytest.mark.parametrize("name", ["lion", "sgd"])
def test_a_rule_is_that_of_its_paper(name):
    w, g = np.array([1.0, -2.0, 3.0]), np.array([0.5, 0.1, -0.2])
    tx = made(name, {"w": ("embed",)}, **({"b2": 0.99} if name == "lion" else {}))
    found = two_updates(tx, {"w": jnp.array(w)}, {"w": jnp.array(g)})
    np.testing.assert_allclose(found["w"], by_hand(name, w, g, 2), rtol=1e-6)


def orthogonalized(g):
    """Newton and Schulz's iteration of Jordan et al. 2024."""
    is_tall = g.shape[0] > g.shape[1]
    x = (g.T if is_tall else g) / np.linalg.norm(g)
    for _ in range(5):
        a = x @ x.T
        x = 3.4445 * x + (-4.775 * a + 2.0315 * a @ a) @ x
    return x.T if is_tall else x


def test_muon_makes_matrices_orthogonal_and_leaves_tables_to_adam():
    keys = jax.random.split(jax.random.key(1), 4)
    w, gw = (jax.random.normal(key, (6, 4)) for key in keys[:2])
    e, ge = (jax.random.normal(key, (9, 4)) for key in keys[2:])
    axes = {"w": ("embed", "mlp"), "embed": ("vocab", "embed")}
    tx = made("muon", axes, b1=0.95)
    params = {"w": w, "embed": e}
    updates, _ = tx.update({"w": gw, "embed": ge}, tx.init(params), params)
    # The first step: Nesterov momentum is the gradient times a number, which the norm takes out.
    change = orthogonalized(np.asarray(gw, np.float64)) * 0.2 * 6**0.5  # Liu et al. 2025, eq. 4
    np.testing.assert_allclose(updates["w"], -0.01 * (change + 0.1 * w), rtol=2e-4, atol=1e-6)
    change = np.asarray(ge) / (np.abs(ge) + 1e-8)  # Adam's first
    np.testing.assert_allclose(updates["embed"], -0.01 * (change + 0.1 * e), rtol=1e-4)


@pytest.mark.parametrize("name", ["adamw", "lion", "muon", "sgd"])
def test_momentum_may_be_kept_in_half_the_bytes(name):
    params, grads = unlike_layers()
    axes = {"w": ("layers", "embed", "mlp")}
    kept = made(name, axes, moment_dtype="bfloat16").init({"w": params})
    halves = [leaf for leaf in jax.tree.leaves(kept) if leaf.dtype == jnp.bfloat16]
    assert [leaf.shape for leaf in halves] == [params.shape]
    exact = two_updates(made(name, axes), {"w": params}, {"w": grads})["w"] - params
    rough = two_updates(
        made(name, axes, moment_dtype="bfloat16"), {"w": params}, {"w": grads}
    )["w"] - params  # fmt: skip
    error = jnp.linalg.norm(exact - rough) / jnp.linalg.norm(exact)
    assert error < 0.05


@pytest.mark.parametrize("name", ALL)
def test_factors_by_path_change_rate_and_decay(name):
    axes = {"head": {"w": ("embed",)}, "norm": {"scale": ("norm",)}}
    params = {"head": {"w": jnp.ones(3)}, "norm": {"scale": jnp.full(3, 2.0)}}
    none = jax.tree.map(jnp.zeros_like, params)
    some = jax.tree.map(jnp.ones_like, params)

    def update(grads, **settings):
        tx = made(name, axes, **settings)
        return tx.update(grads, tx.init(params), params)[0]

    # The rate scales the decay too, but not that of Adafactor.
    fixed = update(none) if name == "adafactor" else none
    plain, fast = (
        jax.tree.map(jnp.subtract, update(some, **settings), fixed)
        for settings in ({}, {"rate_factors": ((".*head.*", 3.0), (".*", 0.5))})
    )
    np.testing.assert_allclose(fast["head"]["w"], 3 * plain["head"]["w"], rtol=1e-4)
    np.testing.assert_allclose(fast["norm"]["scale"], 0.5 * plain["norm"]["scale"], rtol=1e-4)
    decayed = update(none, decay_factors=((".*scale", 0.0),))
    assert not decayed["norm"]["scale"].any()
    np.testing.assert_allclose(decayed["head"]["w"], update(none)["head"]["w"])
    assert (decayed["head"]["w"] < 0).all()


def test_a_factor_for_no_parameter_is_refused():
    with pytest.raises(ValueError, match=r"rate_factors pattern must match .* got 'haed'"):
        made("adamw", {"head": ("embed",)}, rate_factors=(("haed", 2.0),))


def test_decay_of_adafactor_is_that_of_optax():
    params, grads = unlike_layers()
    found = two_updates(
        made("adafactor", {"w": ("embed", "mlp")}), {"w": params[1]}, {"w": grads[1]}
    )
    plain = optax.adafactor(0.01, min_dim_size_to_factor=128, weight_decay_rate=0.1)
    np.testing.assert_allclose(found["w"], two_updates(plain, params[1], grads[1]), rtol=1e-6)


@pytest.mark.parametrize("table", ["vocab", "buckets", "places"])
def test_muon_leaves_tables_to_adam(table):
    axes = {"table": (table, "embed")}
    params = {"table": jnp.ones((5, 4))}
    muon, adam = (made(name, axes, b1=0.95) for name in ("muon", "adamw"))
    grads = {"table": jax.random.normal(jax.random.key(0), (5, 4))}
    one, other = (tx.update(grads, tx.init(params), params)[0] for tx in (muon, adam))
    np.testing.assert_allclose(one["table"], other["table"], rtol=1e-6)
