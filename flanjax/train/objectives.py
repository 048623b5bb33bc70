"""Loss functions: a model and a loss setting become sums over a batch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, TypeAlias

import jax
import jax.numpy as jnp

from flanjax.base import Key, Mean, Params
from flanjax.data.batch import SeqBatch
from flanjax.losses.chunked import chunked_sums, join_columns, split_columns
from flanjax.losses.tokens import (
    LossConfig,
    TokenSums,
    example_sums,
    per_example,
    token_values,
)
from flanjax.models.api import Model
from flanjax.train import frozen


class LossAux(NamedTuple):
    """What a loss reports beside its sum.

    Attributes:
      weight: What the sum is divided by, once, after everything is added.
      metrics: Name -> sums.
    """

    weight: jax.Array
    metrics: dict[str, Mean]


LossFn: TypeAlias = Callable[[Params, Any, SeqBatch, Key | None], tuple[jax.Array, LossAux]]
"""(params, frozen, batch, key) -> (SUM of the loss, LossAux)."""


def token_loss(model: Model, config: LossConfig) -> LossFn:
    """Returns the loss of predicting each weighted target of a batch.

    Which tokens carry weight is the batch's matter, so this one loss serves
    instruction tuning, causal and prefix LM, and span corruption.
    """

    def loss_fn(
        trained: Params, rest: Any, batch: SeqBatch, key: Key | None
    ) -> tuple[jax.Array, LossAux]:
        params = frozen.merge(trained, rest)
        hidden_BTD = model.hidden(params, batch, key=key)
        batch = _weighted(batch, config)
        sums = _token_sums(model, params, hidden_BTD, batch, config)
        real = jnp.sum(batch.segments > 0)
        slots: float = batch.segments.size
        if batch.encoder is not None:
            real = real + jnp.sum(batch.encoder.segments > 0)
            slots += batch.encoder.segments.size
        metrics = {
            "loss": Mean(sums.loss, sums.weight),
            "cross_entropy": Mean(sums.cross_entropy, sums.weight),
            "z_loss": Mean(sums.z_loss, sums.weight),
            "accuracy": Mean(sums.correct, sums.weight),
            "non_padding_fraction": Mean(real.astype(jnp.float32), jnp.float32(slots)),
        }
        return sums.loss, LossAux(sums.weight, metrics)

    return loss_fn


def example_losses(
    model: Model, config: LossConfig, params: Params, batch: SeqBatch, *, num_segments: int
) -> tuple[jax.Array, jax.Array]:
    """Returns the loss sum and the weight of each example, [B, num_segments].

    Column n holds segment n + 1 of its row. Over all columns both add up to
    what `token_loss` returns without dropout, as long as no row holds more
    examples than there are columns.

    Args:
      model: The model; dropout is off.
      config: How a token is scored.
      params: The model's parameters.
      batch: Packed rows.
      num_segments: Columns; the most examples that a row may hold.
    """
    hidden_BTD = model.hidden(params, batch)
    batch = _weighted(batch, config)
    values = _token_values(model, params, hidden_BTD, batch, config)
    return example_sums(values.loss, batch.weights, batch.segments, num_segments=num_segments)


def _weighted(batch: SeqBatch, config: LossConfig) -> SeqBatch:
    if config.average == "tokens":
        return batch
    return batch._replace(weights=per_example(batch.weights, batch.segments))


def _token_sums(
    model: Model, params: Params, hidden_BTD: jax.Array, batch: SeqBatch, config: LossConfig
) -> TokenSums:
    if not 0 < config.chunk < batch.targets.shape[1]:
        return jax.tree.map(jnp.sum, _token_values(model, params, hidden_BTD, batch, config))
    head = {model.head: params[model.head]}
    return chunked_sums(model.unembed, config, head, hidden_BTD, batch.targets, batch.weights)


def _token_values(
    model: Model, params: Params, hidden_BTD: jax.Array, batch: SeqBatch, config: LossConfig
) -> TokenSums:
    """Values of each token, [B, T]; the backward pass makes a chunk's logits again."""

    def values(hidden_BCD: jax.Array, targets_BC: jax.Array, weights_BC: jax.Array) -> TokenSums:
        return token_values(model.unembed(params, hidden_BCD), targets_BC, weights_BC, config)

    arrays = (hidden_BTD, batch.targets, batch.weights)
    length = batch.targets.shape[1]
    if not 0 < config.chunk < length:
        return values(*arrays)
    chunks = split_columns(arrays, config.chunk)
    each = jax.lax.map(lambda chunk: jax.checkpoint(values)(*chunk), chunks)
    joined: TokenSums = join_columns(each, length)
    return joined
