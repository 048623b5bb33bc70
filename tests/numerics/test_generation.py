"""Writing with a cache: scores, ends, stops, and the two ways to run a step."""

from __future__ import annotations

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from tiny_models import DECODER, T5, VOCAB, examples, make_batch, prompts

from flanjax.models import attention, decode
from flanjax.models.configs import AttentionConfig, EmbeddingConfig
from flanjax.models.families import make_model
from flanjax.models.generation import DecodeConfig, generate
from flanjax.models.stops import Ends, make_ends
from flanjax.models.t5 import T5Config

START, END, LENGTH = 0, 1, 6
PAIRS = [(inputs, []) for inputs, _ in examples(3, seed=7)]
IDS = {"start_id": START, "eos_id": END, "max_length": LENGTH}
UNTIED = dataclasses.replace(DECODER, embedding=EmbeddingConfig())
WINDOWS = dataclasses.replace(
    DECODER.block, attention=AttentionConfig(window=3, layer_pattern="lg")
)
FAMILIES = {
    "t5": T5,
    "decoder": UNTIED,
    "tied decoder with windows": dataclasses.replace(DECODER, block=WINDOWS),
}


@functools.cache
def params_of(config):
    return jax.jit(make_model(config).init)(jax.random.key(0))


def whole_logps(config, tokens_BT):
    """Returns log p of each written token by one forward pass without a cache."""
    model = make_model(config)
    pairs = [
        (prompt, [START, *ids[:-1]])
        for (prompt, _), ids in zip(PAIRS, tokens_BT.tolist(), strict=True)
    ]
    batch = make_batch(config, [[pair] for pair in pairs])
    logits = jax.jit(lambda p: model.unembed(p, model.hidden(p, batch)))(params_of(config))
    logp = np.asarray(jax.nn.log_softmax(logits))
    first = [0 if isinstance(config, T5Config) else len(prompt) for prompt, _ in pairs]
    return np.array(
        [
            [logp[row, first[row] + t, token] for t, token in enumerate(ids)]
            for row, ids in enumerate(tokens_BT)
        ]
    )


@pytest.mark.parametrize("config", FAMILIES.values(), ids=FAMILIES)
def test_scores_are_the_log_p_of_whole_forward_passes_up_to_the_end(config):
    model, params = make_model(config), params_of(config)
    write = jax.jit(
        lambda p, eos: generate(
            model, p, prompts(PAIRS), DecodeConfig(), start_id=START, eos_id=eos, max_length=LENGTH
        )
    )
    tokens = np.asarray(write(params, -1).tokens)[:, 0]
    end_id = int(tokens[0, 2])
    found = write(params, end_id)
    cut = np.asarray(found.tokens)[:, 0]
    is_written = np.cumsum(tokens == end_id, axis=1) - (tokens == end_id) == 0
    np.testing.assert_array_equal(cut, np.where(is_written, tokens, 0))
    assert 0 < is_written[0].sum() < LENGTH
    expected = np.sum(whole_logps(config, tokens) * is_written, axis=1)
    np.testing.assert_allclose(found.scores[:, 0], expected, rtol=0, atol=1e-4)


@pytest.mark.parametrize("config", FAMILIES.values(), ids=FAMILIES)
def test_unrolled_steps_are_those_of_stacks(config):
    model, params = make_model(config), params_of(config)
    rows_RT = jnp.asarray(np.random.default_rng(0).integers(2, VOCAB, (6, 4)))

    @functools.partial(jax.jit, static_argnames="is_unrolled")
    def steps(params, is_unrolled):
        begun = decode.begin(
            model, params, prompts(PAIRS), num_rows_per_prompt=2, start_id=START, max_length=9,
            is_unrolled=is_unrolled,
        )  # fmt: skip
        first, cache = model.extend(begun.params, begun.cache, rows_RT[:, :1])
        rest, cache = model.extend(begun.params, cache, rows_RT[:, 1:])
        hidden = jnp.concatenate([first, rest], axis=1)
        return model.unembed(begun.params, hidden), cache.length

    plain, length = steps(params, is_unrolled=False)
    fast, fast_length = steps(params, is_unrolled=True)
    np.testing.assert_allclose(fast, plain, rtol=0, atol=1e-5)
    assert length == fast_length == 4
    assert np.ptp(plain) > 1


