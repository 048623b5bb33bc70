"""Encoder-decoders: T5 and kin with relative biases; T5Gemma with rotations."""

from __future__ import annotations

import dataclasses
import functools
from typing import Literal, NamedTuple

import jax
import jax.numpy as jnp
from flax import nnx

from flanjax.base import Key, Params
from flanjax.data.batch import EncoderInput, SeqBatch
from flanjax.models import attention, ends, kernels, layers
from flanjax.models.api import Cache, Model
from flanjax.models.attention import Attention, KeyValues
from flanjax.models.block import (
    Block,
    Cross,
    empty_cache,
    extend_stack,
    new_rows,
    own_source,
    run_stack,
)
from flanjax.models.configs import (
    AttentionConfig,
    BackendName,
    BlockConfig,
    EmbeddingConfig,
    MatmulName,
    RelativeConfig,
    RematName,
    RotaryConfig,
    check_sizes,
)
from flanjax.models.context import Source, make_contexts
from flanjax.models.row_attention import Sight

_BLOCK = BlockConfig(norm_eps=1e-6, activation="gelu_tanh", attention=AttentionConfig(scale=1.0))


@dataclasses.dataclass(frozen=True, kw_only=True)
class T5Config:
    """The size of an encoder-decoder (defaults: T5 1.1 small).

    Attributes:
      vocab_size: Rows of the embedding.
      d_model: Width of the residual stream.
      d_ff: Width of the MLP.
      num_heads: Query heads.
      num_kv_heads: Key/value heads, a divisor of num_heads; None for as many.
      d_head: Channels of a head.
      num_encoder_layers: Encoder blocks.
      num_decoder_layers: Decoder blocks.
      positions: How a layer knows where a token stands.
      block: What the family does differently in a block.
      embedding: How tokens enter and leave.
      dropout_rate: Dropout on embeddings, attention, MLP and residuals.
      dtype: Compute type; parameters are float32.
      scan_layers: Whether layers run in one compiled loop; the layout of
        parameters is the same either way.
      remat: What the backward pass computes again: "none" of a layer, its
        "full", or all but its "dots", the products with weights.
      attention_backend: How whole rows attend: "auto" for the machine's best,
        "xla" for the plain path, or a kernel of `row_attention`.
      matmul: How training multiplies by the layers' weights: in the compute
        type ("plain"), or in eight-bit floats ("fp8"). Scoring and generation
        use the compute type: an example's score is its own, and a scale of
        "fp8" is that of a batch.
    """

    vocab_size: int = 32_128
    d_model: int = 512
    d_ff: int = 1024
    num_heads: int = 6
    num_kv_heads: int | None = None
    d_head: int = 64
    num_encoder_layers: int = 8
    num_decoder_layers: int = 8
    positions: RelativeConfig | RotaryConfig = dataclasses.field(default_factory=RelativeConfig)
    block: BlockConfig = _BLOCK
    embedding: EmbeddingConfig = dataclasses.field(default_factory=EmbeddingConfig)
    dropout_rate: float = 0.1
    dtype: Literal["float32", "bfloat16"] = "float32"
    scan_layers: bool = True
    remat: RematName = "none"
    attention_backend: BackendName = "auto"
    matmul: MatmulName = "plain"

    def __post_init__(self) -> None:
        check_sizes(self)


def make_model(config: T5Config) -> Model:
    """Returns an encoder-decoder.

    Parameters (layers are stacked on axis 0):
      embed [V, D] and head [D, V] unless tied; the encoder may have an embed,
      encoder and decoder: layers, norm, and relative_bias [buckets, H] where
      positions are relative.

    Source: Raffel et al. 2020, section 2.1, and the T5 1.1 checkpoints: gated
    GELU in place of ReLU, and an output matrix of its own. Initial values are
    those of Mesh TensorFlow, but for the output matrix: d_model ** -0.5.
    """
    stacks = _stacks(config)
    tables = functools.partial(_Ends, config)
    plain = dataclasses.replace(config, matmul="plain")

    def init(key: Key) -> Params:
        keys = layers.split_key(key, 3)
        params = layers.init_module(tables, keys[0])
        for side, side_key in zip(stacks, keys[1:], strict=True):
            params[side]["layers"] = stacks[side].init(side_key)
        return params

    axes = layers.module_axes(tables)
    for side, stack in stacks.items():
        axes[side]["layers"] = stack.axes()
    return Model(
        config=config,
        init=init,
        axes=axes,
        hidden=functools.partial(_hidden, config, stacks),
        unembed=functools.partial(ends.unembed, config),
        head=ends.head_name(config),
        prefill=functools.partial(_prefill, plain, stacks),
        extend=functools.partial(_extend, plain, stacks),
        start_id=config.embedding.start_id,
    )


def _stacks(config: T5Config) -> dict[str, layers.Stack]:
    def stack(num_layers: int, *, has_cross: bool) -> layers.Stack:
        return layers.Stack(
            make_block=functools.partial(_make_block, config, has_cross),
            num_layers=num_layers,
            is_scanned=config.scan_layers,
            remat=config.remat,
        )

    return {
        "encoder": stack(config.num_encoder_layers, has_cross=False),
        "decoder": stack(config.num_decoder_layers, has_cross=True),
    }


def _table_std(config: T5Config) -> float:
    """Returns the spread of first embeddings: T5's 1, or what makes logits as large.

    T5Gemma multiplies what it reads by d_model ** 0.5, and does not divide what a tied table
    writes.
    """
    embedding = config.embedding
    is_large = embedding.scales_inputs or (embedding.is_tied and not embedding.scales_outputs)
    std: float = config.d_model**-0.5 if is_large else 1.0
    return std


