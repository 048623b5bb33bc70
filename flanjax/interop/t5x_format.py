"""The arrays of a T5X checkpoint, read from local files in either of its forms.

```
checkpoint_N/checkpoint            legacy: msgpack of {version: 3, optimizer: {state, target}},
             target.a.b.c/         whose large leaves are specs that name such zarr arrays
checkpoint_N/state/_METADATA       Orbax: the names, as JSON
             state/manifest.ocdbt  and the zarr arrays, in one OCDBT database
```

A spec is data: nothing of it is opened but the array whose
relative path it names, below the checkpoint.
"""

from __future__ import annotations

import pathlib
from collections.abc import Iterator, Mapping
from typing import Any, Literal

import msgpack
import numpy as np

from flanjax.interop import orbax_format
from flanjax.interop.orbax_format import DTYPES, STATE_DTYPES, not_floats, open_zarr
from flanjax.interop.places import StoredArray

_LEGACY_VERSIONS = (2, 3)
_UINT16_VERSION = 2
"""In which a bfloat16 is stored as the uint16 of its bits."""
_TARGET = "target"
_KVSTORES = ("file", "gfile", "gcs")
"""Where T5X kept an array when it wrote its spec; a copy's paths are local in all three cases."""
_NDARRAY, _SCALAR = 1, 3
"""Flax's ext codes of (shape, dtype name, bytes); a complex number, its 2, is no parameter."""


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
    if _form(path) == "orbax":
        return orbax_format.open_arrays(path.absolute() / "state", top=_TARGET)
    return _open_legacy(_legacy_file(path), _TARGET, DTYPES)


def open_step(path: pathlib.Path) -> int | None:
    """Returns the optimizer's step, None for a checkpoint without one."""
    found = _open_state(path, "step").get("")
    return None if found is None else int(found.read(()))


def open_slots(path: pathlib.Path) -> dict[str, StoredArray]:
    """Returns the optimizer's slots by name, `decoder/layers_0/mlp/wo/kernel/v_row`.

    Raises:
      ValueError: As for the parameters.
    """
    return _open_state(path, "param_states")


def _open_state(path: pathlib.Path, name: str) -> dict[str, StoredArray]:
    if _form(path) == "orbax":
        folder = path.absolute() / "state"
        return orbax_format.open_arrays(folder, top=f"state/{name}", dtypes=STATE_DTYPES)
    return _open_legacy(_legacy_file(path), f"state/{name}", STATE_DTYPES)


def _form(path: pathlib.Path) -> Literal["legacy", "orbax"]:
    form = find_form(path)
    if form is None:
        raise ValueError(
            "T5X checkpoint must be a local checkpoint_N directory with the file `checkpoint` or "
            f"state/_METADATA, got {path}; check the path."
        )
    return form


def _legacy_file(path: pathlib.Path) -> pathlib.Path:
    return path if path.is_file() else path / "checkpoint"


def _open_legacy(
    file: pathlib.Path, top: str, dtypes: Mapping[str, np.dtype]
) -> dict[str, StoredArray]:
    arrays = {}
    version, tree = _legacy_tree(file, top)
    if version == _UINT16_VERSION:
        dtypes = {**dtypes, "uint16": np.dtype(np.uint16)}
    for name, leaf in _leaves(tree):
        where = f"{file}, {top}/{name}".rstrip("/")
        if isinstance(leaf, Mapping):
            place = file.parent.absolute() / _relative_path(leaf, where)
            array = open_zarr({"driver": "file", "path": f"{place}/"}, where, dtypes)
        else:
            array = _inline_array(leaf, where, dtypes)
        arrays[name] = _as_bfloat16(array) if array.dtype == np.uint16 else array
    return arrays


def _as_bfloat16(array: StoredArray) -> StoredArray:
    dtype = DTYPES["bfloat16"]
    return StoredArray(array.shape, dtype, lambda index: array.read(index).view(dtype))


def _legacy_tree(file: pathlib.Path, top: str) -> tuple[int, Any]:
    """Returns the version of a legacy checkpoint and a part of its tree, or None."""
    try:
        content = msgpack.unpackb(file.read_bytes())
    except ValueError as error:
        raise ValueError(
            f"{file} must be a T5X msgpack file, got bytes that are not ({error}); copy it again."
        ) from None
    version = content.get("version") if isinstance(content, Mapping) else None
    if version not in _LEGACY_VERSIONS:
        known = " or ".join(map(str, _LEGACY_VERSIONS))
        raise ValueError(
            f"{file} must be a T5X checkpoint of version {known}, got {version!r:.40}; "
            "load and save it with a newer T5X."
        )
    tree = content.get("optimizer")
    for key in top.split("/"):
        tree = tree.get(key) if isinstance(tree, Mapping) else None
    if top == _TARGET and not isinstance(tree, Mapping):
        raise ValueError(f"{file} must hold optimizer/{top}, got none; copy it again.")
    return int(version), tree


def _leaves(tree: Any) -> Iterator[tuple[str, Any]]:
    """Yields each leaf, an array or a spec, with its name; "" for the tree itself."""
    rest = [("", tree)] if tree is not None else []
    while rest:
        name, entry = rest.pop()
        if isinstance(entry, Mapping) and not {"driver", "kvstore"} <= set(entry):
            rest += [(f"{name}/{key}".lstrip("/"), value) for key, value in entry.items()]
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


def _inline_array(leaf: Any, where: str, dtypes: Mapping[str, np.dtype]) -> StoredArray:
    """Returns an array that lies in the msgpack file itself."""
    if not isinstance(leaf, msgpack.ExtType) or leaf.code not in (_NDARRAY, _SCALAR):
        got = f"ext type {leaf.code}" if isinstance(leaf, msgpack.ExtType) else type(leaf).__name__
        raise ValueError(f"{where} must be an array, got {got}; copy the checkpoint again.")
    try:
        shape, dtype_name, data = msgpack.unpackb(leaf.data)
        array = np.frombuffer(data, dtypes[dtype_name]).reshape(shape)
        if array.shape != tuple(shape):
            raise ValueError(f"shape {shape}")
    except KeyError:
        raise not_floats(where, dtype_name) from None
    except (OverflowError, TypeError, ValueError) as error:
        raise ValueError(
            f"{where} must hold shape, type and bytes, got {error}; copy the checkpoint again."
        ) from None
    return StoredArray(array.shape, array.dtype, lambda index: array[index])
