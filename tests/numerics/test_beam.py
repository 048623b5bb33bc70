"""Beam search against every sequence there is, and against one in plain Python."""

from __future__ import annotations

import dataclasses
import functools
import itertools
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from tiny_models import DECODER, T5, make_batch, prompts

from flanjax.models.beam import length_penalty
from flanjax.models.configs import EmbeddingConfig
from flanjax.models.families import make_model
from flanjax.models.generation import DecodeConfig, generate
from flanjax.models.t5 import T5Config

START, END = 0, 1
SMALL = {
    "t5": dataclasses.replace(T5, vocab_size=4),
    "decoder": dataclasses.replace(DECODER, vocab_size=4, embedding=EmbeddingConfig()),
}
PAIRS = [([2, 3, 3], []), ([3], [])]


def every_answer(length):
    """Returns all sequences of ids 0 to 3 that end with 1 within a length."""
    return [
        (*ids, END)
        for n in range(length)
        for ids in itertools.product([0, 2, 3], repeat=n)
    ]  # fmt: skip


def sequence_logps(config, params, prompt, answers):
    """Returns log p of each answer by whole forward passes."""
    model = make_model(config)
    width = max(map(len, answers))
    read = [[START, *ids[:-1], *[0] * (width - len(ids))] for ids in answers]
    batch = make_batch(config, [[(prompt, row)] for row in read])
    logits = jax.jit(lambda p: model.unembed(p, model.hidden(p, batch)))(params)
    first = 0 if isinstance(config, T5Config) else len(prompt)
    logp = np.asarray(jax.nn.log_softmax(logits))[:, first:]
    return np.array(
        [sum(logp[n, t, i] for t, i in enumerate(ids)) for n, ids in enumerate(answers)]
    )


@pytest.mark.parametrize(("name", "alpha"), [("t5", 0.6), ("decoder", 2.0)])
def test_beams_for_all_sequences_find_them_in_the_order_of_their_scores(name, alpha):
    config, length = SMALL[name], 4
    params = jax.jit(make_model(config).init)(jax.random.key(3))
    answers = every_answer(length)
    num_beams = 2 * 3 ** (length - 1)  # 27 live to the last step; twice the beams are looked at
    how = DecodeConfig(
        method="beam", num_beams=num_beams, num_answers=len(answers), length_penalty=alpha
    )
    ids = {"start_id": START, "eos_id": END, "max_length": length}
    search = jax.jit(lambda p: generate(make_model(config), p, prompts(PAIRS), how, **ids))
    found = search(params)
    for row, (prompt, _) in enumerate(PAIRS):
        logps = sequence_logps(config, params, prompt, answers)
        scores = logps / np.array([((5 + len(ids)) / 6) ** alpha for ids in answers])
        order = np.argsort(-scores)
        assert np.min(-np.diff(scores[order])) > 1e-5
        np.testing.assert_allclose(found.scores[row], scores[order], rtol=0, atol=1e-4)
        expected = [[*answers[n], *[0] * (length - len(answers[n]))] for n in order]
        np.testing.assert_array_equal(found.tokens[row], expected)
    assert np.any(np.asarray(found.tokens[0]) != np.asarray(found.tokens[1]))


def test_the_length_penalty_is_that_of_wu_et_al():
    assert length_penalty(1, 0.6) == 1.0
    np.testing.assert_allclose(length_penalty(7, 1.0), 2.0, rtol=1e-6)
    np.testing.assert_allclose(length_penalty(19, 0.5), 2.0, rtol=1e-6)
    assert length_penalty(50, 0.0) == 1.0


VOCAB = 6


def markov_model(table_VV):
    """A model whose next logits depend on the last token alone."""
    model = make_model(dataclasses.replace(DECODER, vocab_size=VOCAB))

    def extend(params, cache, tokens_RT):
        return jnp.asarray(table_VV)[tokens_RT], cache._replace(length=cache.length + 1)

    return model._replace(extend=extend, unembed=lambda params, hidden: hidden)


@functools.cache
def markov_params():
    return make_model(dataclasses.replace(DECODER, vocab_size=VOCAB)).init(jax.random.key(0))


def plain_search(table_VV, *, num_beams, alpha, length, stops=()):
    """Searches as the papers tell it, over lists; also returns the steps it took."""
    logp_VV = table_VV - np.log(np.sum(np.exp(table_VV), axis=1, keepdims=True))
    alive, ended = [(0.0, ())], []
    for step in range(length):  # noqa: B007
        grown = [
            (logp + logp_VV[(START, *ids)[-1], token], (*ids, token))
            for logp, ids in alive
            for token in range(VOCAB)
        ]
        is_end = lambda ids: any(ids[-len(stop) :] == stop for stop in [(END,), *stops])  # noqa: E731
        divided = [(logp / ((5 + len(ids)) / 6) ** alpha, ids) for logp, ids in grown]
        # Only the candidates of the first so many count.
        num_endings = len({END, *(stop[-1] for stop in stops)})
        kept = sorted(range(len(grown)), key=lambda n: -grown[n][0])
        kept = kept[: num_beams * (1 + num_endings)]
        ended += [divided[n] for n in kept if is_end(grown[n][1])]
        ended = sorted(ended, key=lambda pair: -pair[0])[:num_beams]
        alive = [grown[n] for n in kept if not is_end(grown[n][1])][:num_beams]
        bound = alive[0][0] / ((5 + length) / 6) ** alpha
        if len(ended) == num_beams and ended[-1][0] >= bound:
            break
    late = [(logp / ((5 + length) / 6) ** alpha, ids) for logp, ids in alive]
    return (ended + late)[:num_beams], step + 1


