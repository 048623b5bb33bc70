"""Loss functions: a model and a loss setting become sums over a batch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, TypeAlias

import jax
import jax.numpy as jnp

from flanjax.base import Key, Mean, Params
from flanjax.data.batch import SeqBatch
from flanjax.losses.tokens import LossConfig, TokenSums, token_sums
from flanjax.models.api import Model


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
        params: Params, frozen: Any, batch: SeqBatch, key: Key | None
    ) -> tuple[jax.Array, LossAux]:
        del frozen
        hidden_BTD = model.hidden(params, batch, key=key)
        sums = _chunked_sums(model, params, hidden_BTD, batch, config)
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


def _chunked_sums(
    model: Model, params: Params, hidden_BTD: jax.Array, batch: SeqBatch, config: LossConfig
) -> TokenSums:
    """Sums over tokens; with a chunk, no more than [chunk, V] logits exist."""
    hidden_ND = hidden_BTD.reshape(-1, hidden_BTD.shape[-1])
    targets_N, weights_N = batch.targets.reshape(-1), batch.weights.reshape(-1)

    def sums(hidden: jax.Array, targets: jax.Array, weights: jax.Array) -> TokenSums:
        return token_sums(model.unembed(params, hidden), targets, weights, config)

    num_tokens = hidden_ND.shape[0]
    if not config.chunk or config.chunk >= num_tokens:
        return sums(hidden_ND, targets_N, weights_N)
    padding = -num_tokens % config.chunk
    chunks = tuple(
        jnp.pad(array, [(0, padding)] + [(0, 0)] * (array.ndim - 1)).reshape(
            -1, config.chunk, *array.shape[1:]
        )
        for array in (hidden_ND, targets_N, weights_N)
    )

    def add(total: TokenSums, chunk: Any) -> tuple[TokenSums, None]:
        return jax.tree.map(jnp.add, total, jax.checkpoint(sums)(*chunk)), None

    return jax.lax.scan(add, TokenSums(*[jnp.float32(0)] * 5), chunks)[0]
