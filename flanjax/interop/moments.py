"""Adafactor's second moments: whole, or as means over axes.

Of a matrix Adafactor keeps the means over its rows and over its columns (Shazeer and Stern 2018,
section 3); T5X and optax differ in which arrays they do so for. Means are exact from a whole
moment; a whole one is made of means as their outer product over the mean of all.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias

import numpy as np

from flanjax.interop.places import Arrays, Index, StoredArray, everything

Kept = tuple[int, ...]
Moment: TypeAlias = Mapping[Kept, StoredArray]
"""The axes that a mean keeps -> the mean; all axes alone for a whole moment, else two means."""
Moments: TypeAlias = Mapping[str, Moment]
"""Our parameter's path -> its moment."""
Shapes = Mapping[str, tuple[int, ...]]
_SLOTS = ("v", "v_row", "v_col")


def mean(moment: Moment, shape: tuple[int, ...], kept: Kept) -> StoredArray:
    """Returns a moment's mean over all axes but some; the moment itself for all axes.

    Args:
      moment: The moment.
      shape: Its parameter's.
      kept: The axes that stay.
    """
    if kept in moment:
        return moment[kept]
    dropped = tuple(axis for axis in range(len(shape)) if axis not in kept)

    def read(index: Index) -> np.ndarray:
        whole_index = list(everything(shape))
        for axis, part in zip(kept, index, strict=True):
            whole_index[axis] = part
        return np.asarray(_whole(moment, shape, tuple(whole_index)).mean(axis=dropped))

    return StoredArray(tuple(shape[axis] for axis in kept), np.dtype(np.float32), read)


def _whole(moment: Moment, shape: tuple[int, ...], index: Index) -> np.ndarray:
    """Reads a part of a moment as if it were whole."""
    if (every := tuple(range(len(shape)))) in moment:
        return moment[every].read(index)
    (rows, row_means), (columns, column_means) = moment.items()
    shared = [axis for axis in rows if axis in columns]
    # The mean of all is that of either factor over the axes it does not share, all of them.
    row_index = tuple(index[a] if a in shared else slice(0, shape[a]) for a in rows)
    found = _spread(row_means.read(row_index), rows, len(shape))
    own = tuple(axis for axis in rows if axis not in shared)
    total = found.mean(axis=own, keepdims=True)
    found = found[tuple(index[a] if a in own else slice(None) for a in range(len(shape)))]
    other = _spread(column_means.read(tuple(index[a] for a in columns)), columns, len(shape))
    return found * other / np.where(total > 0, total, 1)


def _spread(array: np.ndarray, kept: Kept, num_axes: int) -> np.ndarray:
    """Returns an array with an axis of size 1 for each that is not kept."""
    missing = tuple(axis for axis in range(num_axes) if axis not in kept)
    return np.expand_dims(array.astype(np.float32), missing)


def factored_axes(path: str, shape: tuple[int, ...]) -> tuple[Kept, Kept]:
    """Returns which axes optax's v_row and v_col of a parameter keep.

    v_row is without the largest axis, v_col without the second largest; layers
    are apart from one another.
    """
    is_stacked = "layers" in path.split("/")
    first = 1 if is_stacked else 0
    order = [first + int(axis) for axis in np.argsort(shape[first:])]
    every = range(len(shape))
    smaller, larger = order[-2:]
    return (
        tuple(axis for axis in every if axis != larger),
        tuple(axis for axis in every if axis != smaller),
    )


def from_leaves(leaves: Arrays, shapes: Shapes) -> dict[str, Moment] | None:
    """Returns the moments of our Adafactor's state; None where there are none.

    Args:
      leaves: The state by the names of `train.opt_state`.
      shapes: Path -> shape of each parameter; one that was frozen has none.
    """
    found: dict[str, Moment] = {}
    for path, shape in shapes.items():
        if (whole := leaves.get(f"v/{path}")) is not None:
            found[path] = {tuple(range(len(shape))): whole}
        elif f"v_row/{path}" in leaves:
            rows, columns = factored_axes(path, shape)
            found[path] = {rows: leaves[f"v_row/{path}"], columns: leaves[f"v_col/{path}"]}
    return found or None


def to_leaves(moments: Moments, shapes: Shapes, wanted: Shapes, *, step: int) -> Arrays | None:
    """Returns our Adafactor's state at a step; None where another optimizer is wanted.

    Args:
      moments: A moment for each parameter that is trained.
      shapes: Path -> shape of each parameter.
      wanted: Name -> shape of the state's leaves.
      step: Updates done.
    """
    found: dict[str, StoredArray] = {}
    for name, shape in wanted.items():
        role, _, path = name.partition("/")
        if role == "count":
            found[name] = _filled(shape, np.dtype(np.int32), step)
        elif role in _SLOTS and path in moments:
            found[name] = mean(moments[path], shapes[path], _kept(role, path, shapes[path]))
        else:
            return None
    return found


def _kept(role: str, path: str, shape: tuple[int, ...]) -> Kept:
    """Returns the axes that a slot keeps."""
    if role == "v":
        return tuple(range(len(shape)))
    rows, columns = factored_axes(path, shape)
    return rows if role == "v_row" else columns


def _filled(shape: tuple[int, ...], dtype: np.dtype, value: int) -> StoredArray:
    """Returns an array of one value."""

    def read(index: Index) -> np.ndarray:
        sizes = [len(range(*part.indices(size))) for part, size in zip(index, shape, strict=True)]
        return np.full(sizes, value, dtype)

    return StoredArray(shape, dtype, read)


def zeros(shape: tuple[int, ...]) -> StoredArray:
    """Returns an array of zeros, float32."""
    return _filled(shape, np.dtype(np.float32), 0)
