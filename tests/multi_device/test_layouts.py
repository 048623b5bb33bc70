"""Any layout over eight devices gives the unsharded loss curve."""

import dataclasses
import functools

import jax
import numpy as np
import pytest

from flanjax.data.batch import Example
from flanjax.engine.pack import Layout, pack
from flanjax.losses.tokens import LossConfig
from flanjax.models import families
from flanjax.models.decoder import DecoderConfig
from flanjax.models.t5 import T5Config
from flanjax.parallel import MeshConfig, make_mesh
from flanjax.train.objectives import token_loss
from flanjax.train.optim import OptimizerConfig, ScheduleConfig, make_optimizer
from flanjax.train.state import make_state, state_shardings
from flanjax.train.step import compile_step, make_train_step, put_batch

EOS = 1
STEPS = 4
T5 = T5Config(
    vocab_size=64, d_model=32, d_ff=64, num_heads=4, d_head=8,
    num_encoder_layers=2, num_decoder_layers=2, dropout_rate=0.0,
)  # fmt: skip
DECODER = DecoderConfig(
    vocab_size=64, d_model=32, d_ff=64, num_heads=4, num_kv_heads=2, d_head=8, num_layers=2
)
FAMILIES = {"t5": (T5, Layout(24, 16, EOS)), "decoder": (DECODER, Layout(None, 40, EOS))}
MESHES = {
    "8x1": MeshConfig(data=8),
    "4x2": MeshConfig(data=4, tensor=2),
    "2x4": MeshConfig(data=2, tensor=4),
    "fsdp8": MeshConfig(data=1, fsdp=8),
    "fsdp4-tensor2": MeshConfig(data=1, fsdp=4, tensor=2),
    "2-fsdp2-tensor2": MeshConfig(data=2, fsdp=2, tensor=2),
    "context8": MeshConfig(data=1, context=8),
    "fsdp2-context2-tensor2": MeshConfig(data=1, fsdp=2, context=2, tensor=2),
}


def batches(layout):
    rng = np.random.default_rng(0)
    made = []
    for _ in range(STEPS):
        rows = []
        for _ in range(16):
            row = []
            for _ in range(rng.integers(1, 4)):
                inputs = rng.integers(3, 64, rng.integers(1, 7)).astype(np.int32)
                targets = np.append(rng.integers(3, 64, rng.integers(0, 4)), EOS)
                row.append(Example(inputs, targets.astype(np.int32)))
            rows.append(row)
        made.append(pack(rows, layout))
    return made


@functools.cache
def start_of(config, optimizer):
    """Returns the first state, from one device: to make it takes as long as a step."""
    model, tx = make_parts(config, optimizer)
    state, _ = make_state(model, tx, make_mesh(MeshConfig(), num_devices=1), jax.random.key(0))
    return jax.device_get(state)


def make_parts(config, optimizer):
    # Without clipping, SGD moves by the gradient's own size, which the others divide by.
    settings = OptimizerConfig(name=optimizer, schedule=ScheduleConfig(peak=0.02))
    if optimizer == "adafactor":
        settings = dataclasses.replace(settings, min_dim_to_factor=16)
    model = families.make_model(config)
    return model, make_optimizer(settings, model.axes, num_steps=STEPS)


def make_step(config, mesh, *, optimizer="sgd", microbatches=1, chunk=0):
    model, tx = make_parts(config, optimizer)
    shardings = state_shardings(model, tx, mesh)
    state = jax.device_put(start_of(config, optimizer), shardings, may_alias=False)
    loss_fn = token_loss(model, LossConfig(z_loss=1e-4, chunk=chunk))
    step = make_train_step(loss_fn, tx, microbatches=microbatches)
    return compile_step(step, mesh, shardings), state


def loss_curve(config, layout, mesh_config, *, devices=None, **options):
    mesh = make_mesh(mesh_config, num_devices=devices)
    step, state = make_step(config, mesh, **options)
    curve = []
    for batch in batches(layout):
        state, metrics = step(state, put_batch(batch, mesh), jax.random.key(1))
        curve.append([metrics["loss"].value(), metrics["grad_norm"].value()])
    return np.array(curve), jax.device_get(state.params)


@pytest.fixture(scope="module")
def references():
    return {
        name: loss_curve(config, layout, MeshConfig(), devices=1)
        for name, (config, layout) in FAMILIES.items()
    }


@pytest.fixture(scope="module")
def whole_work():
    return {family: work(family, MeshConfig(), 1) for family in FAMILIES}


def test_there_are_eight_devices():
    assert jax.device_count() == 8


