"""The state of training, laid over a mesh."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jax.sharding import Mesh

from flanjax import parallel
from flanjax.base import Key, Params, path_name
from flanjax.models.api import Model, is_axes
from flanjax.train import ema, frozen, rounding


class TrainState(NamedTuple):
    """Everything a step changes, and what it reads beside the batch.

    Attributes:
      step: int32 [], updates done.
      params: What is trained.
      frozen: What is read but not trained; None where all is trained.
      opt_state: The optimizer's state by names, as `train.opt_state` gives them.
    """

    step: Any
    params: Params
    frozen: Any
    opt_state: dict[str, Any]

    def model_params(self) -> Params:
        """Returns the parameters of the model, trained or not."""
        return frozen.merge(self.params, self.frozen)

    def averaged_params(self) -> Params:
        """Returns them with the average of what is trained, where one is kept."""
        return frozen.merge(ema.averaged(self.opt_state, self.params), self.frozen)


def init_state(
    model: Model,
    tx: optax.GradientTransformation,
    key: Key,
    frozen_paths: Collection[str] = (),
) -> TrainState:
    """Returns the state before the first step."""
    params, rest = frozen.split(model.init(key), frozen_paths)
    # An optimizer computes in float32, whatever the weights are kept in.
    return TrainState(jnp.zeros((), jnp.int32), params, rest, tx.init(rounding.widened(params)))


def abstract_state(
    model: Model,
    tx: optax.GradientTransformation,
    mesh: Mesh,
    frozen_paths: Collection[str] = (),
) -> TrainState:
    """Returns a state's shapes and where they lie: what a step is compiled from."""
    return jax.tree.map(
        lambda leaf, sharding: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=sharding),
        _abstract(model, tx, frozen_paths),
        state_shardings(model, tx, mesh, frozen_paths),
    )


def optimizer_shapes(
    model: Model, tx: optax.GradientTransformation, frozen_paths: Collection[str] = ()
) -> dict[str, tuple[int, ...]]:
    """Returns name -> shape of the leaves of an optimizer's state."""
    state = _abstract(model, tx, frozen_paths)
    return {name: tuple(leaf.shape) for name, leaf in state.opt_state.items()}


def _abstract(
    model: Model, tx: optax.GradientTransformation, frozen_paths: Collection[str]
) -> TrainState:
    """Returns the shapes of a state."""
    shapes: TrainState = jax.eval_shape(
        lambda key: init_state(model, tx, key, frozen_paths), jax.random.key(0)
    )
    return shapes


def state_shardings(
    model: Model,
    tx: optax.GradientTransformation,
    mesh: Mesh,
    frozen_paths: Collection[str] = (),
) -> TrainState:
    """Returns a TrainState of shardings.

    An optimizer array with as many axes as its parameter lies as that does; an
    axis that its mesh axis does not divide stays whole (block scales), and so
    do all others (Adafactor's factors, counters).
    """
    abstract = _abstract(model, tx, frozen_paths)

    def lay(axes: Params, leaves: Params) -> Params:
        return jax.tree.map(
            lambda names, leaf: parallel.param_sharding(mesh, names, leaf.shape),
            axes,
            leaves,
            is_leaf=is_axes,
        )

    trained_axes, frozen_axes = frozen.split(model.axes, frozen_paths, is_leaf=is_axes)
    params = lay(trained_axes, abstract.params)
    rest = None if abstract.frozen is None else lay(frozen_axes, abstract.frozen)
    whole = parallel.replicated(mesh)
    axes_of = {
        path_name(path): names
        for path, names in jax.tree_util.tree_leaves_with_path(trained_axes, is_leaf=is_axes)
    }

    def of_optimizer(name: str, leaf: Any) -> Any:
        names = axes_of.get(name.partition("/")[2])
        if names is not None and len(names) == leaf.ndim:
            return parallel.param_sharding(mesh, names, leaf.shape)
        return whole

    optimizer = {name: of_optimizer(name, leaf) for name, leaf in abstract.opt_state.items()}
    return TrainState(whole, params, rest, optimizer)


def make_state(
    model: Model,
    tx: optax.GradientTransformation,
    mesh: Mesh,
    key: Key,
    frozen_paths: Collection[str] = (),
) -> tuple[TrainState, TrainState]:
    """Returns a fresh state on the mesh, and its shardings.

    Args:
      model: The model.
      tx: The optimizer of what is trained.
      mesh: Where arrays lie.
      key: Seeds the parameters.
      frozen_paths: The parameters that are not trained.
    """
    shardings = state_shardings(model, tx, mesh, frozen_paths)
    make = jax.jit(lambda k: init_state(model, tx, k, frozen_paths), out_shardings=shardings)
    return make(key), shardings
