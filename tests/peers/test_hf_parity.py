"""The same weights give the same logits and tokens as Hugging Face transformers.

Needs torch and transformers; run by itself: pytest tests/peers.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch
import transformers

from flanjax.data.batch import EncoderInput, SeqBatch
from flanjax.models import decode, positions
from flanjax.models.decoder import DecoderConfig
from flanjax.models.families import make_model
from flanjax.models.t5 import T5Config

NUM_TOKENS = 32
LENGTHS = (11, 7, 1)


def _stacked(state: dict[str, torch.Tensor], pattern: str, num_layers: int) -> np.ndarray:
    """Returns [L, in, out] from torch's [out, in], or [L, D] from vectors."""
    return np.stack([state[pattern.format(i)].numpy().T for i in range(num_layers)])


def _t5_params(state: dict[str, torch.Tensor], config: T5Config) -> dict:
    def attention_of(side: str, index: int, name: str, num_layers: int) -> dict:
        place = side + ".block.{}.layer." + f"{index}.{name}."
        return {n: _stacked(state, place + n + ".weight", num_layers) for n in "qkvo"}

    def side_of(side: str, num_layers: int) -> dict:
        last = 2 if side == "decoder" else 1
        place = side + ".block.{}.layer."
        mlp = {"gate": "wi_0", "up": "wi_1", "down": "wo"}
        layers = {
            "attention": attention_of(side, 0, "SelfAttention", num_layers),
            "attention_norm": _stacked(state, place + "0.layer_norm.weight", num_layers),
            "mlp": {
                name: _stacked(state, place + f"{last}.DenseReluDense.{theirs}.weight", num_layers)
                for name, theirs in mlp.items()
            },
            "mlp_norm": _stacked(state, place + f"{last}.layer_norm.weight", num_layers),
        }
        if side == "decoder":
            layers["cross_attention"] = attention_of(side, 1, "EncDecAttention", num_layers)
            layers["cross_attention_norm"] = _stacked(
                state, place + "1.layer_norm.weight", num_layers
            )
        table = f"{side}.block.0.layer.0.SelfAttention.relative_attention_bias.weight"
        return {
            "layers": layers,
            "norm": state[f"{side}.final_layer_norm.weight"].numpy(),
            "relative_bias": state[table].numpy(),
        }

    params = {
        "embed": state["shared.weight"].numpy(),
        "encoder": side_of("encoder", config.num_encoder_layers),
        "decoder": side_of("decoder", config.num_decoder_layers),
    }
    if not config.is_tied:
        params["head"] = state["lm_head.weight"].numpy().T
    return params


def _llama_params(state: dict[str, torch.Tensor], config: DecoderConfig) -> dict:
    def stacked(name: str) -> np.ndarray:
        return _stacked(state, "model.layers.{}." + name + ".weight", config.num_layers)

    params = {
        "embed": state["model.embed_tokens.weight"].numpy(),
        "norm": state["model.norm.weight"].numpy(),
        "layers": {
            "attention": {n: stacked(f"self_attn.{n}_proj") for n in "qkvo"},
            "attention_norm": stacked("input_layernorm"),
            "mlp": {n: stacked(f"mlp.{n}_proj") for n in ("gate", "up", "down")},
            "mlp_norm": stacked("post_attention_layernorm"),
        },
    }
    if not config.is_tied:
        params["head"] = state["lm_head.weight"].numpy().T
    return params


def _randomize(model: torch.nn.Module) -> None:
    """Gives every parameter, norms included, a value of its own."""
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            noise = torch.randn(parameter.shape, generator=generator)
            is_norm = name.endswith(("layer_norm.weight", "layernorm.weight", "norm.weight"))
            parameter.copy_(1 + 0.2 * noise if is_norm else 0.2 * noise)


def _t5_pair(is_tied: bool):
    config = T5Config(
        vocab_size=97,
        d_model=32,
        d_ff=48,
        num_heads=4,
        d_head=12,
        num_encoder_layers=2,
        num_decoder_layers=3,
        is_tied=is_tied,
        dropout_rate=0.0,
    )
    theirs = transformers.T5Config(
        vocab_size=97,
        d_model=32,
        d_kv=12,
        d_ff=48,
        num_layers=2,
        num_decoder_layers=3,
        num_heads=4,
        feed_forward_proj="gated-gelu",
        dropout_rate=0.0,
        pad_token_id=0,
        eos_token_id=1,
        decoder_start_token_id=0,
        tie_word_embeddings=is_tied,
    )
    # Told not to tie, the constructor leaves out the scaling but ties the output matrix; untying it
    # afterwards unties the two other embeddings as well, which T5 1.1 shares.
    theirs.tie_word_embeddings = is_tied
    model = transformers.T5ForConditionalGeneration(theirs).eval()
    model.set_input_embeddings(model.shared)
    _randomize(model)
    return make_model(config), _t5_params(model.state_dict(), config), model


def _llama_pair(is_tied: bool):
    config = DecoderConfig(
        vocab_size=97,
        d_model=36,
        d_ff=48,
        num_heads=6,
        num_kv_heads=2,
        d_head=8,
        num_layers=3,
        rope_theta=10_000.0,
        is_tied=is_tied,
    )
    theirs = transformers.LlamaConfig(
        vocab_size=97,
        hidden_size=36,
        intermediate_size=48,
        num_hidden_layers=3,
        num_attention_heads=6,
        num_key_value_heads=2,
        head_dim=8,
        rope_theta=10_000.0,
        rms_norm_eps=1e-5,
        tie_word_embeddings=is_tied,
        pad_token_id=0,
        bos_token_id=2,
        eos_token_id=1,
    )
    model = transformers.LlamaForCausalLM(theirs).eval()
    _randomize(model)
    return make_model(config), _llama_params(model.state_dict(), config), model


