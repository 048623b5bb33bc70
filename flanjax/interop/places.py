"""Where each parameter lies in a checkpoint of another make, read both ways.

A checkpoint is a mapping of names to arrays that are read piece by piece, ours
as well as theirs, and each way is a view: nothing is read before it is used.

```
  ours  layers/attention/q  [L, D, E]  <->  theirs  model.layers.0.self_attn.q_proj.weight  [E, D]
                                                    model.layers.1.self_attn.q_proj.weight  ...
```
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import NamedTuple

import jax
import numpy as np

from flanjax.base import Params, listed, path_name

Index = tuple[slice, ...]


class StoredArray(NamedTuple):
    """An array that lies in a checkpoint.

    Attributes:
      shape: Its shape.
      dtype: Its type.
      read: A slice per axis, of step 1 -> that part of it.
    """

    shape: tuple[int, ...]
    dtype: np.dtype
    read: Callable[[Index], np.ndarray]


Arrays = Mapping[str, StoredArray]
"""Name -> array; names of ours are paths, `layers/attention/q`."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Place:
    """Where a parameter lies in another make's checkpoint.

    An array is read as `array.reshape(view)[part]`, and its axes are put in
    the parameter's order, those of a group joined to one. Where a parameter is
    stacked of several arrays, all this is without its layer axis.

    Attributes:
      names: Its arrays; more than one where layers are stacked on axis 0.
      is_stacked: Whether they are.
      shape: Each array's own shape.
      view: The shape it is looked at in; () for its own.
      part: The piece of it; () for all.
      order: For each of our axes, the axes of the piece that it is made of; ()
        where they are alike.
    """

    names: tuple[str, ...]
    is_stacked: bool = False
    shape: tuple[int, ...]
    view: tuple[int, ...] = ()
    part: tuple[slice | int, ...] = ()
    order: tuple[tuple[int, ...], ...] = ()

    def read(self, arrays: Arrays, shape: tuple[int, ...], index: Index) -> np.ndarray:
        """Returns a part of the parameter.

        Args:
          arrays: The checkpoint's.
          shape: The parameter's.
          index: Which part.
        """
        if not self.is_stacked:
            return self._read_one(arrays[self.names[0]], shape, index)
        names = self.names[index[0]]
        pieces = [self._read_one(arrays[name], shape[1:], index[1:]) for name in names]
        return np.stack(pieces)

    def write(self, parameter: np.ndarray, into: np.ndarray) -> None:
        """Puts a parameter, or one layer of it, into an array of `shape`."""
        piece = self._piece(into)
        order = [axis for group in self.groups(piece.ndim) for axis in group]
        turned = parameter.reshape([piece.shape[axis] for axis in order])
        piece[...] = turned.transpose(np.argsort(order))

    def groups(self, num_axes: int) -> tuple[tuple[int, ...], ...]:
        """Returns `order`, written out, for a piece of so many axes."""
        return self.order or tuple((axis,) for axis in range(num_axes))

    def _piece(self, array: np.ndarray) -> np.ndarray:
        viewed = array.reshape(self.view or array.shape)
        return viewed[self.part] if self.part else viewed

    def _read_one(self, array: StoredArray, shape: tuple[int, ...], index: Index) -> np.ndarray:
        """Reads no more than it must along axes that are one of theirs."""
        if self.view:
            whole = self._piece(array.read(everything(array.shape)))
            return self._turned(whole, shape)[index]
        wanted = [self._bounds(axis, size) for axis, size in enumerate(array.shape)]
        rest = list(index)
        for ours, group in enumerate(self.groups(len(array.shape))):
            if len(group) == 1:
                start, stop, _ = index[ours].indices(shape[ours])
                first = wanted[group[0]].start
                wanted[group[0]] = slice(first + start, first + stop)
                rest[ours] = slice(0, stop - start)
        piece = array.read(tuple(wanted))
        sizes = [
            rest[ours].stop if len(group) == 1 else shape[ours]
            for ours, group in enumerate(self.groups(piece.ndim))
        ]
        return self._turned(piece, tuple(sizes))[tuple(rest)]

    def _bounds(self, axis: int, size: int) -> slice:
        part = self.part[axis] if axis < len(self.part) else slice(None)
        assert isinstance(part, slice), "a part without a view is made of slices"
        return slice(*part.indices(size)[:2])

    def _turned(self, piece: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
        order = [axis for group in self.groups(piece.ndim) for axis in group]
        return piece.transpose(order).reshape(shape)


def everything(shape: tuple[int, ...]) -> Index:
    """Returns the index of a whole array."""
    return tuple(slice(0, size) for size in shape)


def named_shapes(tree: Params) -> dict[str, tuple[int, ...]]:
    """Returns path -> shape of every leaf."""
    leaves = jax.tree_util.tree_leaves_with_path(tree)
    return {path_name(path): tuple(leaf.shape) for path, leaf in leaves}


def to_ours(
    theirs: Arrays, places: Mapping[str, Place], shapes: Mapping[str, tuple[int, ...]]
) -> dict[str, StoredArray]:
    """Returns our view of another make's checkpoint, checked by `check_arrays` before.

    Args:
      theirs: The checkpoint.
      places: Our name -> where it lies there.
      shapes: Our name -> the parameter's shape.
    """

    def view(place: Place, shape: tuple[int, ...]) -> StoredArray:
        dtype = theirs[place.names[0]].dtype
        return StoredArray(shape, dtype, lambda index: place.read(theirs, shape, index))

    return {name: view(place, shapes[name]) for name, place in places.items()}


def to_theirs(ours: Arrays, places: Mapping[str, Place]) -> dict[str, StoredArray]:
    """Returns another make's view of our checkpoint, sorted by name."""
    parts: dict[str, list[tuple[str, int | None]]] = {}
    for name, place in places.items():
        for layer, their_name in enumerate(place.names):
            parts.setdefault(their_name, []).append((name, layer if place.is_stacked else None))

    def view(found: list[tuple[str, int | None]]) -> StoredArray:
        first = found[0][0]
        shape, dtype = places[first].shape, ours[first].dtype

        def read(index: Index) -> np.ndarray:
            whole = np.empty(shape, dtype)
            for name, layer in found:
                places[name].write(_layer(ours[name], layer), whole)
            return whole[index]

        return StoredArray(shape, dtype, read)

    return {name: view(parts[name]) for name in sorted(parts)}


def _layer(array: StoredArray, layer: int | None) -> np.ndarray:
    index = everything(array.shape)
    if layer is None:
        return array.read(index)
    return array.read((slice(layer, layer + 1), *index[1:]))[0]


def cast(array: StoredArray, dtype: np.dtype, name: str) -> StoredArray:
    """Returns an array whose parts are read in another type.

    Raises:
      ValueError: When it is read: a finite value is out of the type's range.
    """

    def read(index: Index) -> np.ndarray:
        found = array.read(index)
        with np.errstate(over="ignore"):
            converted = found.astype(dtype)
        if found.dtype != dtype and (lost := np.isfinite(found) & ~np.isfinite(converted)).any():
            raise ValueError(
                f"parameter {name} must fit {dtype}, got {np.abs(found[lost]).max():g} in "
                f"{lost.sum():,} places; use bfloat16 or float32."
            )
        return converted

    return StoredArray(array.shape, dtype, read)


def check_arrays(what: str, theirs: Arrays, places: Mapping[str, Place], *, remedy: str) -> None:
    """Checks that a checkpoint holds the arrays that a model needs, and no other.

    Args:
      what: The checkpoint, as a message names it.
      theirs: Its arrays.
      places: Our name -> where it lies there.
      remedy: What the message ends with.

    Raises:
      ValueError: Arrays are missing, not expected or of another shape; all
        three kinds are listed together.
    """
    wanted = {name: place.shape for place in places.values() for name in place.names}
    faults = {
        "missing": [name for name in wanted if name not in theirs],
        "unexpected": [name for name in theirs if name not in wanted],
        "misshapen": [
            f"{name} {theirs[name].shape}, not {shape}"
            for name, shape in wanted.items()
            if name in theirs and theirs[name].shape != shape
        ],
    }
    shown = [f"{kind}: {listed(sorted(found), 8)}" for kind, found in faults.items() if found]
    if shown:
        raise ValueError(
            f"{what} must hold the arrays of its model, got {'; '.join(shown)}; {remedy}."
        )
