"""What must hold of every model's forward pass and gradients."""

from __future__ import annotations

import dataclasses
import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from tiny_models import CONFIGS, DECODER, T5, VOCAB, examples, make_batch

from flanjax.base import path_name
from flanjax.losses.tokens import LossConfig, token_sums
from flanjax.models import attention
from flanjax.models.api import is_axes
from flanjax.models.families import make_model
from flanjax.models.kernels import LowRank
from flanjax.parallel import PARAM_RULES

PACKED = [[0, 1, 2], [3, 4], [5], [], [], []]
"""Which of six examples stand in which row; six rows, so that unpacked ones have equal shapes."""


@pytest.fixture(params=["t5", "decoder"])
def config(request):
    return CONFIGS[request.param]


@functools.cache
def compiled_init(config):
    return jax.jit(make_model(config).init)


def init(config):
    return compiled_init(config)(jax.random.key(0))


def packed_batch(config, *, changed=None, is_prefix=False):
    """Six examples in three rows; `changed` reverses and shifts one example's ids."""
    pairs = examples(6)
    if changed is not None:
        pairs[changed] = tuple([2 + (id + 7) % (VOCAB - 2) for id in ids] for ids in pairs[changed])
    rows = [[pairs[index] for index in row] for row in PACKED]
    return make_batch(config, rows, is_prefix=is_prefix)


@functools.cache
def compiled_hidden(config):
    model = make_model(config)
    return jax.jit(lambda params, batch, key: model.hidden(params, batch, key=key))


def hidden(config, params, batch, key=None):
    return np.asarray(compiled_hidden(config)(params, batch, key))


def loss(config, params, batch):
    model = make_model(config)
    logits_BTV = model.unembed(params, model.hidden(params, batch))
    sums = token_sums(
        logits_BTV.reshape(-1, VOCAB),
        batch.targets.reshape(-1),
        batch.weights.reshape(-1),
        LossConfig(),
    )
    return sums.loss


@functools.cache
def compiled_loss_and_grads(config):
    return jax.jit(jax.value_and_grad(functools.partial(loss, config)))


def loss_and_grads(config, params, batch):
    return compiled_loss_and_grads(config)(params, batch)


def assert_trees_close(ours, expected, **tolerance):
    assert jax.tree.structure(ours) == jax.tree.structure(expected)
    for (path, leaf), other in zip(
        jax.tree_util.tree_leaves_with_path(ours), jax.tree.leaves(expected), strict=True
    ):
        np.testing.assert_allclose(leaf, other, err_msg=path_name(path), **tolerance)


def embedding_gradient(config, batch, row, column):
    """Returns which inputs of the decoder one hidden vector depends on, [B, T].

    Every place is given a token of its own, so its embedding's gradient is the
    place's.
    """
    num_places = batch.tokens.size
    tokens = np.arange(num_places, dtype=np.int32).reshape(batch.tokens.shape)
    if batch.encoder is not None:
        blank = np.full_like(batch.encoder.tokens, VOCAB - 1)
        batch = batch._replace(encoder=batch.encoder._replace(tokens=blank))
    model = make_model(config)
    weights_D = jax.random.normal(jax.random.key(1), (config.d_model,))

    def one(params):
        return model.hidden(params, batch._replace(tokens=tokens))[row, column] @ weights_D

    grads = jax.jit(jax.grad(one))(init(config))["embed"]
    return np.abs(np.asarray(grads))[:num_places].sum(axis=1).reshape(tokens.shape) > 0


def test_a_token_depends_on_its_own_segment_up_to_itself(config):
    batch = packed_batch(config)
    row, column = 0, int(np.flatnonzero(batch.segments[0] == 2)[-1]) - 1
    start = int(np.flatnonzero(batch.segments[0] == 2)[0])
    assert start < column
    expected = np.zeros_like(batch.segments, bool)
    expected[row, start : column + 1] = True
    np.testing.assert_array_equal(embedding_gradient(config, batch, row, column), expected)


def test_a_prompt_token_of_a_prefix_lm_depends_on_the_whole_prompt():
    config = dataclasses.replace(DECODER, prefix_lm=True)
    batch = packed_batch(config, is_prefix=True)
    places = np.flatnonzero((batch.segments[0] == 1) & batch.prefix[0])
    assert len(places) > 1
    expected = np.zeros_like(batch.prefix)
    expected[0, places] = True
    np.testing.assert_array_equal(embedding_gradient(config, batch, 0, 0), expected)


