"""The fields of a dataset's records, whatever file they come from."""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Mapping
from typing import Any, TypeAlias

from flanjax.data.task import Record


@dataclasses.dataclass(frozen=True)
class Labels:
    """A class label: an index into names, or -1 where the label is withheld.

    Attributes:
      names: The classes as their publisher orders and spells them.
    """

    names: tuple[str, ...]

    def __post_init__(self) -> None:
        if len(self.names) < 2 or len(set(self.names)) != len(self.names):
            raise ValueError(
                f"labels must be two names or more that differ, got {', '.join(self.names)}; "
                "list them in the publisher's order."
            )


Feature: TypeAlias = Any
"""str, int, float, bool, Labels, [Feature] for a list, {name: Feature} for a nest."""

Features: TypeAlias = Mapping[str, Feature]

UNLABELLED = -1

_FLOAT_DIGITS = 6
"""TFDS keeps float32, a JSON file 3.8: both become 3.8."""

_INTEGER = re.compile(r"[+-]?\d{1,18}")
_KIND_NAMES = {str: "text", bool: "true or false", int: "an integer", float: "a number"}
_BOOLEANS = {"true": True, "false": False, "1": True, "0": False}


def check_features(features: Features, *, where: str) -> None:
    """Checks that a schema is made of the known kinds.

    Raises:
      ValueError: It is empty or holds something else.
    """
    if not features:
        raise ValueError(f"{where}: features must name a field, got none; add one.")
    for name, feature in features.items():
        _check_feature(feature, f"{where}: feature {name}")


def _check_feature(feature: Feature, place: str) -> None:
    if feature in (str, int, float, bool) or isinstance(feature, Labels):
        return
    if isinstance(feature, list) and len(feature) == 1:
        _check_feature(feature[0], place)
    elif isinstance(feature, Mapping) and feature:
        check_features(feature, where=place)
    else:
        raise ValueError(
            f"{place} must be str, int, float, bool, Labels, [one of them] or a nest, "
            f"got {feature!r}; mend it."
        )


def conform(features: Features, row: Record) -> Record:
    """Returns the named fields of a row in the schema's types.

    Tables and JSON write the same value in different ways; what comes back is
    the same whichever it was, so that a record has one identity. A label may
    be its index or its name, a number may be text, and a list or nest may be
    JSON text. Fields that the schema does not name are left behind.

    Raises:
      ValueError: A field is missing or is not what the schema says.

    Example:
      conform({"label": Labels(("no", "yes")), "text": str},
              {"label": "yes", "text": "Hi.", "id": 7}) == {"label": 1, "text": "Hi."}
    """
    return _conform(features, row, "")


def written(feature: Feature) -> str:
    """Returns a feature in words: `text`, `class (no, yes)`, `list of text`."""
    if isinstance(feature, Labels):
        return f"class ({', '.join(feature.names)})"
    if isinstance(feature, list):
        return f"list of {written(feature[0])}"
    if isinstance(feature, Mapping):
        return "{" + ", ".join(f"{name}: {written(kind)}" for name, kind in feature.items()) + "}"
    return _KIND_NAMES[feature]


def _conform(features: Features, row: Record, inside: str) -> dict[str, Any]:
    where = f"{inside.rstrip('.')!r}" if inside else "a row"
    for name in features:
        if name not in row:
            raise ValueError(
                f"{where} must have the field {name!r} (of {', '.join(features)}), "
                f"got {', '.join(map(str, row))}."
            )
    return {name: _value(feature, row[name], inside + name) for name, feature in features.items()}


def _value(feature: Feature, value: Any, place: str) -> Any:
    if isinstance(feature, Labels):
        return _label(feature, value, place)
    if isinstance(feature, list):
        return _items(feature[0], _parsed(value, place), place)
    if isinstance(feature, Mapping):
        parsed = _parsed(value, place)
        if not isinstance(parsed, Mapping):
            raise _wrong(place, f"a nest of the fields {', '.join(feature)}", value)
        return _conform(feature, parsed, f"{place}.")
    return _scalar(feature, value, place)


def _items(feature: Feature, value: Any, place: str) -> list[Any]:
    if not isinstance(value, (list, tuple)):
        raise _wrong(place, "a list", value)
    return [_value(feature, entry, f"{place}[{index}]") for index, entry in enumerate(value)]


def _parsed(value: Any, place: str) -> Any:
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except ValueError:
        raise _wrong(place, "a list or nest (in a .csv, as JSON)", value) from None


def _label(labels: Labels, value: Any, place: str) -> int:
    if (
        isinstance(value, str) and value in labels.names
    ):  # wins over an index: names may be "1", "2"
        return labels.names.index(value)
    number = int(value) if isinstance(value, bool) else _number(value)
    if number is not None and number == int(number) and UNLABELLED <= number < len(labels.names):
        return int(number)
    names = ", ".join(f"{index} = {name}" for index, name in enumerate(labels.names))
    raise _wrong(place, f"a label ({names})", value)


def _scalar(kind: type, value: Any, place: str) -> Any:
    if kind is str and isinstance(value, str):
        return _text(value, place)
    if kind is bool:
        found = _BOOLEANS.get(str(value).lower().removesuffix(".0"))
        if found is not None:
            return found
    elif kind in (int, float):
        number = _number(value)
        if number is not None and kind is float:
            return round(float(number), _FLOAT_DIGITS)
        if number is not None and number == int(number):
            return int(number)
    raise _wrong(place, _KIND_NAMES[kind], value)


def _text(value: str, place: str) -> str:
    try:
        value.encode("utf-8")
    except UnicodeEncodeError:
        raise _wrong(place, "text without half a surrogate pair", value) from None
    return value


def _number(value: Any) -> int | float | None:
    """Returns a finite number, or None where the value is none."""
    if isinstance(value, str):
        try:
            value = int(value) if _INTEGER.fullmatch(value.strip()) else float(value)
        except ValueError:
            return None
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    return value if abs(value) < 2**63 else None


def _wrong(place: str, expected: str, value: Any) -> ValueError:
    return ValueError(f"field {place!r} must be {expected}, got {repr(value)[:40]}.")
