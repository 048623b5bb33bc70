"""An experiment's parts that need no data: tokenizer, model, optimizer, mesh."""

from __future__ import annotations

import pathlib
from collections.abc import Mapping
from typing import Any, NamedTuple

import jax
import optax
from jax.sharding import Mesh

from flanjax import model_dir, parallel
from flanjax.base import path_name
from flanjax.data.tokenize import Tokenizer, make_tokenizer
from flanjax.evaluation.predict import ModelPredictor
from flanjax.experiment import Experiment, differences, to_plain
from flanjax.interop import t5x
from flanjax.interop.hf import checkpoint as hf_checkpoint
from flanjax.interop.places import StoredArray
from flanjax.models import families
from flanjax.models.api import Model, is_axes
from flanjax.train import optim
from flanjax.train.checkpoint import Checkpoints
from flanjax.train.step import check_batch

_MAX_UNUSED_ROWS = 128
"""T5X pads an embedding to a multiple of 128 rows: T5's 32,100 ids have 32,128."""


class Parts(NamedTuple):
    """What a run is made of, before any record is read.

    Attributes:
      tokenizer: Text to ids.
      model: The model.
      tx: The optimizer.
      mesh: The device mesh.
    """

    tokenizer: Tokenizer
    model: Model
    tx: optax.GradientTransformation
    mesh: Mesh


def assemble(experiment: Experiment, tokenizer: Tokenizer | None = None) -> Parts:
    """Builds a run's parts.

    Args:
      experiment: The run.
      tokenizer: The one that travels with a checkpoint; None makes the
        experiment's own.

    Raises:
      ValueError: The vocabulary, batch or mesh do not fit one another.
    """
    tokenizer = tokenizer or make_tokenizer(experiment.tokenizer)
    if experiment.model.vocab_size < tokenizer.vocab_size:
        raise ValueError(
            f"model vocab_size must be at least the tokenizer's {tokenizer.vocab_size}, got "
            f"{experiment.model.vocab_size}; raise it, or name the checkpoint's own tokenizer."
        )
    mesh = parallel.make_mesh(experiment.mesh)
    check_batch(experiment.train.batch_size, experiment.train.microbatches, mesh)
    model = families.make_model(experiment.model)
    tx = optim.make_optimizer(experiment.optimizer, model.axes, num_steps=experiment.train.steps)
    return Parts(tokenizer, model, tx, mesh)


def assemble_for_reading(experiment: Experiment, tokenizer: Tokenizer) -> Parts:
    """Builds what a checkpoint is read with, on one device."""
    mesh = parallel.make_mesh(parallel.MeshConfig(), num_devices=1)
    return Parts(tokenizer, families.make_model(experiment.model), optax.identity(), mesh)


def param_shardings(parts: Parts) -> Any:
    """Returns where each parameter lies."""
    return jax.tree.map(
        lambda axes, leaf: parallel.param_sharding(parts.mesh, axes, leaf.shape),
        parts.model.axes,
        _shapes(parts),
        is_leaf=is_axes,
    )


def _shapes(parts: Parts) -> Any:
    return jax.eval_shape(parts.model.init, jax.random.key(0))


def load_params(path: str, parts: Parts, shardings: Any) -> Any:
    """Returns the parameters of a checkpoint, laid out by `shardings`.

    Args:
      path: MODEL_DIR, MODEL_DIR/checkpoints/STEP, or T5X's checkpoint_N.
      parts: The run's parts; tokenizer and shapes must be the checkpoint's.
      shardings: A tree like the parameters.

    Raises:
      ValueError: There is no checkpoint, or it is of another vocabulary or
        shape.
    """
    kind = model_dir.checkpoint_kind(path)
    if kind == "flanjax":
        return _load_flanjax(path, parts, shardings)
    arrays = _t5x_arrays(path, parts) if kind == "T5X" else _hf_arrays(path, parts)
    return place_arrays(arrays, _shapes(parts), shardings)


