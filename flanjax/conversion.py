"""Checkpoints of one make into another's.

```
  transformers  safetensors, config.json  --.                              .--> transformers
  T5X           legacy or Orbax           ---+--> our names, read lazily ---+--> MODEL_DIR
  flanjax       MODEL_DIR                 --'                              '--> compared
```
"""

from __future__ import annotations

import dataclasses
import json
import pathlib
import re
import shutil
from collections.abc import Mapping
from typing import Any

import numpy as np

from flanjax import model_dir
from flanjax.data.hf_tokenizer import TOKENIZER_FILE, begins_prompts
from flanjax.data.tokenize import Tokenizer, TokenizerConfig, saved_config
from flanjax.experiment import to_plain
from flanjax.interop import moments, orbax_format, t5x, t5x_export, t5x_slots
from flanjax.interop.hf import checkpoint as hf
from flanjax.interop.moments import Moment, Moments
from flanjax.interop.places import Arrays, StoredArray, cast, to_theirs
from flanjax.interop.t5x_export import Form
from flanjax.model_card import model_card
from flanjax.models import families
from flanjax.opened import Opened, check_tokenizer
from flanjax.train import optim
from flanjax.train.ema import EmaConfig
from flanjax.train.optim import OptimizerConfig, ScheduleConfig
from flanjax.train.state import optimizer_shapes

Shapes = Mapping[str, tuple[int, ...]]
_HF_TOKENIZERS = {"bytes": "ByT5Tokenizer", "sentencepiece": "T5Tokenizer"}
"""Our kind of tokenizer -> the class of transformers that gives the same ids."""
_TABLES = {"embed": 0, "encoder/embed": 0, "head": 1}
"""Parameters with a row or column for each id -> that axis."""


def import_into(
    source: Opened,
    folder: pathlib.Path,
    *,
    tokenizer: Tokenizer | None = None,
    dtype: np.dtype | None = None,
    multiple: int = 1,
    optimizer: OptimizerConfig | None = None,
) -> Any:
    """Writes a checkpoint as a MODEL_DIR that runs start from; returns its config.

    Memory holds one array at a time.

    Args:
      source: The checkpoint.
      folder: Must not exist.
      tokenizer: The one to go with it, where the source has none.
      dtype: The type of the parameters; None for the source's own.
      multiple: The vocabulary is filled up to a multiple of this with rows
        that stand for no token, and are taken away on export.
      optimizer: What goes on from the source's second moments, where it has
        them; None leaves them out.

    Raises:
      ValueError: The folder is there, there is no tokenizer, or the optimizer
        is another.
    """
    tokenizer = source.tokenizers[0] if source.tokenizers else tokenizer
    if tokenizer is None:
        raise ValueError(
            f"checkpoint {source.path} must have a tokenizer to travel with, got none; copy "
            "its files there: tokenizer.json and tokenizer_config.json, or spiece.model."
        )
    if folder.exists():
        raise ValueError(f"import must go to a new directory, got {folder}; name another.")
    config, arrays, second = padded(source, multiple, has_moments=optimizer is not None)
    shapes = {name: array.shape for name, array in arrays.items()}
    state: Arrays = {}
    if optimizer is not None and second is not None:
        state = _state(source, config, second, shapes, optimizer)
    check_tokenizer(config, tokenizer)
    if dtype is not None:
        arrays = {name: cast(array, dtype, name) for name, array in arrays.items()}
    stored = {f"params/{name}": array for name, array in arrays.items()}
    stored |= {f"opt_state/{name}": array for name, array in state.items()}
    step = source.step if state else 0
    _write_model_dir(source, folder, config, stored, step=step, tokenizer=tokenizer)
    return config