def test_packed_examples_do_not_see_one_another(config):
    params = init(config)
    before = packed_batch(config)
    after = packed_batch(config, changed=1)
    is_changed = (np.arange(6) == 0)[:, None] & (before.segments == 2)
    is_other = (before.segments > 0) & ~is_changed
    old, new = hidden(config, params, before), hidden(config, params, after)
    np.testing.assert_array_equal(old[is_other], new[is_other])
    assert np.all(np.abs(old - new)[is_changed].max(axis=-1) > 1e-2)


def test_a_packed_row_is_its_examples_one_by_one(config):
    params, pairs = init(config), examples(6)
    packed, alone = packed_batch(config), make_batch(config, [[pair] for pair in pairs])
    packed_hidden, alone_hidden = hidden(config, params, packed), hidden(config, params, alone)
    for row, members in enumerate(PACKED):
        for segment, member in enumerate(members, start=1):
            np.testing.assert_allclose(
                packed_hidden[row, packed.segments[row] == segment],
                alone_hidden[member, alone.segments[member] == 1],
                rtol=0,
                atol=1e-5,
            )


def test_gradients_of_packed_rows_are_those_of_separate_examples(config):
    params, pairs = init(config), examples(6)
    packed, alone = packed_batch(config), make_batch(config, [[pair] for pair in pairs])
    # The last token's target is the next example's first: leave it out of both.
    packed, alone = (
        batch._replace(weights=np.where(np.diff(batch.segments, append=0) == 0, batch.weights, 0))
        for batch in (packed, alone)
    )
    assert packed.weights.sum() == alone.weights.sum() >= 6
    packed_loss, packed_grads = loss_and_grads(config, params, packed)
    alone_loss, alone_grads = loss_and_grads(config, params, alone)
    np.testing.assert_allclose(packed_loss, alone_loss, rtol=1e-5)
    assert_trees_close(packed_grads, alone_grads, rtol=1e-4, atol=1e-5)


def test_padding_does_not_change_real_tokens_and_stays_finite(config):
    params, batch = init(config), packed_batch(config)

    def refilled(rows):
        return np.where(rows.segments > 0, rows.tokens, VOCAB - 1)

    filled = batch._replace(tokens=refilled(batch))
    if batch.encoder is not None:
        filled = filled._replace(encoder=batch.encoder._replace(tokens=refilled(batch.encoder)))
    is_real = batch.segments > 0
    old, new = hidden(config, params, batch), hidden(config, params, filled)
    np.testing.assert_array_equal(old[is_real], new[is_real])
    assert np.all(np.isfinite(new))
    for leaf in jax.tree.leaves(loss_and_grads(config, params, filled)):
        assert np.all(np.isfinite(leaf))


@pytest.mark.parametrize("changes", [{"scan_layers": False}, {"remat": "full"}, {"remat": "dots"}])
def test_scan_and_remat_change_neither_loss_nor_gradients(config, changes):
    params, batch = init(config), packed_batch(config)
    expected_loss, expected_grads = loss_and_grads(config, params, batch)
    other_loss, other_grads = loss_and_grads(dataclasses.replace(config, **changes), params, batch)
    np.testing.assert_allclose(other_loss, expected_loss, rtol=1e-6)
    assert_trees_close(other_grads, expected_grads, rtol=1e-4, atol=1e-5)


def test_remat_needs_less_memory_for_the_backward_pass():
    def num_bytes(remat):
        config = dataclasses.replace(DECODER, remat=remat, num_layers=12)
        args = jax.eval_shape(make_model(config).init, jax.random.key(0)), packed_batch(config)
        compiled = compiled_loss_and_grads(config).lower(*args).compile()
        return compiled.memory_analysis().temp_size_in_bytes

    full, dots, none = map(num_bytes, ("full", "dots", "none"))
    assert full < 0.5 * none
    assert full < dots < 0.8 * none


def test_layers_are_drawn_apart_and_applied_in_order(config):
    params, batch = init(config), packed_batch(config)
    side = params.get("decoder", params)
    up_LDF = side["layers"]["mlp"]["up"]
    assert np.abs(up_LDF[0] - up_LDF[1]).max() > 0.1
    before = hidden(config, params, batch)
    side["layers"] = jax.tree.map(lambda leaf: leaf[::-1], side["layers"])
    assert np.abs(hidden(config, params, batch) - before).max() > 1e-3


