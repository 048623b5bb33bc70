"""Weights rounded by chance: right on average, never far, what is exact stays."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from flanjax.models import families
from flanjax.models.decoder import DecoderConfig
from flanjax.train import rounding

ODD = [1.0 + 1e-3, -1.0 - 1e-3, 3.3e-5, -7.7, 1e-41, 2.0**-133 * 1.3, 3.1e38]


def neighbours(x):
    """The two bfloat16 next to float32 x: its upper half, and that plus one."""
    lower = np.float32(x).view(np.uint32) >> 16 << 16
    return lower.view(np.float32), (lower + np.uint32(1 << 16)).view(np.float32)


@pytest.mark.parametrize("x", ODD)
def test_a_value_becomes_one_of_its_neighbours_with_the_right_chance(x):
    num = 20_000
    found = np.asarray(
        rounding.stochastic_round(jnp.full(num, x, jnp.float32), jax.random.key(0)), np.float64
    )
    near, far = (float(n) for n in neighbours(x))
    assert set(found) <= {near, far} and len(set(found)) == 2
    share = (float(np.float32(x)) - near) / (far - near)
    # Four standard errors of a share of `num` draws.
    assert abs((found == far).mean() - share) < 4 * (share * (1 - share) / num) ** 0.5


@pytest.mark.parametrize("x", [0.0, -0.0, 1.0, -1.5, 2.0**-130, 3.3895314e38, np.inf, -np.inf])
def test_what_bfloat16_holds_stays(x):
    found = rounding.stochastic_round(jnp.full(1000, x, jnp.float32), jax.random.key(1))
    assert (np.asarray(found, np.float32) == np.float32(x)).all()
    assert (np.signbit(np.asarray(found, np.float32)) == np.signbit(x)).all()


def test_what_is_no_number_stays_none():
    bits = jnp.asarray([0x7FC00000, 0x7FFFFFFF, 0xFFFFFFFF, 0x7F800001], jnp.uint32)
    x = jax.lax.bitcast_convert_type(bits, jnp.float32)
    for seed in range(20):
        assert jnp.isnan(rounding.stochastic_round(x, jax.random.key(seed))).all()


def test_small_updates_add_up_where_rounding_to_nearest_loses_them():
    """256 updates of 1/64 of the gap above 1, which is 2 ** -7: 4 gaps in all."""
    weights = {"w": jnp.ones(512, jnp.bfloat16)}
    nearest = weights["w"]
    update = jnp.full(512, 2.0**-13)
    for step in range(256):
        weights = rounding.apply_updates(weights, {"w": update}, jax.random.key(step))
        nearest = (nearest.astype(jnp.float32) + update).astype(jnp.bfloat16)
    assert weights["w"].dtype == jnp.bfloat16
    assert (nearest == 1).all()
    assert float(weights["w"].astype(jnp.float32).mean()) == pytest.approx(1 + 2.0**-5, rel=1e-3)


def test_float32_is_added_as_it_is_and_arrays_have_bits_of_their_own():
    params = {"a": jnp.ones(64, jnp.bfloat16), "b": jnp.ones(64, jnp.bfloat16), "c": jnp.ones(3)}
    updates = jax.tree.map(lambda p: jnp.full(p.shape, 2.0**-8), params)
    found = rounding.apply_updates(params, updates, jax.random.key(0))
    np.testing.assert_array_equal(found["c"], np.float32(1 + 2.0**-8))
    assert (found["a"] != found["b"]).any()
    again = rounding.apply_updates(params, updates, jax.random.key(0))
    np.testing.assert_array_equal(found["a"], again["a"])


def test_matrices_are_kept_in_bfloat16_and_norms_in_float32():
    model = families.make_model(
        DecoderConfig(vocab_size=32, d_model=16, d_ff=32, num_heads=2, num_kv_heads=2, d_head=8,
                      num_layers=2)
    )  # fmt: skip
    kept = jax.eval_shape(rounding.stored_in(model, "bfloat16").init, jax.random.key(0))
    assert kept["embed"].dtype == kept["layers"]["mlp"]["up"].dtype == jnp.bfloat16
    assert kept["norm"]["scale"].dtype == kept["layers"]["mlp_norm"]["scale"].dtype == jnp.float32
    assert rounding.stored_in(model, "float32") is model
    wide = rounding.widened({"w": jnp.ones(2, jnp.bfloat16), "n": jnp.ones(2, jnp.int32)})
    assert [leaf.dtype for leaf in jax.tree.leaves(wide)] == [jnp.int32, jnp.float32]
