"""Arrays as Orbax keeps a tree of them, read in pieces, written one by one.

```
  FOLDER/_METADATA                  the names, as JSON
         array_metadatas/process_0  their shapes and chunks, as JSON
         manifest.ocdbt             and the zarr arrays, in one OCDBT database
```

Orbax itself wants a whole tree in memory. What is written here it reads as its own.
"""

from __future__ import annotations

import json
import math
import os
import pathlib
from collections.abc import Callable, Mapping
from typing import Any

import ml_dtypes
import numpy as np
import tensorstore

from flanjax.interop.places import Arrays, StoredArray, everything

DTYPES: Mapping[str, np.dtype] = {
    "float16": np.dtype(np.float16),
    "bfloat16": np.dtype(ml_dtypes.bfloat16),
    "float32": np.dtype(np.float32),
    "float64": np.dtype(np.float64),
}
"""TensorStore's name -> type, of all that a parameter may have."""
STATE_DTYPES = {**DTYPES, **{n: np.dtype(n) for n in ("int8", "uint8", "int32", "int64")}}
"""Those of an optimizer's state, which counts steps and has moments in eight bits."""

METADATA = "_METADATA"
_ARRAYS = pathlib.Path("array_metadatas", "process_0")
_MAX_CHUNK_BYTES = 1 << 26
_HANDLER = "orbax.checkpoint._src.handlers.pytree_checkpoint_handler.PyTreeCheckpointHandler"
_DICT_KEY = 2
"""Orbax's number for the key of a dict."""


def open_arrays(
    folder: pathlib.Path, *, top: str, dtypes: Mapping[str, np.dtype] | None = None
) -> dict[str, StoredArray]:
    """Returns the arrays at or below one path of the tree, without that path.

    Args:
      folder: Where the tree lies.
      top: Such as "params"; a tree without it has no arrays there.
      dtypes: The types that an array may have; None for those of a parameter.

    Raises:
      ValueError: It is damaged, in another layout, or an array is of another type.
    """
    folder = folder.absolute()
    base = {"driver": "file", "path": f"{folder}/"}
    arrays = {}
    above = top.split("/")
    for keys in _names(folder / METADATA):
        if keys[: len(above)] == above:
            kvstore = {"driver": "ocdbt", "base": base, "path": f"{'.'.join(keys)}/"}
            name = "/".join(keys[len(above) :])
            arrays[name] = open_zarr(kvstore, f"{folder}, {top}/{name}", dtypes or DTYPES)
    return arrays


def _names(file: pathlib.Path) -> list[list[str]]:
    try:
        metadata = json.loads(file.read_text("utf-8"))
        is_known = metadata["use_ocdbt"] is True and metadata.get("use_zarr3") is not True
        entries = metadata["tree_metadata"].values()
        keys = [[str(key["key"]) for key in entry["key_metadata"]] for entry in entries]
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise ValueError(
            f"{file} must be the JSON that Orbax writes, got {type(error).__name__}: {error}; "
            "copy it again."
        ) from None
    if not is_known:
        raise ValueError(
            f"{file} must tell of zarr 2 arrays in OCDBT, as T5X writes them, got another layout; "
            "save it with T5X."
        )
    return [entry for entry in keys if entry]


def open_zarr(
    kvstore: Mapping[str, Any], where: str, dtypes: Mapping[str, np.dtype] = DTYPES
) -> StoredArray:
    """Returns a zarr array; a part of it that has no file is an error, not zeros.

    Args:
      kvstore: Where it lies, as TensorStore's spec has it.
      where: What messages call it.
      dtypes: The types that it may have.

    Raises:
      ValueError: It is damaged or of another type.
    """
    spec = {"driver": "zarr", "kvstore": kvstore, "fill_missing_data_reads": False}

    def attempt(action: Callable[[], Any]) -> Any:
        try:
            return action().result()
        except ValueError as error:
            reason = str(error).partition("[tensorstore_spec=")[0]
            raise ValueError(
                f"{where} must be readable, got {' '.join(reason.split())}; "
                "copy the checkpoint again."
            ) from None

    store = attempt(lambda: tensorstore.open(spec, read=True))
    if store.dtype.name not in dtypes:
        raise not_floats(where, store.dtype.name)
    return StoredArray(
        store.shape,
        dtypes[store.dtype.name],
        lambda index: np.asarray(attempt(lambda: store[index].read())),
    )


def not_floats(where: str, dtype_name: Any) -> ValueError:
    """Returns what to say of an array of another type."""
    return ValueError(
        f"{where} must be of {', '.join(DTYPES)}, got {dtype_name!r:.40}; save it as floats."
    )