def _write_model_dir(
    source: Opened,
    folder: pathlib.Path,
    config: Any,
    stored: Arrays,
    *,
    step: int,
    tokenizer: Tokenizer,
) -> None:
    """Writes a MODEL_DIR aside, then renames it."""
    aside = folder.with_name(f"{folder.name}.partial")
    shutil.rmtree(aside, ignore_errors=True)
    try:
        orbax_format.write_step(aside / "checkpoints" / str(step), stored)
        tokenizer.save(aside / model_dir.TOKENIZER)
        if source.files is not None:
            model_dir.keep_files(source.files, aside)
        about = {"model": to_plain(config), "source": {"kind": source.kind}}
        model_dir.write_json(aside / model_dir.MODEL, about)
        aside.rename(folder)
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def tokenizer_config(folder: pathlib.Path) -> TokenizerConfig:
    """Returns the config of the tokenizer in a MODEL_DIR, by its files there."""
    return saved_config(folder / model_dir.TOKENIZER)


def _state(
    source: Opened, config: Any, second: Moments, shapes: Shapes, optimizer: OptimizerConfig
) -> Arrays:
    """Returns the state of an optimizer that goes on from second moments."""
    model = families.make_model(config)
    # A schedule has no state but its step, this one ends with no run; an average begins anew.
    plain = dataclasses.replace(optimizer, schedule=ScheduleConfig(), ema=EmaConfig())
    tx = optim.make_optimizer(plain, model.axes, num_steps=1)
    found = moments.to_leaves(second, shapes, optimizer_shapes(model, tx), step=source.step)
    if found is None:
        raise ValueError(
            f"optimizer must be adafactor to keep the state of {source.path}, got "
            f"{optimizer.name}; set OptimizerConfig.name, or leave the state out by "
            "--optimizer_state=reset."
        )
    return found


def padded(
    source: Opened, multiple: int, *, has_moments: bool = False
) -> tuple[Any, Arrays, Moments | None]:
    """Returns a model whose vocabulary is filled up to a multiple, with zeros."""
    return _with_rows(source, -source.config.vocab_size % multiple, has_moments)


def unpadded(source: Opened, *, has_moments: bool = False) -> tuple[Any, Arrays, Moments | None]:
    """Returns a model without the rows that stand for no token."""
    return _with_rows(source, -source.config.embedding.num_unused, has_moments)


def _with_rows(source: Opened, more: int, has_moments: bool) -> tuple[Any, Arrays, Moments | None]:
    """Returns config, parameters and moments with so many more or fewer unused ids."""
    config, arrays = source.config, source.arrays
    second = source.open_moments() if has_moments else None
    if not more:
        return config, arrays, second
    embedding = dataclasses.replace(config.embedding, num_unused=config.embedding.num_unused + more)
    config = dataclasses.replace(config, vocab_size=config.vocab_size + more, embedding=embedding)
    resized = {n: _resized(a, _TABLES[n], more) for n, a in arrays.items() if n in _TABLES}
    if second is not None:
        tables = {
            n: _resized_moment(m, _TABLES[n], more) for n, m in second.items() if n in _TABLES
        }
        second = {**second, **tables}
    return config, {**arrays, **resized}, second


def _resized_moment(moment: Moment, axis: int, more: int) -> Moment:
    return {
        kept: _resized(array, kept.index(axis), more) if axis in kept else array
        for kept, array in moment.items()
    }


def _resized(array: StoredArray, axis: int, more: int) -> StoredArray:
    """Returns an array with so many more or fewer entries along an axis, zeros."""
    size = array.shape[axis]
    shape = (*array.shape[:axis], size + more, *array.shape[axis + 1 :])

    def read(index: tuple[slice, ...]) -> np.ndarray:
        start, stop, _ = index[axis].indices(shape[axis])
        inner = (*index[:axis], slice(min(start, size), min(stop, size)), *index[axis + 1 :])
        found = array.read(inner)
        widths = [(0, 0)] * found.ndim
        widths[axis] = (0, stop - start - found.shape[axis])
        return np.pad(found, widths)

    return StoredArray(shape, array.dtype, read)


