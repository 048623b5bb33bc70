"""safetensors files: names and arrays, nothing that runs.

```
  8 bytes   length n of the header, little-endian
  n bytes   {"name": {"dtype": "BF16", "shape": [2, 3], "data_offsets": [0, 12]}, ...}
  the rest  arrays end to end, without holes
```

Read piece by piece, for a host reads its slices alone, and written array by
array, so that memory holds one of them. The safetensors package does neither
for bfloat16 in NumPy.
"""

from __future__ import annotations

import json
import math
import os
import pathlib
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

import ml_dtypes
import numpy as np

from flanjax.interop.places import Arrays, Index, StoredArray, everything

DTYPES: Mapping[str, np.dtype] = {
    "F64": np.dtype("<f8"),
    "F32": np.dtype("<f4"),
    "F16": np.dtype("<f2"),
    "BF16": np.dtype(ml_dtypes.bfloat16),
}
"""Their name -> type, of all that a parameter may have."""

_NAMES = {dtype: name for name, dtype in DTYPES.items()}
_LENGTH_BYTES = 8
_MAX_HEADER_BYTES = 100_000_000
_METADATA = "__metadata__"
_ALIGNMENT = 8
_READ_BYTES = 1 << 26


def open_file(
    path: pathlib.Path, *, is_extra: Callable[[str], bool] = lambda name: False
) -> dict[str, StoredArray]:
    """Returns the arrays of a file; no more than its header is read.

    Args:
      path: The file.
      is_extra: Which arrays are left out; they alone may be no floats.

    Raises:
      ValueError: The file is damaged, or holds what is not a float.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        length = int.from_bytes(file.read(_LENGTH_BYTES), "little")
        if size < _LENGTH_BYTES or length > min(size - _LENGTH_BYTES, _MAX_HEADER_BYTES):
            raise _damaged(
                path, f"a header of at most {_MAX_HEADER_BYTES:,} bytes within the file",
                f"{length:,} in {size:,}",
            )  # fmt: skip
        header = _header(path, file.read(length))
    start = _LENGTH_BYTES + length
    for name, about in header.items():
        _check_entry(path, name, about)
    arrays = {
        name: _array(path, name, about, start)
        for name, about in header.items()
        if not is_extra(name)
    }
    _check_layout(path, header, size - start)
    return arrays


def _header(path: pathlib.Path, content: bytes) -> dict[str, Any]:
    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        twice = [name for name, count in Counter(name for name, _ in pairs).items() if count > 1]
        if twice:
            raise ValueError(f"{', '.join(twice):.80} twice")
        return dict(pairs)

    try:
        header = json.loads(content, object_pairs_hook=unique)
    except (ValueError, RecursionError) as error:
        raise _damaged(path, "a header of JSON, each name once", f"{error}") from None
    if not isinstance(header, dict):
        raise _damaged(path, "a header of names", f"{type(header).__name__}")
    header.pop(_METADATA, None)
    return header


def _check_entry(path: pathlib.Path, name: str, about: Any) -> None:
    """Checks that what is said of an array has its form."""
    try:
        _, shape, (first, last) = about["dtype"], about["shape"], about["data_offsets"]
        is_listed = isinstance(shape, list)
    except (KeyError, TypeError, ValueError):
        is_listed = False
    if not is_listed:
        raise _damaged(path, f"dtype, shape and data_offsets of {name}", f"{about!r:.80}")
    if not all(type(n) is int and n >= 0 for n in (*shape, first, last)):
        raise _damaged(path, f"bytes of {name} for its shape", f"{about!r:.120}")


def _array(path: pathlib.Path, name: str, about: Any, start: int) -> StoredArray:
    dtype_name, shape, (first, last) = about["dtype"], tuple(about["shape"]), about["data_offsets"]
    if not isinstance(dtype_name, str) or dtype_name not in DTYPES:
        raise _damaged(path, f"{name} of {', '.join(DTYPES)}", f"{dtype_name!r:.20}")
    dtype = DTYPES[dtype_name]
    if last - first != math.prod(shape) * dtype.itemsize:
        raise _damaged(path, f"bytes of {name} for its shape", f"{about!r:.120}")
    return StoredArray(shape, dtype, lambda index: _read(path, dtype, shape, start + first, index))


def _check_layout(path: pathlib.Path, header: Mapping[str, Any], size: int) -> None:
    """Checks that arrays lie end to end and fill the file."""
    at = 0
    spans = sorted((*about["data_offsets"], name) for name, about in header.items())
    for first, last, name in spans:
        if first != at:
            how = "overlaps what is before it" if first < at else "leaves a hole before it"
            raise _damaged(path, "arrays end to end", f"{name}, which {how}")
        at = last
    if at != size:
        raise _damaged(path, f"{at:,} bytes of arrays", f"{size:,}")


def _damaged(path: pathlib.Path, rule: str, got: str) -> ValueError:
    return ValueError(f"{path} must have {rule}, got {got}; copy the file again.")


def _read(
    path: pathlib.Path, dtype: np.dtype, shape: tuple[int, ...], offset: int, index: Index
) -> np.ndarray:
    """Returns a part of an array; rows are read in blocks, and cut."""
    bounds = [part.indices(size)[:2] for part, size in zip(index, shape, strict=True)]
    if not shape:
        return np.fromfile(path, dtype, 1, offset=offset).reshape(())
    first, last = bounds[0]
    row_bytes = math.prod(shape[1:]) * dtype.itemsize
    rows_at_once = max(1, _READ_BYTES // max(row_bytes, 1))
    inner = tuple(slice(*bound) for bound in bounds[1:])
    out = np.empty([max(stop - start, 0) for start, stop in bounds], dtype)
    with path.open("rb") as file:
        for row in range(first, last, rows_at_once):
            num_rows = min(rows_at_once, last - row)
            file.seek(offset + row * row_bytes)
            block = np.fromfile(file, dtype, num_rows * math.prod(shape[1:]))
            rows = block.reshape(num_rows, *shape[1:])
            out[row - first : row - first + num_rows] = rows[(slice(None), *inner)]
    return out


def write_file(path: pathlib.Path, arrays: Arrays, *, metadata: Mapping[str, str]) -> None:
    """Writes arrays as one file, aside and then renamed; one is in memory at a time.

    Arrays lie by falling size of their type, then by name, as the safetensors
    package lays them.
    """
    names = sorted(arrays, key=lambda name: (-arrays[name].dtype.itemsize, name))
    header: dict[str, Any] = {_METADATA: dict(metadata)} if metadata else {}
    at = 0
    for name in names:
        shape, dtype, _ = arrays[name]
        last = at + math.prod(shape) * dtype.itemsize
        header[name] = {
            "dtype": _NAMES[dtype], "shape": list(shape), "data_offsets": [at, last],
        }  # fmt: skip
        at = last
    content = json.dumps(header, separators=(",", ":")).encode()
    content += b" " * (-len(content) % _ALIGNMENT)
    aside = path.with_name(f"{path.name}.{os.getpid()}.partial")
    try:
        with aside.open("wb") as file:
            file.write(len(content).to_bytes(_LENGTH_BYTES, "little"))
            file.write(content)
            for name in names:
                array = arrays[name].read(everything(arrays[name].shape))
                np.ascontiguousarray(array).tofile(file)
        os.replace(aside, path)
    finally:
        aside.unlink(missing_ok=True)
