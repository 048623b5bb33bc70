"""A Llama-style causal language model."""

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
from flanjax.models.block import Block, empty_cache, extend_stack, new_rows, run_stack


@dataclasses.dataclass(frozen=True, kw_only=True)
class DecoderConfig:
    """The size of a causal model (defaults: Llama 3.2 1B).

    Attributes:
      vocab_size: Rows of the embedding.
      d_model: Width of the residual stream.
      d_ff: Width of the gated MLP.
      num_heads: Query heads.
      num_kv_heads: Key/value heads; a divisor of num_heads.
      d_head: Channels of a head.
      num_layers: Blocks.
      rope_theta: Base of the rotary frequencies.
      norm_eps: Added to mean squares in RMSNorm.
      is_tied: Whether the output matrix is the embedding.
      prefix_lm: Whether prompts are read in both directions.
      dropout_rate: Dropout on embeddings, attention, MLP and residuals.
      dtype: Compute type; parameters are float32.
      scan_layers: Whether layers run in one compiled loop; the layout of
        parameters is the same either way.
      remat: "none" keeps activations; "full" recomputes each layer.
    """

    vocab_size: int = 128_256
    d_model: int = 2048
    d_ff: int = 8192
    num_heads: int = 32
    num_kv_heads: int = 8
    d_head: int = 64
    num_layers: int = 16
    rope_theta: float = 500_000.0
    norm_eps: float = 1e-5
    is_tied: bool = True
    prefix_lm: bool = False
    dropout_rate: float = 0.0
    dtype: Literal["float32", "bfloat16"] = "float32"
    scan_layers: bool = True
    remat: Literal["none", "full"] = "none"

    def __post_init__(self) -> None:
        layers.check_config(self)
        if self.num_heads % self.num_kv_heads:
            raise ValueError(
                f"DecoderConfig num_kv_heads must divide num_heads, got {self.num_kv_heads} and "
                f"{self.num_heads}; use {self.num_heads} for one key head per query head."
            )
        if self.d_head % 2:
            raise ValueError(
                f"DecoderConfig d_head must be even for rotary pairs, got {self.d_head}; "
                "Llama uses 64 or 128."
            )
        for name in ("rope_theta", "norm_eps"):
            if not getattr(self, name) > 0:
                raise ValueError(
                    f"DecoderConfig {name} must be positive, got {getattr(self, name)}; "
                    "leave it at its default."
                )


def make_model(config: DecoderConfig) -> Model:
    """Returns a causal language model in the style of Llama.

    Parameters: embed [V, D], layers (stacked on axis 0), norm [D], and head
    [D, V] unless tied.

    Source: Touvron et al. 2023a, section 2.2, and 2023b for grouped queries.
    Initial values are N(0, 1 / fan-in), 0.022 at a width of 2048; what writes
    to the residual stream is smaller by sqrt(2 L), as in GPT-2.
    """
    stack = layers.Stack(
        make_block=functools.partial(_make_block, config),
        num_layers=config.num_layers,
        is_scanned=config.scan_layers,
        is_rematerialized=config.remat == "full",
    )
    ends = functools.partial(_Ends, config)

    def init(key: Key) -> Params:
        ends_key, layers_key = jax.random.split(key)
        return {**layers.init_module(ends, ends_key), "layers": stack.init(layers_key)}

    return Model(
        config=config,
        init=init,
        axes={**layers.module_axes(ends), "layers": stack.axes()},
        hidden=functools.partial(_hidden, config, stack),
        unembed=functools.partial(_unembed, config),
        prefill=functools.partial(_prefill, config, stack),
        extend=functools.partial(_extend, config, stack),
        start_id=None,
    )


class _Ends(nnx.Module):
    """Everything but the layers."""

    def __init__(self, config: DecoderConfig, rngs: nnx.Rngs) -> None:
        shape, std = (config.vocab_size, config.d_model), config.d_model**-0.5
        self.embed = layers.normal_param(rngs, shape, ("vocab", "embed"), std=std)
        self.norm = layers.norm_param(config.d_model)
        if not config.is_tied:
            self.head = layers.normal_param(rngs, shape[::-1], ("embed", "vocab"), std=std)


