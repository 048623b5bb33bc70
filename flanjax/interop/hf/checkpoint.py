"""A checkpoint directory of transformers, read and written without torch."""

from __future__ import annotations

import json
import math
import os
import pathlib
import shutil
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from flanjax.interop.hf.families import FAMILIES, family_of, read_config, write_config
from flanjax.interop.hf.family import Config, Family, places
from flanjax.interop.hf.keys import IGNORED
from flanjax.interop.places import (
    Arrays,
    StoredArray,
    cast,
    check_arrays,
    everything,
    to_ours,
    to_theirs,
)
from flanjax.interop.safetensors_format import open_file, write_file

CONFIG = "config.json"
CARD = "README.md"
_WEIGHTS, _INDEX = "model.safetensors", "model.safetensors.index.json"
_PICKLES = ("*.bin", "*.pt", "*.pth", "*.ckpt")
_MAX_SHARD_BYTES = 5_000_000_000
TRAVELLING = (
    "generation_config.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "chat_template.jinja",
    "spiece.model",
    "tokenizer.model",
    "vocab.json",
    "merges.txt",
)
"""Files that go with a model wherever it goes, as they are."""


class HfCheckpoint(NamedTuple):
    """A checkpoint of transformers.

    Attributes:
      folder: Where it lies.
      family: Its family.
      config: Its config, as ours.
      raw: Its config.json.
      arrays: Its arrays; buffers, and those that repeat others, are left out.
    """

    folder: pathlib.Path
    family: Family
    config: Config
    raw: Mapping[str, Any]
    arrays: Arrays


def is_checkpoint(folder: pathlib.Path) -> bool:
    """Returns whether a directory looks like one of transformers."""
    return (folder / CONFIG).is_file()


def open_checkpoint(folder: pathlib.Path) -> HfCheckpoint:
    """Opens a checkpoint; its arrays are read when they are used.

    Raises:
      ValueError: It is damaged, of an unknown family, or not of safetensors.
    """
    raw = _read_json(folder / CONFIG)
    family = family_of(raw, str(folder / CONFIG))
    arrays = _open_arrays(folder, family)
    config = read_config(raw, str(folder / CONFIG), names=arrays)[1]
    kept = _named(family, arrays)
    for copy, original in _copies(family, config, kept):
        if not _are_equal(kept[copy], kept[original]):
            raise ValueError(
                f"{folder}: {copy} must repeat {original} in a tied model, got another; "
                "set tie_word_embeddings in config.json to false."
            )
        del kept[copy]
    return HfCheckpoint(folder, family, config, raw, kept)


def our_arrays(
    checkpoint: HfCheckpoint, shapes: Mapping[str, tuple[int, ...]]
) -> dict[str, StoredArray]:
    """Returns the checkpoint's parameters under our names.

    Args:
      checkpoint: The checkpoint.
      shapes: Path -> shape of the model's parameters, from its own config.

    Raises:
      ValueError: Arrays are missing, unexpected or of another shape.
    """
    where = places(checkpoint.family, checkpoint.config, shapes)
    check_arrays(
        f"checkpoint {checkpoint.folder}",
        checkpoint.arrays,
        where,
        remedy=f"compare them with its {CONFIG}",
    )
    return to_ours(checkpoint.arrays, where, shapes)


