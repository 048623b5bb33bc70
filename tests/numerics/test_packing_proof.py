"""Packing changes nothing: a packed example is the example alone in a row.

Every claim is made of the rows that `pack` lays, of the loss that training
minimises, in float32 and without dropout, and is checked for each attention,
with layers in one compiled loop and unrolled.
"""

from __future__ import annotations

import dataclasses
import functools
from typing import Any, NamedTuple

import jax
import numpy as np
import pytest
import tiny_models

from flanjax.base import path_name
from flanjax.data.batch import Example, SeqBatch
from flanjax.engine.pack import Layout, pack
from flanjax.losses.tokens import LossConfig
from flanjax.models.configs import EmbeddingConfig
from flanjax.models.families import make_model
from flanjax.train.objectives import example_losses, token_loss

EOS = 1
NUM_ROWS = 11
"""Room for the drawn examples one a row; packed batches have as many rows, most of them empty, so
that both are read by one compiled program."""
NUM_SEGMENTS = 5
"""One column more than a row has examples."""
VOCAB = NUM_ROWS * (20 + 14)
"""Every place of a batch, encoder and decoder, can hold an id of its own."""
LOSS = LossConfig(z_loss=1e-3, label_smoothing=0.1)
SEEDS = range(3)


class Case(NamedTuple):
    """A model, and how its rows are laid.

    The input embedding serves nothing else, so that its gradient at an id is
    the gradient at the places that read the id.
    """

    config: Any
    layout: Layout
    is_prefix: bool = False


_CAUSAL = dataclasses.replace(
    tiny_models.DECODER,
    vocab_size=VOCAB,
    num_layers=2,
    dropout_rate=0.1,
    embedding=EmbeddingConfig(),
)
_T5 = dataclasses.replace(tiny_models.T5, vocab_size=VOCAB, num_decoder_layers=2, dropout_rate=0.1)
CASES = {
    "t5": Case(_T5, Layout(20, 14, EOS)),
    "causal": Case(_CAUSAL, Layout(None, 26, EOS)),
    "prefix": Case(_CAUSAL, Layout(None, 26, EOS), is_prefix=True),
}
ATTENTIONS: dict[str, dict[str, Any]] = {"xla": {}}
"""Each implementation of attention -> the fields of a config that choose it."""
LOOPS = {"scanned": {"scan_layers": True}, "unrolled": {"scan_layers": False}}
_QUICK = {"xla_backend_optimization_level": 0}
"""How unrolled layers are compiled, which otherwise takes most of the tests' time; those of a loop
are compiled as in training."""


@pytest.fixture(params=LOOPS)
def loop(request):
    return LOOPS[request.param]


@pytest.fixture(params=ATTENTIONS)
def attention(request):
    return ATTENTIONS[request.param]


@pytest.fixture(params=CASES)
def case(request, attention, loop):
    made = CASES[request.param]
    return made._replace(config=dataclasses.replace(made.config, **attention, **loop))


def drawn_example(rng, is_prefix):
    """An example of 1 to 3 prompt tokens and 2 or 3 target tokens."""
    inputs = rng.integers(2, VOCAB, rng.integers(1, 4))
    targets = np.append(rng.integers(2, VOCAB, rng.integers(1, 3)), EOS)
    return Example(inputs.astype(np.int32), targets.astype(np.int32), prefix=is_prefix)


def drawn_rows(case, seed):
    """Three rows: one with padding at its end, one full, one of few examples."""
    rng = np.random.default_rng(seed)
    rows = [
        [drawn_example(rng, case.is_prefix) for _ in range(rng.integers(least, most + 1))]
        for least, most in ((2, 4), (2, 4), (1, 3))
    ]
    rows[1][-1] = grown(rows[1], case)
    batch = packed(rows, case)
    assert np.any(batch.prefix) == case.is_prefix
    assert not np.all(batch.segments[0]) and np.all(batch.segments[1])
    if batch.encoder is not None:
        assert not np.all(batch.encoder.segments[0]) and np.all(batch.encoder.segments[1])
    return rows


def grown(row, case):
    """The last example of a row, repeated until the row has no room left."""
    batch, example = packed([row], case), row[-1]
    num_targets = int(np.sum(batch.segments[0] == 0))
    if batch.encoder is None:
        num_targets, num_inputs = 2, num_targets - 2
    else:
        num_inputs = int(np.sum(batch.encoder.segments[0] == 0))
    targets = np.resize(example.targets[:-1], example.targets.size + num_targets - 1)
    return example._replace(
        inputs=np.resize(example.inputs, example.inputs.size + num_inputs),
        targets=np.append(targets, np.int32(EOS)),
    )


def changed(example):
    """An example of the same lengths with every id another; it still ends with EOS."""
    inputs, targets = (2 + (ids + 5) % (VOCAB - 2) for ids in (example.inputs, example.targets))
    targets[-1] = EOS
    return example._replace(inputs=inputs, targets=targets)


def packed(rows, case) -> SeqBatch:
    return pack([*rows, *[[]] * (NUM_ROWS - len(rows))], case.layout)


def one_a_row(rows):
    return [[example] for row in rows for example in row]


def places(rows):
    """(row, segment) of every example, in order."""
    return [(row, index + 1) for row, members in enumerate(rows) for index in range(len(members))]


def is_segment(segments_BT, row, segment):
    return (np.arange(NUM_ROWS)[:, None] == row) & (segments_BT == segment)


class Reading(NamedTuple):
    """All that a claim is about.

    Attributes:
      grads: Those of loss_sum, a tree like the parameters.
      loss_sum: [], of `token_loss`.
      weight_sum: [].
      example_loss: [B, N], of `example_losses`.
      example_weight: [B, N].
      logits: [B, T, V].
    """

    grads: Any
    loss_sum: Any
    weight_sum: Any
    example_loss: Any
    example_weight: Any
    logits: Any