@pytest.mark.parametrize("name", list(CONFIGS))
def test_axes_name_every_dimension_of_every_parameter(name):
    config = CONFIGS[name]
    model = make_model(config)
    params = jax.eval_shape(model.init, jax.random.key(0))
    axes, structure = jax.tree.flatten(model.axes, is_leaf=is_axes)
    assert structure == jax.tree.structure(params)
    for names, (path, leaf) in zip(axes, jax.tree_util.tree_leaves_with_path(params), strict=True):
        assert len(names) == leaf.ndim, path_name(path)
        assert set(names) <= set(PARAM_RULES)
        assert (names[0] == "layers") == ("layers" in path_name(path).split("/"))


def test_dropout_needs_a_key_and_a_rate(config):
    params, batch = init(config), packed_batch(config)
    plain = hidden(config, params, batch)
    np.testing.assert_array_equal(hidden(config, params, batch, jax.random.key(3)), plain)
    dropping = dataclasses.replace(config, dropout_rate=0.3)
    np.testing.assert_array_equal(hidden(dropping, params, batch), plain)
    first = hidden(dropping, params, batch, jax.random.key(3))
    again = hidden(dropping, params, batch, jax.random.key(3))
    other = hidden(dropping, params, batch, jax.random.key(4))
    np.testing.assert_array_equal(first, again)
    assert np.abs(first - plain).max() > 0.1
    assert np.abs(first - other).max() > 0.1
    # The last dropout zeroes hidden values: about the stated share.
    is_real = batch.segments > 0
    assert np.mean(first[is_real] == 0) == pytest.approx(0.3, abs=0.08)


@pytest.mark.parametrize("scan_layers", [True, False])
def test_every_layer_draws_its_own_dropout(scan_layers):
    """With all mass of a layer dropped or doubled, equal keys would give few sums."""
    config = dataclasses.replace(
        DECODER, dropout_rate=0.5, num_layers=2, scan_layers=scan_layers, vocab_size=2, d_model=64
    )
    shapes = jax.eval_shape(make_model(config).init, jax.random.key(0))
    params = jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), shapes)
    params["norm"] = {"scale": jnp.ones(64)}
    # Each block adds dropout(adapter output): ones here, so 0 or 2, for each layer anew.
    params["layers"]["adapter"] = Constant(jnp.ones((2, 64)))
    batch = make_batch(config, [[([1], [1])]], length=1)
    hidden_BTD = hidden(config, params, batch, jax.random.key(0))
    # Residual sums 0, 2, 4 give three ratios; layers that share a key give 0 and 4 alone.
    values = np.unique(np.round(np.abs(hidden_BTD[0, 0]), 3))
    assert len(values) == 3


class Constant(NamedTuple):
    """An adapter that puts `value` in place of what it is given."""

    value: jax.Array

    def __call__(self, x):
        return jnp.zeros_like(x) + self.value


class Scaled(NamedTuple):
    """An adapter that multiplies by `factor`."""

    factor: jax.Array

    def __call__(self, x):
        return x * self.factor


def test_an_adapter_slot_changes_the_mlp_output(config):
    params, batch = init(config), packed_batch(config)
    side = params.get("decoder", params)
    plain = hidden(config, params, batch)
    side["layers"]["adapter"] = Scaled(jnp.full(3, 0.5))
    adapted = hidden(config, params, batch)
    del side["layers"]["adapter"]
    side["layers"]["mlp"]["down"] = side["layers"]["mlp"]["down"] * 0.5
    np.testing.assert_allclose(adapted, hidden(config, params, batch), atol=1e-6)
    assert np.abs(adapted - plain).max() > 1e-2


