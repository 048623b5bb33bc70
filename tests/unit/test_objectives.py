"""Losses of a batch, with a model of which every probability is known."""

import math
import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from flanjax.data.batch import SeqBatch
from flanjax.losses.tokens import LossConfig
from flanjax.models.api import Model
from flanjax.train.objectives import example_losses, token_loss

TABLE = np.log(np.array([[0.5, 0.25, 0.25], [0.1, 0.8, 0.1]], np.float32))
"""log p of each of three targets after token 0, and after token 1."""
SEGMENTS = np.array([[1, 1, 2, 0], [1, 2, 2, 3]], np.int32)
BATCH = SeqBatch(
    tokens=np.array([[0, 1, 1, 0], [0, 0, 1, 1]], np.int32),
    targets=np.array([[0, 1, 2, 0], [1, 1, 0, 1]], np.int32),
    weights=np.array([[1, 1, 2, 0], [1, 0, 1, 1]], np.float32),
    segments=SEGMENTS,
    positions=np.array([[0, 1, 0, 0], [0, 0, 1, 0]], np.int32),
    prefix=np.zeros((2, 4), bool),
)
PROBABILITIES_BN = [[0.5 * 0.8, 0.1**2, 1], [0.25, 0.1, 0.8]]
"""Of each example's weighted targets together."""


def table_model():
    """A model whose parameters are its table of logits."""
    return Model(
        config=None,
        init=None,
        axes={},
        hidden=lambda params, batch, *, key=None: jnp.eye(len(params["table"]))[batch.tokens],
        unembed=lambda params, hidden: hidden @ params["table"],
        head="table",
        prefill=None,
        extend=None,
        start_id=None,
    )


@pytest.mark.parametrize("chunk", [0, 1, 3, 100])
def test_example_losses_are_minus_log_p_of_each_examples_targets(chunk):
    config = LossConfig(chunk=chunk)
    loss_BN, weight_BN = example_losses(
        table_model(), config, {"table": TABLE}, BATCH, num_segments=3
    )
    np.testing.assert_allclose(loss_BN, -np.log(PROBABILITIES_BN), rtol=1e-5, atol=1e-7)
    np.testing.assert_array_equal(weight_BN, [[2, 2, 0], [1, 1, 1]])


@pytest.mark.parametrize("chunk", [0, 1, 3, 100])
def test_token_loss_is_the_sum_over_examples(chunk):
    config = LossConfig(z_loss=0.1, label_smoothing=0.2, chunk=chunk)
    shifted = {"table": TABLE + np.float32(math.log(2))}
    loss_sum, aux = token_loss(table_model(), config)(shifted, None, BATCH, None)
    loss_BN, weight_BN = example_losses(table_model(), config, shifted, BATCH, num_segments=3)
    np.testing.assert_allclose(loss_sum, loss_BN.sum(), rtol=1e-6)
    assert aux.weight == weight_BN.sum() == 7
    assert aux.metrics["accuracy"].value() == pytest.approx(3 / 7)
    assert aux.metrics["z_loss"].value() == pytest.approx(0.1 * math.log(2) ** 2)
    assert aux.metrics["cross_entropy"].value() == pytest.approx(
        -math.log(np.prod(PROBABILITIES_BN)) / 7
    )
    assert aux.metrics["non_padding_fraction"].value() == 7 / 8


@pytest.mark.parametrize("chunk", [0, 1, 3])
def test_every_example_counts_alike_where_they_are_averaged(chunk):
    config = LossConfig(average="examples", chunk=chunk)
    loss_sum, aux = token_loss(table_model(), config)({"table": TABLE}, None, BATCH, None)
    lengths_BN = np.array([[2, 2, 1], [1, 1, 1]])  # 1 for none: its probability is 1
    expected = -(np.log(PROBABILITIES_BN) / lengths_BN).sum()
    assert float(loss_sum) == pytest.approx(expected, rel=1e-6)
    assert aux.weight == 5  # examples
    assert aux.metrics["loss"].value() == pytest.approx(expected / 5, rel=1e-6)
    loss_BN, weight_BN = example_losses(
        table_model(), config, {"table": TABLE}, BATCH, num_segments=3
    )
    np.testing.assert_allclose(loss_BN.sum(), expected, rtol=1e-6)
    np.testing.assert_array_equal(weight_BN, [[1, 1, 0], [1, 1, 1]])


@pytest.mark.parametrize(("chunk", "num_tokens"), [(0, 8), (1, 2)])
def test_no_more_logits_than_a_chunk_exist_in_the_gradient(chunk, num_tokens):
    vocab = 1000

    def loss(params):
        config = LossConfig(z_loss=0.1, chunk=chunk)
        return token_loss(table_model(), config)(params, None, BATCH, None)[0]

    traced = str(jax.make_jaxpr(jax.grad(loss))({"table": jnp.ones((2, vocab))}))
    shapes = re.findall(r"f32\[([\d,]+)\]", traced)
    sizes = [math.prod(map(int, shape.split(","))) for shape in shapes]
    assert max(sizes) == num_tokens * vocab
