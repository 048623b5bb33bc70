"""One training step: sums over microbatches, divided once."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any

import jax
import jax.numpy as jnp
import optax
from jax.sharding import Mesh

from flanjax import parallel
from flanjax.base import Key, Mean
from flanjax.data.batch import SeqBatch
from flanjax.train import rounding
from flanjax.train.objectives import LossAux, LossFn
from flanjax.train.state import TrainState

StepFn = Callable[[TrainState, SeqBatch, Key], tuple[TrainState, dict[str, Mean]]]


def make_train_step(
    loss_fn: LossFn, tx: optax.GradientTransformation, *, microbatches: int = 1
) -> StepFn:
    """Returns (state, batch, key) -> (state, metrics), to be jit-compiled.

    Gradients are those of the loss summed over the whole batch divided by its
    whole weight, however many microbatches the batch is read in. A batch
    without weight moves nothing by its gradient. Gradients and the optimizer are
    float32 whatever weights are kept in.

    Args:
      loss_fn: Gives a sum and its weight.
      tx: The optimizer.
      microbatches: Parts the batch is read in; must divide its rows.
    """

    def step(state: TrainState, batch: SeqBatch, key: Key) -> tuple[TrainState, dict[str, Mean]]:
        key = jax.random.fold_in(key, state.step)
        wide = state._replace(params=rounding.widened(state.params))
        grad_sum, aux = _summed_gradients(loss_fn, wide, batch, key, microbatches)
        weight = jnp.maximum(aux.weight, 1e-8)
        grads = jax.tree.map(lambda g: g / weight, grad_sum)
        updates, opt_state = tx.update(grads, state.opt_state, wide.params)
        params = rounding.apply_updates(state.params, updates, key)
        one = jnp.float32(1)
        metrics = {
            **aux.metrics,
            "grad_norm": Mean(optax.tree.norm(grads), one),
            "weight": Mean(aux.weight, one),
        }
        return TrainState(state.step + 1, params, state.frozen, opt_state), metrics

    return step


def _summed_gradients(
    loss_fn: LossFn, state: TrainState, batch: SeqBatch, key: Key, microbatches: int
) -> tuple[Any, LossAux]:
    def gradients(part: SeqBatch, part_key: Key) -> tuple[Any, LossAux]:
        def loss(params: Any) -> tuple[jax.Array, LossAux]:
            return loss_fn(params, state.frozen, part, part_key)

        grads, aux = jax.grad(loss, has_aux=True)(state.params)
        return grads, aux

    if microbatches == 1:
        return gradients(batch, key)

    def split(x: jax.Array) -> jax.Array:
        # Strided, so that each device's rows stay on that device.
        return x.reshape(-1, microbatches, *x.shape[1:]).swapaxes(0, 1)

    parts = jax.tree.map(split, batch)
    keys = jax.random.split(key, microbatches)
    shapes = jax.eval_shape(gradients, jax.tree.map(lambda x: x[0], parts), keys[0])
    zeros = jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), shapes)

    def add(total: Any, part: Any) -> tuple[Any, None]:
        return jax.tree.map(jnp.add, total, gradients(*part)), None

    summed: tuple[Any, LossAux] = jax.lax.scan(add, zeros, (parts, keys))[0]
    return summed


def compile_step(step: StepFn, mesh: Mesh, shardings: TrainState) -> StepFn:
    """Returns the step compiled for a mesh; the old state is donated."""
    batch = parallel.batch_sharding(mesh)
    whole = parallel.replicated(mesh)

    return jax.jit(
        parallel.on_mesh(step, mesh),
        in_shardings=(shardings, batch, whole),
        out_shardings=(shardings, whole),
        donate_argnums=0,
    )


def put_batch(batch: SeqBatch, mesh: Mesh) -> SeqBatch:
    """Places this process's rows into the global batch on the mesh."""
    sharding = parallel.batch_sharding(mesh)
    if jax.process_count() == 1:
        placed: SeqBatch = jax.device_put(batch, sharding)
        return placed

    def place(x: Any) -> jax.Array:
        shape = (x.shape[0] * jax.process_count(), *x.shape[1:])
        return jax.make_array_from_process_local_data(sharding, x, shape)

    return jax.tree.map(place, batch)


def check_batch(
    batch_size: int, microbatches: int, mesh: Mesh, lengths: Collection[int] = ()
) -> None:
    """Checks that the mesh divides every microbatch.

    Args:
      batch_size: Rows of a batch.
      microbatches: Parts it is read in.
      mesh: Where they go.
      lengths: Columns of the arrays of a batch.

    Raises:
      ValueError: It does not.
    """
    shards = parallel.num_batch_shards(mesh)
    if batch_size % (microbatches * shards):
        raise ValueError(
            f"batch_size must be a multiple of microbatches x data x fsdp = {microbatches} x "
            f"{shards}, got {batch_size}; change BATCH_SIZE or the mesh."
        )
    if shards % jax.process_count():
        raise ValueError(
            "mesh data x fsdp must be a multiple of the processes, each of which reads whole rows, "
            f"got {shards} with {jax.process_count()}; make context or tensor smaller."
        )
    for length in lengths:
        if length % mesh.shape["context"]:
            raise ValueError(
                f"row lengths must be multiples of the mesh's context {mesh.shape['context']}, "
                f"got {length}; change the length or the mesh."
            )