@pytest.mark.parametrize("mesh", MESHES)
@pytest.mark.parametrize("family", FAMILIES)
def test_sharded_curve_is_the_unsharded_curve(references, family, mesh):
    config, layout = FAMILIES[family]
    curve, params = loss_curve(config, layout, MESHES[mesh])
    expected, expected_params = references[family]
    assert curve[0, 0] > curve[-1, 0]
    np.testing.assert_allclose(curve, expected, rtol=2e-5)
    for a, b in zip(jax.tree.leaves(params), jax.tree.leaves(expected_params), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("mesh", ["8x1", "fsdp2-context2-tensor2"])
@pytest.mark.parametrize("family", FAMILIES)
def test_a_state_made_in_pieces_is_that_of_one_device(family, mesh):
    config, _ = FAMILIES[family]
    model, tx = make_parts(config, "adafactor")
    state, _ = make_state(model, tx, make_mesh(MESHES[mesh]), jax.random.key(0))
    expected = start_of(config, "adafactor")
    for a, b in zip(jax.tree.leaves(state), jax.tree.leaves(expected), strict=True):
        np.testing.assert_array_equal(a, b)


def test_adafactor_s_sharded_curve_is_the_unsharded_curve():
    config, layout = FAMILIES["t5"]
    one, many = (
        loss_curve(config, layout, mesh, devices=devices, optimizer="adafactor")[0]
        for mesh, devices in ((MeshConfig(), 1), (MeshConfig(data=2, fsdp=2, tensor=2), 8))
    )
    np.testing.assert_allclose(many, one, rtol=2e-5)


@pytest.mark.parametrize("family", FAMILIES)
def test_microbatches_on_a_mesh_give_the_same_curve(references, family):
    config, layout = FAMILIES[family]
    curve, _ = loss_curve(config, layout, MeshConfig(data=2, fsdp=2, tensor=2), microbatches=2)
    np.testing.assert_allclose(curve, references[family][0], rtol=2e-5)


@pytest.mark.parametrize("context", [1, 2])
@pytest.mark.parametrize("family", FAMILIES)
def test_a_chunked_loss_on_a_mesh_gives_the_same_curve(references, family, context):
    config, layout = FAMILIES[family]
    mesh = MeshConfig(data=2 // context, fsdp=2, context=context, tensor=2)
    curve, _ = loss_curve(config, layout, mesh, chunk=4)
    np.testing.assert_allclose(curve, references[family][0], rtol=2e-5)


def test_a_kernel_of_attention_runs_on_each_device_s_part(references):
    config, layout = FAMILIES["t5"]
    config = dataclasses.replace(config, attention_backend="flash")
    curve, _ = loss_curve(config, layout, MeshConfig(data=1, fsdp=2, tensor=2), devices=4)
    np.testing.assert_allclose(curve, references["t5"][0], rtol=2e-5)


def work(family, mesh_config, devices):
    """FLOPs of one device in a step."""
    config, layout = FAMILIES[family]
    mesh = make_mesh(mesh_config, num_devices=devices)
    step, state = make_step(config, mesh)
    batch = put_batch(batches(layout)[0], mesh)
    return step.lower(state, batch, jax.random.key(1)).compile().cost_analysis()["flops"]


@pytest.mark.parametrize(
    ("family", "sizes"),
    [
        ("t5", {"fsdp": 2, "context": 2}),
        ("t5", {"context": 4}),
        ("decoder", {"context": 4}),
        ("decoder", {"data": 2, "tensor": 2}),
    ],
)
def test_every_axis_makes_the_work_of_a_device_smaller(whole_work, family, sizes):
    split = work(family, MeshConfig(**{"data": 1} | sizes), 4)
    assert split < whole_work[family] / 4 * 1.3


@pytest.mark.parametrize("optimizer", ["adafactor", "adamw"])
@pytest.mark.parametrize("family", FAMILIES)
def test_scanned_layers_train_as_unrolled_ones(family, optimizer):
    config, layout = FAMILIES[family]
    unrolled = dataclasses.replace(config, scan_layers=False)
    scanned_curve, _ = loss_curve(config, layout, MeshConfig(), optimizer=optimizer, devices=1)
    unrolled_curve, _ = loss_curve(unrolled, layout, MeshConfig(), optimizer=optimizer, devices=1)
    np.testing.assert_allclose(scanned_curve, unrolled_curve, rtol=2e-5)


def test_parameters_lie_as_their_axes_say():
    mesh = make_mesh(MeshConfig(data=1, fsdp=4, tensor=2))
    model = families.make_model(DECODER)
    tx = make_optimizer(OptimizerConfig(name="adamw"), model.axes, num_steps=2)
    state, _ = make_state(model, tx, mesh, jax.random.key(0))
    axes = jax.tree.leaves(model.axes, is_leaf=lambda leaf: isinstance(leaf, tuple))
    for leaf, names in zip(jax.tree.leaves(state.params), axes, strict=True):
        whole = int(np.prod(leaf.shape))
        here = int(np.prod(leaf.addressable_shards[0].data.shape))
        shards = (4 if "embed" in names else 1) * (
            2 if {"mlp", "heads", "kv_heads", "vocab"} & set(names) else 1
        )
        assert whole == here * shards, (names, leaf.shape)
    moments = [leaf for leaf in jax.tree.leaves(state.opt_state) if leaf.ndim == 3]
    assert moments and all(not leaf.sharding.is_fully_replicated for leaf in moments)
