"""Cached steps, generation and option scores against plain forward passes."""

from __future__ import annotations

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from tiny_models import DECODER, T5, VOCAB, examples, make_batch, prompts

from flanjax.models import attention, decode
from flanjax.models.configs import EmbeddingConfig
from flanjax.models.families import make_model
from flanjax.models.t5 import T5Config

START, END, MAX_LENGTH = 0, 1, 7
PAIRS = [(inputs, []) for inputs, _ in examples(3, seed=7)]
FAMILIES = {
    "t5": T5,
    "decoder": dataclasses.replace(DECODER, embedding=EmbeddingConfig()),
    "prefix decoder": dataclasses.replace(DECODER, prefix_lm=True),
}


@pytest.fixture(params=list(FAMILIES))
def config(request):
    return FAMILIES[request.param]


@functools.cache
def params_of(config):
    return jax.jit(make_model(config).init)(jax.random.key(0))


@functools.cache
def compiled_hidden(config):
    return jax.jit(make_model(config).hidden)


@functools.cache
def compiled_extend(config):
    return jax.jit(make_model(config).extend)


@functools.cache
def compiled_prefill(config):
    return jax.jit(make_model(config).prefill)


@functools.cache
def compiled_score(config):
    return jax.jit(functools.partial(decode.score_options, make_model(config), start_id=START))


@functools.cache
def compiled_greedy(config):
    ids = {"start_id": START, "eos_id": END, "max_length": MAX_LENGTH}
    return jax.jit(functools.partial(decode.greedy, make_model(config), **ids))