def test_a_prefix_of_one_key_joins_every_softmax(config):
    """Zero queries make all logits equal: the prefix weighs 1 / (n + 1)."""
    q_RTHC = jnp.zeros((1, 2, 1, 2))
    own = attention.KeyValues(
        jnp.ones((1, 2, 1, 2)),
        jnp.array([[[[6.0, 0.0]], [[0.0, 6.0]]]]),
        jnp.tri(2, dtype=bool)[None],
    )
    prefix = attention.KeyValues(jnp.ones((1, 1, 1, 2)), jnp.array([[[[6.0, 6.0]]]]))
    out = attention.attend(q_RTHC, (prefix, own), scale=1.0)
    np.testing.assert_allclose(out[0, :, 0], [[6.0, 3.0], [4.0, 4.0]], rtol=1e-6)

    params, batch = init(config), packed_batch(config)
    side = params.get("decoder", params)
    plain = hidden(config, params, batch)
    kv_heads = 2
    values = jax.random.normal(jax.random.key(5), (3, 4, kv_heads, 6))
    side["layers"]["attention"]["prefix_kv"] = attention.PrefixKV(values, values)
    assert np.abs(hidden(config, params, batch) - plain).max() > 1e-2


def test_a_soft_prompt_is_more_rows_of_the_embedding(config):
    params, batch = init(config), packed_batch(config)
    params["soft_prompt"] = params["embed"][3:5]
    batch = batch._replace(tokens=np.where(batch.tokens == 5, 6, batch.tokens))
    batch.tokens[0, 0], batch.tokens[1, 1] = 3, 4
    expected = hidden(config, params, batch)
    batch.tokens[0, 0], batch.tokens[1, 1] = VOCAB, VOCAB + 1
    np.testing.assert_array_equal(hidden(config, params, batch), expected)


def test_a_low_rank_leaf_in_a_stack_is_the_dense_weight(config):
    params, batch = init(config), packed_batch(config)
    side = params.get("decoder", params)
    base_LIO = side["layers"]["mlp"]["up"]
    a_LIR = 0.3 * jax.random.normal(jax.random.key(1), (3, 16, 2))
    b_LRO = 0.3 * jax.random.normal(jax.random.key(2), (3, 2, 24))
    side["layers"]["mlp"]["up"] = LowRank(base_LIO, a_LIR, b_LRO, jnp.full(3, 2.0), jnp.zeros(3))
    low_rank = hidden(config, params, batch)
    side["layers"]["mlp"]["up"] = base_LIO + 2.0 * a_LIR @ b_LRO
    np.testing.assert_allclose(low_rank, hidden(config, params, batch), atol=1e-5)


def test_parameters_that_no_module_declares_are_refused():
    params, batch = init(DECODER), packed_batch(DECODER)
    params["layers"]["attention"]["bias"] = jnp.zeros((3, 2))
    with pytest.raises(ValueError, match=r"got bias, k, o, q, v; see bias\."):
        make_model(DECODER).hidden(params, batch)
    del params["layers"]["attention"]["bias"], params["layers"]["attention"]["q"]
    with pytest.raises(ValueError, match=r"got k, o, v; see q\."):
        make_model(DECODER).hidden(params, batch)


def test_bfloat16_stays_near_float32(config):
    narrow = dataclasses.replace(config, dtype="bfloat16")
    params, batch = init(config), packed_batch(config)
    assert make_model(narrow).hidden(params, batch).dtype == jnp.bfloat16
    wide_loss, wide_grads = loss_and_grads(config, params, batch)
    narrow_loss, narrow_grads = loss_and_grads(narrow, params, batch)
    assert narrow_loss != wide_loss
    np.testing.assert_allclose(narrow_loss, wide_loss, rtol=3e-2)
    assert {leaf.dtype for leaf in jax.tree.leaves(narrow_grads)} == {jnp.dtype(jnp.float32)}
    differences = jax.tree.map(jnp.subtract, narrow_grads, wide_grads)
    assert optax.tree.norm(differences) < 3e-2 * optax.tree.norm(wide_grads)


def test_unembed_of_a_tied_t5_scales_by_the_root_of_the_width():
    table_VD = np.arange(32, dtype=np.float32).reshape(2, 16)
    logits_V = make_model(CONFIGS["tied t5"]).unembed({"embed": table_VD}, np.ones(16, np.float32))
    np.testing.assert_allclose(logits_V, [120 / 4, 376 / 4], rtol=1e-6)


def test_a_t5_batch_without_prompts_is_refused():
    batch = packed_batch(T5)._replace(encoder=None)
    with pytest.raises(ValueError, match="must have encoder inputs, got None"):
        make_model(T5).hidden(init(T5), batch)