def _prompts(length: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Right-padded tokens [3, length] and their mask."""
    mask = np.arange(length) < np.minimum(np.asarray(LENGTHS), length)[:, None]
    tokens = np.random.default_rng(seed).integers(2, 97, size=mask.shape)
    return np.where(mask, tokens, 0).astype(np.int32), mask


def _encoder_input(tokens: np.ndarray, mask: np.ndarray) -> EncoderInput:
    positions = np.broadcast_to(np.arange(tokens.shape[1], dtype=np.int32), tokens.shape)
    return EncoderInput(tokens, mask.astype(np.int32), positions)


def _batch(tokens: np.ndarray, mask: np.ndarray, encoder: EncoderInput | None) -> SeqBatch:
    rows = _encoder_input(tokens, mask)
    zeros = np.zeros_like(tokens)
    return SeqBatch(
        tokens, zeros, zeros, rows.segments, rows.positions, zeros.astype(bool), encoder
    )


def _logits(model, params, batch) -> np.ndarray:
    return np.asarray(jax.jit(lambda p: model.unembed(p, model.hidden(p, batch)))(params))


@pytest.mark.parametrize("is_tied", [False, True])
def test_t5_logits_are_those_of_transformers(is_tied):
    model, params, theirs = _t5_pair(is_tied)
    inputs, input_mask = _prompts(11, 1)
    targets, target_mask = _prompts(9, 2)
    ours = _logits(model, params, _batch(targets, target_mask, _encoder_input(inputs, input_mask)))
    with torch.no_grad():
        expected = theirs(
            input_ids=torch.tensor(inputs).long(),
            attention_mask=torch.tensor(input_mask).long(),
            decoder_input_ids=torch.tensor(targets).long(),
        ).logits.numpy()
    assert np.abs(expected[target_mask]).max() > 0.5
    np.testing.assert_allclose(ours[target_mask], expected[target_mask], rtol=0, atol=1e-4)


@pytest.mark.parametrize("is_tied", [False, True])
def test_llama_logits_are_those_of_transformers(is_tied):
    model, params, theirs = _llama_pair(is_tied)
    tokens, mask = _prompts(11, 3)
    ours = _logits(model, params, _batch(tokens, mask, None))
    with torch.no_grad():
        expected = theirs(
            input_ids=torch.tensor(tokens).long(), attention_mask=torch.tensor(mask).long()
        ).logits.numpy()
    assert np.abs(expected[mask]).max() > 1
    np.testing.assert_allclose(ours[mask], expected[mask], rtol=0, atol=1e-4)


@pytest.mark.parametrize("is_tied", [False, True])
def test_t5_greedy_tokens_are_those_of_transformers(is_tied):
    model, params, theirs = _t5_pair(is_tied)
    inputs, mask = _prompts(11, 4)
    ours = decode.greedy(
        model,
        params,
        _encoder_input(inputs, mask),
        start_id=model.start_id,
        eos_id=1,
        max_length=NUM_TOKENS,
    )
    with torch.no_grad():
        expected = theirs.generate(
            input_ids=torch.tensor(inputs).long(),
            attention_mask=torch.tensor(mask).long(),
            max_new_tokens=NUM_TOKENS,
            do_sample=False,
            use_cache=False,  # theirs holds num_layers entries, not num_decoder_layers
        ).numpy()[:, 1:]
    expected = np.pad(expected, ((0, 0), (0, NUM_TOKENS - expected.shape[1])))
    np.testing.assert_array_equal(np.asarray(ours), expected)


@pytest.mark.parametrize("is_tied", [False, True])
def test_llama_greedy_tokens_are_those_of_transformers(is_tied):
    """The start token ends the prompt on their side, whose padding is left."""
    model, params, theirs = _llama_pair(is_tied)
    inputs, mask = _prompts(11, 5)
    ours = decode.greedy(
        model, params, _encoder_input(inputs, mask), start_id=2, eos_id=1, max_length=NUM_TOKENS
    )
    for row, length in enumerate(LENGTHS):
        prompt = torch.tensor([[*inputs[row, :length], 2]]).long()
        with torch.no_grad():
            expected = theirs.generate(
                input_ids=prompt,
                attention_mask=torch.ones_like(prompt),
                max_new_tokens=NUM_TOKENS,
                do_sample=False,
            ).numpy()[0, length + 1 :]
        expected = np.pad(expected, (0, NUM_TOKENS - len(expected)))
        np.testing.assert_array_equal(np.asarray(ours)[row], expected)


@pytest.mark.parametrize("is_bidirectional", [False, True])
@pytest.mark.parametrize(("num_buckets", "max_distance"), [(32, 128), (32, 20), (8, 16), (64, 500)])
def test_relative_buckets_are_those_of_transformers(is_bidirectional, num_buckets, max_distance):
    offsets = np.arange(-1000, 1001)
    t5_attention = transformers.models.t5.modeling_t5.T5Attention
    expected = t5_attention._relative_position_bucket(
        torch.tensor(offsets),
        bidirectional=is_bidirectional,
        num_buckets=num_buckets,
        max_distance=max_distance,
    ).numpy()
    ours = positions.relative_buckets(
        jnp.asarray(offsets),
        is_bidirectional=is_bidirectional,
        num_buckets=num_buckets,
        max_distance=max_distance,
    )
    np.testing.assert_array_equal(np.asarray(ours), expected)
