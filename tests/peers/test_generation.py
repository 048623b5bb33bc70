"""Answers of transformers' `generate`, and masks of its logits warpers.

Needs torch and transformers; run by itself: pytest tests/peers.
"""

from __future__ import annotations

import hf_models
import jax
import numpy as np
import pytest
import torch
import transformers
from hf_models import VOCAB
from test_hf_families import LENGTHS, START, encoder_input, make_pair, rows

from flanjax.interop.hf import checkpoint
from flanjax.models import sampling
from flanjax.models.generation import DecodeConfig, generate

LENGTH = 12
END = 1


END_FACTORS = {"t5 1.1": 3, "llama 3": 6}
"""How much likelier answers end than in a random model, so that most do."""


def make(name, factor, folder):
    # Its cache counts the encoder's layers, so both sides have as many.
    depth = {"num_decoder_layers": 2} if name.startswith("t5") else {}
    theirs = hf_models.make(name, **depth)
    with torch.no_grad():
        theirs.get_output_embeddings().weight[END] *= factor
    return make_pair(theirs, checkpoint.open_checkpoint(hf_models.save(theirs, folder)))


def their_answers(pair, prompt, **how):
    """Returns the tokens that transformers writes after one prompt, and their scores."""
    asked = prompt if pair.is_encoder_decoder else np.append(prompt, START)
    with torch.no_grad():
        found = pair.theirs.generate(
            torch.tensor(asked[None]).long(),
            attention_mask=torch.ones(1, len(asked), dtype=torch.long),
            max_new_tokens=LENGTH,
            pad_token_id=0,
            return_dict_in_generate=True,
            output_scores=True,
            **how,
        )
    first = 1 if pair.is_encoder_decoder else len(asked)
    tokens = found.sequences.numpy()[:, first:]
    tokens = np.pad(tokens, [(0, 0), (0, LENGTH - tokens.shape[1])])
    is_after = np.cumsum(tokens == END, axis=1) - (tokens == END) > 0  # it fills up with the end id
    return np.where(is_after, 0, tokens), found


def our_answers(pair, how):
    tokens, mask = rows(11, 5)
    start = pair.model.start_id if pair.is_encoder_decoder else START
    write = jax.jit(
        lambda p: generate(
            pair.model, p, encoder_input(tokens, mask), how,
            start_id=start, eos_id=END, max_length=LENGTH,
        )
    )  # fmt: skip
    found = write(pair.params)
    return [tokens[row, mask[row]] for row in range(len(LENGTHS))], found


@pytest.mark.parametrize("name", END_FACTORS)
def test_greedy_answers_are_those_of_transformers(name, tmp_path):
    pair = make(name, 1, tmp_path / "model")
    prompts, ours = our_answers(pair, DecodeConfig())
    for row, prompt in enumerate(prompts):
        theirs, _ = their_answers(pair, prompt, do_sample=False, num_beams=1)
        np.testing.assert_array_equal(ours.tokens[row], theirs)
    assert len(np.unique(ours.tokens)) > 3


@pytest.mark.parametrize("num_beams", [2, 5])
@pytest.mark.parametrize("name", END_FACTORS)
def test_searched_answers_without_a_penalty_are_those_of_transformers(name, num_beams, tmp_path):
    """With a penalty they differ: transformers divides by length ** penalty.

    So they do where its answers have not all ended, as it takes the better of both kinds, and
    where an end is among the 2 K likeliest candidates and not the K, as it passes those over.
    """
    pair = make(name, END_FACTORS[name], tmp_path / "model")
    how = DecodeConfig(
        method="beam", num_beams=num_beams, num_answers=num_beams, length_penalty=0.0
    )
    prompts, ours = our_answers(pair, how)
    num_compared = 0
    for row, prompt in enumerate(prompts):
        theirs, found = their_answers(
            pair, prompt, do_sample=False, num_beams=num_beams, num_return_sequences=num_beams,
            length_penalty=0.0, early_stopping=False,
        )  # fmt: skip
        if not np.all(np.any(theirs == END, axis=1)):
            continue
        np.testing.assert_array_equal(ours.tokens[row], theirs)
        np.testing.assert_allclose(
            ours.scores[row], found.sequences_scores.numpy(), rtol=0, atol=1e-4
        )
        num_compared += 1
    assert num_compared >= 2


@pytest.mark.parametrize(
    ("temperature", "top_k", "top_p"),
    [(1.0, 0, 0.3), (1.0, 0, 0.95), (0.5, 7, 1.0), (1.7, 20, 0.6), (0.3, 500, 0.999)],
)
def test_what_is_drawn_from_is_what_transformers_draws_from(temperature, top_k, top_p):
    logits = np.random.default_rng(0).normal(0, 3, (5, VOCAB)).astype(np.float32)
    theirs = torch.tensor(logits)
    warpers = [transformers.TemperatureLogitsWarper(temperature)]
    warpers += [transformers.TopKLogitsWarper(top_k)] if top_k else []
    warpers += [transformers.TopPLogitsWarper(top_p)] if top_p < 1 else []
    for warper in warpers:
        theirs = warper(None, theirs)
    ours = np.asarray(sampling.warp(logits, temperature=temperature, top_k=top_k, top_p=top_p))
    np.testing.assert_array_equal(np.isfinite(ours), np.isfinite(theirs.numpy()))
    np.testing.assert_allclose(ours, theirs.numpy(), rtol=1e-6)
    assert np.isfinite(ours).sum(axis=1).min() >= 1
