"""How tokens enter a network and leave it."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx

from flanjax import parallel
from flanjax.base import Params
from flanjax.models import kernels, layers
from flanjax.models.configs import BlockConfig, LearnedConfig, RelativeConfig

_UNUSED = -1e30
"""The logit of a row that stands for no token."""


def norm_spec(block: BlockConfig) -> layers.NormSpec:
    """Returns the norm of a family."""
    return layers.NormSpec(block.norm, block.norm_eps, block.has_norm_bias, block.is_norm_offset)


def num_own_buckets(config: Any) -> int:
    """Returns the rows of the table of distances that each layer has, 0 for none."""
    positions = config.positions
    is_own = isinstance(positions, RelativeConfig) and not positions.is_shared
    return positions.num_buckets if is_own else 0


def query_std(config: Any) -> float:
    """Returns the spread of queries' first weights: small where logits are unscaled."""
    is_unscaled = config.block.attention.scale == 1.0
    std: float = (config.d_model * (config.d_head if is_unscaled else 1)) ** -0.5
    return std


class Side(nnx.Module):
    """What a stack has beside its layers: a last norm, and a table of distances."""

    def __init__(self, config: Any, rngs: nnx.Rngs) -> None:
        if isinstance(config.positions, RelativeConfig) and config.positions.is_shared:
            shape = (config.positions.num_buckets, config.num_heads)
            std = config.d_model**-0.5
            self.relative_bias = layers.normal_param(rngs, shape, ("buckets", "heads"), std=std)
        self.norm = layers.Norm(norm_spec(config.block), config.d_model)


class Tables(nnx.Module):
    """The embedding, learned positions, and the output matrix unless it is tied."""

    def __init__(self, config: Any, rngs: nnx.Rngs, *, std: float) -> None:
        shape = (config.vocab_size, config.d_model)
        self.embed = layers.normal_param(rngs, shape, ("vocab", "embed"), std=std)
        if isinstance(config.positions, LearnedConfig):
            places = (config.positions.max_length, config.d_model)
            self.places = layers.normal_param(rngs, places, ("places", "embed"), std=std)
        if not config.embedding.is_tied:
            out_std = config.d_model**-0.5
            self.head = layers.normal_param(rngs, shape[::-1], ("embed", "vocab"), std=out_std)


def embed(config: Any, params: Params, tokens_BT: jax.Array, positions_BT: jax.Array) -> jax.Array:
    """Returns what the first block reads, [B, T, D].

    The table is read as float32 and rounded afterwards, so that the gradients
    of a frequent token add up in float32. A `soft_prompt` [P, D] in the
    parameters is P more rows of the table: the ids from its number of rows on.
    """
    x_BTD = _rows(params, tokens_BT)
    if "places" in params:
        x_BTD = x_BTD + jnp.asarray(params["places"])[positions_BT]
    x_BTD = x_BTD.astype(config.dtype)
    if config.embedding.scales_inputs:
        x_BTD = x_BTD * jnp.asarray(config.d_model**0.5, x_BTD.dtype)
    return x_BTD


def _rows(params: Params, tokens_BT: jax.Array) -> jax.Array:
    table_VD, soft_PD = jnp.asarray(params["embed"]), params.get("soft_prompt")
    if soft_PD is None:
        return table_VD[tokens_BT]
    soft_BT = tokens_BT - table_VD.shape[0]
    is_soft_BT = soft_BT >= 0
    hard_BTD = table_VD[jnp.where(is_soft_BT, 0, tokens_BT)]
    soft_BTD = soft_PD[jnp.where(is_soft_BT, soft_BT, 0)]
    return jnp.where(is_soft_BT[..., None], soft_BTD, hard_BTD)


def last_norm(config: Any, side: Params, x: jax.Array) -> jax.Array:
    """Returns the norm after a stack's last layer."""
    norm = side["norm"]
    return layers.apply_norm(norm_spec(config.block), x, norm["scale"], norm.get("bias"))


def head_name(config: Any) -> str:
    """Returns the name of the parameter that logits are made with."""
    return "embed" if config.embedding.is_tied else "head"


def unembed(config: Any, params: Params, hidden: jax.Array) -> jax.Array:
    """Returns float32 logits over the last axis."""
    if config.embedding.scales_outputs:
        hidden = hidden * config.d_model**-0.5
    weight = params[head_name(config)]
    table = kernels.Transposed(weight) if config.embedding.is_tied else weight
    logits = kernels.project_logits(hidden, table)
    if logits.ndim == 3:
        logits = parallel.constrain(logits, "batch", "length", "vocab")
    logits = kernels.soft_cap(logits, config.embedding.cap)
    num_used = config.vocab_size - config.embedding.num_unused
    if config.embedding.num_unused:
        logits = jnp.where(jnp.arange(config.vocab_size) < num_used, logits, _UNUSED)
    return logits
