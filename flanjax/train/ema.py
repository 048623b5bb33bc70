"""A moving average of the weights, kept beside them in the optimizer's state."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Collection, Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax

from flanjax.base import Params, path_name
from flanjax.train import rounding


@dataclasses.dataclass(frozen=True, kw_only=True)
class EmaConfig:
    """An exponential moving average of the weights.

    After n updates it is the mean of the weights after each, weighted by
    decay ** (updates since): the first has no weight of its own, so that a
    short run's average is as good as a long one's. Always float32.

    Attributes:
      decay: Of a weight's share with each update; 0 for no average.
      start: Updates before the average begins.
      is_scored: Whether the run's own evaluations score the average instead of
        the weights that are trained.
    """

    decay: float = 0.0
    start: int = 0
    is_scored: bool = True

    def __post_init__(self) -> None:
        if not 0 <= self.decay < 1:
            raise ValueError(
                f"EmaConfig decay must lie in [0, 1), got {self.decay}; 0.0 is for none."
            )
        if self.start < 0:
            raise ValueError(
                f"EmaConfig start must not be negative, got {self.start}; use 0 for the first."
            )


class EmaState(NamedTuple):
    """What is kept of the average, under these names.

    Attributes:
      ema_count: int32 [], updates done.
      ema: A tree like the parameters, float32; zeros before the first update.
    """

    ema_count: Any
    ema: Params


COUNT = "ema_count/0"
"""The name of the counter among an optimizer's leaves."""


def leaf(path: str) -> str:
    """Returns the name of a parameter's average among an optimizer's leaves."""
    return f"ema/{path}"


def is_leaf(name: str) -> bool:
    """Returns whether a leaf of an optimizer's state is of an average."""
    return name == COUNT or name.startswith(leaf(""))


def averaging(config: EmaConfig) -> optax.GradientTransformation:
    """Returns what leaves updates alone and averages the weights they lead to.

    It must stand last in a chain. Weights that are rounded afterwards count as
    they were before.
    """

    def init(params: Params) -> EmaState:
        zeros = jax.tree.map(lambda p: jnp.zeros(p.shape, jnp.float32), params)
        return EmaState(jnp.zeros((), jnp.int32), zeros)

    def update(
        updates: Params, state: EmaState, params: Params | None = None
    ) -> tuple[Params, EmaState]:
        count = optax.safe_increment(state.ema_count)
        moved = optax.apply_updates(rounding.widened(params), updates)
        average = optax.incremental_update(moved, state.ema, _share(config, count))
        return updates, EmaState(count, average)

    return optax.GradientTransformation(init, update)


def _share(config: EmaConfig, count: jax.Array) -> jax.Array:
    """Returns the share of the newest of n weights: (1 - d) / (1 - d ** n)."""
    num = jnp.maximum(count - config.start, 1).astype(jnp.float32)
    rest = -jnp.expm1(num * math.log(config.decay))
    return jnp.where(num > 1, (1 - config.decay) / rest, 1.0)


def averaged(state: Mapping[str, Any], params: Params) -> Params:
    """Returns the average of the weights; they themselves where none is kept yet.

    Args:
      state: The optimizer's, by names.
      params: What is trained.
    """
    if COUNT not in state or int(state[COUNT]) == 0:
        return params
    return jax.tree_util.tree_map_with_path(lambda path, _: state[leaf(path_name(path))], params)


def begun(
    params: Params, state: Mapping[str, Any], *, fresh: Collection[str]
) -> dict[str, jax.Array]:
    """Returns averages that begin at the weights, beside others that have long begun.

    The count of updates is one for all leaves: an average of zeros would be taken for one of as
    many weights, and stay near zero for 1 / (1 - decay) updates.

    Args:
      params: What is trained.
      state: The optimizer's, by names; it gives the type and place of each leaf.
      fresh: Names of its leaves that were not read.
    """
    found = {}
    for path, weight in jax.tree_util.tree_leaves_with_path(params):
        name = leaf(path_name(path))
        if name in fresh:
            like = state[name]
            found[name] = jax.device_put(weight.astype(like.dtype), like.sharding)
    return found
