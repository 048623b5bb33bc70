"""Products in eight-bit floats: bounds, gradients, a loss curve, a GPU's dots."""

from __future__ import annotations

import dataclasses
import re
import types

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from flanjax import experiment, model_comparison, parallel, parts
from flanjax.base import path_name
from flanjax.data.batch import EncoderInput, Example
from flanjax.engine.pack import Layout, pack
from flanjax.evaluation.converted import evaluator_functions
from flanjax.interop.places import StoredArray
from flanjax.losses.tokens import LossConfig
from flanjax.models import families, kernels, layers
from flanjax.models.decoder import DecoderConfig
from flanjax.models.kernels import Float8
from flanjax.models.t5 import T5Config
from flanjax.train.loop import TrainConfig
from flanjax.train.objectives import token_loss
from flanjax.train.optim import OptimizerConfig, ScheduleConfig, make_optimizer
from flanjax.train.state import init_state
from flanjax.train.step import make_train_step

E4M3, E5M2 = 2.0**-4, 2.0**-3
"""Half a unit in the last of 3 and of 2 bits of fraction (Micikevicius et al. 2022, table 1)."""
SMALLEST = {E4M3: 2.0**-10 / 448, E5M2: 2.0**-17 / 57344}
"""Half of the smallest positive number, relative to the largest: 2 ** -9 of 448."""


def operands(seed=0):
    keys = jax.random.split(jax.random.key(seed), 3)
    x = jax.random.normal(keys[0], (48, 96)) * 7
    w = jax.random.normal(keys[1], (96, 32)) * 0.02
    return x, w, jax.random.normal(keys[2], (48, 32)) * 1e-6


def bound(a, b, rel_a, rel_b):
    """How far a product [N, I] x [I, O] may be from that of exact operands.

    Each entry of an operand is off by a share of itself, or by half of the
    smallest number there is.
    """
    off_a = np.maximum(np.abs(a) * rel_a, np.abs(a).max() * SMALLEST[rel_a])
    off_b = np.maximum(np.abs(b) * rel_b, np.abs(b).max() * SMALLEST[rel_b])
    return off_a @ np.abs(b) + np.abs(a) @ off_b + off_a @ off_b


def test_numbers_are_narrowed_by_hand():
    x8, scale = kernels.narrowed(jnp.array([448.0, -17.0, 1.0625, 0.0]), jnp.float8_e4m3fn)
    assert float(scale) == 1.0
    # Four significant bits: 17 lies between 16 and 18, 1.0625 between 1 and 1.125; ties to even.
    np.testing.assert_array_equal(x8.astype(jnp.float32), [448.0, -16.0, 1.0, 0.0])
    x8, scale = kernels.narrowed(jnp.array([2 * 57344.0, 9.0]), jnp.float8_e5m2)
    assert float(scale) == 2.0
    np.testing.assert_array_equal(x8.astype(jnp.float32), [57344.0, 4.0])  # 4.5: 4 or 5
    x8, scale = kernels.narrowed(jnp.zeros(3), jnp.float8_e4m3fn)
    assert float(scale) == 1.0 and not x8.astype(jnp.float32).any()
    assert jnp.isnan(kernels.narrowed(jnp.array([jnp.nan, 1.0]), jnp.float8_e4m3fn)[1])


def test_a_product_and_its_gradients_are_within_the_bounds_of_their_types():
    x, w, grad = operands()

    def product(x, w):
        return kernels.dot(x.reshape(6, 8, 96), Float8(w))

    out, pull = jax.vjp(product, x, w)
    assert out.shape == (6, 8, 32)
    found = [out.reshape(48, 32), *pull(grad.reshape(6, 8, 32))]
    x, w, grad = (np.asarray(array, np.float64) for array in (x, w, grad))
    exact = [x @ w, grad @ w.T, x.T @ grad]
    limits = [
        bound(x, w, E4M3, E4M3),
        bound(grad, w.T, E5M2, E4M3),
        bound(x.T, grad, E4M3, E5M2),
    ]
    for result, expected, limit in zip(found, exact, limits, strict=True):
        off = np.abs(np.asarray(result, np.float64) - expected)
        assert (off <= limit * (1 + 1e-5)).all()
        # And it is a product of four-bit numbers: float32's would be a millionth off.
        assert np.linalg.norm(off) > 5e-3 * np.linalg.norm(expected)


