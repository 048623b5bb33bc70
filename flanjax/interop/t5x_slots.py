"""The slots of T5X's Adafactor and our second moments, both ways.

```
  state/param_states/NAME/{m,v,v_row,v_col}  <->  path -> moment of the parameter
```

Source: T5X's own checkpoints, and its Adafactor for which slots an array has.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from flanjax.interop import moments
from flanjax.interop.moments import Kept, Moment, Moments
from flanjax.interop.places import Arrays, Place, StoredArray, to_ours, to_theirs

UNUSED = (1,)
"""The shape of a slot that is not used."""
_SLOTS = ("m", "v", "v_row", "v_col")
_MIN_FACTORED = 128


class Slots(NamedTuple):
    """The axes of an array that its slots keep.

    Attributes:
      v: All of them, () for an array that is factored.
      v_row: Those of its means over columns, () for one that is not factored.
      v_col: Those of its means over rows.
    """

    v: Kept
    v_row: Kept = ()
    v_col: Kept = ()


def slots_of(name: str, shape: tuple[int, ...]) -> Slots:
    """Returns which slots T5X keeps of an array.

    A kernel of scanned layers is factored by what its axes are: v_row keeps
    embed and layers, v_col all but embed. A matrix is factored where both
    sizes are at least 128: v_row is without its larger axis, v_col without the
    other.
    """
    every = tuple(range(len(shape)))
    if name.endswith("/kernel") and len(shape) > 2:
        is_last = name.split("/")[-2] in ("out", "wo")
        embed = len(shape) - 1 if is_last else 0
        rows = tuple(axis for axis in every if axis in (1, embed))
        return Slots((), rows, tuple(axis for axis in every if axis != embed))
    if len(shape) == 2 and min(shape) >= _MIN_FACTORED and not name.endswith("/scale"):
        larger = 1 if shape[1] >= shape[0] else 0
        return Slots((), (1 - larger,), (larger,))
    return Slots(every)


def our_moments(path: str, slots: Arrays, places: Mapping[str, Place]) -> Moments | None:
    """Returns the second moments of a T5X checkpoint under our names.

    Args:
      path: The checkpoint, as a message names it.
      slots: NAME/SLOT -> array.
      places: Where each of our parameters lies in it.

    Returns:
      None for a checkpoint of another optimizer than T5X's Adafactor, or of
      one with momentum.

    Raises:
      ValueError: A slot is missing or of another shape.
    """
    kinds = {name.rpartition("/")[2] for name in slots}
    has_momentum = any(n.endswith("/m") and a.shape != UNUSED for n, a in slots.items())
    if kinds != set(_SLOTS) or has_momentum:
        return None
    return {ours: _moment(path, slots, place) for ours, place in places.items()}


def _moment(path: str, slots: Arrays, place: Place) -> Moment:
    own = slots_of(place.names[0], place.shape)
    found: dict[Kept, StoredArray] = {}
    for slot, kept in own._asdict().items():
        if not kept:
            continue
        part = _without_others(place, kept, suffix=slot)
        for name in part.names:
            shape = slots[name].shape if name in slots else None
            if shape != part.shape:
                raise ValueError(
                    f"T5X checkpoint {path} must hold the slots of T5X's Adafactor, got {name} of "
                    f"{shape} for {part.shape}; copy it again."
                )
        shape = _our_shape(part)
        found[_our_axes(place, kept)] = to_ours(slots, {"": part}, {"": shape})[""]
    return found


def _our_shape(place: Place) -> tuple[int, ...]:
    groups = place.groups(len(place.shape))
    own = tuple(int(np.prod([place.shape[axis] for axis in group])) for group in groups)
    return (len(place.names), *own) if place.is_stacked else own


def _our_axes(place: Place, kept: Kept) -> Kept:
    """Returns which of our axes are made of those that a slot keeps."""
    groups = place.groups(len(place.shape))
    first = 1 if place.is_stacked else 0
    layers = (0,) if place.is_stacked else ()
    return layers + tuple(
        first + ours for ours, group in enumerate(groups) if set(group) <= {*kept}
    )


def _without_others(place: Place, kept: Kept, *, suffix: str) -> Place:
    """Returns where a slot lies that keeps some axes of a parameter's array."""
    groups = place.groups(len(place.shape))
    order = tuple(tuple(kept.index(a) for a in group) for group in groups if set(group) <= {*kept})
    return Place(
        names=tuple(f"{name}/{suffix}" for name in place.names),
        is_stacked=place.is_stacked,
        shape=tuple(place.shape[axis] for axis in kept),
        order=order,
    )


def their_slots(
    found: Moments, places: Mapping[str, Place], shapes: Mapping[str, tuple[int, ...]]
) -> dict[str, StoredArray]:
    """Returns T5X's slots; zeros, as before the first step, where there is no moment.

    Args:
      found: Our path -> moment.
      places: Where each of our parameters goes.
      shapes: Our path -> the parameter's shape.

    Returns:
      NAME/SLOT -> array.
    """
    slots: dict[str, StoredArray] = {}
    for path, place in places.items():
        own = slots_of(place.names[0], place.shape)
        slots |= {
            f"{name}/{slot}": moments.zeros(UNUSED) for name in place.names for slot in _SLOTS
        }
        for slot, kept in own._asdict().items():
            if not kept:
                continue
            part = _without_others(place, kept, suffix=slot)
            if path in found:
                ours = moments.mean(found[path], shapes[path], _our_axes(place, kept))
                slots |= to_theirs({path: ours}, {path: part})
            else:
                slots |= {name: moments.zeros(part.shape) for name in part.names}
    return slots