@functools.cache
def compiled(config):
    """(params, batch) -> Reading.

    One forward pass serves everything read: most of the time goes into compiling.
    """
    model = make_model(config)

    def read(params, batch):
        hidden_BTD = model.hidden(params, batch)
        once = model._replace(hidden=lambda params, batch, *, key=None: hidden_BTD)
        loss_sum, aux = token_loss(once, LOSS)(params, None, batch, None)
        example_sums = example_losses(once, LOSS, params, batch, num_segments=NUM_SEGMENTS)
        return loss_sum, (aux.weight, *example_sums, model.unembed(params, hidden_BTD))

    @functools.partial(jax.jit, compiler_options={} if config.scan_layers else _QUICK)
    def read_with_gradients(params, batch):
        (loss_sum, others), grads = jax.value_and_grad(read, has_aux=True)(params, batch)
        return Reading(grads, loss_sum, *others)

    return read_with_gradients


@functools.cache
def drawn_params(config):
    """Parameters of a spread at which attention is neither uniform nor one-hot."""
    rng = np.random.default_rng(7)
    shapes = jax.eval_shape(make_model(config).init, jax.random.key(0))
    return jax.tree_util.tree_map_with_path(
        lambda path, leaf: np.float32(
            path_name(path).endswith("norm") + 0.25 * rng.standard_normal(leaf.shape)
        ),
        shapes,
    )


def reading(case, batch):
    read = compiled(case.config)(drawn_params(case.config), batch)
    return jax.tree.map(np.asarray, read)


@pytest.mark.parametrize("seed", SEEDS)
def test_packed_rows_give_the_loss_and_gradients_of_one_example_a_row(case, seed):
    rows = drawn_rows(case, seed)
    together, apart = (reading(case, packed(laid, case)) for laid in (rows, one_a_row(rows)))
    assert together.weight_sum == apart.weight_sum > 0
    np.testing.assert_allclose(together.loss_sum, apart.loss_sum, rtol=1e-6, equal_nan=False)
    leaves = jax.tree_util.tree_leaves_with_path(together.grads)
    for (path, leaf), other in zip(leaves, jax.tree.leaves(apart.grads), strict=True):
        largest = np.abs(other).max()
        assert largest > 0, path_name(path)
        np.testing.assert_allclose(
            leaf, other, rtol=2e-5, atol=1e-6 * largest, err_msg=path_name(path)
        )


@pytest.mark.parametrize("seed", SEEDS)
def test_changing_an_example_changes_no_bit_of_another_ones_logits(case, seed):
    rows = drawn_rows(case, seed)
    batch = packed(rows, case)
    before_BTV = reading(case, batch).logits
    for row, segment in places(rows):
        other_rows = [list(members) for members in rows]
        other_rows[row][segment - 1] = changed(rows[row][segment - 1])
        other_batch = packed(other_rows, case)
        np.testing.assert_array_equal(other_batch.segments, batch.segments)
        after_BTV = reading(case, other_batch).logits
        is_own_BT = is_segment(batch.segments, row, segment)
        is_other_BT = (batch.segments > 0) & ~is_own_BT
        np.testing.assert_array_equal(after_BTV[is_other_BT], before_BTV[is_other_BT])
        assert np.all(np.abs(after_BTV - before_BTV)[is_own_BT].max(axis=-1) > 1e-3)


@pytest.mark.parametrize("seed", SEEDS)
def test_the_loss_of_an_example_has_gradients_at_its_own_tokens_alone(case, seed):
    """Every place reads an id of its own: a row of the embedding is a place."""
    rows = drawn_rows(case, seed)
    batch = packed(rows, case)
    num_places, shape = batch.tokens.size, batch.tokens.shape
    numbered = batch._replace(tokens=np.arange(num_places, dtype=np.int32).reshape(shape))
    segments = [batch.segments]
    if batch.encoder is not None:
        ids = num_places + np.arange(batch.encoder.tokens.size, dtype=np.int32)
        encoder = batch.encoder._replace(tokens=ids.reshape(batch.encoder.tokens.shape))
        numbered = numbered._replace(encoder=encoder)
        segments.append(batch.encoder.segments)
    for row, segment in places(rows):
        weights_BT = batch.weights * is_segment(batch.segments, row, segment)
        grads = reading(case, numbered._replace(weights=weights_BT)).grads["embed"]
        expected = [is_segment(each, row, segment).reshape(-1) for each in segments]
        has_gradient = np.any(grads != 0, axis=1)[: sum(map(len, expected))]
        np.testing.assert_array_equal(has_gradient, np.concatenate(expected))


@pytest.mark.parametrize("seed", SEEDS)
def test_example_losses_of_packed_rows_are_token_losses_of_single_examples(case, seed):
    rows = drawn_rows(case, seed)
    together = reading(case, packed(rows, case))
    expected_BN, expected_weight_BN = (np.zeros((NUM_ROWS, NUM_SEGMENTS)) for _ in range(2))
    for (row, segment), alone in zip(places(rows), one_a_row(rows), strict=True):
        single = reading(case, packed([alone], case))
        expected_BN[row, segment - 1] = single.loss_sum
        expected_weight_BN[row, segment - 1] = single.weight_sum
    np.testing.assert_array_equal(together.example_weight, expected_weight_BN)
    np.testing.assert_allclose(together.example_loss, expected_BN, rtol=1e-5, equal_nan=False)
    assert together.example_weight.sum() == together.weight_sum
    np.testing.assert_allclose(together.example_loss.sum(), together.loss_sum, rtol=1e-6)
