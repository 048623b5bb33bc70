"""An experiment's parts that need no data: tokenizer, model, optimizer, mesh."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import optax
from jax.sharding import Mesh

from flanjax import parallel
from flanjax.data.tokenize import Tokenizer, make_tokenizer
from flanjax.evaluation.predict import ModelPredictor
from flanjax.experiment import Experiment
from flanjax.models import families
from flanjax.models.api import Model, is_axes
from flanjax.models.generation import DecodeConfig
from flanjax.models.row_attention import check_backend, for_platform
from flanjax.train import optim, restore, rounding
from flanjax.train.frozen import split
from flanjax.train.objectives import token_loss
from flanjax.train.state import TrainState
from flanjax.train.step import StepFn, check_batch, compile_step, make_train_step

_FIRST_FLOAT8 = 8.9
"""CUDA's compute capability from which cuBLASLt has products of eight-bit floats (Hopper: 9.0)."""


class Parts(NamedTuple):
    """What a run is made of, before any record is read.

    Attributes:
      tokenizer: Text to ids.
      model: The model.
      tx: The optimizer of the parameters that are trained.
      mesh: The device mesh.
      frozen: Paths of the parameters that are not.
    """

    tokenizer: Tokenizer
    model: Model
    tx: optax.GradientTransformation
    mesh: Mesh
    frozen: frozenset[str] = frozenset()


class StepParts(NamedTuple):
    """What a training step is made of; as in `Parts`."""

    model: Model
    tx: optax.GradientTransformation
    mesh: Mesh
    frozen: frozenset[str]


def assemble(experiment: Experiment, tokenizer: Tokenizer | None = None) -> Parts:
    """Builds a run's parts.

    Args:
      experiment: The run.
      tokenizer: The one that travels with a checkpoint; None makes the
        experiment's own.

    Raises:
      ValueError: The vocabulary, batch or mesh do not fit one another, or what
        is to be frozen is not there.
    """
    tokenizer = tokenizer or make_tokenizer(experiment.tokenizer)
    check_vocabulary(experiment, tokenizer)
    return Parts(tokenizer, *assemble_step(experiment))


def check_vocabulary(experiment: Experiment, tokenizer: Tokenizer) -> None:
    """Checks that a model has a row for every id.

    Raises:
      ValueError: It does not.
    """
    if experiment.model.vocab_size < tokenizer.vocab_size:
        raise ValueError(
            f"model vocab_size must be at least the tokenizer's {tokenizer.vocab_size}, got "
            f"{experiment.model.vocab_size}; raise it, or name the checkpoint's own tokenizer, as "
            "`flanjax import hf` leaves it."
        )


def assemble_step(
    experiment: Experiment, *, devices: Sequence[jax.Device] | None = None
) -> StepParts:
    """Builds what a step is made of.

    Args:
      experiment: The run.
      devices: What the mesh is laid over; None for those of this machine.

    Raises:
      ValueError: The batch or mesh do not fit one another, or what is to be
        frozen is not there.
    """
    mesh = parallel.make_mesh(experiment.mesh, devices=devices)
    train = experiment.train
    check_batch(train.batch_size, train.microbatches, mesh, experiment.row_lengths)
    check_backend(experiment.model, mesh, experiment.row_lengths)
    model = rounding.stored_in(
        families.make_model(experiment.model), experiment.optimizer.weight_dtype
    )
    frozen = restore.frozen_paths(experiment.optimizer.freeze, model.axes)
    trained, _ = split(model.axes, frozen, is_leaf=is_axes)
    tx = optim.make_optimizer(experiment.optimizer, trained, num_steps=experiment.train.steps)
    return StepParts(model, tx, mesh, frozen)


def compiled_step(
    experiment: Experiment, parts: Parts | StepParts, shardings: TrainState
) -> StepFn:
    """Returns a run's training step, to be called or lowered."""
    loss_fn = token_loss(parts.model, experiment.loss)
    step = make_train_step(loss_fn, parts.tx, microbatches=experiment.train.microbatches)
    return compile_step(step, parts.mesh, shardings)


def assemble_for_reading(experiment: Experiment, tokenizer: Tokenizer) -> Parts:
    """Builds what a checkpoint is read with, on one device.

    A run may name attention of another machine than this; it goes by this one's best then.
    """
    mesh = parallel.make_mesh(parallel.MeshConfig(), num_devices=1)
    model = families.make_model(for_platform(experiment.model, mesh.devices.flat[0].platform))
    return Parts(tokenizer, model, optax.identity(), mesh)


def assemble_to_score(experiment: Experiment, tokenizer: Tokenizer | None = None) -> Parts:
    """Builds what parameters are scored with, on the run's mesh.

    Its batches of training are not read here, so they need not fit the mesh, and attention is as
    in `assemble_for_reading`.

    Args:
      experiment: The run.
      tokenizer: As in `assemble`.

    Raises:
      ValueError: The vocabulary or the mesh do not fit.
    """
    tokenizer = tokenizer or make_tokenizer(experiment.tokenizer)
    check_vocabulary(experiment, tokenizer)
    mesh = parallel.make_mesh(experiment.mesh)
    config = for_platform(experiment.model, mesh.devices.flat[0].platform)
    model = rounding.stored_in(families.make_model(config), experiment.optimizer.weight_dtype)
    return Parts(tokenizer, model, optax.identity(), mesh)


def slower_lines(experiment: Experiment, mesh: Mesh) -> list[str]:
    """Returns what to say where a setting runs but is slower on these devices."""
    device = mesh.devices.flat[0]
    if experiment.model.matmul != "fp8" or has_float8(device):
        return []
    return [f"matmul 'fp8' is computed, but slower than 'plain': {device.device_kind} has no fp8"]


def has_float8(device: Any) -> bool:
    """Returns whether a device multiplies eight-bit floats, as far as is known.

    Only a GPU from Ada on is known to.
    """
    return device.platform == "gpu" and parallel.compute_capability(device) >= _FIRST_FLOAT8


def param_shardings(parts: Parts) -> Any:
    """Returns where each parameter lies."""
    return jax.tree.map(
        lambda axes, leaf: parallel.param_sharding(parts.mesh, axes, leaf.shape),
        parts.model.axes,
        jax.eval_shape(parts.model.init, jax.random.key(0)),
        is_leaf=is_axes,
    )


def make_predictor(
    experiment: Experiment,
    parts: Parts,
    params: Any,
    *,
    decode_config: DecodeConfig | None = None,
    stop_texts: Sequence[str] | None = None,
    seed: int | None = None,
) -> ModelPredictor:
    """Returns a predictor with the experiment's lengths and batch.

    Its answers are written as the experiment's evaluation writes them, but for
    what is given.
    """
    lengths, evaluation = experiment.data.task_feature_lengths, experiment.evaluation
    return ModelPredictor(
        parts.model,
        params,
        parts.tokenizer,
        max_input_length=lengths["inputs"],
        max_target_length=lengths["targets"],
        batch_size=evaluation.batch_size,
        mesh=parts.mesh,
        decode_config=evaluation.decode if decode_config is None else decode_config,
        stop_texts=evaluation.stop_texts if stop_texts is None else stop_texts,
        is_cut_left=experiment.data.over_long == "truncate_left",
        seed=evaluation.seed if seed is None else seed,
    )
