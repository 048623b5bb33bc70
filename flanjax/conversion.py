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
from typing import Any, NamedTuple

import jax
import numpy as np

from flanjax import model_dir
from flanjax.data.hf_tokenizer import TOKENIZER_FILE
from flanjax.data.tokenize import (
    Tokenizer,
    TokenizerConfig,
    load_tokenizer,
    make_tokenizer,
    saved_config,
)
from flanjax.experiment import to_plain
from flanjax.interop import orbax_format, t5x, t5x_export
from flanjax.interop.hf import checkpoint as hf
from flanjax.interop.places import Arrays, StoredArray, to_theirs
from flanjax.interop.t5x_export import Form
from flanjax.model_card import model_card
from flanjax.models import families
from flanjax.train.checkpoint import Checkpoints

_BYTE_TOKENIZER = "ByT5Tokenizer"
_TABLES = {"embed": 0, "encoder/embed": 0, "head": 1}
"""Parameters with a row or column for each id -> that axis."""


class Opened(NamedTuple):
    """A checkpoint of any make.

    Attributes:
      kind: Whose it is.
      path: Where it lies.
      config: The model's.
      arrays: Its parameters under our names.
      tokenizer: What travels with it, None for nothing.
      files: Where files of transformers lie that go with it, None for nowhere.
    """

    kind: str
    path: pathlib.Path
    config: Any
    arrays: Arrays
    tokenizer: Tokenizer | None
    files: pathlib.Path | None


def open_any(path: str, *, config: Any = None) -> Opened:
    """Opens a checkpoint; parameters are read when they are used.

    Args:
      path: A MODEL_DIR or a checkpoint in it, T5X's checkpoint_N, or a
        directory of transformers.
      config: The model's where the checkpoint has none, as T5X's.

    Raises:
      ValueError: There is none, it is damaged, or its config is not known.
    """
    kind = model_dir.checkpoint_kind(path)
    if kind == "Hugging Face":
        return _open_hf(pathlib.Path(path))
    if kind == "flanjax":
        return _open_own(path)
    if config is None:
        raise ValueError(
            f"T5X checkpoint {path} must be opened with its model's config, which it does not "
            "hold, got none; give a gin file of models/ by --gin_file."
        )
    arrays = t5x.our_arrays(path, config, shapes_of(config))
    return Opened(kind, pathlib.Path(path), config, arrays, None, None)


def shapes_of(config: Any) -> dict[str, tuple[int, ...]]:
    """Returns path -> shape of a model's parameters."""
    model = families.make_model(config)
    return t5x.named_shapes(jax.eval_shape(model.init, jax.random.key(0)))


def _open_hf(folder: pathlib.Path) -> Opened:
    checkpoint = hf.open_checkpoint(folder)
    arrays = hf.our_arrays(checkpoint, shapes_of(checkpoint.config))
    config = checkpoint.config
    return Opened("Hugging Face", folder, config, arrays, _hf_tokenizer(folder), folder)


def _hf_tokenizer(folder: pathlib.Path) -> Tokenizer | None:
    """Returns the tokenizer of a directory of transformers.

    T5's SentencePiece model comes before its tokenizer.json: it is the original.
    """
    about = folder / "tokenizer_config.json"
    plain = json.loads(about.read_text("utf-8")) if about.is_file() else {}
    extra_ids = int(plain.get("extra_ids", 100))
    if (folder / "spiece.model").is_file():
        path = str(folder / "spiece.model")
        return make_tokenizer(TokenizerConfig(kind="sentencepiece", path=path, extra_ids=extra_ids))
    if (folder / TOKENIZER_FILE).is_file():
        path = str(folder / TOKENIZER_FILE)
        return make_tokenizer(TokenizerConfig(kind="huggingface", path=path))
    if plain.get("tokenizer_class") == _BYTE_TOKENIZER:
        return make_tokenizer(TokenizerConfig(extra_ids=int(plain.get("extra_ids", 125))))
    return None


def _open_own(path: str) -> Opened:
    folder, step = model_dir.split_checkpoint(path)
    checkpoints = Checkpoints(folder)
    try:
        step = checkpoints.latest_step() if step is None else step
        if step is None or not checkpoints.has(step):
            raise ValueError(
                f"checkpoint must be a complete one, got none at {path}; name another."
            )
    finally:
        checkpoints.close()
    config = model_dir.read_model(folder)
    arrays = orbax_format.open_arrays(folder / "checkpoints" / str(step) / "state", top="params")
    return Opened(
        "flanjax",
        pathlib.Path(path),
        config,
        arrays,
        load_tokenizer(folder / model_dir.TOKENIZER),
        model_dir.travelling_files(path),
    )


