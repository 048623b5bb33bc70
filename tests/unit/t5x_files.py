"""Checkpoints as T5X writes them, made by hand."""

from __future__ import annotations

import pathlib
from collections.abc import Mapping
from typing import Any

import msgpack
import numpy as np
import tensorstore


def inline(array: np.ndarray, code: int = 1) -> msgpack.ExtType:
    content = (array.shape, array.dtype.name, array.tobytes())
    return msgpack.ExtType(code, msgpack.packb(content))


def ext(*content: Any) -> msgpack.ExtType:
    return msgpack.ExtType(1, msgpack.packb(content))


def write_zarr(folder: pathlib.Path, array: np.ndarray) -> None:
    spec = {
        "driver": "zarr",
        "kvstore": {"driver": "file", "path": f"{folder}/"},
        "metadata": {"compressor": {"id": "gzip", "level": 1}},
    }
    store = tensorstore.open(spec, create=True, dtype=array.dtype, shape=array.shape).result()
    store.write(array).result()


def spec(path: str, /, **changes: Any) -> dict[str, Any]:
    return {"driver": "zarr", "kvstore": {"driver": "file", "path": path}, "metadata": {}} | changes


def nested(flat: Mapping[str, Any]) -> dict[str, Any]:
    tree: dict[str, Any] = {}
    for name, leaf in flat.items():
        *folders, last = name.split("/")
        place = tree
        for folder in folders:
            place = place.setdefault(folder, {})
        place[last] = leaf
    return tree


def write(folder: pathlib.Path, leaves: Mapping[str, Any], **changes: Any) -> str:
    """Writes a legacy checkpoint of leaves; arrays among them lie inline."""
    packed = {k: inline(v) if isinstance(v, np.ndarray) else v for k, v in leaves.items()}
    optimizer = {"state": {"step": inline(np.int32(7))}, "target": nested(packed)}
    folder.mkdir(exist_ok=True)
    content = {"version": 3, "optimizer": optimizer} | changes
    (folder / "checkpoint").write_bytes(msgpack.packb(content))
    return str(folder)
