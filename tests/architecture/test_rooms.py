"""docs/architecture.md names every module, where it is and in its layer."""

from __future__ import annotations

import fnmatch
import itertools
import pathlib
import re
from collections.abc import Iterator

import house_rules

_PAGE = house_rules.ROOT / "docs" / "architecture.md"
_LAYER = re.compile(r"L(\d)")


def expanded(name: str) -> Iterator[str]:
    """Yields the paths that `a/{b,c}.py` stands for."""
    parts = [part.split(",") for part in re.split(r"[{}]", name)]
    yield from map("".join, itertools.product(*parts))


def rooms() -> Iterator[tuple[int, str]]:
    """Yields (layer, path or pattern) of the table of rooms, content left out."""
    for line in _PAGE.read_text("utf-8").splitlines():
        cells = [cell.strip() for cell in line.split("|")]
        if len(cells) > 3 and (found := _LAYER.fullmatch(cells[1])):
            for span in re.findall(r"`([^`]+)`", cells[2]):
                yield from ((int(found[1]), path) for path in expanded(span))


def place_of(path: pathlib.Path) -> str:
    """Returns where a file lies, as the table writes it."""
    return path.relative_to(house_rules.ROOT).as_posix().removeprefix("flanjax/")


def test_the_table_goes_from_the_lowest_layer_up() -> None:
    layers = [layer for layer, _ in rooms()]
    assert layers == sorted(layers)


def test_every_module_stands_once_in_its_layer() -> None:
    table = list(rooms())
    faults = []
    for module, path in house_rules.python_files():
        place = place_of(path)
        is_content = place.startswith("tasks/") and place != "tasks/seqio_mixtures.py"
        if path.name == "__init__.py" or is_content:
            continue
        told = [
            layer
            for layer, name in table
            if fnmatch.fnmatch(place, f"{name}*" if name.endswith("/") else name)
        ]
        if set(told) != {house_rules.layer(module)}:
            faults.append(f"{module}: in rows {told}, of layer {house_rules.layer(module)}")
    assert faults == []


def test_every_room_is_there() -> None:
    places = [place_of(path) for _, path in house_rules.python_files()]
    missing = [
        name
        for _, name in rooms()
        if not fnmatch.filter(places, f"{name}*" if name.endswith("/") else name)
    ]
    assert missing == []