def test_the_sum_is_that_of_the_narrow_operands_in_float32():
    x, w, _ = operands(1)
    (x8, x_scale), (w8, w_scale) = (kernels.narrowed(a, jnp.float8_e4m3fn) for a in (x, w))
    wide = np.asarray(x8, np.float64) @ np.asarray(w8, np.float64) * float(x_scale * w_scale)
    np.testing.assert_allclose(kernels.dot(x, Float8(w)), wide, rtol=1e-4, atol=1e-6)


def test_a_gpu_is_given_dots_of_eight_bit_operands_that_are_scaled_afterwards(monkeypatch):
    """What XLA's GemmRewriter takes for one call of cuBLASLt.

    Operands that are themselves of an eight-bit type, not both e5m2, two axes
    each; the result float32.
    """
    x, w, grad = (a.astype(jnp.bfloat16) for a in operands())
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")

    def gradients(x, w, grad):
        return jax.vjp(lambda x, w: kernels.dot(x, Float8(w)), x, w)[1](grad)

    def dots(function, *arguments):
        lowered = jax.jit(function).trace(*arguments).lower(lowering_platforms=("cuda",))
        found = re.findall(
            r"dot_general .*: \(tensor<\w+x(\w+)>, tensor<\w+x(\w+)>\) -> tensor<\w+x(\w+)>",
            lowered.as_text(),
        )
        assert found and len(found) == lowered.as_text().count("dot_general")
        return sorted(found)

    assert dots(lambda x, w: kernels.dot(x, Float8(w)), x, w) == [("f8E4M3FN", "f8E4M3FN", "f32")]
    assert dots(gradients, x, w, grad) == [
        ("f8E4M3FN", "f8E5M2", "f32"),
        ("f8E5M2", "f8E4M3FN", "f32"),
    ]


T5 = T5Config(
    vocab_size=64, d_model=32, d_ff=64, num_heads=2, d_head=16, num_encoder_layers=2,
    num_decoder_layers=2, dropout_rate=0.0, dtype="bfloat16",
)  # fmt: skip
DECODER = DecoderConfig(
    vocab_size=64, d_model=32, d_ff=64, num_heads=2, num_kv_heads=2, d_head=16, num_layers=2,
    dtype="bfloat16",
)  # fmt: skip
FAMILIES = {"t5": (T5, Layout(24, 16, 1)), "decoder": (DECODER, Layout(None, 40, 1))}


def batch(layout):
    """Targets that repeat their inputs, to be learned by heart."""
    rng = np.random.default_rng(0)
    rows = [[rng.integers(3, 64, 6).astype(np.int32)] for _ in range(8)]
    return pack([[Example(ids, np.append(ids[:4], 1).astype(np.int32)) for ids in row]
                 for row in rows], layout)  # fmt: skip


def loss_curve(config, layout, steps):
    model = families.make_model(config)
    settings = OptimizerConfig(name="adamw", schedule=ScheduleConfig(peak=3e-3))
    tx = make_optimizer(settings, model.axes, num_steps=steps)
    step = jax.jit(make_train_step(token_loss(model, LossConfig()), tx))
    state, rows = init_state(model, tx, jax.random.key(0)), batch(layout)
    losses = []
    for _ in range(steps):
        state, metrics = step(state, rows, jax.random.key(1))
        losses.append(metrics["loss"].value())
    return np.asarray(losses)


def test_fifty_steps_lose_as_much_as_in_bfloat16():
    config, layout = FAMILIES["decoder"]
    wide = loss_curve(config, layout, 50)
    narrow = loss_curve(dataclasses.replace(config, matmul="fp8"), layout, 50)
    assert wide[-1] < 0.4 * wide[0]
    assert (narrow != wide).any()
    np.testing.assert_allclose(narrow, wide, atol=0.05 * wide[0])


@pytest.mark.parametrize("family", FAMILIES)
def test_training_alone_is_narrow_and_only_in_the_layers(family):
    config, layout = FAMILIES[family]
    plain = families.make_model(config)
    narrow = families.make_model(dataclasses.replace(config, matmul="fp8"))
    params, rows = plain.init(jax.random.key(0)), batch(layout)
    hidden = [jax.jit(model.hidden)(params, rows) for model in (plain, narrow)]
    assert (hidden[0] != hidden[1]).any()
    np.testing.assert_array_equal(*(model.unembed(params, hidden[0]) for model in (plain, narrow)))
    inputs = rows.encoder or EncoderInput(rows.tokens, rows.segments, rows.positions)
    caches = [jax.jit(model.prefill)(params, inputs) for model in (plain, narrow)]
    for a, b in zip(*(jax.tree.leaves(cache) for cache in caches), strict=True):
        np.testing.assert_array_equal(a, b)