def hidden_without_cache(config, rows_RT):
    """Returns what a plain forward gives after each continuation token, [R, T, D]."""
    num_per_prompt = len(rows_RT) // len(PAIRS)
    pairs = [(PAIRS[row // num_per_prompt][0], list(ids)) for row, ids in enumerate(rows_RT)]
    is_prefix = getattr(config, "prefix_lm", False)
    batch = make_batch(config, [[pair] for pair in pairs], is_prefix=is_prefix)
    hidden_RTD = np.asarray(compiled_hidden(config)(params_of(config), batch))
    skipped = [0 if isinstance(config, T5Config) else len(inputs) for inputs, _ in pairs]
    length = len(rows_RT[0])
    return np.stack([row[n : n + length] for row, n in zip(hidden_RTD, skipped, strict=True)])


@pytest.mark.parametrize("config", [*FAMILIES.values(), dataclasses.replace(T5, scan_layers=False)])
def test_cached_steps_of_one_or_more_tokens_are_the_forward_pass(config):
    num_per_prompt, steps = 2, (1, 3, 1)
    params = params_of(config)
    rng = np.random.default_rng(1)
    rows_RT = rng.integers(2, VOCAB, (3 * num_per_prompt, sum(steps)))
    cache = compiled_prefill(config)(params, prompts(PAIRS))
    cache = decode.reserve(cache, num_rows_per_prompt=num_per_prompt, length=MAX_LENGTH)
    pieces, start = [], 0
    for step in steps:
        hidden, cache = compiled_extend(config)(params, cache, rows_RT[:, start : start + step])
        pieces.append(hidden)
        start += step
    assert cache.length == sum(steps)
    np.testing.assert_allclose(
        np.concatenate(pieces, axis=1), hidden_without_cache(config, rows_RT), rtol=0, atol=2e-5
    )


def greedy_without_cache(config, max_length):
    """Runs the whole forward pass for each token."""
    model, params = make_model(config), params_of(config)
    rows = [[START] for _ in PAIRS]
    for _ in range(max_length):
        padded = [row + [0] * (max_length - len(row)) for row in rows]
        hidden = hidden_without_cache(config, padded)[:, len(rows[0]) - 1]
        tokens = np.argmax(model.unembed(params, hidden), axis=-1)
        for row, token in zip(rows, tokens, strict=True):
            row.append(0 if END in row[1:] else int(token))
    return np.array([row[1:] for row in rows])


@pytest.mark.parametrize("name", ["t5", "decoder"])
def test_greedy_tokens_are_those_of_whole_forward_passes(name):
    config = FAMILIES[name]
    tokens = np.asarray(compiled_greedy(config)(params_of(config), prompts(PAIRS)))
    np.testing.assert_array_equal(tokens, greedy_without_cache(config, MAX_LENGTH))
    assert len(np.unique(tokens)) > 3


def test_each_row_may_begin_with_an_id_of_its_own():
    config = FAMILIES["decoder"]
    starts = [3, 7, 11]
    ids = {"eos_id": END, "max_length": MAX_LENGTH}
    greedy = functools.partial(decode.greedy, make_model(config), params_of(config), prompts(PAIRS))
    together = np.asarray(greedy(start_id=jnp.asarray(starts), **ids))
    for row, start in enumerate(starts):
        alone = np.asarray(greedy(start_id=start, **ids))
        np.testing.assert_array_equal(together[row], alone[row])
    assert len(np.unique(together)) > 3


def counting_model():
    """A model that writes 2, 3, 4, ... in row 0 and one more ahead in each next row."""
    model = make_model(DECODER)

    def extend(params, cache, tokens_RT):
        step = jnp.sum(cache.length) + 2 + jnp.arange(tokens_RT.shape[0])
        return jax.nn.one_hot(step, VOCAB)[:, None], cache._replace(length=cache.length + 1)

    return model._replace(extend=extend, unembed=lambda params, hidden: hidden * 50.0)


def test_a_row_ends_with_its_end_id_and_is_zero_after_it():
    tokens = decode.greedy(
        counting_model(), params_of(DECODER), prompts(PAIRS), start_id=START, eos_id=5, max_length=6
    )
    np.testing.assert_array_equal(
        tokens, [[2, 3, 4, 5, 0, 0], [3, 4, 5, 0, 0, 0], [4, 5, 0, 0, 0, 0]]
    )


def test_generation_stops_as_soon_as_every_row_has_ended():
    lengths = []
    model = counting_model()

    def extend(params, cache, tokens_RT):
        jax.debug.callback(lambda n: lengths.append(int(n)), cache.length)
        return model.extend(params, cache, tokens_RT)

    tokens = decode.greedy(
        model._replace(extend=extend),
        params_of(DECODER),
        prompts(PAIRS),
        start_id=START,
        eos_id=5,
        max_length=50,
    )
    jax.block_until_ready(tokens)
    jax.effects_barrier()
    assert sorted(lengths) == [0, 1, 2, 3]


def test_option_scores_are_those_of_separate_forward_passes(config):
    model, params = make_model(config), params_of(config)
    rng = np.random.default_rng(3)
    options_BNT = rng.integers(2, VOCAB, (3, 4, 5)).astype(np.int32)
    lengths_BN = rng.integers(1, 6, (3, 4))
    lengths_BN[1, 2] = 0
    mask_BNT = np.arange(5) < lengths_BN[..., None]
    ours_BN = np.asarray(compiled_score(config)(params, prompts(PAIRS), options_BNT, mask_BNT))
    for option in range(4):
        rows_BT = [[START, *ids[:-1]] for ids in options_BNT[:, option].tolist()]
        logits_BTV = np.asarray(model.unembed(params, hidden_without_cache(config, rows_BT)))
        for prompt in range(3):
            expected = 0.0
            for step in range(lengths_BN[prompt, option]):
                logits_V = logits_BTV[prompt, step].astype(np.float64)
                chosen = logits_V[options_BNT[prompt, option, step]]
                expected += chosen - np.log(np.sum(np.exp(logits_V)))
            np.testing.assert_allclose(ours_BN[prompt, option], expected, rtol=0, atol=1e-4)


@pytest.mark.parametrize("name", ["t5", "decoder"])
def test_padding_of_a_prompt_does_not_change_its_scores(name):
    config = FAMILIES[name]
    options_BNT, mask_BNT = np.full((3, 4, 5), 9, np.int32), np.ones((3, 4, 5), bool)
    score, params = compiled_score(config), params_of(config)
    short, long = (score(params, prompts(PAIRS, length=n), options_BNT, mask_BNT) for n in (6, 9))
    np.testing.assert_allclose(short, long, rtol=0, atol=1e-5)


def test_decoding_with_a_prefix_of_keys_is_the_forward_pass_with_it():
    config = DECODER
    plain = params_of(config)
    values = jax.random.normal(jax.random.key(5), (3, 4, 2, 6))
    attention_params = {
        **plain["layers"]["attention"],
        "prefix_kv": attention.PrefixKV(values, -values),
    }
    params = {**plain, "layers": {**plain["layers"], "attention": attention_params}}
    rows_RT = np.full((3, 4), 9)
    cache = compiled_prefill(config)(params, prompts(PAIRS))
    cache = decode.reserve(cache, num_rows_per_prompt=1, length=4)
    cached, _ = compiled_extend(config)(params, cache, rows_RT)
    batch = make_batch(config, [[(inputs, [9] * 4)] for inputs, _ in PAIRS])
    whole = compiled_hidden(config)(params, batch)
    for row, (inputs, _) in enumerate(PAIRS):
        expected = whole[row, len(inputs) : len(inputs) + 4]
        np.testing.assert_allclose(cached[row], expected, rtol=0, atol=2e-5)


@pytest.mark.parametrize("name", ["t5", "decoder"])
def test_bfloat16_generates_and_scores(name):
    config, params = FAMILIES[name], params_of(FAMILIES[name])
    narrow, inputs = dataclasses.replace(config, dtype="bfloat16"), prompts(PAIRS)
    options_BNT, mask_BNT = np.full((3, 4, 5), 9, np.int32), np.ones((3, 4, 5), bool)
    wide_BN, narrow_BN = (
        compiled_score(each)(params, inputs, options_BNT, mask_BNT) for each in (config, narrow)
    )
    assert np.any(np.asarray(narrow_BN) != np.asarray(wide_BN))
    np.testing.assert_allclose(narrow_BN, wide_BN, rtol=3e-2)
    tokens = np.asarray(compiled_greedy(narrow)(params, inputs))
    # Random logits lie far enough apart that most rows begin alike.
    assert np.sum(tokens[:, 0] == np.asarray(compiled_greedy(config)(params, inputs))[:, 0]) >= 2


def test_tokens_that_do_not_fit_the_cache_are_refused():
    model, params = make_model(DECODER), params_of(DECODER)
    cache = model.prefill(params, prompts(PAIRS))
    with pytest.raises(ValueError, match="cache's 3 rows of 0, got 3 rows of 1; make room"):
        model.extend(params, cache, np.ones((3, 1), np.int32))
    cache = decode.reserve(cache, num_rows_per_prompt=2, length=2)
    with pytest.raises(ValueError, match="cache's 6 rows of 2, got 3 rows of 1"):
        model.extend(params, cache, np.ones((3, 1), np.int32))