def write_checkpoint(
    folder: pathlib.Path,
    model_type: str,
    config: Config,
    ours: Arrays,
    *,
    dtype: np.dtype,
    base: Mapping[str, Any] | None = None,
    travelling: Sequence[pathlib.Path] = (),
    card: str = "",
    about_tokenizer: Mapping[str, Any] | None = None,
    max_shard_bytes: int = _MAX_SHARD_BYTES,
) -> None:
    """Writes a checkpoint aside, then renames it: it is never half there.

    Args:
      folder: Must not exist.
      model_type: The family, as config.json names it.
      config: The model's.
      ours: Its parameters under our names.
      dtype: The type of every array.
      base: A config.json; its keys are kept that say nothing of the network:
        lengths and token ids.
      travelling: Where tokenizer files and the like are copied from; of two of
        one name the first counts.
      card: The text of its README.md, the model card; "" for none.
      about_tokenizer: The content of tokenizer_config.json, where none travels.
      max_shard_bytes: Most bytes of arrays in a file.

    Raises:
      ValueError: The folder is there, or the family cannot express the model.
    """
    if folder.exists():
        raise ValueError(f"export must go to a new directory, got {folder}; name another.")
    family = family_of({"model_type": model_type}, "export")
    shapes = {name: array.shape for name, array in ours.items()}
    kept = {name: value for name, value in (base or {}).items() if name in IGNORED}
    kept.pop("dtype", None)  # transformers 5 would believe it, and not torch_dtype
    raw = {**kept, **write_config(family, config), "torch_dtype": dtype.name}
    theirs = to_theirs(ours, places(family, config, shapes))
    theirs = {name: cast(array, dtype, name) for name, array in theirs.items()}
    aside = folder.with_name(f"{folder.name}.{os.getpid()}.partial")
    try:
        aside.mkdir(parents=True)
        _write_arrays(aside, theirs, max_shard_bytes)
        (aside / CONFIG).write_text(json.dumps(raw, indent=2) + "\n", "utf-8")
        if card:
            (aside / CARD).write_text(card, "utf-8")
        for source in travelling:
            copy_travelling(source, aside)
        about = aside / "tokenizer_config.json"
        if about_tokenizer is not None and not about.exists():
            about.write_text(json.dumps(about_tokenizer, indent=2) + "\n", "utf-8")
        os.replace(aside, folder)
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def find_family(config: Config, arrays: Arrays) -> str:
    """Returns the first family that expresses a model.

    Raises:
      ValueError: None does; what each lacks is named.
    """
    shapes = {name: array.shape for name, array in arrays.items()}
    reasons = []
    for model_type, family in FAMILIES.items():
        try:
            write_config(family, config)
            places(family, config, shapes)
        except ValueError as error:
            reasons.append(f"{model_type}: {error}")
        else:
            return model_type
    raise ValueError(
        "model must be of a family of transformers, got one of none "
        f"({'; '.join(reasons)[:600]}); export it in another form."
    )


def copy_travelling(source: pathlib.Path, target: pathlib.Path) -> None:
    """Copies the files that go with a model wherever it goes, and are not there."""
    for name in TRAVELLING:
        if (source / name).is_file() and not (target / name).exists():
            shutil.copyfile(source / name, target / name)


def _write_arrays(folder: pathlib.Path, arrays: Arrays, max_shard_bytes: int) -> None:
    """Writes one file, or several and their index."""
    shards = list(_shards(arrays, max_shard_bytes))
    if len(shards) == 1:
        write_file(folder / _WEIGHTS, arrays, metadata={"format": "pt"})
        return
    weight_map: dict[str, str] = {}
    for number, names in enumerate(shards, start=1):
        file = f"model-{number:05d}-of-{len(shards):05d}.safetensors"
        write_file(folder / file, {n: arrays[n] for n in names}, metadata={"format": "pt"})
        weight_map |= dict.fromkeys(names, file)
    total = sum(_num_bytes(array) for array in arrays.values())
    index = {"metadata": {"total_size": total}, "weight_map": dict(sorted(weight_map.items()))}
    (folder / _INDEX).write_text(json.dumps(index, indent=2) + "\n", "utf-8")


def _shards(arrays: Arrays, max_shard_bytes: int) -> Iterator[list[str]]:
    names: list[str] = []
    size = 0
    for name, array in arrays.items():
        if names and size + _num_bytes(array) > max_shard_bytes:
            yield names
            names, size = [], 0
        names.append(name)
        size += _num_bytes(array)
    yield names


def _num_bytes(array: StoredArray) -> int:
    return math.prod(array.shape) * array.dtype.itemsize


