"""What draws are made from, and that a row's draws are its own."""

from __future__ import annotations

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from tiny_models import DECODER, T5, VOCAB, examples, prompts

from flanjax.models import sampling
from flanjax.models.families import make_model
from flanjax.models.generation import DecodeConfig, generate

START, END = 0, 1
PAIRS = [(inputs, []) for inputs, _ in examples(4, seed=7)]
FAMILIES = {"t5": T5, "decoder": DECODER}
LOW = -np.inf


@functools.cache
def params_of(name):
    return jax.jit(make_model(FAMILIES[name]).init)(jax.random.key(0))


def test_the_top_k_stay_and_those_equal_to_the_last():
    logits_RV = np.array([[1.0, 3.0, 2.0, 3.0, 2.0], [5.0, 4.0, 3.0, 2.0, 1.0]], np.float32)
    np.testing.assert_array_equal(
        sampling.keep_top_k(logits_RV, 2), [[LOW, 3, LOW, 3, LOW], [5, 4, LOW, LOW, LOW]]
    )
    np.testing.assert_array_equal(sampling.keep_top_k(logits_RV, 3)[0], [LOW, 3, 2, 3, 2])
    np.testing.assert_array_equal(sampling.keep_top_k(logits_RV, 9), logits_RV)


@pytest.mark.parametrize(
    ("p", "kept"),
    [
        (1e-9, [0, 1, 0, 0]),
        (0.49, [0, 1, 0, 0]),
        (0.51, [0, 1, 1, 0]),
        (0.79, [0, 1, 1, 0]),
        (0.81, [1, 1, 1, 1]),  # two are equally likely
    ],
)
def test_the_nucleus_is_the_fewest_tokens_that_hold_the_share(p, kept):
    logits_RV = np.log(np.array([[0.1, 0.5, 0.3, 0.1]], np.float32))
    found = sampling.keep_top_p(logits_RV + 3.0, p)
    np.testing.assert_array_equal(np.isfinite(found), [np.array(kept, bool)])


def test_logits_are_tempered_before_the_nucleus_is_taken_of_the_top_k():
    """At temperature 0.5 weights 5, 3, 2, 1 are 25, 9, 4, 1."""
    logits_RV = np.log(np.array([[5.0, 3.0, 2.0, 1.0]], np.float32))
    warp = functools.partial(sampling.warp, logits_RV, temperature=0.5)
    kept = [
        np.isfinite(warp(top_k=top_k, top_p=top_p))[0].sum()
        for top_k, top_p in [(0, 0.7), (3, 0.7), (2, 0.7), (2, 0.74), (0, 1.0), (3, 1.0)]
    ]
    assert kept == [2, 2, 1, 2, 4, 3]


def constant_model(logits_V):
    """A model whose next token has one distribution, whatever came before."""
    model = make_model(DECODER)

    def extend(params, cache, tokens_RT):
        return jnp.zeros((*tokens_RT.shape, 1)), cache

    def unembed(params, hidden):
        return jnp.broadcast_to(logits_V, (*hidden.shape[:-1], VOCAB))

    return model._replace(extend=extend, unembed=unembed)


def draw(how, keys_B, length, logits_V):
    return generate(
        constant_model(logits_V), params_of("decoder"), prompts(PAIRS), how,
        start_id=START, eos_id=END, max_length=length, keys_B=keys_B,
    )  # fmt: skip


def test_draws_follow_the_tempered_distribution_and_scores_the_model_s_own():
    """Logits 0, log 2, log 4 at temperature 0.5 are weights 1, 4, 16."""
    logits_V = np.full(VOCAB, -1e9, np.float32)
    logits_V[10:13] = np.log([1.0, 2.0, 4.0])
    how = DecodeConfig(method="sample", temperature=0.5, num_answers=2)
    keys_B = jax.random.split(jax.random.key(0), 4)
    found = draw(how, keys_B, 1000, logits_V)
    tokens = np.asarray(found.tokens)
    shares = [np.mean(tokens == id) for id in (10, 11, 12)]
    np.testing.assert_allclose(shares, np.array([1, 4, 16]) / 21, atol=0.02)
    logp = np.log(np.array([1, 2, 4]) / 7)
    np.testing.assert_allclose(found.scores, logp[tokens - 10].sum(-1), rtol=1e-4)
    rows = tokens.reshape(8, -1)
    for one in range(8):  # draws of one prompt, and of others
        for other in range(one):
            assert np.mean(rows[one] == rows[other]) < 0.75
    again = draw(how, keys_B, 20, logits_V).tokens
    np.testing.assert_array_equal(again, tokens[..., :20])
    fewer = draw(DecodeConfig(method="sample", temperature=0.5), keys_B, 20, logits_V).tokens
    np.testing.assert_array_equal(fewer[:, 0], tokens[:, 0, :20])


@pytest.mark.parametrize("name", FAMILIES)
def test_a_prompt_s_draws_depend_on_its_key_and_nothing_beside_it(name):
    how = DecodeConfig(method="sample", temperature=1.5, top_k=60, top_p=0.95, num_answers=2)
    ids = {"start_id": START, "eos_id": END, "max_length": 6}
    keys_B = jax.random.split(jax.random.key(4), 4)
    write = jax.jit(
        lambda p, rows, keys: generate(make_model(FAMILIES[name]), p, rows, how, keys_B=keys, **ids)
    )
    params = params_of(name)
    together = np.asarray(write(params, prompts(PAIRS), keys_B).tokens)
    turned = np.array([2, 0, 3, 1])
    pairs = [PAIRS[n] for n in turned]
    elsewhere = np.asarray(write(params, prompts(pairs), keys_B[turned]).tokens)
    np.testing.assert_array_equal(elsewhere, together[turned])
    alone = np.asarray(write(params, prompts(PAIRS[3:]), keys_B[3:]).tokens)
    np.testing.assert_array_equal(alone, together[3:])
    other = np.asarray(write(params, prompts(PAIRS), keys_B[::-1]).tokens)
    assert np.mean(other == together) < 0.5


def test_draws_without_keys_are_refused():
    with pytest.raises(ValueError, match="method sample must have a key for each prompt, got None"):
        draw(DecodeConfig(method="sample"), None, 3, np.zeros(VOCAB, np.float32))
