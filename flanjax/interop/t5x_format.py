"""The arrays of a T5X checkpoint, read from local files in either of its forms.

```
checkpoint_N/checkpoint            legacy: msgpack of {version: 3, optimizer: {state, target}},
             target.a.b.c/         whose large leaves are specs that name such zarr arrays
checkpoint_N/state/_METADATA       Orbax: the names, as JSON
             state/manifest.ocdbt  and the zarr arrays, in one OCDBT database
```

Only `target`, the parameters, is read. A spec is data: nothing of it is opened but the array whose
relative path it names, below the checkpoint.
"""

from __future__ import annotations

import json
import pathlib
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Literal, NamedTuple

import jax.numpy as jnp
import msgpack
import numpy as np
import tensorstore

_LEGACY_VERSION = 3
_KVSTORES = ("file", "gfile", "gcs")
"""Where T5X kept an array when it wrote its spec; a copy's paths are local in all three cases."""
_NDARRAY, _SCALAR = 1, 3
"""Flax's ext codes of (shape, dtype name, bytes); a complex number, its 2, is no parameter."""
_DTYPES = {
    "float16": np.dtype(np.float16),
    "bfloat16": np.dtype(jnp.bfloat16),
    "float32": np.dtype(np.float32),
    "float64": np.dtype(np.float64),
}


class StoredArray(NamedTuple):
    """An array that lies in a checkpoint.

    Attributes:
      shape: Its shape.
      read: A slice per axis -> that part of it, float32.
    """

    shape: tuple[int, ...]
    read: Callable[[tuple[slice, ...]], np.ndarray]


def find_form(path: pathlib.Path) -> Literal["legacy", "orbax"] | None:
    """Returns the form of the T5X checkpoint at a path, None where there is none.

    Args:
      path: checkpoint_N, or a legacy checkpoint's msgpack file.
    """
    if path.is_file() or (path / "checkpoint").is_file():
        return "legacy"
    return "orbax" if (path / "state" / "_METADATA").is_file() else None


def open_arrays(path: pathlib.Path) -> dict[str, StoredArray]:
    """Returns a checkpoint's parameters by name, `decoder/layers_0/mlp/wo/kernel`.

    Raises:
      ValueError: It is none, is damaged, or an array is not of floats.
    """
    form = find_form(path)
    if form is None:
        raise ValueError(
            "T5X checkpoint must be a local checkpoint_N directory with the file `checkpoint` or "
            f"state/_METADATA, got {path}; check the path."
        )
    return _open_legacy(path) if form == "legacy" else _open_orbax(path)


def _open_legacy(path: pathlib.Path) -> dict[str, StoredArray]:
    file = path if path.is_file() else path / "checkpoint"
    arrays = {}
    for name, leaf in _leaves(_legacy_target(file)):
        where = f"{file}, target/{name}"
        if isinstance(leaf, Mapping):
            place = file.parent.absolute() / _relative_path(leaf, where)
            arrays[name] = _open_zarr({"driver": "file", "path": f"{place}/"}, where)
        else:
            arrays[name] = _inline_array(leaf, where)
    return arrays


def _legacy_target(file: pathlib.Path) -> Any:
    try:
        content = msgpack.unpackb(file.read_bytes())
    except ValueError as error:
        raise ValueError(
            f"{file} must be a T5X msgpack file, got bytes that are not ({error}); copy it again."
        ) from None
    version = content.get("version") if isinstance(content, Mapping) else None
    if version != _LEGACY_VERSION:
        raise ValueError(
            f"{file} must be a T5X checkpoint of version {_LEGACY_VERSION}, got {version!r:.40}; "
            "load and save it with a newer T5X."
        )
    optimizer = content.get("optimizer")
    target = optimizer.get("target") if isinstance(optimizer, Mapping) else None
    if not isinstance(target, Mapping):
        raise ValueError(f"{file} must hold optimizer/target, got none; copy it again.")
    return target


def _leaves(target: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Yields each leaf, an array or a spec, with its name."""
    rest = list(target.items())
    while rest:
        name, entry = rest.pop()
        if isinstance(entry, Mapping) and not {"driver", "kvstore"} <= set(entry):
            rest += [(f"{name}/{key}", value) for key, value in entry.items()]
        else:
            yield name, entry


def _relative_path(spec: Mapping[str, Any], where: str) -> pathlib.PurePosixPath:
    """Returns the path that a TensorStore spec names, below its checkpoint.

    Older specs have it beside `kvstore`, newer ones in it.
    """
    kvstore = spec["kvstore"]
    driver = kvstore.get("driver") if isinstance(kvstore, Mapping) else None
    if spec["driver"] != "zarr" or driver not in _KVSTORES:
        raise ValueError(
            f"{where} must be a zarr array in {', '.join(_KVSTORES[:-1])} or {_KVSTORES[-1]}, got "
            f"{spec['driver']!r:.40} in {driver!r:.40}; save it with T5X."
        )
    named = kvstore.get("path", spec.get("path"))
    path = pathlib.PurePosixPath(named if isinstance(named, str) else "")
    if path.is_absolute() or not path.parts or ".." in path.parts or "\0" in str(path):
        raise ValueError(
            f"{where} must name a path inside the checkpoint, got {named!r:.80}; do not trust it."
        )
    return path


def _inline_array(leaf: Any, where: str) -> StoredArray:
    """Returns an array that lies in the msgpack file itself."""
    if not isinstance(leaf, msgpack.ExtType) or leaf.code not in (_NDARRAY, _SCALAR):
        got = f"ext type {leaf.code}" if isinstance(leaf, msgpack.ExtType) else type(leaf).__name__
        raise ValueError(f"{where} must be an array, got {got}; copy the checkpoint again.")
    try:
        shape, dtype_name, data = msgpack.unpackb(leaf.data)
        array = np.frombuffer(data, _DTYPES[dtype_name]).reshape(shape)
        if array.shape != tuple(shape):
            raise ValueError(f"shape {shape}")
    except KeyError:
        raise _not_floats(where, dtype_name) from None
    except (OverflowError, TypeError, ValueError) as error:
        raise ValueError(
            f"{where} must hold shape, type and bytes, got {error}; copy the checkpoint again."
        ) from None
    return StoredArray(array.shape, lambda index: array[index].astype(np.float32))


def _not_floats(where: str, dtype_name: Any) -> ValueError:
    return ValueError(
        f"{where} must be of {', '.join(_DTYPES)}, got {dtype_name!r:.40}; save it as floats."
    )


def _open_orbax(path: pathlib.Path) -> dict[str, StoredArray]:
    folder = path.absolute() / "state"
    base = {"driver": "file", "path": f"{folder}/"}
    arrays = {}
    for keys in _orbax_keys(folder / "_METADATA"):
        if keys[0] == "target":
            kvstore = {"driver": "ocdbt", "base": base, "path": f"{'.'.join(keys)}/"}
            name = "/".join(keys[1:])
            arrays[name] = _open_zarr(kvstore, f"{folder}, target/{name}")
    return arrays


def _orbax_keys(file: pathlib.Path) -> list[list[str]]:
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


def _open_zarr(kvstore: Mapping[str, Any], where: str) -> StoredArray:
    """Returns a zarr array; a part of it that has no file is an error, not zeros."""
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
    if store.dtype.name not in _DTYPES:
        raise _not_floats(where, store.dtype.name)
    return StoredArray(
        store.shape,
        lambda index: np.asarray(attempt(lambda: store[index].read()), np.float32),
    )
