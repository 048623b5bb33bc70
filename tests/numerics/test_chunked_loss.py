"""Sums and gradients of a chunked loss against those of all logits at once."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.test_util import check_grads

from flanjax.losses.chunked import chunked_sums, join_columns, split_columns
from flanjax.losses.tokens import LossConfig, token_sums
from flanjax.models import kernels

B, T, D, V = 3, 10, 8, 40


def logits(head, hidden_ND):
    return kernels.soft_cap(kernels.project_logits(hidden_ND, head["w"]), 3.0)


def tokens(dtype=jnp.float32):
    keys = jax.random.split(jax.random.key(0), 4)
    head = {"w": jax.random.normal(keys[0], (D, V))}
    hidden = jax.random.normal(keys[1], (B, T, D), dtype)
    weights = jax.random.uniform(keys[3], (B, T)) * (jnp.arange(T) > 1)
    return head, hidden, jax.random.randint(keys[2], (B, T), 0, V), weights


def whole_sums(config, head, hidden, targets, weights):
    logits_NV = logits(head, hidden.reshape(-1, D))
    return token_sums(logits_NV, targets.reshape(-1), weights.reshape(-1), config)


def value_and_grads(sums, head, hidden, *rest):
    def loss(head, hidden):
        out = sums(head, hidden, *rest)
        return 3.0 * out.loss, out

    return jax.jit(jax.value_and_grad(loss, argnums=(0, 1), has_aux=True))(head, hidden)


@pytest.mark.parametrize("chunk", [1, 3, 5, 10, 64])
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_sums_and_gradients_are_those_of_all_logits(chunk, dtype):
    config = LossConfig(z_loss=0.1, label_smoothing=0.2, chunk=chunk)
    arrays = tokens(dtype)
    chunked = functools.partial(chunked_sums, logits, config)
    whole = functools.partial(whole_sums, config)
    (loss, sums), grads = value_and_grads(chunked, *arrays)
    (wanted_loss, wanted_sums), wanted = value_and_grads(whole, *arrays)
    # In bfloat16 the head's gradient is rounded once a chunk, and added up in float32.
    tolerance = {"rtol": 2e-6, "atol": 2e-6} if dtype == "float32" else {"rtol": 2e-2, "atol": 2e-2}
    np.testing.assert_allclose(loss, wanted_loss, rtol=1e-5)
    jax.tree.map(functools.partial(np.testing.assert_allclose, rtol=1e-5), sums, wanted_sums)
    for got, want in zip(jax.tree.leaves(grads), jax.tree.leaves(wanted), strict=True):
        assert got.dtype == want.dtype
        got, want = (np.asarray(g, np.float32) for g in (got, want))
        np.testing.assert_allclose(got, want, **tolerance)
    plain = jax.jit(chunked)(*arrays)  # without a gradient it goes another way
    np.testing.assert_allclose(plain.loss, wanted_sums.loss, rtol=1e-5)


def few_weights():
    """Weights of 2, 0 and 4 columns of 10, none of them in order."""
    weights = np.zeros((B, T), np.float32)
    weights[0, [9, 3]] = weights[2, [1, 8, 0, 6]] = 0.5
    return jnp.asarray(weights)


@pytest.mark.parametrize("chunk", [1, 3, 4, 5, 64])
def test_chunks_without_weight_are_passed_over(chunk):
    config = LossConfig(z_loss=0.1, label_smoothing=0.2, chunk=chunk)
    head, hidden, targets, _ = tokens()
    arrays = head, hidden, targets, few_weights()
    (loss, sums), grads = value_and_grads(functools.partial(chunked_sums, logits, config), *arrays)
    whole = functools.partial(whole_sums, config)
    (wanted_loss, wanted_sums), wanted = value_and_grads(whole, *arrays)
    np.testing.assert_allclose(loss, wanted_loss, rtol=1e-5)
    jax.tree.map(functools.partial(np.testing.assert_allclose, rtol=1e-5), sums, wanted_sums)
    for got, want in zip(jax.tree.leaves(grads), jax.tree.leaves(wanted), strict=True):
        np.testing.assert_allclose(got, want, rtol=2e-6, atol=2e-6)


def test_what_is_passed_over_has_no_logits():
    """Nothing is computed of it: not a number there stays where it is."""
    config = LossConfig(chunk=4)
    head, hidden, targets, _ = tokens()
    weights = few_weights()
    hidden = jnp.where((weights == 0)[..., None], jnp.nan, hidden).at[:2].set(0.0)
    hidden = hidden.at[:2, 4:].set(jnp.nan).at[0, 9].set(0.0)  # rows 0 and 1 fill their chunk
    run = functools.partial(chunked_sums, logits, config)
    (loss, _), (_, of_hidden) = value_and_grads(run, head, hidden, targets, weights)
    assert np.isfinite(loss)
    assert np.isfinite(of_hidden).all()
    assert np.isfinite(jax.jit(run)(head, hidden, targets, weights).loss)


def test_the_gradient_is_that_of_finite_differences():
    config = LossConfig(z_loss=0.1, label_smoothing=0.2, chunk=3)
    head, hidden, targets, weights = tokens()

    def loss(hidden):
        return chunked_sums(logits, config, head, hidden, targets, weights).loss

    check_grads(loss, (hidden,), order=1, modes=["rev"], rtol=2e-2)


def test_a_frozen_head_has_no_gradient_made():
    config = LossConfig(chunk=2)
    head, *rest = tokens()

    def loss(head, hidden):
        return chunked_sums(logits, config, head, hidden, *rest[1:]).loss

    both = str(jax.make_jaxpr(jax.grad(loss, argnums=(0, 1)))(head, rest[0]))
    hidden_only = str(jax.make_jaxpr(jax.grad(loss, argnums=1))(head, rest[0]))
    assert both.count("dot_general") == hidden_only.count("dot_general") + 1


def test_columns_are_cut_and_joined_again():
    columns = np.arange(2 * 7 * 3).reshape(2, 7, 3)
    chunks = split_columns(columns, 3)
    assert chunks.shape == (3, 2, 3, 3)
    np.testing.assert_array_equal(chunks[1, :, :2], columns[:, [1, 4]])
    np.testing.assert_array_equal(join_columns(chunks, 7), columns)
