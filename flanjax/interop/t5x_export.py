"""A checkpoint as T5X writes it: parameters, and the slots of its Adafactor.

```
  legacy  checkpoint_N/checkpoint   msgpack: small arrays, and specs that name the others
          checkpoint_N/target.a.b/  zarr, gzip level 1
  Orbax   checkpoint_N/state/       one tree of state and target
```

Slots are zero, as those of an optimizer that has not stepped. Source: T5X's own checkpoints, and
its Adafactor for which slots an array has.
"""

from __future__ import annotations

import os
import pathlib
import shutil
from typing import Any, Literal

import msgpack
import numpy as np

from flanjax.interop import orbax_format
from flanjax.interop.places import Arrays, StoredArray, everything

Form = Literal["legacy", "orbax"]
_VERSION = 3
_NDARRAY = 1
_SLOTS = ("m", "v", "v_row", "v_col")
_UNUSED = (1,)
_MIN_FACTORED = 128
_COMPRESSOR = {"id": "gzip", "level": 1}


def write_checkpoint(folder: pathlib.Path, target: Arrays, *, step: int, form: Form) -> None:
    """Writes a checkpoint aside, then renames it: it is never half there.

    Args:
      folder: checkpoint_N; must not exist.
      target: T5X's name -> parameter.
      step: The optimizer's step.
      form: Which of T5X's two forms.

    Raises:
      ValueError: The folder is there.
    """
    if folder.exists():
        raise ValueError(f"export must go to a new directory, got {folder}; name another.")
    state = {
        f"state/param_states/{name}/{slot}": _zeros(shape)
        for name, array in target.items()
        for slot, shape in slot_shapes(name, array.shape).items()
    }
    counter = np.array(step, np.int32)
    state["state/step"] = StoredArray((), counter.dtype, lambda index: counter)
    arrays = {**state, **{f"target/{name}": array for name, array in target.items()}}
    aside = folder.with_name(f"{folder.name}.{os.getpid()}.partial")
    try:
        if form == "orbax":
            orbax_format.write_step(aside, arrays)
        else:
            _write_legacy(aside, arrays)
        os.replace(aside, folder)
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def slot_shapes(name: str, shape: tuple[int, ...]) -> dict[str, tuple[int, ...]]:
    """Returns the shapes of an array's slots; one that is not used has [1].

    A kernel of scanned layers is factored by what its axes are: v_row keeps
    embed and layers, v_col all but embed. A matrix is factored where both
    sizes are at least 128: v_row is without its larger axis, v_col without the
    other.
    """
    slots: dict[str, tuple[int, ...]] = dict.fromkeys(_SLOTS, _UNUSED)
    if name.endswith("/kernel") and len(shape) > 2:
        is_last = name.split("/")[-2] in ("out", "wo")
        embed = len(shape) - 1 if is_last else 0
        rows = tuple(size for axis, size in enumerate(shape) if axis in (1, embed))
        columns = tuple(size for axis, size in enumerate(shape) if axis != embed)
        return slots | {"v_row": rows, "v_col": columns}
    if len(shape) == 2 and min(shape) >= _MIN_FACTORED and not name.endswith("/scale"):
        larger = 1 if shape[1] >= shape[0] else 0
        return slots | {"v_row": (shape[1 - larger],), "v_col": (shape[larger],)}
    return slots | {"v": shape}


def _zeros(shape: tuple[int, ...]) -> StoredArray:
    def read(index: tuple[slice, ...]) -> np.ndarray:
        sizes = [len(range(*part.indices(size))) for part, size in zip(index, shape, strict=True)]
        return np.zeros(sizes, np.float32)

    return StoredArray(shape, np.dtype(np.float32), read)


def _write_legacy(folder: pathlib.Path, arrays: Arrays) -> None:
    folder.mkdir(parents=True)
    tree: dict[str, Any] = {}
    for name, array in sorted(arrays.items()):
        *parents, last = name.split("/")
        place = tree
        for parent in parents:
            place = place.setdefault(parent, {})
        place[last] = _write_array(folder, name, array)
    content = {"version": _VERSION, "optimizer": tree}
    (folder / "checkpoint").write_bytes(msgpack.packb(content))


def _write_array(folder: pathlib.Path, name: str, array: StoredArray) -> Any:
    """Returns an array's entry: its bytes, or the spec of its zarr array.

    T5X keeps in the file itself what it does not partition: the step, factored
    slots and unused ones.
    """
    is_inline = not array.shape or name.endswith(("/v_row", "/v_col")) or _is_unused(name, array)
    if is_inline:
        value = array.read(everything(array.shape))
        data = (value.shape, value.dtype.name, value.tobytes())
        return msgpack.ExtType(_NDARRAY, msgpack.packb(data))
    path = f"{name.replace('/', '.')}/"
    metadata = orbax_format.write_zarr(
        {"driver": "file", "path": f"{folder.absolute() / path}/"}, array, compressor=_COMPRESSOR
    )
    return {
        "driver": "zarr",
        "dtype": array.dtype.name,
        "kvstore": {"driver": "file", "path": path},
        "metadata": metadata,
    }


def _is_unused(name: str, array: StoredArray) -> bool:
    return name.startswith("state/") and array.shape == _UNUSED
