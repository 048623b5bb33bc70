"""The step's gradients do not depend on how a batch is read."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from flanjax.base import Mean
from flanjax.data.batch import Example
from flanjax.engine.pack import Layout, pack
from flanjax.losses.tokens import LossConfig
from flanjax.models import families
from flanjax.models.decoder import DecoderConfig
from flanjax.models.t5 import T5Config
from flanjax.parallel import MeshConfig, make_mesh
from flanjax.train.objectives import LossAux, token_loss
from flanjax.train.state import TrainState
from flanjax.train.step import check_batch, make_train_step

EOS = 1
T5 = T5Config(
    vocab_size=64, d_model=32, d_ff=48, num_heads=2, d_head=16,
    num_encoder_layers=2, num_decoder_layers=2, dropout_rate=0.0,
)  # fmt: skip
DECODER = DecoderConfig(
    vocab_size=64, d_model=32, d_ff=48, num_heads=4, num_kv_heads=2, d_head=8, num_layers=2
)
FAMILIES = {"t5": (T5, Layout(24, 16, EOS)), "decoder": (DECODER, Layout(None, 40, EOS))}


def examples(count, seed=0):
    rng = np.random.default_rng(seed)
    made = []
    for _ in range(count):
        inputs = rng.integers(3, 64, rng.integers(1, 8)).astype(np.int32)
        targets = np.append(rng.integers(3, 64, rng.integers(0, 5)), EOS).astype(np.int32)
        made.append(Example(inputs, targets))
    return made


def packed_rows(made, per_row):
    return [made[start : start + per_row] for start in range(0, len(made), per_row)]


@pytest.mark.parametrize("microbatches", [1, 2, 4])
def test_gradients_are_divided_once_over_uneven_microbatches(microbatches):
    x = jnp.array([1.0, 2.0, 3.0, 4.0])
    weight = jnp.array([1.0, 0.0, 0.0, 5.0])

    def loss_fn(params, frozen, batch, key):
        values, weights = batch
        total = jnp.sum(params["w"] * values * weights)
        return total, LossAux(jnp.sum(weights), {"loss": Mean(total, jnp.sum(weights))})

    step = make_train_step(loss_fn, optax.sgd(1.0), microbatches=microbatches)
    params = {"w": jnp.array(10.0)}
    state = TrainState(jnp.int32(0), params, None, optax.sgd(1.0).init(params))
    state, metrics = step(state, (x, weight), jax.random.key(0))
    # d/dw = (1 x 1 + 4 x 5) / 6 = 3.5; a mean of means would give another value.
    assert float(state.params["w"]) == pytest.approx(6.5)
    assert metrics["loss"].value() == pytest.approx(35.0)
    assert int(state.step) == 1


@pytest.mark.parametrize("family", FAMILIES)
def test_chunked_logits_give_the_same_loss_and_gradients(family):
    config, layout = FAMILIES[family]
    model = families.make_model(config)
    params = jax.jit(model.init)(jax.random.key(1))
    batch = pack(packed_rows(examples(6), 3), layout)

    def gradient(chunk):
        loss_fn = token_loss(model, LossConfig(z_loss=1e-3, label_smoothing=0.1, chunk=chunk))
        return jax.jit(jax.value_and_grad(lambda p: loss_fn(p, None, batch, None)[0]))(params)

    whole_loss, whole = gradient(0)
    loss, grads = gradient(7)  # does not divide the columns
    assert float(loss) == pytest.approx(float(whole_loss), rel=1e-5)
    for a, b in zip(jax.tree.leaves(grads), jax.tree.leaves(whole), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("family", FAMILIES)
def test_prompt_targets_receive_no_gradient(family):
    config, layout = FAMILIES[family]
    model = families.make_model(config)
    params = jax.jit(model.init)(jax.random.key(2))
    loss_fn = token_loss(model, LossConfig())
    batch = pack(packed_rows(examples(4), 2), layout)
    other = batch._replace(targets=np.where(batch.weights > 0, batch.targets, 9).astype(np.int32))

    @jax.jit
    def gradient(b):
        return jax.grad(lambda p: loss_fn(p, None, b, None)[0])(params)

    for a, b in zip(
        jax.tree.leaves(gradient(batch)), jax.tree.leaves(gradient(other)), strict=True
    ):
        np.testing.assert_array_equal(a, b)


def test_a_batch_the_mesh_does_not_divide_is_refused():
    mesh = make_mesh(MeshConfig(), num_devices=1)
    with pytest.raises(
        ValueError, match="batch_size must be a multiple of microbatches x data x fsdp"
    ):
        check_batch(6, 4, mesh)
