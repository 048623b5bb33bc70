"""The largest arrays of a program, from the compiler's memory report."""

from __future__ import annotations

import re
from collections.abc import Sequence

from flanjax.preflight import hlo
from flanjax.preflight.out_of_memory import Buffer, to_bytes

_NUM_KEPT = 10
_LINE = re.compile(
    r"^\s*[\d.]+\w*\(\s*\d+%\);\s*(?P<number>[\d.]+)(?P<unit>[KMGT]?)i?B;\s*\d+;\s*\d+;\s*(?P<shapes>.*)$"
)
_SHAPE = re.compile(r"[a-z]+\d*\w*\[[\d,]*\]")
_NOT_MADE = ("parameter", "get-tuple-element", "bitcast", "tuple", "while")


def largest(report: str, module: hlo.Module | None) -> Sequence[Buffer]:
    """Returns the largest places of a program's temporaries, and what lies there.

    Each place holds several arrays, one after another; the largest of them
    names it.

    Args:
      report: XLA's "memory-usage-report", "" for none. Its first table is that
        of the temporaries.
      module: The program; tells where an array comes from.
    """
    table = report.partition("\n\n")[0]
    found = []
    for line in table.splitlines():
        if match := _LINE.match(line):
            shapes = _SHAPE.findall(match["shapes"])
            num_bytes = to_bytes(match["number"], match["unit"])
            found.append((num_bytes, max(shapes, key=_size, default="?")))
    found.sort(key=lambda each: -each[0])
    origins = _origins(module, {shape for _, shape in found[:_NUM_KEPT]})
    return [
        Buffer(num_bytes, shape, origins.get(shape, "")) for num_bytes, shape in found[:_NUM_KEPT]
    ]


def _size(shape: str) -> int:
    dtype, _, sizes = shape.rstrip("]").partition("[")
    return hlo.Array(dtype, tuple(int(size) for size in sizes.split(",") if size)).num_bytes


def _origins(module: hlo.Module | None, shapes: set[str]) -> dict[str, str]:
    """Returns where the first array of each shape is made."""
    made = (
        (str(array), place)
        for computation in (module.computations if module else {}).values()
        for each in computation.values()
        if each.opcode not in _NOT_MADE and (place := each.op_name())
        for array in each.shapes
    )
    origins: dict[str, str] = {}
    for shape, place in made:
        if shape in shapes:
            origins.setdefault(shape, place)
    return origins
