"""Moments in eight bits: codes by hand, the paper's table, bounds, bytes."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from flanjax.train import quantized_moments as qm
from flanjax.train.optim import OptimizerConfig, ScheduleConfig, make_optimizer


def table(*, is_signed):
    """The values of section 2.1 of Dettmers et al. 2022, by the words of the paper.

    A decade for each number of zeros, its fraction midway between equal steps from
    0.1 to 1, half as many parts in each decade as in the one above; 0 and 1 besides.
    """
    values = {0.0, 1.0}
    for decade in range(7):
        edges = np.linspace(0.1, 1.0, 2 ** (6 + (not is_signed) - decade) + 1)
        values |= set(10.0**-decade * (edges[:-1] + edges[1:]) / 2)
    return np.sort([*values, *(-v for v in values - {0.0, 1.0})] if is_signed else [*values])


@pytest.mark.parametrize(
    ("value", "code"),
    [  # decade d has 2 ** (6 - d) parts and the codes from that number on
        (0.0, 0),
        (1.0, -128),
        (-1.0, -127),  # 1 has a code of its own, -1 has not
        (0.55, 64 + 32),  # half of the way from 0.1 to 1: the first of the upper 32 parts
        (-0.55, -96),
        (0.0325, 32 + 8),  # a quarter of the second decade: 8 of its 32 parts
        (1e-6 * 0.55, 1),  # the only part of the last decade
        (2e-7, 0),
    ],
)
def test_codes_of_a_signed_moment_by_hand(value, code):
    assert int(qm.encode(jnp.float32(value), is_signed=True)) == code


@pytest.mark.parametrize(
    ("value", "code"),
    [  # 2 ** (7 - d) parts
        (0.0, 0),
        (1.0, 1),
        (0.999, 1),
        (0.55, 128 + 64),
        (1e-6 * 0.325, 2),
        (1e-6 * 0.775, 3),
        (1e-12, 2),  # never zero
    ],
)
def test_codes_of_a_second_moment_by_hand(value, code):
    assert int(qm.encode(jnp.float32(value), is_signed=False)) == code


@pytest.mark.parametrize("is_signed", [True, False])
def test_the_values_are_the_256_of_the_paper(is_signed):
    codes = jnp.arange(256, dtype=jnp.uint8)
    codes = codes.astype(jnp.int8) if is_signed else codes
    np.testing.assert_allclose(np.sort(qm.decode(codes)), table(is_signed=is_signed), rtol=1e-6)
    again = qm.encode(qm.decode(codes), is_signed=is_signed)
    np.testing.assert_array_equal(again, codes)


@pytest.mark.parametrize("is_signed", [True, False])
def test_each_number_is_rounded_to_the_nearest_value(is_signed):
    rng = np.random.default_rng(0)
    x = 10.0 ** rng.uniform(-7, 0, 20_000) * (rng.choice([-1, 1], 20_000) if is_signed else 1)
    x = x.astype(np.float32)
    found = np.asarray(qm.decode(qm.encode(jnp.asarray(x), is_signed=is_signed)))
    values = table(is_signed=is_signed)
    values = values if is_signed else values[1:]  # a positive second moment is never zero
    nearest = np.abs(x[:, None] - values).min(1)
    assert (np.abs(found - x) <= nearest + 3e-7 * np.abs(x)).all()


def test_the_error_of_a_moment_is_within_half_a_part_of_its_block():
    x = jax.random.normal(jax.random.key(0), (3, 512)) * jnp.array([1e-3, 1.0, 1e3])[:, None]
    blocks = qm.quantize(x, is_signed=True)
    assert (blocks.codes.dtype, blocks.codes.shape) == (jnp.int8, x.shape)
    assert blocks.scales.shape == (3, 512 // 32)
    largest = jnp.repeat(jnp.abs(x.reshape(3, -1, 32)).max(-1), 32, axis=1)
    error = jnp.abs(qm.dequantize(blocks) - x)
    # Below the largest of each block: half of one of 64 parts of 0.9 in the first decade.
    assert (error <= largest * 0.45 / 64 * 1.001).all()
    assert (error > 0).mean() > 0.9


def test_an_array_of_zeros_stays_one():
    blocks = qm.quantize(jnp.zeros((2, 64)), is_signed=True)
    assert not qm.dequantize(blocks).any()


@pytest.mark.parametrize(
    ("size", "length"),
    [
        (4096, 256),  # a sixteenth is 256
        (2816, 176),
        (1024, 64),
        (512, 32),
        (256, 256),  # a sixteenth is too short for a block
        (64, 64),
        (50257, 29 * 1733),  # no divisor from 32 to 256
        (7, 7),
    ],
)
def test_blocks_divide_their_axis_and_its_shards(size, length):
    assert qm.block_length(size) == length
    if size >= 512 and size % 16 == 0:
        assert size // 16 % length == 0


AXES = {
    "layers": {"up": ("layers", "embed", "mlp"), "scale": ("layers", "norm")},
    "head": ("embed", "vocab"),
}


def params_and_grads():
    keys = iter(jax.random.split(jax.random.key(3), 6))
    params = {
        "layers": {"up": jax.random.normal(next(keys), (5, 64, 96)), "scale": jnp.ones((5, 1024))},
        "head": jax.random.normal(next(keys), (64, 128)),
    }
    return params, jax.tree.map(lambda p: jax.random.normal(next(keys), p.shape), params)


def optimizer(name, **settings):
    config = OptimizerConfig(name=name, schedule=ScheduleConfig(peak=0.01), **settings)
    return make_optimizer(config, AXES, num_steps=10)


@pytest.mark.parametrize("name", ["adamw", "lion", "muon", "sgd"])
def test_every_optimizer_keeps_its_moments_in_bytes(name):
    params, grads = params_and_grads()

    def after(**settings):
        tx = optimizer(name, **settings)
        state, moved = tx.init(params), params
        for step in range(3):
            updates, state = tx.update(
                jax.tree.map(lambda g, step=step: g + step, grads), state, moved
            )
            moved = optax.apply_updates(moved, updates)
        return moved, state

    exact, whole = after()
    rough, state = after(moment_dtype="int8")
    dtypes = {leaf.dtype for leaf in jax.tree.leaves(state) if leaf.shape == (5, 64, 96)}
    second = {jnp.dtype(jnp.uint8)} if name == "adamw" else set()
    assert dtypes == {jnp.dtype(jnp.int8)} | second
    # Small by layer, though not all layers together.
    assert {leaf.dtype for leaf in jax.tree.leaves(state) if leaf.shape == (5, 1024)} == {
        jnp.dtype(jnp.float32)
    }
    sizes = [sum(leaf.nbytes for leaf in jax.tree.leaves(s)) for s in (state, whole)]
    assert sizes[0] < 0.5 * sizes[1]
    for path in (("layers", "up"), ("head",)):
        a, b, start = exact, rough, params
        for key in path:
            a, b, start = a[key], b[key], start[key]
        error = jnp.linalg.norm(a - b) / jnp.linalg.norm(a - start)
        assert error < 0.05, (name, path)
        assert error > 0 or name == "lion"  # whose steps are signs
    np.testing.assert_array_equal(exact["layers"]["scale"], rough["layers"]["scale"])


def test_stacked_layers_are_quantized_as_single_ones():
    params, grads = params_and_grads()
    tx = optimizer("adamw", moment_dtype="int8")
    up, _ = tx.update(grads, tx.init(params), params)
    single = OptimizerConfig(name="adamw", schedule=ScheduleConfig(peak=0.01), moment_dtype="int8")
    alone = make_optimizer(single, {"up": ("embed", "mlp")}, num_steps=10)
    for layer in range(5):
        own, grad = ({"up": tree["layers"]["up"][layer]} for tree in (params, grads))
        found, _ = alone.update(grad, alone.init(own), own)
        np.testing.assert_allclose(up["layers"]["up"][layer], found["up"], rtol=1e-6)


def test_a_small_second_moment_does_not_become_a_huge_update():
    """One gradient of a block is 1e5 times the others; then theirs stop."""
    params = {"w": jnp.zeros((64, 64))}
    grads = {"w": jnp.full((64, 64), 1e-5).at[:, 0].set(1.0)}
    config = OptimizerConfig(name="adamw", schedule=ScheduleConfig(peak=1.0), moment_dtype="int8")
    tx = make_optimizer(config, {"w": ("embed", "mlp")}, num_steps=10)
    updates, state = tx.update(grads, tx.init(params), params)
    updates, _ = tx.update({"w": jnp.zeros((64, 64))}, state, params)
    assert jnp.abs(updates["w"]).max() < 1