def _open_arrays(folder: pathlib.Path, family: Family) -> dict[str, StoredArray]:
    """Returns the arrays but for buffers, which may be of any type."""
    if (folder / _INDEX).is_file():
        return _open_shards(folder, family)
    file = folder / _WEIGHTS
    if file.is_file():
        _check_inside(file)
        return open_file(file, is_extra=family.is_extra)
    pickles = sorted(path.name for pattern in _PICKLES for path in folder.glob(pattern))
    got = f"{pickles[0]}, a pickle, which may run code" if pickles else "none"
    raise ValueError(
        f"checkpoint {folder} must have {_WEIGHTS} or {_INDEX}, got {got}; load it with "
        "transformers where you trust it, and save it again: it then writes safetensors."
    )


def _open_shards(folder: pathlib.Path, family: Family) -> dict[str, StoredArray]:
    file = folder / _INDEX
    weight_map = _read_json(file).get("weight_map")
    if not isinstance(weight_map, dict):
        raise ValueError(f"{file} must hold weight_map, got none; copy the file again.")
    arrays: dict[str, StoredArray] = {}
    for name in sorted({_file_name(folder, name) for name in weight_map.values()}):
        shard = open_file(_shard(folder, name), is_extra=family.is_extra)
        for array, stored in shard.items():
            if weight_map.get(array) != name:
                raise ValueError(
                    f"{folder / name} must hold the arrays that {_INDEX} puts there, got {array}, "
                    f"which lies in {weight_map.get(array, 'none')}; copy both again."
                )
            arrays[array] = stored
    lost = sorted(name for name in weight_map if not (name in arrays or family.is_extra(name)))
    if lost:
        raise ValueError(
            f"{file} must name arrays that its files hold, got {', '.join(lost[:8])}; "
            "copy the files again."
        )
    return arrays


def _file_name(folder: pathlib.Path, name: Any) -> str:
    """Returns the name of a shard, which must lie in the folder itself."""
    is_plain = (
        isinstance(name, str) and name == pathlib.PurePosixPath(name).name and "\0" not in name
    )
    if not is_plain or name in ("", ".", ".."):
        raise ValueError(
            f"{folder / _INDEX} must name files beside it, got {name!r:.80}; do not trust it."
        )
    return name


def _shard(folder: pathlib.Path, name: str) -> pathlib.Path:
    path = folder / name
    _check_inside(path)
    if not path.is_file():
        raise ValueError(f"{path} must be there, got no file; copy the checkpoint again.")
    return path


def _check_inside(path: pathlib.Path) -> None:
    if path.is_symlink():
        raise ValueError(
            f"{path} must be a file of its own, got a link; copy the checkpoint with cp -rL."
        )


def _named(family: Family, arrays: Arrays) -> dict[str, StoredArray]:
    """Returns arrays with the family's prefix, which files of a bare model lack."""
    has_it = any(name.startswith(family.prefix) for name in arrays)
    if not family.prefix or has_it:
        return dict(arrays)
    return {family.prefix + name: array for name, array in arrays.items()}


def _copies(family: Family, config: Config, arrays: Arrays) -> list[tuple[str, str]]:
    head = {"lm_head.weight", "lm_head.out_proj.weight", "embed_out.weight"}
    return [
        (copy, original)
        for copy, original in family.copies.items()
        if copy in arrays and original in arrays and (config.embedding.is_tied or copy not in head)
    ]


def _are_equal(a: StoredArray, b: StoredArray) -> bool:
    if a.shape != b.shape or a.dtype != b.dtype:
        return False
    left, right = (array.read(everything(array.shape)) for array in (a, b))
    return left.tobytes() == right.tobytes()


def _read_json(file: pathlib.Path) -> dict[str, Any]:
    try:
        value = json.loads(file.read_bytes())
    except (OSError, ValueError, RecursionError) as error:
        raise ValueError(f"{file} must be JSON, got {error}; copy the file again.") from None
    if not isinstance(value, dict):
        raise ValueError(f"{file} must be a JSON object, got {value!r:.60}; copy it again.")
    return value