def write_step(folder: pathlib.Path, arrays: Arrays) -> None:
    """Writes a step of a CheckpointManager that holds nothing but a state.

    Args:
      folder: The step's; must not exist.
      arrays: As in `write_arrays`.
    """
    folder.mkdir(parents=True)
    write_arrays(folder / "state", arrays)
    about: dict[str, Any] = {
        "item_handlers": {"state": _HANDLER},
        "metrics": {},
        "performance_metrics": {},
    }
    about |= {"init_timestamp_nsecs": None, "commit_timestamp_nsecs": None, "custom_metadata": {}}
    (folder / "_CHECKPOINT_METADATA").write_text(json.dumps(about), "utf-8")


def write_arrays(folder: pathlib.Path, arrays: Arrays) -> None:
    """Writes a nested dict of arrays, whose paths are the names.

    Args:
      folder: Must not exist; it is written aside and then renamed.
      arrays: "params/embed" -> array.
    """
    aside = folder.with_name(f"{folder.name}.{os.getpid()}.partial")
    aside.mkdir(parents=True)
    base = {"driver": "file", "path": f"{aside.absolute()}/"}
    for name, array in arrays.items():
        _write(base, name, array)
    (aside / METADATA).write_text(json.dumps(_metadata(arrays)), "utf-8")
    (aside / _ARRAYS.parent).mkdir()
    (aside / _ARRAYS).write_text(json.dumps(_array_metadata(arrays)), "utf-8")
    for path in aside.rglob("*"):
        _sync(path)
    os.replace(aside, folder)


def _sync(path: pathlib.Path) -> None:
    """Waits until a file, or the names in a folder, are on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _write(base: dict[str, Any], name: str, array: StoredArray) -> None:
    write_zarr({"driver": "ocdbt", "base": base, "path": f"{name.replace('/', '.')}/"}, array)


def write_zarr(
    kvstore: Mapping[str, Any], array: StoredArray, *, compressor: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """Writes an array as zarr 2, a chunk at a time; returns its metadata.

    Args:
      kvstore: Where it goes, as TensorStore's spec has it.
      array: The array.
      compressor: Of its chunks; None for none.
    """
    chunk = chunk_shape(array.shape, array.dtype.itemsize)
    metadata = {"chunks": list(chunk), "compressor": compressor, "shape": list(array.shape)}
    spec = {
        "driver": "zarr",
        "kvstore": kvstore,
        "context": {"file_io_sync": False},  # once at the end, not for each chunk
        "metadata": metadata,
    }
    store = tensorstore.open(spec, create=True, dtype=array.dtype.name).result()
    if not array.shape:
        store.write(array.read(())).result()
        return metadata
    rows = chunk[0]
    for first in range(0, array.shape[0], rows):
        index = (slice(first, min(first + rows, array.shape[0])), *everything(array.shape[1:]))
        store[index].write(np.ascontiguousarray(array.read(index))).result()
    return metadata


def chunk_shape(shape: tuple[int, ...], itemsize: int) -> tuple[int, ...]:
    """Returns the shape of chunks: as many whole rows as fit 64 MiB, at least one."""
    if not shape:
        return ()
    row_bytes = math.prod(shape[1:]) * itemsize
    rows = max(1, min(shape[0], _MAX_CHUNK_BYTES // max(row_bytes, 1)))
    return (rows, *(max(size, 1) for size in shape[1:]))


def _metadata(arrays: Arrays) -> dict[str, Any]:
    def entry(name: str, array: StoredArray) -> dict[str, Any]:
        keys = [{"key": key, "key_type": _DICT_KEY} for key in name.split("/")]
        value = {
            "value_type": "jax.Array",
            "skip_deserialize": False,
            "write_shape": list(array.shape),
        }
        return {"key_metadata": keys, "value_metadata": value}

    tree = {str(tuple(name.split("/"))): entry(name, array) for name, array in arrays.items()}
    return {
        "tree_metadata": tree,
        "use_ocdbt": True,
        "use_zarr3": False,
        "store_array_data_equal_to_fill_value": True,
        "custom_metadata": None,
    }


def _array_metadata(arrays: Arrays) -> dict[str, Any]:
    found = [
        {
            "param_name": name.replace("/", "."),
            "write_shape": list(array.shape),
            "chunk_shape": list(chunk_shape(array.shape, array.dtype.itemsize)),
            "ext_metadata": None,
        }
        for name, array in arrays.items()
    ]
    return {"array_metadatas": [{"array_metadata": entry} for entry in found]}
