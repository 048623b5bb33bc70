"""T5 1.1: an encoder-decoder with relative position biases."""

from __future__ import annotations

import dataclasses
import functools
from typing import Literal

import jax
import jax.numpy as jnp
from flax import nnx

from flanjax.base import Key, Params
from flanjax.data.batch import EncoderInput, SeqBatch
from flanjax.models import attention, kernels, layers
from flanjax.models.api import Cache, Model
from flanjax.models.attention import Attention, KeyValues
from flanjax.models.block import Block, Cross, empty_cache, extend_stack, new_rows, run_stack

_NORM_EPS = 1e-6
_START_ID = 0
"""T5's decoder starts from the padding id."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class T5Config:
    """The size of a T5 1.1 model (defaults: T5 1.1 small).

    Attributes:
      vocab_size: Rows of the embedding.
      d_model: Width of the residual stream.
      d_ff: Width of the gated MLP.
      num_heads: Attention heads.
      d_head: Channels of a head.
      num_encoder_layers: Encoder blocks.
      num_decoder_layers: Decoder blocks.
      num_buckets: Buckets of relative position.
      max_distance: Positions farther apart share the last bucket.
      is_tied: Whether the output matrix is the embedding (T5 1.0).
      dropout_rate: Dropout on embeddings, attention, MLP and residuals.
      dtype: Compute type; parameters are float32.
      scan_layers: Whether layers run in one compiled loop; the layout of
        parameters is the same either way.
      remat: "none" keeps activations; "full" recomputes each layer.
    """

    vocab_size: int = 32_128
    d_model: int = 512
    d_ff: int = 1024
    num_heads: int = 6
    d_head: int = 64
    num_encoder_layers: int = 8
    num_decoder_layers: int = 8
    num_buckets: int = 32
    max_distance: int = 128
    is_tied: bool = False
    dropout_rate: float = 0.1
    dtype: Literal["float32", "bfloat16"] = "float32"
    scan_layers: bool = True
    remat: Literal["none", "full"] = "none"

    def __post_init__(self) -> None:
        layers.check_config(self)
        if self.num_buckets < 4 or self.num_buckets % 2:
            raise ValueError(
                f"T5Config num_buckets must be even and at least 4, got {self.num_buckets}; "
                "T5 uses 32."
            )
        if self.max_distance <= self.num_buckets // 2:
            raise ValueError(
                f"T5Config max_distance must exceed half of num_buckets, got {self.max_distance} "
                f"for {self.num_buckets}; T5 uses 128."
            )


def make_model(config: T5Config) -> Model:
    """Returns a T5 1.1 model.

    Parameters (layers are stacked on axis 0):
      embed [V, D], head [D, V] unless tied,
      encoder and decoder: relative_bias [buckets, H], norm [D], layers.

    Source: Raffel et al. 2020, section 2.1, and the T5 1.1 checkpoints: gated
    GELU in place of ReLU, and an output matrix of its own. Initial values are
    those of Mesh TensorFlow, but for the output matrix: d_model ** -0.5.
    """
    stacks = _stacks(config)
    ends = functools.partial(_Ends, config)

    def init(key: Key) -> Params:
        keys = layers.split_key(key, 3)
        params = layers.init_module(ends, keys[0])
        for side, side_key in zip(stacks, keys[1:], strict=True):
            params[side]["layers"] = stacks[side].init(side_key)
        return params

    axes = layers.module_axes(ends)
    for side, stack in stacks.items():
        axes[side]["layers"] = stack.axes()
    return Model(
        config=config,
        init=init,
        axes=axes,
        hidden=functools.partial(_hidden, config, stacks),
        unembed=functools.partial(_unembed, config),
        prefill=functools.partial(_prefill, config, stacks),
        extend=functools.partial(_extend, config, stacks),
        start_id=_START_ID,
    )


def _stacks(config: T5Config) -> dict[str, layers.Stack]:
    def stack(num_layers: int, *, has_cross: bool) -> layers.Stack:
        return layers.Stack(
            make_block=functools.partial(_make_block, config, has_cross),
            num_layers=num_layers,
            is_scanned=config.scan_layers,
            is_rematerialized=config.remat == "full",
        )

    return {
        "encoder": stack(config.num_encoder_layers, has_cross=False),
        "decoder": stack(config.num_decoder_layers, has_cross=True),
    }


class _Side(nnx.Module):
    """What a stack has beside its layers."""

    def __init__(self, config: T5Config, rngs: nnx.Rngs) -> None:
        shape, std = (config.num_buckets, config.num_heads), config.d_model**-0.5
        self.relative_bias = layers.normal_param(rngs, shape, ("buckets", "heads"), std=std)
        self.norm = layers.norm_param(config.d_model)


class _Ends(nnx.Module):
    """Everything but the layers."""

    def __init__(self, config: T5Config, rngs: nnx.Rngs) -> None:
        shape = (config.vocab_size, config.d_model)
        self.embed = layers.normal_param(rngs, shape, ("vocab", "embed"), std=1.0)
        self.encoder = _Side(config, rngs)
        self.decoder = _Side(config, rngs)
        if not config.is_tied:
            std = config.d_model**-0.5
            self.head = layers.normal_param(rngs, shape[::-1], ("embed", "vocab"), std=std)


def _make_block(config: T5Config, has_cross: bool, rngs: nnx.Rngs) -> Block:
    return Block(
        attention=_make_attention(config, rngs),
        cross_attention=_make_attention(config, rngs) if has_cross else None,
        mlp=layers.GatedMLP(
            d_model=config.d_model,
            d_ff=config.d_ff,
            activation=functools.partial(jax.nn.gelu, approximate=True),
            dropout_rate=config.dropout_rate,
            in_std=config.d_model**-0.5,
            out_std=config.d_ff**-0.5,
            rngs=rngs,
        ),
        d_model=config.d_model,
        norm_eps=_NORM_EPS,
        dropout_rate=config.dropout_rate,
    )


def _make_attention(config: T5Config, rngs: nnx.Rngs) -> Attention:
    """T5 leaves its logits unscaled; small initial queries do that work."""
    return Attention(
        d_model=config.d_model,
        num_heads=config.num_heads,
        num_kv_heads=config.num_heads,
        d_head=config.d_head,
        scale=1.0,
        dropout_rate=config.dropout_rate,
        q_std=(config.d_model * config.d_head) ** -0.5,
        kv_std=config.d_model**-0.5,
        out_std=(config.num_heads * config.d_head) ** -0.5,
        rngs=rngs,
    )


def _hidden(
    config: T5Config,
    stacks: dict[str, layers.Stack],
    params: Params,
    batch: SeqBatch,
    *,
    key: Key | None = None,
) -> jax.Array:
    if batch.encoder is None:
        raise ValueError("a T5 batch must have encoder inputs, got None; pack it with prompts.")
    encoder_key, decoder_key = layers.split_key(key, 2)
    encoded_BSD = _encode(config, stacks, params, batch.encoder, encoder_key)
    mask_BTS = attention.segment_mask(batch.segments, batch.encoder.segments)

    def cross(module: Attention, cross_key: Key | None) -> KeyValues:
        return KeyValues(*module.keys_values(encoded_BSD, cross_key), mask_BTS)

    mask_BTT = attention.causal_mask(batch.segments)
    return _run(
        config, stacks, "decoder", params, batch.tokens, mask_BTT, cross=cross, key=decoder_key
    )


def _encode(
    config: T5Config,
    stacks: dict[str, layers.Stack],
    params: Params,
    inputs: EncoderInput,
    key: Key | None = None,
) -> jax.Array:
    mask_BSS = attention.segment_mask(inputs.segments, inputs.segments)
    return _run(config, stacks, "encoder", params, inputs.tokens, mask_BSS, key=key)


def _run(
    config: T5Config,
    stacks: dict[str, layers.Stack],
    side: str,
    params: Params,
    tokens_BT: jax.Array,
    mask_BTT: jax.Array,
    *,
    cross: Cross | None = None,
    key: Key | None = None,
) -> jax.Array:
    embed_key, layers_key, out_key = layers.split_key(key, 3)
    rows_T = jnp.arange(tokens_BT.shape[1])
    x_BTD = layers.embed(params, tokens_BT, config.dtype)
    x_BTD, _ = run_stack(
        stacks[side],
        layers.cast_weights(params[side]["layers"], config.dtype),
        kernels.dropout(x_BTD, config.dropout_rate, embed_key),
        mask_BTT,
        bias_1HTT=_bias(config, params, side, rows_T, rows_T),
        cross=cross,
        key=layers_key,
    )
    x_BTD = kernels.rms_norm(x_BTD, params[side]["norm"], _NORM_EPS)
    return kernels.dropout(x_BTD, config.dropout_rate, out_key)


def _bias(
    config: T5Config, params: Params, side: str, query_rows_T: jax.Array, key_rows_S: jax.Array
) -> jax.Array:
    """One table serves every layer of a stack, so its bias is made once."""
    return attention.relative_bias(
        params[side]["relative_bias"],
        query_rows_T,
        key_rows_S,
        is_bidirectional=side == "encoder",
        max_distance=config.max_distance,
    )


def _unembed(config: T5Config, params: Params, hidden: jax.Array) -> jax.Array:
    if config.is_tied:
        return kernels.project_logits(hidden * config.d_model**-0.5, params["embed"].T)
    return kernels.project_logits(hidden, params["head"])


def _prefill(
    config: T5Config, stacks: dict[str, layers.Stack], params: Params, inputs: EncoderInput
) -> Cache:
    encoded_BSD = _encode(config, stacks, params, inputs)

    def body(block: Block, carry: None, x: None) -> tuple[None, tuple[jax.Array, jax.Array]]:
        return None, block.cross_attention.keys_values(encoded_BSD)

    layer_params = layers.cast_weights(params["decoder"]["layers"], config.dtype)
    _, (k, v) = stacks["decoder"].run(body, None, layer_params)
    start_B = jnp.zeros(inputs.tokens.shape[0], jnp.int32)
    return empty_cache(k, v, inputs.segments > 0, start_B)


def _extend(
    config: T5Config,
    stacks: dict[str, layers.Stack],
    params: Params,
    cache: Cache,
    tokens_RT: jax.Array,
) -> tuple[jax.Array, Cache]:
    rows_T = new_rows(cache, tokens_RT)
    x_RTD, cache = extend_stack(
        stacks["decoder"],
        layers.cast_weights(params["decoder"]["layers"], config.dtype),
        cache,
        layers.embed(params, tokens_RT, config.dtype),
        is_cross=True,
        bias_1HTU=_bias(config, params, "decoder", rows_T, jnp.arange(cache.k.shape[2])),
    )
    return kernels.rms_norm(x_RTD, params["decoder"]["norm"], _NORM_EPS), cache
