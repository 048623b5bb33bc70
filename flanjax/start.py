"""What a run starts from: a checkpoint of any make, read straight into the mesh."""

from __future__ import annotations

import pathlib
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import jax
import numpy as np

from flanjax import model_dir, opened
from flanjax.base import listed, path_name
from flanjax.experiment import Experiment, differences, to_plain
from flanjax.interop.places import Arrays, StoredArray, named_shapes
from flanjax.kept_state import MAX_NAMED, kept_state, state_shapes
from flanjax.models import families
from flanjax.opened import Opened
from flanjax.parts import Parts
from flanjax.train import ema, restore
from flanjax.train.checkpoint import Checkpoints
from flanjax.train.restore import RestoreConfig
from flanjax.train.state import TrainState

_MAX_UNUSED_ROWS = 128
"""T5X pads an embedding to a multiple of 128 rows: T5's 32,100 ids have 32,128."""
_FREE = (
    "dropout_rate", "dtype", "scan_layers", "remat", "matmul", "prefix_lm", "attention_backend"
)  # fmt: skip
"""What a run may set otherwise than its checkpoint."""
_TABLES = ("embed", "head")
"""Parameters with a row or column for each id: what they mean is the tokenizer's."""


class Start(NamedTuple):
    """What a run reads of a checkpoint, checked but not yet read.

    Attributes:
      source: The checkpoint.
      params: Path -> array of each parameter that is read.
      fresh: The parameters that are not.
      opt_state: The optimizer's state by name, None where it starts anew.
      step: Updates done before the run's first.
      weights: Which of the checkpoint's are read.
      notes: What is told of it, beside whose it is.
    """

    source: Opened
    params: Arrays
    fresh: Sequence[str]
    opt_state: Arrays | None
    step: int
    weights: restore.Weights
    notes: Sequence[str]

    def summary(self) -> str:
        """Returns one line: whose checkpoint, and what of it."""
        read = f"parameters of {self.source.kind} checkpoint {self.source.path}"
        kept = f"optimizer kept, from step {self.step:,}" if self.opt_state is not None else ""
        return "; ".join(part for part in (read, kept, *self.notes) if part)


def open_start(path: str, parts: Parts, config: RestoreConfig | None = None) -> Start:
    """Opens what a run starts from, and checks all of it before anything is read.

    Args:
      path: MODEL_DIR, MODEL_DIR/checkpoints/STEP, T5X's checkpoint_N, or a
        directory of transformers.
      parts: The run's parts; tokenizer and shapes must be the checkpoint's.
      config: What of it is read; None for all parameters and nothing else.

    Raises:
      ValueError: There is no checkpoint, it is of another vocabulary or model,
        or it lacks what the run would keep.
    """
    config = config or RestoreConfig()
    shapes = named_shapes(jax.eval_shape(parts.model.init, jax.random.key(0)))
    sources = restore.sources(config, shapes)
    names = {name for name in sources.values() if name} if config.assignment_map else None
    if model_dir.checkpoint_kind(path) == "T5X":
        _check_rows(path, parts)
    source = opened.open_any(path, config=parts.model.config, names=names, weights=config.weights)
    if any(name and ours.rpartition("/")[2] in _TABLES for ours, name in sources.items()):
        _check_tokenizer(source, parts)
    notes = _check_model(source, parts, is_mapped=bool(config.assignment_map))
    notes += _beginnings(source, parts)
    notes += ["averaged weights"] if config.weights == "averaged" else []
    _check_shapes(source, sources, shapes)
    params = {ours: source.arrays[name] for ours, name in sources.items() if name}
    fresh = [ours for ours, name in sources.items() if name is None]
    unread = sorted(set(source.arrays) - {name for name in sources.values() if name})
    kept = kept_state(source, parts, shapes, sources) if config.optimizer_state == "keep" else None
    if kept is not None and ema.COUNT in state_shapes(parts).keys() - kept.keys():
        notes += ["average anew"]
    return Start(
        source=source,
        params=params,
        fresh=fresh,
        opt_state=kept,
        step=source.step if kept is not None else 0,
        weights=config.weights,
        notes=[
            *notes,
            *_counted(_new(kept), fresh),
            *_counted("not read", [*unread, *source.unread]),
        ],
    )


