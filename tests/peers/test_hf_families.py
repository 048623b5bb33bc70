"""Every family: logits and tokens as transformers', tensors back bit for bit.

Needs torch and transformers; run by itself: pytest tests/peers.
"""

from __future__ import annotations

import dataclasses
import json
import pathlib
import tempfile
from typing import Any, NamedTuple

import hf_models
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
import torch
import transformers
from hf_models import VOCAB

from flanjax.base import path_name
from flanjax.data.batch import EncoderInput, SeqBatch
from flanjax.interop.hf import checkpoint, families
from flanjax.interop.places import StoredArray, everything, named_shapes
from flanjax.models import decode
from flanjax.models.api import Model
from flanjax.models.families import make_model
from flanjax.models.t5 import T5Config

NUM_TOKENS = 64
LENGTHS = (19, 7, 1)
START = 2


class Pair(NamedTuple):
    """One model on both sides."""

    theirs: Any
    folder: pathlib.Path
    read: checkpoint.HfCheckpoint
    model: Model
    arrays: dict[str, StoredArray]
    params: Any

    @property
    def is_encoder_decoder(self) -> bool:
        return isinstance(self.read.config, T5Config)


def make_pair(theirs, read):
    model = make_model(read.config)
    like = jax.eval_shape(model.init, jax.random.key(0))
    arrays = checkpoint.our_arrays(read, named_shapes(like))
    params = jax.tree_util.tree_map_with_path(
        lambda path, leaf: arrays[path_name(path)].read(everything(leaf.shape)), like
    )
    return Pair(theirs, read.folder, read, model, arrays, params)


@pytest.fixture(scope="module", params=list(hf_models.CONFIGS))
def pair(request, tmp_path_factory):
    theirs = hf_models.make(request.param)
    folder = hf_models.save(theirs, tmp_path_factory.mktemp("hf") / "model")
    return make_pair(theirs, checkpoint.open_checkpoint(folder))


def rows(length, seed):
    """Right-padded tokens [3, length] and their mask."""
    mask = np.arange(length) < np.minimum(np.asarray(LENGTHS), length)[:, None]
    tokens = np.random.default_rng(seed).integers(3, VOCAB, size=mask.shape)
    return np.where(mask, tokens, 0).astype(np.int32), mask


def encoder_input(tokens, mask):
    positions = np.broadcast_to(np.arange(tokens.shape[1], dtype=np.int32), tokens.shape)
    return EncoderInput(tokens, mask.astype(np.int32), positions)


def their_logits(pair, tokens, mask, inputs=None):
    """Returns transformers' logits of decoder tokens, after encoder inputs if any."""
    arguments = {"input_ids": tokens, "attention_mask": mask}
    if inputs is not None:
        arguments = {"input_ids": inputs[0], "attention_mask": inputs[1]}
        arguments |= {"decoder_input_ids": tokens}
    with torch.no_grad():
        found = pair.theirs(**{k: torch.tensor(v).long() for k, v in arguments.items()})
    return found.logits.numpy()


def our_logits(pair, batch):
    return np.asarray(
        jax.jit(lambda p: pair.model.unembed(p, pair.model.hidden(p, batch)))(pair.params)
    )


def batch_of(tokens, segments, positions, encoder):
    zeros = np.zeros_like(tokens)
    return SeqBatch(tokens, zeros, zeros, segments, positions, zeros.astype(bool), encoder)


def test_logits_are_those_of_transformers(pair):
    tokens, mask = rows(19, 1)
    inputs = rows(23, 2) if pair.is_encoder_decoder else None
    own = encoder_input(tokens, mask)
    encoder = encoder_input(*inputs) if inputs else None
    ours = our_logits(pair, batch_of(tokens, own.segments, own.positions, encoder))
    expected = their_logits(pair, tokens, mask, inputs)
    assert np.abs(expected[mask]).max() > 0.5
    np.testing.assert_allclose(ours[mask], expected[mask], rtol=0, atol=1e-4)


def test_long_contexts_have_the_long_factors_of_transformers():
    """transformers takes them where an input exceeds the length of pre-training."""
    theirs = hf_models.make(
        "phi 4 mini", original_max_position_embeddings=16, max_position_embeddings=64
    )
    with tempfile.TemporaryDirectory() as folder:
        read = checkpoint.open_checkpoint(hf_models.save(theirs, pathlib.Path(folder) / "m"))
        long = dataclasses.replace(read.config.positions, uses_long=True)
        assert (long.original_length, long.factor) == (16, 4.0)
        config = dataclasses.replace(read.config, positions=long)
        found, short = (make_pair(theirs, read._replace(config=c)) for c in (config, read.config))
    tokens, mask = (entry[:1] for entry in rows(19, 8))
    own = encoder_input(tokens, mask)
    ours = our_logits(found, batch_of(tokens, own.segments, own.positions, None))
    expected = their_logits(found, tokens, mask)
    np.testing.assert_allclose(ours, expected, rtol=0, atol=1e-4)
    with_short = our_logits(short, batch_of(tokens, own.segments, own.positions, None))
    assert np.abs(with_short - ours).max() > 0.01


def pack(parts):
    """Lays sequences end to end in one row: tokens, segments, positions [1, T]."""
    tokens = np.concatenate(parts)[None]
    segments = np.concatenate([np.full(len(p), n) for n, p in enumerate(parts, start=1)])[None]
    positions = np.concatenate([np.arange(len(p)) for p in parts])[None]
    return tokens, segments.astype(np.int32), positions.astype(np.int32)


