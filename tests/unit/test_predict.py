"""Answers as texts: cut at stops, drawn by place, compiled for few lengths."""

from __future__ import annotations

import jax
import numpy as np
import pytest

from flanjax.data.tokenize import ByteTokenizer
from flanjax.evaluation.predict import ModelPredictor
from flanjax.models.families import make_model
from flanjax.models.generation import DecodeConfig
from flanjax.parallel import MeshConfig, make_mesh
from tests.unit.beginning_tokenizer import BeginningTokenizer
from tests.unit.tiny_models import TINY_DECODER, TINY_T5

TOKENIZER = ByteTokenizer(extra_ids=0)
PROMPTS = ["a", "bcd", "efghijklmnopqrstuvwxyz", "the rain", "", "and the sea"]


@pytest.fixture(scope="module", params=["t5", "decoder"])
def model(request):
    size = {"t5": TINY_T5, "decoder": TINY_DECODER}[request.param]
    found = make_model(type(size)(**{**vars(size), "vocab_size": TOKENIZER.vocab_size}))
    # Far from zero, so that prompts matter to what is written.
    return found, jax.tree.map(lambda leaf: 4 * leaf, jax.jit(found.init)(jax.random.key(1)))


def predictor(model, *, batch_size=4, tokenizer=TOKENIZER, **how):
    return ModelPredictor(
        *model, tokenizer, max_input_length=64, max_target_length=16, batch_size=batch_size,
        mesh=make_mesh(MeshConfig(), num_devices=1), **how,
    )  # fmt: skip


def test_stop_texts_cut_answers_and_are_not_part_of_them(model):
    plain = predictor(model).generate(PROMPTS, max_length=12)
    stop = plain[2][3:5]
    found = predictor(model, stop_texts=(stop,)).generate(PROMPTS, max_length=12)
    assert found == [text.partition(stop)[0] for text in plain]
    assert found != plain


def test_a_special_token_that_is_a_stop_text_ends_answers(model):
    plain = predictor(model).generate(PROMPTS, max_length=12)
    stop = next(char for char in reversed(plain[2]) if char.isascii())

    class Chat(ByteTokenizer):
        def special_id(self, text):
            return self.encode_batch([stop])[0].tolist()[0] if text == "<turn>" else None

    chat = predictor(model, tokenizer=Chat(extra_ids=0), stop_texts=("<turn>",))
    found = chat.generate(PROMPTS, max_length=12)
    assert found == [text.partition(stop)[0] for text in plain]
    assert found != plain


def test_a_prompt_that_is_cut_loses_the_side_that_training_cuts(model):
    long = "".join(chr(33 + n % 90) for n in range(150))
    right = predictor(model)
    left = predictor(model, is_cut_left=True)
    cut = left._encode_prompts([long, "short"])
    size = right._encode_prompts([long])[0].size
    assert ByteTokenizer().decode(cut[0]) == long[-size:]
    assert ByteTokenizer().decode(cut[1]) == "short"
    assert (left.num_truncated, right.num_truncated) == (1, 1)
    begun = predictor(model, is_cut_left=True, tokenizer=BeginningTokenizer(extra_ids=0))
    ids = begun._encode_prompts([long])[0]
    assert ByteTokenizer().decode(ids) == f"^{long[1 - size :]}"


def test_a_prompt_begins_as_if_its_text_did(model):
    begun = predictor(model, tokenizer=BeginningTokenizer(extra_ids=0))
    plain, written = predictor(model), [f"^{prompt}" for prompt in PROMPTS]
    assert begun.generate(PROMPTS, max_length=5) == plain.generate(written, max_length=5)
    assert begun.generate(PROMPTS, max_length=5) != plain.generate(PROMPTS, max_length=5)
    options = [["yes", "no"]] * len(PROMPTS)
    np.testing.assert_array_equal(begun.score(PROMPTS, options), plain.score(written, options))
    for length in (62, 63, 64):
        assert begun.fits("x" * length) == plain.fits("^" + "x" * length)