def test_unrolled_steps_read_typed_weights_and_prefixes_of_keys():
    values = jax.random.normal(jax.random.key(5), (3, 4, 2, 6))
    plain = params_of(DECODER)
    keys = attention.PrefixKV(values, -values)
    layers = {**plain["layers"], "attention": {**plain["layers"]["attention"], "prefix_kv": keys}}
    params = {**plain, "layers": layers}
    tokens = []
    for is_unrolled in (False, True):
        begun = decode.begin(
            make_model(DECODER), params, prompts(PAIRS), num_rows_per_prompt=1, start_id=START,
            max_length=LENGTH, is_unrolled=is_unrolled,
        )  # fmt: skip
        written = decode.write(
            make_model(DECODER), begun, decode.likeliest, ends=Ends(END), max_length=LENGTH
        )
        tokens.append(np.asarray(written.tokens))
    np.testing.assert_array_equal(*tokens)
    without = generate(make_model(DECODER), plain, prompts(PAIRS), DecodeConfig(), **IDS)
    assert np.any(tokens[0] != np.asarray(without.tokens)[:, 0])


def counting_model():
    """A model that writes 2, 3, 4, ... in row 0 and one more ahead in each next row."""
    model = make_model(DECODER)
    steps = []

    def extend(params, cache, tokens_RT):
        jax.debug.callback(lambda n: steps.append(int(n)), cache.length)
        step = jnp.sum(cache.length) + 2 + jnp.arange(tokens_RT.shape[0])
        return jax.nn.one_hot(step, VOCAB)[:, None], cache._replace(length=cache.length + 1)

    return model._replace(extend=extend, unembed=lambda params, hidden: hidden * 50.0), steps


@pytest.mark.parametrize(
    ("stops", "expected", "num_steps"),
    [
        (((5,),), [[2, 3, 4, 5, 0, 0, 0], [3, 4, 5, 0, 0, 0, 0], [4, 5, 0, 0, 0, 0, 0]], 4),
        (
            ((3, 4, 5), (4,), (6, 8)),
            [[2, 3, 4, 0, 0, 0, 0], [3, 4, 0, 0, 0, 0, 0], [4, 0, 0, 0, 0, 0, 0]],
            3,
        ),
        (
            ((3, 4, 5), (6, 7)),
            [[2, 3, 4, 5, 0, 0, 0], [3, 4, 5, 0, 0, 0, 0], [4, 5, 6, 7, 0, 0, 0]],
            4,
        ),
        # Neither what was read before the first token nor a part of a stop counts.
        (
            ((START, 2), (2, 2), (4, 4, 4), (4, 5, 6, 7, 8, 9), (7, 9)),
            [[2, 3, 4, 5, 6, 7, 8], [3, 4, 5, 6, 7, 8, 9], [4, 5, 6, 7, 8, 9, 0]],
            7,
        ),
    ],
)
def test_a_row_ends_with_the_first_stop_sequence_that_it_has_written(stops, expected, num_steps):
    model, steps = counting_model()
    found = generate(
        model, params_of(DECODER), prompts(PAIRS), DecodeConfig(),
        start_id=START, eos_id=END, max_length=7, stops=stops,
    )  # fmt: skip
    jax.block_until_ready(found)
    jax.effects_barrier()
    np.testing.assert_array_equal(found.tokens[:, 0], expected)
    assert sorted(steps) == list(range(num_steps))


@pytest.mark.parametrize("stops", [((),), ((3,), (-1, 2))])
def test_stop_sequences_without_ids_are_refused(stops):
    with pytest.raises(ValueError, match=r"a stop sequence must have ids from 0 up, got \("):
        make_ends(END, stops)


def test_no_room_to_write_is_refused():
    with pytest.raises(ValueError, match="max_length must be positive, got 0"):
        decode.greedy(
            make_model(DECODER), params_of(DECODER), prompts(PAIRS),
            start_id=START, eos_id=END, max_length=0,
        )  # fmt: skip


@pytest.mark.parametrize("name", ["t5", "decoder"])
def test_greedy_answers_do_not_depend_on_their_neighbours(name):
    config = FAMILIES[name]
    write = jax.jit(
        lambda p, rows: generate(
            make_model(config), p, rows, DecodeConfig(), stops=((60, 59), (43, 163)), **IDS
        )
    )
    together = np.asarray(write(params_of(config), prompts(PAIRS)).tokens)
    for row in range(3):
        alone = write(params_of(config), prompts(PAIRS[row : row + 1])).tokens
        np.testing.assert_array_equal(together[row], alone[0])