def latest_step(experiment: Experiment) -> int | None:
    """Returns the newest checkpoint of a run; None before the first.

    Raises:
      ValueError: It is of more steps than the run has.
    """
    folder = pathlib.Path(experiment.model_dir)
    if not (folder / "checkpoints").is_dir():
        return None
    checkpoints = Checkpoints(folder)
    try:
        latest = checkpoints.latest_step()
    finally:
        checkpoints.close()
    if latest is not None and latest > experiment.train.steps:
        raise ValueError(
            f"TRAIN_STEPS must be at least the {latest:,} steps that MODEL_DIR {folder} has done, "
            f"got {experiment.train.steps:,}; raise it, or score an earlier step by `flanjax eval "
            f"--checkpoint={folder}/checkpoints/STEP`."
        )
    return latest


def begin(experiment: Experiment, parts: Parts) -> Start | None:
    """Opens what a run starts from; None without a checkpoint.

    Raises:
      ValueError: As `open_start`; or the steps that are kept are all that the
        run has, or are not those from which it began.
    """
    path = experiment.initial_checkpoint_path
    if not path:
        return None
    begun = open_start(path, parts, experiment.restore)
    folder = pathlib.Path(experiment.model_dir)
    if latest_step(experiment) is not None:
        return begun  # the run goes on from its own
    known = model_dir.read_first_step(folder)
    if known not in (None, begun.step):
        raise ValueError(
            f"INITIAL_CHECKPOINT_PATH must be at step {known:,}, from which the run in {folder} "
            f"began, got {path} at {begun.step:,}; name that step's checkpoint."
        )
    if begun.step >= experiment.train.steps:
        raise ValueError(
            f"TRAIN_STEPS must be above the {begun.step:,} steps of {path}, whose optimizer is "
            f"kept, got {experiment.train.steps:,}; raise it."
        )
    return begun


def first_step(experiment: Experiment) -> int:
    """Returns how many updates were done before a run's first; 0 unless they are kept.

    Of a run that has begun, MODEL_DIR knows: what it started from may go on.
    """
    known = model_dir.read_first_step(pathlib.Path(experiment.model_dir))
    if known is not None:
        return known
    path = experiment.initial_checkpoint_path
    if not path or experiment.restore.optimizer_state == "reset":
        return 0
    return opened.open_any(path, config=experiment.model, names=()).step


def _new(kept: Arrays | None) -> str:
    """Returns what parameters are that no checkpoint gives."""
    return "new" if kept is None else "new, of moments that are zero"


def _counted(what: str, names: Sequence[str]) -> list[str]:
    return [f"{len(names)} {what} ({listed(names, MAX_NAMED)})"] if names else []


def _check_rows(path: str, parts: Parts) -> None:
    """Checks a tokenizer by its size, where a checkpoint has none to compare it with."""
    num_rows, num_ids = parts.model.config.vocab_size, parts.tokenizer.vocab_size
    if num_rows - num_ids > _MAX_UNUSED_ROWS:
        raise ValueError(
            f"tokenizer must be the one that T5X checkpoint {path} was trained with, of {num_rows} "
            f"ids or up to {_MAX_UNUSED_ROWS} fewer, got {parts.tokenizer.fingerprint} of "
            f"{num_ids}; set TOKENIZER_PATH to its own."
        )


def _check_tokenizer(source: Opened, parts: Parts) -> None:
    """Checks that a run's tokenizer is the one that travels with a checkpoint."""
    theirs = [tokenizer.fingerprint for tokenizer in source.tokenizers]
    if theirs and parts.tokenizer.fingerprint not in theirs:
        remedy = f"name the tokenizer that lies in {source.files or f'{source.path}/tokenizer'}"
        if source.left_out:
            remedy = "turn it into a MODEL_DIR by `flanjax import hf`, and name the tokenizer there"
        raise ValueError(
            f"tokenizer must be the checkpoint's {' or '.join(theirs)} ({source.path}), got "
            f"{parts.tokenizer.fingerprint}; {remedy}."
        )


def _beginnings(source: Opened, parts: Parts) -> list[str]:
    """Tells where prompts begin otherwise than a checkpoint's tokenizer begins them."""
    ours = parts.tokenizer.bos_id
    theirs = {tokenizer.bos_id for tokenizer in source.tokenizers}
    if not theirs or ours in theirs:
        return []
    where = "there, not here" if ours is None else "here, not there"
    return [
        f"prompts begin with a bos_token {where} (TokenizerConfig.has_bos = {ours is not None})"
    ]