def _make_block(config: DecoderConfig, rngs: nnx.Rngs) -> Block:
    in_std, out_scale = config.d_model**-0.5, (2 * config.num_layers) ** -0.5
    return Block(
        attention=attention.Attention(
            d_model=config.d_model,
            num_heads=config.num_heads,
            num_kv_heads=config.num_kv_heads,
            d_head=config.d_head,
            scale=config.d_head**-0.5,
            dropout_rate=config.dropout_rate,
            q_std=in_std,
            kv_std=in_std,
            out_std=out_scale * (config.num_heads * config.d_head) ** -0.5,
            rngs=rngs,
        ),
        cross_attention=None,
        mlp=layers.GatedMLP(
            d_model=config.d_model,
            d_ff=config.d_ff,
            activation=jax.nn.silu,
            dropout_rate=config.dropout_rate,
            in_std=in_std,
            out_std=out_scale * config.d_ff**-0.5,
            rngs=rngs,
        ),
        d_model=config.d_model,
        norm_eps=config.norm_eps,
        dropout_rate=config.dropout_rate,
    )


def _hidden(
    config: DecoderConfig,
    stack: layers.Stack,
    params: Params,
    batch: SeqBatch,
    *,
    key: Key | None = None,
) -> jax.Array:
    mask_BTT = attention.causal_mask(batch.segments, batch.prefix)
    return _run(config, stack, params, batch.tokens, batch.positions, mask_BTT, key=key)[0]


def _run(
    config: DecoderConfig,
    stack: layers.Stack,
    params: Params,
    tokens_BT: jax.Array,
    positions_BT: jax.Array,
    mask_BTT: jax.Array,
    *,
    key: Key | None = None,
) -> tuple[jax.Array, tuple[jax.Array, jax.Array]]:
    """Returns hidden_BTD, and the keys and values of every layer."""
    embed_key, layers_key, out_key = layers.split_key(key, 3)
    x_BTD = layers.embed(params, tokens_BT, config.dtype)
    x_BTD, kept = run_stack(
        stack,
        layers.cast_weights(params["layers"], config.dtype),
        kernels.dropout(x_BTD, config.dropout_rate, embed_key),
        mask_BTT,
        angles_BTE=_angles(config, positions_BT),
        key=layers_key,
    )
    x_BTD = kernels.rms_norm(x_BTD, params["norm"], config.norm_eps)
    return kernels.dropout(x_BTD, config.dropout_rate, out_key), kept


def _angles(config: DecoderConfig, positions_BT: jax.Array) -> jax.Array:
    return attention.rotary_angles(positions_BT, config.d_head, config.rope_theta)


def _unembed(config: DecoderConfig, params: Params, hidden: jax.Array) -> jax.Array:
    return kernels.project_logits(hidden, params["embed"].T if config.is_tied else params["head"])


def _prefill(
    config: DecoderConfig, stack: layers.Stack, params: Params, inputs: EncoderInput
) -> Cache:
    is_real_BS = inputs.segments > 0
    prefix_BS = is_real_BS if config.prefix_lm else None
    mask_BSS = attention.causal_mask(inputs.segments, prefix_BS)
    _, (k, v) = _run(config, stack, params, inputs.tokens, inputs.positions, mask_BSS)
    return empty_cache(k, v, is_real_BS, jnp.sum(is_real_BS, axis=1, dtype=jnp.int32))


def _extend(
    config: DecoderConfig,
    stack: layers.Stack,
    params: Params,
    cache: Cache,
    tokens_RT: jax.Array,
) -> tuple[jax.Array, Cache]:
    rows_T = new_rows(cache, tokens_RT)
    start_R = jnp.repeat(cache.start, tokens_RT.shape[0] // cache.start.shape[0])
    x_RTD, cache = extend_stack(
        stack,
        layers.cast_weights(params["layers"], config.dtype),
        cache,
        layers.embed(params, tokens_RT, config.dtype),
        is_cross=False,
        angles_RTE=_angles(config, start_R[:, None] + rows_T),
    )
    return kernels.rms_norm(x_RTD, params["norm"], config.norm_eps), cache