def export_hf(
    source: Opened, folder: pathlib.Path, *, model_type: str | None, dtype: np.dtype
) -> str:
    """Writes a checkpoint as transformers reads it; returns its model type.

    Args:
      source: The checkpoint.
      folder: Must not exist.
      model_type: The family as config.json names it; None for the one it came
        from, or the first that expresses the model.
      dtype: The type of every array.

    Raises:
      ValueError: The folder is there, or no family expresses the model.
    """
    config, arrays, _ = unpadded(source)
    base: Mapping[str, Any] = {}
    if source.files is not None:
        base = json.loads((source.files / hf.CONFIG).read_text("utf-8"))
    model_type = model_type or base.get("model_type") or hf.find_family(config, arrays)
    if base.get("model_type") != model_type:
        base = {}
    base = {**_special_ids(source), **base}
    made_by, _ = model_dir.split_checkpoint(str(source.path))
    places = [source.files, made_by / model_dir.TOKENIZER]
    hf.write_checkpoint(
        folder,
        model_type,
        config,
        arrays,
        dtype=dtype,
        base=base,
        travelling=[place for place in places if place is not None],
        card=model_card(made_by, name=folder.name, model_type=model_type),
        about_tokenizer=_about_tokenizer(made_by / model_dir.TOKENIZER),
    )
    return model_type


def _special_ids(source: Opened) -> dict[str, int]:
    """Returns the ids of a tokenizer that transformers looks for in config.json."""
    if not source.tokenizers:
        return {}
    tokenizer = source.tokenizers[0]
    found = {"eos_token_id": tokenizer.eos_id}
    return found if tokenizer.bos_id is None else found | {"bos_token_id": tokenizer.bos_id}


def beginnings(source: Opened, folder: pathlib.Path) -> str:
    """Tells where transformers begins texts otherwise than a run its prompts.

    Args:
      source: What was exported.
      folder: As what.

    Returns:
      What to do about it; "" where both do the same.
    """
    file = folder / TOKENIZER_FILE
    has_bos = any(tokenizer.bos_id is not None for tokenizer in source.tokenizers)
    if not source.tokenizers or has_bos == (file.is_file() and begins_prompts(file)):
        return ""
    if has_bos:
        return "its prompts began with the bos_token, which its tokenizer does not add: write it"
    return (
        "its prompts had no bos_token, which its tokenizer adds: encode texts with "
        "add_special_tokens=False"
    )


def _about_tokenizer(folder: pathlib.Path) -> Mapping[str, Any] | None:
    """Returns what tokenizer_config.json says of a tokenizer that came without one."""
    if not folder.is_dir():
        return None
    config = saved_config(folder)
    if config.kind not in _HF_TOKENIZERS:
        return None
    special = {"eos_token": "</s>", "pad_token": "<pad>", "unk_token": "<unk>"}
    kind = {"tokenizer_class": _HF_TOKENIZERS[config.kind]}
    return {**kind, "extra_ids": config.extra_ids, **special}


def export_t5x(source: Opened, folder: pathlib.Path, *, form: Form, dtype: np.dtype) -> int:
    """Writes a checkpoint as T5X reads it; returns its step, N of the folder's name.

    Layers are scanned where each has a table of distances, as in scalable_t5.
    The slots of T5X's Adafactor are made of those of ours; where a run had
    another optimizer they are zero, as before the first step.

    Args:
      source: The checkpoint.
      folder: checkpoint_N; must not exist.
      form: Which of T5X's two forms.
      dtype: The type of every parameter.

    Raises:
      ValueError: The folder is there or has another name, or T5X has no such
        network.
    """
    found = re.fullmatch(r"checkpoint_(\d+)", folder.name)
    if found is None:
        raise ValueError(
            f"export must go to checkpoint_N, whose N is T5X's step, got {folder.name}; rename it."
        )
    config, arrays, second = unpadded(source, has_moments=True)
    t5x.check_network(config)
    shapes = {name: array.shape for name, array in arrays.items()}
    is_scanned = not getattr(config.positions, "is_shared", True)
    places = t5x.places(config, shapes, is_scanned=is_scanned)
    target = {name: cast(a, dtype, name) for name, a in to_theirs(arrays, places).items()}
    slots = t5x_slots.their_slots(second or {}, places, shapes)
    t5x_export.write_checkpoint(folder, target, slots, step=int(found[1]), form=form)
    return int(found[1])
