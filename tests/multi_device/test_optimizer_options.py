"""Eight-bit moments, rounding by chance and the average do not depend on the mesh."""

from __future__ import annotations

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import NamedSharding, PartitionSpec

from flanjax.base import flat
from flanjax.data.batch import Example
from flanjax.engine.pack import Layout, pack
from flanjax.losses.tokens import LossConfig
from flanjax.models import families
from flanjax.models.decoder import DecoderConfig
from flanjax.parallel import MeshConfig, make_mesh
from flanjax.train import quantized_moments, rounding
from flanjax.train.ema import EmaConfig
from flanjax.train.objectives import token_loss
from flanjax.train.optim import OptimizerConfig, ScheduleConfig, make_optimizer
from flanjax.train.state import make_state
from flanjax.train.step import compile_step, make_train_step, put_batch

STEPS = 6
CONFIG = DecoderConfig(
    vocab_size=64, d_model=64, d_ff=128, num_heads=4, num_kv_heads=4, d_head=16, num_layers=2
)
SHARDED = MeshConfig(data=2, fsdp=2, tensor=2)
OPTIONS = {"moment_dtype": "int8", "weight_dtype": "bfloat16", "ema": EmaConfig(decay=0.9)}


def rows():
    rng = np.random.default_rng(0)
    ids = [rng.integers(3, 64, 9).astype(np.int32) for _ in range(8)]
    return pack([[Example(row[:5], row[5:])] for row in ids], Layout(None, 16, 1))


@functools.cache
def trained(mesh_config, devices, *, scan_layers=True, has_options=True):
    """Returns losses and the last state of a few steps."""
    mesh = make_mesh(mesh_config, num_devices=devices)
    options = OPTIONS if has_options else {}
    settings = OptimizerConfig(name="adamw", schedule=ScheduleConfig(peak=0.01), **options)
    plain = families.make_model(dataclasses.replace(CONFIG, scan_layers=scan_layers))
    model = rounding.stored_in(plain, settings.weight_dtype)
    tx = make_optimizer(settings, model.axes, num_steps=STEPS)
    state, shardings = make_state(model, tx, mesh, jax.random.key(0))
    step = compile_step(make_train_step(token_loss(model, LossConfig()), tx), mesh, shardings)
    losses = []
    for _ in range(STEPS):
        state, metrics = step(state, put_batch(rows(), mesh), jax.random.key(1))
        losses.append(metrics["loss"].value())
    return np.asarray(losses), state


def test_all_options_lose_as_much_as_float32_within_two_hundredths():
    wide, _ = trained(MeshConfig(), 1, has_options=False)
    narrow, _ = trained(MeshConfig(), 1)
    assert wide[-1] < 0.8 * wide[0]
    assert (narrow != wide).any()
    np.testing.assert_allclose(narrow, wide, rtol=0.02)


@pytest.mark.parametrize("layout", ["sharded", "unrolled"])
def test_a_layout_gives_the_same_curve(layout):
    expected, _ = trained(MeshConfig(), 1)
    found, _ = trained(SHARDED, 8) if layout == "sharded" else trained(
        MeshConfig(), 1, scan_layers=False
    )  # fmt: skip
    # A sum in another order turns a weight's rounding here and there.
    np.testing.assert_allclose(found, expected, rtol=2e-3)


def test_codes_scales_and_average_lie_as_their_parameters():
    _, state = trained(SHARDED, 8)
    leaves, params = state.opt_state, flat(state.params)
    up = params["layers/mlp/up"].sharding
    assert up.spec == PartitionSpec(None, "fsdp", "tensor")
    for kind, dtype in (("mu", jnp.int8), ("nu", jnp.uint8), ("ema", jnp.float32)):
        leaf = leaves[f"{kind}/layers/mlp/up"]
        assert leaf.dtype == dtype
        assert leaf.sharding.is_equivalent_to(up, 3), kind
    scales = leaves["mu_scales/layers/mlp/up"]
    # A row of 128 is one block, which "tensor" cannot divide; the rows are in shards.
    assert scales.shape == (2, 64, 1)
    assert scales.sharding.spec == PartitionSpec(None, "fsdp", None)


def test_rounding_and_codes_are_bit_for_bit_those_of_one_device():
    x = jax.random.normal(jax.random.key(0), (8, 1024))
    mesh = make_mesh(SHARDED)
    laid = jax.device_put(x, NamedSharding(mesh, PartitionSpec("fsdp", "tensor")))

    def both(x):
        small = {"w": (x * 1e-3)}
        moved = rounding.apply_updates({"w": x.astype(jnp.bfloat16)}, small, jax.random.key(7))
        return moved["w"], *quantized_moments.quantize(x, is_signed=True)

    one = jax.jit(both)(x)
    compiled = jax.jit(both).lower(laid).compile()
    for a, b in zip(one, compiled(laid), strict=True):
        np.testing.assert_array_equal(np.asarray(a), np.asarray(b))
    assert "all-gather" not in compiled.as_text()  # blocks do not lie on two shards