def import_into(
    source: Opened,
    folder: pathlib.Path,
    *,
    tokenizer: Tokenizer | None = None,
    dtype: np.dtype | None = None,
    multiple: int = 1,
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

    Raises:
      ValueError: The folder is there, or there is no tokenizer.
    """
    tokenizer = source.tokenizer or tokenizer
    if tokenizer is None:
        raise ValueError(
            f"checkpoint {source.path} must have a tokenizer to travel with, got none; copy "
            "its files there: tokenizer.json and tokenizer_config.json, or spiece.model."
        )
    if folder.exists():
        raise ValueError(f"import must go to a new directory, got {folder}; name another.")
    config, arrays = padded(source.config, source.arrays, multiple)
    if config.vocab_size - config.embedding.num_unused < tokenizer.vocab_size:
        raise ValueError(
            f"tokenizer must fit the checkpoint's {config.vocab_size} ids, got "
            f"{tokenizer.vocab_size}; name the checkpoint's own."
        )
    if dtype is not None:
        arrays = {name: cast(array, dtype) for name, array in arrays.items()}
    aside = folder.with_name(f"{folder.name}.partial")
    shutil.rmtree(aside, ignore_errors=True)
    try:
        orbax_format.write_step(
            aside / "checkpoints" / "0", {f"params/{name}": a for name, a in arrays.items()}
        )
        tokenizer.save(aside / model_dir.TOKENIZER)
        if source.files is not None:
            model_dir.keep_files(source.files, aside)
        about = {"model": to_plain(config), "source": {"kind": source.kind}}
        model_dir.write_json(aside / model_dir.MODEL, about)
        aside.rename(folder)
    finally:
        shutil.rmtree(aside, ignore_errors=True)
    return config


def tokenizer_config(folder: pathlib.Path) -> TokenizerConfig:
    """Returns the config of the tokenizer in a MODEL_DIR, by its files there."""
    return saved_config(folder / model_dir.TOKENIZER)


def cast(array: StoredArray, dtype: np.dtype) -> StoredArray:
    """Returns an array whose parts are read in another type."""
    return StoredArray(array.shape, dtype, lambda index: array.read(index).astype(dtype))


def padded(config: Any, arrays: Arrays, multiple: int) -> tuple[Any, Arrays]:
    """Returns a model whose vocabulary is filled up to a multiple, with zeros."""
    more = -config.vocab_size % multiple
    if not more:
        return config, arrays
    embedding = dataclasses.replace(config.embedding, num_unused=config.embedding.num_unused + more)
    config = dataclasses.replace(config, vocab_size=config.vocab_size + more, embedding=embedding)
    resized = {n: _resized(a, _TABLES[n], more) for n, a in arrays.items() if n in _TABLES}
    return config, {**arrays, **resized}


def unpadded(config: Any, arrays: Arrays) -> tuple[Any, Arrays]:
    """Returns a model without the rows that stand for no token."""
    less = config.embedding.num_unused
    if not less:
        return config, arrays
    embedding = dataclasses.replace(config.embedding, num_unused=0)
    config = dataclasses.replace(config, vocab_size=config.vocab_size - less, embedding=embedding)
    resized = {n: _resized(a, _TABLES[n], -less) for n, a in arrays.items() if n in _TABLES}
    return config, {**arrays, **resized}


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
    config, arrays = unpadded(source.config, source.arrays)
    base: Mapping[str, Any] = {}
    if source.files is not None:
        base = json.loads((source.files / hf.CONFIG).read_text("utf-8"))
    model_type = model_type or base.get("model_type") or hf.find_family(config, arrays)
    if base.get("model_type") != model_type:
        base = {}
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
    )
    return model_type


def export_t5x(source: Opened, folder: pathlib.Path, *, form: Form, dtype: np.dtype) -> int:
    """Writes a checkpoint as T5X reads it; returns its step, N of the folder's name.

    Layers are scanned where each has a table of distances, as in scalable_t5.

    Args:
      source: The checkpoint.
      folder: checkpoint_N; must not exist.
      form: Which of T5X's two forms.
      dtype: The type of every parameter.

    Raises:
      ValueError: The folder is there or has another name, or T5X has no place
        for some parameter.
    """
    found = re.fullmatch(r"checkpoint_(\d+)", folder.name)
    if found is None:
        raise ValueError(
            f"export must go to checkpoint_N, whose N is T5X's step, got {folder.name}; rename it."
        )
    config, arrays = unpadded(source.config, source.arrays)
    shapes = {name: array.shape for name, array in arrays.items()}
    is_scanned = not getattr(config.positions, "is_shared", True)
    theirs = to_theirs(arrays, t5x.places(config, shapes, is_scanned=is_scanned))
    target = {name: cast(array, dtype) for name, array in theirs.items()}
    t5x_export.write_checkpoint(folder, target, step=int(found[1]), form=form)
    return int(found[1])