class _Encoder(ends.Side):
    """An encoder's side, with a table of its own where the family has one."""

    def __init__(self, config: T5Config, rngs: nnx.Rngs) -> None:
        super().__init__(config, rngs)
        if config.embedding.has_encoder_table:
            shape = (config.vocab_size, config.d_model)
            std = _table_std(config)
            self.embed = layers.normal_param(rngs, shape, ("vocab", "embed"), std=std)


class _Ends(ends.Tables):
    """Everything but the layers."""

    def __init__(self, config: T5Config, rngs: nnx.Rngs) -> None:
        super().__init__(config, rngs, std=_table_std(config))
        self.encoder = _Encoder(config, rngs)
        self.decoder = ends.Side(config, rngs)


def _make_block(config: T5Config, has_cross: bool, rngs: nnx.Rngs) -> Block:
    norm = ends.norm_spec(config.block)
    return Block(
        config=config.block,
        attention=_make_attention(config, rngs, ends.num_own_buckets(config)),
        cross_attention=_make_attention(config, rngs, 0) if has_cross else None,
        mlp=layers.MLP(
            config=config.block,
            d_model=config.d_model,
            d_ff=config.d_ff,
            dropout_rate=config.dropout_rate,
            in_std=config.d_model**-0.5,
            out_std=config.d_ff**-0.5,
            rngs=rngs,
        ),
        norm=norm,
        d_model=config.d_model,
        dropout_rate=config.dropout_rate,
    )


def _make_attention(config: T5Config, rngs: nnx.Rngs, num_buckets: int) -> Attention:
    return Attention(
        config=config.block.attention,
        d_model=config.d_model,
        num_heads=config.num_heads,
        num_kv_heads=config.num_kv_heads or config.num_heads,
        d_head=config.d_head,
        norm=ends.norm_spec(config.block),
        num_buckets=num_buckets,
        dropout_rate=config.dropout_rate,
        backend=config.attention_backend,
        q_std=ends.query_std(config),
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
    across = Sight(
        query_segments=batch.segments,
        key_segments=batch.encoder.segments,
        mask=mask_BTS,
        is_self=False,
    )

    def cross(module: Attention, cross_key: Key | None) -> KeyValues:
        return KeyValues(*module.keys_values(encoded_BSD, cross_key), mask_BTS, sight=across)

    own = Tokens(
        batch.tokens, batch.positions, batch.segments, attention.causal_mask(batch.segments)
    )
    return _run(config, stacks, "decoder", params, own, cross=cross, key=decoder_key)


def _encode(
    config: T5Config,
    stacks: dict[str, layers.Stack],
    params: Params,
    inputs: EncoderInput,
    key: Key | None = None,
) -> jax.Array:
    mask_BSS = attention.segment_mask(inputs.segments, inputs.segments)
    own = Tokens(inputs.tokens, inputs.positions, inputs.segments, mask_BSS)
    return _run(config, stacks, "encoder", params, own, key=key)


class Tokens(NamedTuple):
    """What a stack reads.

    Attributes:
      ids: int32 [B, T].
      positions: int32 [B, T], counted from each example's start.
      segments: int32 [B, T], 0 for padding.
      mask: bool [B, T, T].
    """

    ids: jax.Array
    positions: jax.Array
    segments: jax.Array
    mask: jax.Array


def _run(
    config: T5Config,
    stacks: dict[str, layers.Stack],
    side: str,
    params: Params,
    tokens: Tokens,
    *,
    cross: Cross | None = None,
    key: Key | None = None,
) -> jax.Array:
    embed_key, layers_key, out_key = layers.split_key(key, 3)
    rows_1T = jnp.arange(tokens.ids.shape[1])[None]
    sight = Sight(
        query_segments=tokens.segments,
        key_segments=tokens.segments,
        is_causal=side == "decoder",
    )
    contexts = make_contexts(
        config,
        stacks[side].num_layers,
        [Source(tokens.mask, rows_1T, sight)],
        query_rows=rows_1T,
        query_positions=tokens.positions,
        bias_table=params[side].get("relative_bias"),
        is_bidirectional=side == "encoder",
    )
    tables = {**params, **params[side]} if "embed" in params[side] else params
    x_BTD = ends.embed(config, tables, tokens.ids, tokens.positions)
    x_BTD, _ = run_stack(
        stacks[side],
        layers.product_weights(params[side]["layers"], config),
        kernels.dropout(x_BTD, config.dropout_rate, embed_key),
        contexts,
        cross=cross,
        key=layers_key,
    )
    x_BTD = ends.last_norm(config, params[side], x_BTD)
    return kernels.dropout(x_BTD, config.dropout_rate, out_key)


def _prefill(
    config: T5Config, stacks: dict[str, layers.Stack], params: Params, inputs: EncoderInput
) -> Cache:
    encoded_BSD = _encode(config, stacks, params, inputs)

    def body(block: Block, carry: None, x: None) -> tuple[None, tuple[jax.Array, jax.Array]]:
        return None, block.cross_attention.keys_values(encoded_BSD)

    layer_params = layers.product_weights(params["decoder"]["layers"], config)
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
    rows_1T = new_rows(cache, tokens_RT)[None]
    contexts = make_contexts(
        config,
        config.num_decoder_layers,
        [own_source(cache, tokens_RT.shape[1])],
        query_rows=rows_1T,
        query_positions=rows_1T,
        bias_table=params["decoder"].get("relative_bias"),
    )
    x_RTD, cache = extend_stack(
        stacks["decoder"],
        layers.product_weights(params["decoder"]["layers"], config),
        cache,
        ends.embed(config, params, tokens_RT, rows_1T),
        contexts,
        is_cross=True,
    )
    return ends.last_norm(config, params["decoder"], x_RTD), cache
