"""Names and types that every layer of the house shares."""

from __future__ import annotations

import hashlib
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, TypeAlias

Params: TypeAlias = Any
"""A nested dict of arrays (or typed leaves such as a quantized weight)."""

Key: TypeAlias = Any
"""A typed JAX random key, as `jax.random.key` makes it."""


class Mean(NamedTuple):
    """A weighted mean that is still two sums, so that it can be added up.

    Sums are added over microbatches, hosts and steps; the division happens
    once, when the value is read.
    """

    total: Any
    weight: Any

    def value(self) -> float:
        """Returns total / weight, or 0.0 where the weight is zero."""
        weight = float(self.weight)
        return float(self.total) / weight if weight else 0.0


Metrics: TypeAlias = Mapping[str, Mean]
"""Metric name -> its sums. Names read split/cluster/task/template/metric."""


def stable_hash(*parts: object) -> int:
    """Returns a 64-bit hash of `parts` that is the same in every process.

    All randomness in the data comes from this function, so an example's
    template, exemplars and place in the order do not depend on the host, the
    number of workers or what was read before it.

    Args:
      *parts: Strings and integers; their `repr` is hashed, joined by NUL.
    """
    text = "\0".join([repr(part) for part in parts])  # a list: a generator takes twice as long
    digest = hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest, "little")


class StableHash:
    """`stable_hash` of many things that begin alike, at a third of its time.

    Args:
      *parts: What they begin with.

    Example:
      StableHash("a", 1).of(2) == stable_hash("a", 1, 2)
    """

    def __init__(self, *parts: object):
        text = "".join(f"{part!r}\0" for part in parts)
        self._state = hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8)

    def of(self, part: object) -> int:
        """Returns the 64-bit hash of the parts and one more."""
        state = self._state.copy()
        state.update(repr(part).encode("utf-8", "surrogatepass"))
        return int.from_bytes(state.digest(), "little")


def path_name(path: tuple[Any, ...]) -> str:
    """Returns a JAX tree path as `a/b/c`, the form used in logs and rules."""
    return "/".join(str(getattr(entry, "key", getattr(entry, "name", entry))) for entry in path)


def listed(items: Sequence[str], most: int, *, separator: str = ", ") -> str:
    """Returns items in a line, as messages have them: "a, b and 3 more".

    Args:
      items: In the order to tell them.
      most: How many are told; of the others, their number.
      separator: Between two.
    """
    more = f" and {len(items) - most:,} more" if len(items) > most else ""
    return separator.join(items[:most]) + more


def nested(leaves: Mapping[str, Any]) -> dict[str, Any]:
    """Returns a mapping of paths as dicts in dicts."""
    tree: dict[str, Any] = {}
    for name, leaf in leaves.items():
        *parents, last = name.split("/")
        place = tree
        for parent in parents:
            place = place.setdefault(parent, {})
        place[last] = leaf
    return tree


def flat(tree: Mapping[str, Any]) -> dict[str, Any]:
    """Returns dicts in dicts as a mapping of paths, what `nested` undoes."""
    leaves: dict[str, Any] = {}
    for name, leaf in tree.items():
        if isinstance(leaf, Mapping):
            leaves |= {f"{name}/{path}": deeper for path, deeper in flat(leaf).items()}
        else:
            leaves[name] = leaf
    return leaves


def nearest_existing(path: pathlib.Path) -> pathlib.Path:
    """Returns a path, or the nearest folder above it that is there."""
    whole = path.absolute()
    return next(place for place in (whole, *whole.parents) if place.exists())
