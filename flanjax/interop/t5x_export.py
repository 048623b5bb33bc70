"""A checkpoint as T5X writes it: parameters, and the state of its Adafactor.

```
  legacy  checkpoint_N/checkpoint   msgpack: small arrays, and specs that name the others
          checkpoint_N/target.a.b/  zarr, gzip level 1
  Orbax   checkpoint_N/state/       one tree of state and target
```

Source: T5X's own checkpoints.
"""

from __future__ import annotations

import os
import pathlib
import shutil
from typing import Any, Literal

import msgpack
import numpy as np

from flanjax.base import nested
from flanjax.interop import orbax_format
from flanjax.interop.places import Arrays, StoredArray, everything
from flanjax.interop.t5x_slots import UNUSED

Form = Literal["legacy", "orbax"]
_VERSION = 3
_NDARRAY = 1
_COMPRESSOR = {"id": "gzip", "level": 1}


def write_checkpoint(
    folder: pathlib.Path, target: Arrays, slots: Arrays, *, step: int, form: Form
) -> None:
    """Writes a checkpoint aside, then renames it: it is never half there.

    Args:
      folder: checkpoint_N; must not exist.
      target: T5X's NAME -> parameter.
      slots: NAME/SLOT -> array.
      step: The optimizer's step.
      form: Which of T5X's two forms.

    Raises:
      ValueError: The folder is there.
    """
    if folder.exists():
        raise ValueError(f"export must go to a new directory, got {folder}; name another.")
    state = {f"state/param_states/{name}": array for name, array in slots.items()}
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


def _write_legacy(folder: pathlib.Path, arrays: Arrays) -> None:
    folder.mkdir(parents=True)
    leaves = {name: _write_array(folder, name, array) for name, array in sorted(arrays.items())}
    content = {"version": _VERSION, "optimizer": nested(leaves)}
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
    return name.startswith("state/") and array.shape == UNUSED