def test_typed_leaves_norms_and_biases_stay_as_they_are():
    low_rank = kernels.LowRank(*(jnp.ones((2, 3, 3)) for _ in range(3)), jnp.ones(2), jnp.ones(2))
    params = {"q": low_rank, "up": jnp.ones((2, 3, 4)), "up_bias": jnp.ones((2, 4)),
              "q_norm": {"scale": jnp.ones((2, 3, 4))}}  # fmt: skip
    found = layers.product_weights(params, dataclasses.replace(DECODER, matmul="fp8"))
    assert isinstance(found["up"], Float8) and found["up"].weight.dtype == jnp.bfloat16
    assert isinstance(found["q"], kernels.LowRank) and not isinstance(found["q"].base, Float8)
    assert not any(isinstance(x, Float8) for x in (found["up_bias"], found["q_norm"]["scale"]))


def test_a_machine_without_eight_bit_products_is_told_once():
    run = experiment.Experiment(
        model_dir="out", model=dataclasses.replace(T5, matmul="fp8"), train=TrainConfig(steps=1)
    )
    mesh = parallel.make_mesh(parallel.MeshConfig(), num_devices=1)
    assert parts.slower_lines(run, mesh) == [
        "matmul 'fp8' is computed, but slower than 'plain': cpu has no fp8"
    ]
    assert parts.slower_lines(dataclasses.replace(run, model=T5), mesh) == []
    for capability, has in (
        ("8.0", False),
        ("8.9", True),
        ("9.0", True),
        ("10.0", True),
        ("gfx90a", False),
    ):
        device = types.SimpleNamespace(platform="gpu", compute_capability=capability)
        assert parts.has_float8(device) == has


def test_an_unknown_product_is_refused():
    with pytest.raises(ValueError, match="T5Config matmul must be plain or fp8, got 'int8'"):
        dataclasses.replace(T5, matmul="int8")


@pytest.mark.parametrize("family", FAMILIES)
def test_scores_of_converted_rows_are_exact_and_do_not_know_their_neighbours(family):
    config = dataclasses.replace(FAMILIES[family][0], matmul="fp8", dropout_rate=0.0)
    plain = dataclasses.replace(config, matmul="plain")
    params = families.make_model(config).init(jax.random.key(1))
    rows = [features(family, seed) for seed in range(4)]
    found = []
    for model_config, together in ((config, rows), (config, rows[:1]), (plain, rows)):
        functions = evaluator_functions(
            families.make_model(model_config), params, eos_id=1, max_length=4, batch_size=4
        )
        numbered = types.SimpleNamespace(as_numpy_iterator=lambda r=together: enumerate(r))
        found.append([value for _, value in functions.score_fn(numbered)])
    np.testing.assert_array_equal(found[0], found[2])
    np.testing.assert_allclose(found[1][0], found[0][0], rtol=1e-6)


def features(family, seed):
    """What SeqIO's converters make of one example."""
    rng = np.random.default_rng(seed)
    ids, weights = rng.integers(2, 100, 8), np.ones(8)
    read = np.concatenate([[0], ids[:-1]])
    row = {"decoder_target_tokens": ids, "decoder_input_tokens": read}
    if family == "t5":
        return row | {"decoder_loss_weights": weights, "encoder_input_tokens": ids[::-1]}
    return row | {"decoder_loss_weights": weights * (np.arange(8) > 3)}


@pytest.mark.parametrize("family", FAMILIES)
def test_checkpoints_are_compared_without_narrow_products(family):
    config, _ = FAMILIES[family]
    changed = {"matmul": "fp8", "attention_backend": "splash"}
    narrow = dataclasses.replace(config, **changed)
    params = families.make_model(config).init(jax.random.key(1))
    arrays = {
        path_name(path): StoredArray(leaf.shape, leaf.dtype, np.asarray(leaf).__getitem__)
        for path, leaf in jax.tree_util.tree_leaves_with_path(params)
    }
    found = model_comparison._logits(narrow, arrays)
    np.testing.assert_array_equal(found, model_comparison._logits(config, arrays))
