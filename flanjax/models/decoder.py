"""Causal language models: Llama and kin, GPT-NeoX and GPT-2, PaLM and LaMDA."""

from __future__ import annotations

import dataclasses
import functools
from typing import Literal

import jax
import jax.numpy as jnp
from flax import nnx

from flanjax.base import Key, Params
from flanjax.data.batch import EncoderInput, SeqBatch
from flanjax.models import attention, ends, kernels, layers
from flanjax.models.api import Cache, Model
from flanjax.models.attention import Attention
from flanjax.models.block import (
    Block,
    empty_cache,
    extend_stack,
    new_rows,
    own_source,
    prompt_source,
    run_stack,
)
from flanjax.models.configs import (
    BackendName,
    BlockConfig,
    EmbeddingConfig,
    LearnedConfig,
    MatmulName,
    RelativeConfig,
    RematName,
    RotaryConfig,
    check_sizes,
)
from flanjax.models.context import Source, make_contexts
from flanjax.models.row_attention import Sight

_POSITIONS = RotaryConfig(theta=500_000.0, scaling="llama3", factor=32.0)
_EMBEDDING = EmbeddingConfig(is_tied=True)


@dataclasses.dataclass(frozen=True, kw_only=True)
class DecoderConfig:
    """The size of a causal model (defaults: Llama 3.2 1B).

    Attributes:
      vocab_size: Rows of the embedding.
      d_model: Width of the residual stream.
      d_ff: Width of the MLP.
      num_heads: Query heads.
      num_kv_heads: Key/value heads; a divisor of num_heads.
      d_head: Channels of a head.
      num_layers: Blocks.
      positions: How a layer knows where a token stands.
      block: What the family does differently in a block.
      embedding: How tokens enter and leave.
      prefix_lm: Whether prompts are read in both directions.
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

    vocab_size: int = 128_256
    d_model: int = 2048
    d_ff: int = 8192
    num_heads: int = 32
    num_kv_heads: int = 8
    d_head: int = 64
    num_layers: int = 16
    positions: RotaryConfig | RelativeConfig | LearnedConfig = _POSITIONS
    block: BlockConfig = dataclasses.field(default_factory=BlockConfig)
    embedding: EmbeddingConfig = _EMBEDDING
    prefix_lm: bool = False
    dropout_rate: float = 0.0
    dtype: Literal["float32", "bfloat16"] = "float32"
    scan_layers: bool = True
    remat: RematName = "none"
    attention_backend: BackendName = "auto"
    matmul: MatmulName = "plain"

    def __post_init__(self) -> None:
        check_sizes(self)


def make_model(config: DecoderConfig) -> Model:
    """Returns a causal language model.

    Parameters: embed [V, D], layers (stacked on axis 0), norm, head [D, V]
    unless tied, and with other than rotary positions relative_bias
    [buckets, H] or places [positions, D].

    Source: Touvron et al. 2023a, section 2.2, and 2023b for grouped queries;
    BlockConfig names who deviates. Initial values are N(0, 1 / fan-in), 0.022
    at a width of 2048; what writes to the residual stream is smaller by
    sqrt(2 L), as in GPT-2.
    """
    stack = layers.Stack(
        make_block=functools.partial(_make_block, config),
        num_layers=config.num_layers,
        is_scanned=config.scan_layers,
        remat=config.remat,
    )
    tables = functools.partial(_Ends, config)
    plain = dataclasses.replace(config, matmul="plain")

    def init(key: Key) -> Params:
        ends_key, layers_key = jax.random.split(key)
        return {**layers.init_module(tables, ends_key), "layers": stack.init(layers_key)}

    return Model(
        config=config,
        init=init,
        axes={**layers.module_axes(tables), "layers": stack.axes()},
        hidden=functools.partial(_hidden, config, stack),
        unembed=functools.partial(ends.unembed, config),
        head=ends.head_name(config),
        prefill=functools.partial(_prefill, plain, stack),
        extend=functools.partial(_extend, plain, stack),
        start_id=None,
    )


class _Ends(ends.Tables):
    """Everything but the layers."""

    def __init__(self, config: DecoderConfig, rngs: nnx.Rngs) -> None:
        super().__init__(config, rngs, std=config.d_model**-0.5)
        side = ends.Side(config, rngs)
        self.norm = side.norm
        if isinstance(config.positions, RelativeConfig) and config.positions.is_shared:
            self.relative_bias = side.relative_bias


def _make_block(config: DecoderConfig, rngs: nnx.Rngs) -> Block:
    in_std, out_scale = config.d_model**-0.5, (2 * config.num_layers) ** -0.5
    norm = ends.norm_spec(config.block)
    return Block(
        config=config.block,
        attention=Attention(
            config=config.block.attention,
            d_model=config.d_model,
            num_heads=config.num_heads,
            num_kv_heads=config.num_kv_heads,
            d_head=config.d_head,
            norm=norm,
            num_buckets=ends.num_own_buckets(config),
            dropout_rate=config.dropout_rate,
            backend=config.attention_backend,
            q_std=ends.query_std(config),
            kv_std=in_std,
            out_std=out_scale * (config.num_heads * config.d_head) ** -0.5,
            rngs=rngs,
        ),
        cross_attention=None,
        mlp=layers.MLP(
            config=config.block,
            d_model=config.d_model,
            d_ff=config.d_ff,
            dropout_rate=config.dropout_rate,
            in_std=in_std,
            out_std=out_scale * config.d_ff**-0.5,
            rngs=rngs,
        ),
        norm=norm,
        d_model=config.d_model,
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
    sight = _sight(batch.segments, batch.prefix if config.prefix_lm else None)
    return _run(config, stack, params, batch.tokens, batch.positions, sight, key=key)[0]


def _sight(segments_BT: jax.Array, prefix_BT: jax.Array | None) -> Sight:
    return Sight(
        query_segments=segments_BT,
        key_segments=segments_BT,
        prefix=prefix_BT,
        mask=attention.causal_mask(segments_BT, prefix_BT),
        is_causal=True,
    )


def _run(
    config: DecoderConfig,
    stack: layers.Stack,
    params: Params,
    tokens_BT: jax.Array,
    positions_BT: jax.Array,
    sight: Sight,
    *,
    key: Key | None = None,
) -> tuple[jax.Array, tuple[jax.Array, jax.Array]]:
    """Returns hidden_BTD, and the keys and values of every layer."""
    embed_key, layers_key, out_key = layers.split_key(key, 3)
    rows_1T = jnp.arange(tokens_BT.shape[1])[None]
    contexts = make_contexts(
        config,
        config.num_layers,
        [Source(sight.mask, rows_1T, sight)],
        query_rows=rows_1T,
        query_positions=positions_BT,
        bias_table=params.get("relative_bias"),
    )
    x_BTD = ends.embed(config, params, tokens_BT, positions_BT)
    x_BTD, kept = run_stack(
        stack,
        layers.product_weights(params["layers"], config),
        kernels.dropout(x_BTD, config.dropout_rate, embed_key),
        contexts,
        key=layers_key,
    )
    x_BTD = ends.last_norm(config, params, x_BTD)
    return kernels.dropout(x_BTD, config.dropout_rate, out_key), kept


def _prefill(
    config: DecoderConfig, stack: layers.Stack, params: Params, inputs: EncoderInput
) -> Cache:
    is_real_BS = inputs.segments > 0
    prefix_BS = is_real_BS if config.prefix_lm else None
    sight = _sight(inputs.segments, prefix_BS)
    _, (k, v) = _run(config, stack, params, inputs.tokens, inputs.positions, sight)
    return empty_cache(k, v, is_real_BS, jnp.sum(is_real_BS, axis=1, dtype=jnp.int32))


def _extend(
    config: DecoderConfig,
    stack: layers.Stack,
    params: Params,
    cache: Cache,
    tokens_RT: jax.Array,
) -> tuple[jax.Array, Cache]:
    num_rows, num_new = tokens_RT.shape
    rows_T = new_rows(cache, tokens_RT)
    start_R1 = jnp.repeat(cache.start, num_rows // cache.start.shape[0])[:, None]
    positions_RT = start_R1 + rows_T
    contexts = make_contexts(
        config,
        config.num_layers,
        [prompt_source(cache, num_rows), own_source(cache, num_new, start_R1)],
        query_rows=positions_RT,
        query_positions=positions_RT,
        bias_table=params.get("relative_bias"),
    )
    x_RTD, cache = extend_stack(
        stack,
        layers.product_weights(params["layers"], config),
        cache,
        ends.embed(config, params, tokens_RT, positions_RT),
        contexts,
        is_cross=False,
    )
    return ends.last_norm(config, params, x_RTD), cache
