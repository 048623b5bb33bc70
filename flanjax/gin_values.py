"""Values that gin files bind, and whether a field's type allows them."""

from __future__ import annotations

import collections.abc
import contextlib
import dataclasses
import types
import typing
from collections.abc import Iterator
from typing import Any, Literal, Union


class GinError(ValueError):
    """A configuration that cannot be used; one line, with its place."""


@dataclasses.dataclass(frozen=True)
class Macro:
    """`%NAME`: the value bound to NAME."""

    name: str

    def __str__(self) -> str:
        return f"%{self.name}"


@dataclasses.dataclass(frozen=True)
class Reference:
    """`@Name()`: the config of that class; without brackets, the class."""

    name: str
    is_called: bool = True

    def __str__(self) -> str:
        return f"@{self.name}" + "()" * self.is_called


REQUIRED = Macro("gin.REQUIRED")
"""The value of what must be bound elsewhere, written `%gin.REQUIRED`."""


def parts(value: Any) -> Iterator[Macro | Reference]:
    """Yields the macros and references in a value."""
    if isinstance(value, (Macro, Reference)):
        yield value
    elif isinstance(value, dict):
        for entry in [*value.keys(), *value.values()]:
            yield from parts(entry)
    elif isinstance(value, (list, tuple)):
        for entry in value:
            yield from parts(entry)


def convert(value: Any, annotation: Any) -> Any:
    """Returns a value as its annotation has it; an int may stand for a float.

    Raises:
      TypeError: The annotation does not allow the value.
    """
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin in (Union, types.UnionType):
        for argument in arguments:
            with contextlib.suppress(TypeError):
                return convert(value, argument)
    elif origin is Literal:
        if value in arguments:
            return value
    elif origin is collections.abc.Mapping and isinstance(value, dict):
        return {convert(k, arguments[0]): convert(v, arguments[1]) for k, v in value.items()}
    elif origin is tuple and isinstance(value, (list, tuple)):
        of_entries = arguments[:1] * len(value) if arguments[-1] is ... else arguments
        if len(value) == len(of_entries):
            return tuple(convert(entry, of) for entry, of in zip(value, of_entries, strict=True))
    elif isinstance(value, Reference):
        if value.name == getattr(annotation, "__name__", None):
            return value
    elif annotation is float and type(value) is int:
        return float(value)
    elif type(value) is annotation:
        return value
    raise TypeError


def described(annotation: Any) -> str:
    """Returns a type as an error message names it."""
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin in (Union, types.UnionType):
        return " or ".join(described(argument) for argument in arguments)
    if origin is Literal:
        return f"one of {', '.join(map(repr, arguments))}"
    if origin is collections.abc.Mapping:
        return f"a dict of {described(arguments[0])} to {described(arguments[1])}"
    if origin is tuple:
        is_any_length = arguments[-1] is ...
        entries = arguments[:1] if is_any_length else arguments
        return f"a tuple of {' and '.join(described(entry) for entry in entries)}"
    if annotation is type(None):
        return "None"
    is_config = dataclasses.is_dataclass(annotation)
    return f"@{annotation.__name__}()" if is_config else str(annotation.__name__)


def remedy(annotation: Any) -> str:
    """Returns what to do about a value that a type does not allow."""
    arguments = typing.get_args(annotation)
    return {
        int: "write a whole number without quotes",
        float: "write a number without quotes",
        str: "write it in quotes",
        bool: "write True or False",
    }.get(arguments[0] if type(None) in arguments else annotation, "choose one that fits")


def written(value: Any) -> str:
    """Returns a value as gin writes it."""
    if isinstance(value, (Macro, Reference)):
        return str(value)
    if isinstance(value, dict):
        return f"{{{', '.join(f'{written(k)}: {written(v)}' for k, v in value.items())}}}"
    if isinstance(value, list):
        return f"[{', '.join(map(written, value))}]"
    if isinstance(value, tuple):
        return f"({''.join(f'{written(entry)}, ' for entry in value).rstrip()})"
    return repr(value)
