"""What an importer of one family consists of, and the places that follow from it."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple, TypeVar

from flanjax.interop.hf.keys import Keys
from flanjax.interop.places import Place
from flanjax.models.decoder import DecoderConfig

Config = Any
"""A T5Config or a DecoderConfig."""


class Piece(NamedTuple):
    """A parameter that shares an array with others.

    Attributes:
      name: The array's, with {} for the layer.
      shape: The array's.
      part: The parameter's piece of it, after `view`.
      view: As in Place.
      order: As in Place.
    """

    name: str
    shape: tuple[int, ...]
    part: tuple[slice | int, ...]
    view: tuple[int, ...] = ()
    order: tuple[tuple[int, ...], ...] = ()


class Family(NamedTuple):
    """One model type of transformers.

    Attributes:
      model_type: As config.json names it.
      architecture: The class that loads it.
      read: config.json and the names of the arrays -> our config.
      write: Our config -> config.json, without what all families have.
      names: Our config -> our parameter's path -> its array, with {} for the
        layer.
      prefix: What the names begin with, and files of the bare model lack.
      is_transposed: Whether matrices are stored [out, in].
      extra: A pattern of arrays that are no parameters: buffers.
      copies: Array -> the one that it repeats, in files that hold tied ones
        more than once.
      kind: The class of its configs.
    """

    model_type: str
    architecture: str
    read: Callable[[Keys, Collection[str]], Config]
    write: Callable[[Config], dict[str, Any]]
    names: Callable[[Config], Mapping[str, str | Piece]]
    prefix: str = ""
    is_transposed: bool = True
    extra: str = "(?!)"
    copies: Mapping[str, str] = MappingProxyType({})
    kind: type[Any] = DecoderConfig

    def is_extra(self, name: str) -> bool:
        """Returns whether an array need not be read."""
        return re.fullmatch(self.extra, name) is not None


Positions = TypeVar("Positions")


def positions_of(config: Config, kind: type[Positions]) -> Positions:
    """Returns a model's positions, which must be of a kind.

    Raises:
      ValueError: They are of another, which the family does not have.
    """
    if not isinstance(config.positions, kind):
        raise ValueError(
            f"positions must be a {kind.__name__} in this family, got "
            f"{type(config.positions).__name__}; export it as another family."
        )
    return config.positions


_MATRICES = ("q", "k", "v", "o", "gate", "up", "down", "head")


def places(
    family: Family, config: Config, shapes: Mapping[str, tuple[int, ...]]
) -> dict[str, Place]:
    """Returns where each of a model's parameters lies.

    Args:
      family: The family.
      config: The model's.
      shapes: Path -> shape of each of its parameters.

    Raises:
      ValueError: The family has no place for some.
    """
    names = family.names(config)
    lost = sorted(set(shapes) - set(names))
    if lost:
        raise ValueError(
            f"a {family.model_type} checkpoint must have room for every parameter, got "
            f"{', '.join(lost)} without; export it as another family."
        )
    return {path: _place(family, path, names[path], shape) for path, shape in shapes.items()}


def _place(family: Family, path: str, name: str | Piece, shape: tuple[int, ...]) -> Place:
    is_stacked = "layers" in path.split("/")
    num_layers, own = (shape[0], shape[1:]) if is_stacked else (1, shape)
    if isinstance(name, str):
        is_turned = family.is_transposed and path.rpartition("/")[2] in _MATRICES
        order = ((1,), (0,)) if is_turned else ()
        name = Piece(name, own[::-1] if is_turned else own, (), (), order)
    return Place(
        names=tuple(name.name.format(layer) for layer in range(num_layers)),
        is_stacked=is_stacked,
        shape=name.shape,
        view=name.view,
        part=name.part,
        order=name.order,
    )