def _check_model(source: Opened, parts: Parts, *, is_mapped: bool) -> list[str]:
    """Checks that a checkpoint is of the run's model; tells where it may differ."""
    found = differing(parts.model.config, source.config)
    if found and is_mapped:
        return [f"of another model: {'; '.join(found)}"]
    if found:
        raise ValueError(
            f"model must be that of checkpoint {source.path}, got {'; '.join(found)}; set the "
            "checkpoint's, or say by RestoreConfig.assignment_map what is read of it."
        )
    return []


def differing(config: Any, other: Any) -> list[str]:
    """Returns `field: other -> config` where two models are not the same network."""
    return differences(_network(other), _network(config))


def _network(config: Any) -> dict[str, Any]:
    """Returns what of a model no run may set otherwise than its checkpoint."""
    plain = {name: value for name, value in to_plain(config).items() if name not in _FREE}
    positions = plain["positions"].items()  # Phi's factors are chosen by length, not by weights
    return plain | {"positions": {k: value for k, value in positions if k != "uses_long"}}


def _check_shapes(
    source: Opened, sources: Mapping[str, str | None], shapes: Mapping[str, tuple[int, ...]]
) -> None:
    faults = []
    for ours, name in sources.items():
        if name is None:
            continue
        found = source.arrays[name].shape if name in source.arrays else "none"
        if found != shapes[ours]:
            faults.append(f"{ours} {shapes[ours]} from {name} {found}")
    if faults:
        raise ValueError(
            f"checkpoint {source.path} must hold each parameter that is read of it, got "
            f"{listed(faults, MAX_NAMED)}; set RestoreConfig.assignment_map."
        )


def apply(start: Start, fresh: TrainState, shardings: TrainState) -> TrainState:
    """Returns a state that starts from a checkpoint.

    Args:
      start: What is read.
      fresh: The state of a run that starts from nothing; consumed array by array.
      shardings: A tree like it.
    """
    params = read_into(start.params, fresh.params, shardings.params)
    frozen = fresh.frozen
    if frozen is not None:
        frozen = read_into(start.params, frozen, shardings.frozen)
    optimizer = fresh.opt_state
    if start.opt_state is not None:
        optimizer = {
            name: _read(start.opt_state[name], leaf, shardings.opt_state[name])
            if name in start.opt_state
            else leaf
            for name, leaf in optimizer.items()
        }
        if ema.COUNT in start.opt_state:
            optimizer |= ema.begun(params, optimizer, fresh=optimizer.keys() - start.opt_state)
    step = jax.device_put(np.int32(start.step), shardings.step)
    return TrainState(step, params, frozen, optimizer)


def load_params(
    path: str, parts: Parts, shardings: Any, weights: restore.Weights = "trained"
) -> Any:
    """Returns all parameters of a checkpoint, laid out by `shardings`.

    Args:
      path: As in `open_start`.
      parts: The run's parts.
      shardings: A tree like the parameters.
      weights: As in `RestoreConfig`.

    Raises:
      ValueError: As `open_start`.
    """
    return read_params(open_start(path, parts, RestoreConfig(weights=weights)), parts, shardings)


def read_params(start: Start, parts: Parts, shardings: Any) -> Any:
    """Returns the parameters that a start reads, which must be all of them.

    An average is float32, whatever type the run keeps its weights in.
    """
    is_averaged = start.weights == "averaged"
    model = families.make_model(parts.model.config) if is_averaged else parts.model
    shapes = jax.eval_shape(model.init, jax.random.key(0))
    return read_into(start.params, shapes, shardings)


def read_into(arrays: Arrays, tree: Any, shardings: Any) -> Any:
    """Returns a tree with stored arrays in it; each device's shard is read by itself.

    Args:
      arrays: Path -> array.
      tree: Arrays or shapes; an array that is replaced is let go before the
        one in its place is read.
      shardings: A tree like it.
    """

    def load(path: Any, leaf: Any, sharding: Any) -> Any:
        name = path_name(path)
        return _read(arrays[name], leaf, sharding) if name in arrays else leaf

    return jax.tree_util.tree_map_with_path(load, tree, shardings)


def _read(array: StoredArray, leaf: Any, sharding: Any) -> jax.Array:
    shape, dtype = leaf.shape, leaf.dtype
    if isinstance(leaf, jax.Array):
        leaf.delete()

    def shard(index: Any) -> Any:
        return array.read(index).astype(dtype)

    return jax.make_array_from_callback(shape, sharding, shard)