def place_arrays(arrays: Mapping[str, StoredArray], shapes: Any, shardings: Any) -> Any:
    """Reads parameters into their places, float32; a device's shard is read by itself.

    Args:
      arrays: Path -> array.
      shapes: The model's parameters as shapes.
      shardings: A tree like it.
    """

    def load(path: Any, like: Any, sharding: Any) -> jax.Array:
        array = arrays[path_name(path)]

        def shard(index: Any) -> Any:
            return array.read(index).astype(like.dtype)

        return jax.make_array_from_callback(like.shape, sharding, shard)

    return jax.tree_util.tree_map_with_path(load, shapes, shardings)


def _t5x_arrays(path: str, parts: Parts) -> Mapping[str, StoredArray]:
    _check_rows(f"T5X checkpoint {path}", parts)
    return t5x.our_arrays(path, parts.model.config, t5x.named_shapes(_shapes(parts)))


def _hf_arrays(path: str, parts: Parts) -> Mapping[str, StoredArray]:
    checkpoint = hf_checkpoint.open_checkpoint(pathlib.Path(path))
    found = differing(parts.model.config, checkpoint.config)
    if found:
        raise ValueError(
            f"model must be that of checkpoint {path}, got {'; '.join(found)}; "
            f"`flanjax import gin {path}` writes its gin file."
        )
    _check_rows(f"checkpoint {path}", parts)
    return hf_checkpoint.our_arrays(checkpoint, t5x.named_shapes(_shapes(parts)))


_FREE = ("dropout_rate", "dtype", "scan_layers", "remat", "prefix_lm")
"""What a run may set otherwise than its checkpoint."""


def differing(config: Any, other: Any) -> list[str]:
    """Returns `field: other -> config` where two models are not the same network."""
    ours, theirs = (
        {name: value for name, value in to_plain(value).items() if name not in _FREE}
        for value in (config, other)
    )
    return differences(theirs, ours)


def _check_rows(what: str, parts: Parts) -> None:
    """Checks that a run's tokenizer is of the size of another make's checkpoint."""
    num_rows, num_ids = parts.model.config.vocab_size, parts.tokenizer.vocab_size
    if num_rows - num_ids > _MAX_UNUSED_ROWS:
        raise ValueError(
            f"tokenizer must be the one that {what} was trained with, of {num_rows} ids or up to "
            f"{_MAX_UNUSED_ROWS} fewer, got {parts.tokenizer.fingerprint} of {num_ids}; set "
            "TOKENIZER_PATH to its own."
        )


def _load_flanjax(path: str, parts: Parts, shardings: Any) -> Any:
    folder, step = model_dir.split_checkpoint(path)
    tokenizer = model_dir.read_tokenizer(folder)
    if tokenizer.fingerprint != parts.tokenizer.fingerprint:
        raise ValueError(
            f"tokenizer must be the checkpoint's {tokenizer.fingerprint} ({folder}), got "
            f"{parts.tokenizer.fingerprint}; name the tokenizer that lies in {folder}/tokenizer."
        )
    checkpoints = Checkpoints(folder)
    step = checkpoints.latest_step() if step is None else step
    if step is None or not checkpoints.has(step):
        raise ValueError(
            f"checkpoint must be a complete one, got none at {path}; train first, or name another."
        )
    try:
        return checkpoints.restore_params(step, _shapes(parts), shardings)
    finally:
        checkpoints.close()


def checkpoint_step(path: str) -> int:
    """Returns the training step of a checkpoint that can be loaded."""
    kind = model_dir.checkpoint_kind(path)
    if kind == "Hugging Face":
        return 0
    if kind == "T5X":
        return int(pathlib.Path(path).name.rpartition("_")[2])
    folder, step = model_dir.split_checkpoint(path)
    if step is None:
        checkpoints = Checkpoints(folder)
        step = checkpoints.latest_step()
        checkpoints.close()
    assert step is not None, "a checkpoint that was loaded has a step"
    return step


def make_predictor(experiment: Experiment, parts: Parts, params: Any) -> ModelPredictor:
    """Returns a predictor with the experiment's lengths and batch."""
    lengths = experiment.data.task_feature_lengths
    return ModelPredictor(
        parts.model,
        params,
        parts.tokenizer,
        max_input_length=lengths["inputs"],
        max_target_length=lengths["targets"],
        batch_size=experiment.evaluation.batch_size,
        mesh=parts.mesh,
    )