@pytest.mark.parametrize(("num_beams", "alpha"), [(1, 0.6), (2, 0.0), (4, 0.6), (4, 2.0)])
def test_narrow_searches_are_those_of_plain_python(num_beams, alpha):
    length, stops = 7, ((2, 2), (4,), (3, 5, 3))
    how = DecodeConfig(
        method="beam", num_beams=num_beams, num_answers=num_beams, length_penalty=alpha
    )

    params = markov_params()

    @jax.jit
    def search(table_VV):
        return generate(
            markov_model(table_VV), params, prompts(PAIRS), how,
            start_id=START, eos_id=END, max_length=length, stops=stops,
        )  # fmt: skip

    kinds = set()
    for seed in range(12):
        table_VV = np.random.default_rng(seed).normal(0, 2, (VOCAB, VOCAB)).astype(np.float32)
        table_VV[:, [END, 4]] -= 4 * (seed % 3)
        table_VV[2, 2] += 4 * (seed % 2)
        found = search(table_VV)
        expected, _ = plain_search(
            table_VV, num_beams=num_beams, alpha=alpha, length=length, stops=stops
        )
        for row in range(2):
            np.testing.assert_allclose(
                found.scores[row], [score for score, _ in expected], rtol=0, atol=1e-5
            )
            np.testing.assert_array_equal(
                found.tokens[row], [[*ids, *[0] * (length - len(ids))] for _, ids in expected]
            )
        kinds |= {(len(ids) == length, ids[-1]) for _, ids in expected}
    assert {(False, END), (False, 4), (False, 2)} <= kinds
    assert any(is_whole for is_whole, _ in kinds)


def steps_of(table_VV, **settings):
    """Returns the steps that a search takes, by counting calls of the model."""
    lengths = []
    model = markov_model(table_VV)

    def extend(params, cache, tokens_RT):
        jax.debug.callback(lambda n: lengths.append(int(n)), cache.length)
        return model.extend(params, cache, tokens_RT)

    how = DecodeConfig(
        method="beam", num_beams=settings["num_beams"], length_penalty=settings["alpha"]
    )
    found = generate(
        model._replace(extend=extend), markov_params(), prompts(PAIRS), how,
        start_id=START, eos_id=END, max_length=settings["length"],
    )  # fmt: skip
    jax.block_until_ready(found)
    jax.effects_barrier()
    assert sorted(lengths) == list(range(len(lengths)))
    return len(lengths)


@pytest.mark.parametrize(("alpha", "num_steps"), [(0.0, 2), (0.6, 4), (4.0, 40)])
def test_a_search_stops_when_nothing_alive_can_beat_the_worst_that_has_ended(alpha, num_steps):
    """Each token ends with p = 0.9; a high alpha promises more to longer answers.

    At 0.6 the worse of two ended scores log(0.02 * 0.9) / (7 / 6) ** 0.6 = -3.66, and what lives
    after n steps at most n log(0.02) / 7.5 ** 0.6 = -1.17 n: -3.50 after three, -4.67 after four.
    """
    table_VV = np.full((VOCAB, VOCAB), math.log(0.02), np.float32)
    table_VV[:, END] = math.log(0.9)
    settings = {"num_beams": 2, "alpha": alpha, "length": 40}
    assert steps_of(table_VV, **settings) == num_steps == plain_search(table_VV, **settings)[1]


@pytest.mark.parametrize("name", SMALL)
def test_what_a_prompt_finds_does_not_depend_on_its_neighbours(name):
    config = SMALL[name]
    params = jax.jit(make_model(config).init)(jax.random.key(5))
    how = DecodeConfig(method="beam", num_beams=3, num_answers=3)
    ids = {"start_id": START, "eos_id": END, "max_length": 9}
    search = jax.jit(lambda p, rows: generate(make_model(config), p, rows, how, **ids))
    together = search(params, prompts(PAIRS))
    for row in range(2):
        alone = search(params, prompts(PAIRS[row : row + 1]))
        np.testing.assert_array_equal(together.tokens[row], alone.tokens[0])
        np.testing.assert_allclose(together.scores[row], alone.scores[0], rtol=0, atol=1e-5)


def test_where_there_are_fewer_sequences_than_beams_the_rest_scores_minus_infinity():
    how = DecodeConfig(method="beam", num_beams=9, num_answers=9)
    table_VV = np.zeros((VOCAB, VOCAB), np.float32)
    found = generate(
        markov_model(table_VV), markov_params(), prompts(PAIRS), how,
        start_id=START, eos_id=END, max_length=1,
    )  # fmt: skip
    assert np.isfinite(found.scores).sum(axis=1).tolist() == [VOCAB] * 2
    assert sorted(found.tokens[0, :VOCAB, 0].tolist()) == list(range(VOCAB))
    assert found.tokens[0, 0, 0] == END