def test_an_answer_ends_at_any_end_of_the_tokenizer(model):
    seen = []

    class Told(ByteTokenizer):
        def decode(self, ids):
            seen.append(list(ids))
            return ""

    def written(*end_ids):
        tokenizer = Told()
        tokenizer.end_ids = end_ids
        seen.clear()
        predictor(model, batch_size=2, tokenizer=tokenizer).generate(["a b"], max_length=9)
        return seen[0]

    whole = written()
    end = whole[4]
    stop = whole.index(end) + 1
    assert end != TOKENIZER.eos_id
    assert written(end) == whole[:stop] + [0] * (len(whole) - stop)


class SwappedTokenizer(ByteTokenizer):
    """Bytes whose "!" has the id 0, as a word of a tokenizer.json may."""

    def encode_batch(self, texts):
        return [np.where(ids == BANG, 0, ids) for ids in super().encode_batch(texts)]


BANG = ord("!") + 3


def test_a_word_of_id_0_counts_in_an_option():
    """The same words under other ids, and the table's rows to match: the same scores."""
    config = type(TINY_DECODER)(**{**vars(TINY_DECODER), "vocab_size": TOKENIZER.vocab_size})
    found = make_model(config)
    params = jax.tree.map(lambda leaf: 4 * leaf, jax.jit(found.init)(jax.random.key(1)))
    order = np.arange(config.vocab_size)
    order[[0, BANG]] = BANG, 0
    swapped = {**params, "embed": params["embed"][order]}
    if "head" in params:
        swapped["head"] = params["head"][:, order]
    options = [["yes", "yes!", "!no", "!"]] * len(PROMPTS)
    plain = predictor((found, params)).score(PROMPTS, options)
    other = predictor((found, swapped), tokenizer=SwappedTokenizer(extra_ids=0))
    np.testing.assert_allclose(other.score(PROMPTS, options), plain, rtol=1e-5)


def test_prompts_of_many_lengths_compile_few_programs(model):
    asked = predictor(model, batch_size=2)
    for length in (1, 2, 3, 5, 8, 11, 13, 14, 15):
        asked.generate(["x" * length], max_length=3)
    assert asked._write._cache_size() == 1
    for length in range(16, 40, 3):
        asked.generate(["x" * length], max_length=3)
    assert asked._write._cache_size() <= 4


def test_draws_depend_on_the_seed_and_the_place_and_not_on_the_batch(model):
    how = DecodeConfig(method="sample", num_answers=2)
    few, many = (predictor(model, batch_size=n, decode_config=how, seed=3) for n in (2, 6))
    found = few.answers(PROMPTS, max_length=5)
    again = many.answers(PROMPTS, max_length=5)
    assert [[a.text for a in both] for both in found] == [[a.text for a in both] for both in again]
    np.testing.assert_allclose(
        [[a.score for a in both] for both in found],
        [[a.score for a in both] for both in again],
        rtol=1e-2,
    )
    assert any(one.text != two.text for one, two in found)
    other = predictor(model, batch_size=6, decode_config=how, seed=4)
    assert other.generate(PROMPTS, max_length=5) != many.generate(PROMPTS, max_length=5)


def test_searched_answers_come_best_first(model):
    how = DecodeConfig(method="beam", num_beams=3, num_answers=3, length_penalty=0.0)
    found = predictor(model, decode_config=how).answers(PROMPTS, max_length=4)
    scores = np.array([[answer.score for answer in answers] for answers in found])
    assert scores.shape == (len(PROMPTS), 3)
    greedy = predictor(model).answers(PROMPTS, max_length=4)
    assert len(found[0]) > len(greedy[0]) == 1
    best = scores.max(axis=1)
    assert np.all(best >= np.array([answers[0].score for answers in greedy]) - 1e-5)
