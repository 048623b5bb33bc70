"""The state of training, laid over a mesh."""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jax.sharding import Mesh

from flanjax import parallel
from flanjax.base import Key, Params
from flanjax.models.api import Model, is_axes


class TrainState(NamedTuple):
    """Everything a step changes, and what it reads beside the batch.

    Attributes:
      step: int32 [], updates done.
      params: What is trained.
      frozen: What is read but not trained; None for full fine-tuning.
      opt_state: The optimizer's state.
    """

    step: Any
    params: Params
    frozen: Any
    opt_state: Any


def init_state(model: Model, tx: optax.GradientTransformation, key: Key) -> TrainState:
    """Returns the state before the first step."""
    params = model.init(key)
    return TrainState(jnp.zeros((), jnp.int32), params, None, tx.init(params))


def state_shardings(model: Model, tx: optax.GradientTransformation, mesh: Mesh) -> TrainState:
    """Returns a TrainState of shardings.

    An optimizer array of its parameter's shape lies as the parameter does;
    smaller ones (Adafactor's factors, counters) are on every device.
    """
    abstract = jax.eval_shape(lambda key: init_state(model, tx, key), jax.random.key(0))
    params = jax.tree.map(
        lambda axes, leaf: parallel.param_sharding(mesh, axes, leaf.shape),
        model.axes,
        abstract.params,
        is_leaf=is_axes,
    )
    whole = parallel.replicated(mesh)
    by_path = {
        tuple(path): (leaf.shape, sharding)
        for (path, leaf), sharding in zip(
            jax.tree_util.tree_leaves_with_path(abstract.params),
            jax.tree.leaves(params),
            strict=True,
        )
    }

    def of_optimizer(path: tuple[Any, ...], leaf: Any) -> Any:
        for start in range(len(path)):
            shape, sharding = by_path.get(tuple(path[start:]), (None, None))
            if shape == leaf.shape:
                return sharding
        return whole

    opt_state = jax.tree_util.tree_map_with_path(of_optimizer, abstract.opt_state)
    return TrainState(whole, params, None, opt_state)


def make_state(
    model: Model, tx: optax.GradientTransformation, mesh: Mesh, key: Key
) -> tuple[TrainState, TrainState]:
    """Returns a fresh state on the mesh, and its shardings."""
    shardings = state_shardings(model, tx, mesh)
    state = jax.jit(lambda k: init_state(model, tx, k), out_shardings=shardings)(key)
    return state, shardings