def test_packed_logits_are_those_of_transformers_alone(pair):
    tokens, mask = rows(19, 3)
    inputs, input_mask = rows(23, 4)
    parts = [row[keep] for row, keep in zip(tokens, mask, strict=True)]
    before = [row[keep] for row, keep in zip(inputs, input_mask, strict=True)]
    encoder = EncoderInput(*pack(before)) if pair.is_encoder_decoder else None
    ours = our_logits(pair, batch_of(*pack(parts), encoder))[0]
    ends = np.cumsum([len(part) for part in parts])
    for part, prompt, end in zip(parts, before, ends, strict=True):
        one, given = part[None], prompt[None]
        context = (given, np.ones_like(given)) if pair.is_encoder_decoder else None
        expected = their_logits(pair, one, np.ones_like(one), context)[0]
        np.testing.assert_allclose(ours[end - len(part) : end], expected, rtol=0, atol=1e-4)


def test_greedy_tokens_are_those_of_transformers(pair):
    """A causal prompt is followed by the start token, on their side as its last token."""
    tokens, mask = rows(11, 5)
    start = pair.model.start_id if pair.is_encoder_decoder else START
    ours = np.asarray(
        decode.greedy(
            pair.model,
            pair.params,
            encoder_input(tokens, mask),
            start_id=start,
            eos_id=1,
            max_length=NUM_TOKENS,
        )
    )
    for row in range(len(LENGTHS)):
        prompt = tokens[row, mask[row]]
        theirs = greedy(pair, prompt, start)
        np.testing.assert_array_equal(ours[row], theirs)


def greedy(pair, prompt, start):
    """Returns transformers' likeliest tokens, step by step without its cache."""
    written = [start]
    for _ in range(NUM_TOKENS):
        if pair.is_encoder_decoder:
            context = (prompt[None], np.ones_like(prompt)[None])
            tokens = np.asarray([written])
        else:
            context, tokens = None, np.concatenate([prompt, written])[None]
        logits = their_logits(pair, tokens, np.ones_like(tokens), context)
        written.append(int(logits[0, -1].argmax()))
        if written[-1] == 1:
            break
    return np.pad(written[1:], (0, NUM_TOKENS + 1 - len(written)))


def after_a_step_of_size_zero(pair):
    """Returns the parameters as they are after an optimizer that moves nothing."""
    params = jax.tree.map(jnp.asarray, pair.params)
    tx = optax.adamw(0.0)
    updates, _ = tx.update(jax.tree.map(jnp.ones_like, params), tx.init(params), params)
    moved = jax.tree_util.tree_leaves_with_path(optax.apply_updates(params, updates))
    values = {path_name(path): np.asarray(leaf) for path, leaf in moved}
    return {k: StoredArray(v.shape, v.dtype, v.__getitem__) for k, v in values.items()}


def test_tensors_come_back_bit_for_bit_and_load(pair, tmp_path):
    out = tmp_path / "out"
    checkpoint.write_checkpoint(
        out,
        pair.read.family.model_type,
        pair.read.config,
        after_a_step_of_size_zero(pair),
        dtype=np.dtype(np.float32),
        base=pair.read.raw,
    )
    before, after = (checkpoint.open_checkpoint(f).arrays for f in (pair.folder, out))
    assert set(before) == set(after)
    for name, array in before.items():
        index = everything(array.shape)
        assert array.read(index).tobytes() == after[name].read(index).tobytes(), name
    again, report = type(pair.theirs).from_pretrained(out, output_loading_info=True)
    assert {name: found for name, found in report.items() if found} == {}
    tokens, mask = rows(19, 6)
    inputs = rows(23, 7) if pair.is_encoder_decoder else None
    expected = their_logits(pair, tokens, mask, inputs)
    found = their_logits(pair._replace(theirs=again.eval()), tokens, mask, inputs)
    np.testing.assert_allclose(found[mask], expected[mask], rtol=0, atol=1e-4)


def test_the_config_that_is_written_is_the_config_that_was_read(pair, tmp_path):
    out = tmp_path / "out"
    checkpoint.write_checkpoint(
        out,
        pair.read.family.model_type,
        pair.read.config,
        pair.arrays,
        dtype=np.dtype(np.float32),
    )
    assert checkpoint.open_checkpoint(out).config == pair.read.config
    assert transformers.AutoConfig.from_pretrained(out).model_type == pair.read.family.model_type


SIZES = {
    "vocab_size": 96, "hidden_size": 512, "intermediate_size": 48, "num_attention_heads": 32,
    "num_hidden_layers": 3,
}  # fmt: skip


@pytest.mark.parametrize(
    "model_type",
    ["llama", "mistral", "qwen2", "qwen3", "gemma2", "gemma3_text", "olmo2", "phi3", "gpt_neox"],
)
def test_a_key_that_is_absent_means_what_it_means_to_transformers(model_type):
    theirs = transformers.AutoConfig.for_model(model_type, **SIZES)
    whole = json.loads(theirs.to_json_string(use_diff=False))
    absent = {"model_type": model_type, **SIZES}
    assert families.read_config(absent, "absent") == families.read_config(whole, "whole")
