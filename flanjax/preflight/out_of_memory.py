"""What the text of an out-of-memory error says, whoever wrote it.

XLA's compiler for TPUs lists the largest arrays of a program that does not fit. At run time XLA's
allocators name what they were asked for, and on GPUs at times the largest buffers.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

_NUM_SHOWN = 3
_UNITS = {"K": 2**10, "M": 2**20, "G": 2**30, "T": 2**40}
_SIZE = r"(\d+(?:\.\d+)?) ?([KMGT]?)(?:i?B|\b)"
_MARKS = ("RESOURCE_EXHAUSTED", "Resource exhausted", "Out of memory", "out of memory")
_PROGRAM = (
    rf"Used {_SIZE} of {_SIZE} \w+",
    rf"required for HLO temporaries \({_SIZE}\) exceeds available \w+ \({_SIZE}\)",
)
_ASKED = (
    rf"[Oo]ut of memory while trying to allocate {_SIZE}",
    rf"[Oo]ut of memory allocating {_SIZE}",
    rf"Failed to allocate request for {_SIZE}",
    rf"ran out of memory trying to allocate {_SIZE}",
    rf"Attempting to (?:allocate|reserve) {_SIZE}",
)
_LEFT = (rf"There are {_SIZE} free",)


class Buffer(NamedTuple):
    """An array that the error lists.

    Attributes:
      num_bytes: Its size, padding included.
      shape: "bf16[8,2048,128256]".
      op_name: Where in the program it comes from, "" where nothing says.
    """

    num_bytes: int
    shape: str
    op_name: str

    def __str__(self) -> str:
        origin = "/".join(self.op_name.split("/")[-2:])
        return f"{gib(self.num_bytes)} {self.shape}" + (f" of {origin}" if origin else "")


class Shortage(NamedTuple):
    """Memory that was not there.

    Attributes:
      needed: Bytes of the whole program, or of the one array that did not fit.
      is_whole: Which of the two.
      available: Bytes there were, or were left; None where the text is silent.
      buffers: The largest first.
    """

    needed: int | None
    is_whole: bool
    available: int | None
    buffers: tuple[Buffer, ...]

    def headline(self) -> str:
        """Returns what was needed and what there was."""
        if self.needed is None:
            return "out of memory"
        if self.is_whole:
            return f"out of memory: needs {gib(self.needed)} of {gib(self.available or 0)}"
        left = f" with {gib(self.available)} left" if self.available is not None else ""
        return f"out of memory: no room for {gib(self.needed)} more{left}"

    def largest(self) -> str:
        """Returns the largest arrays in a line."""
        return f"largest arrays: {shown(self.buffers)}"


def shown(buffers: Sequence[Buffer]) -> str:
    """Returns the first few arrays in a line."""
    return "; ".join(map(str, buffers[:_NUM_SHOWN])) or "nobody names any"


def gib(num_bytes: float) -> str:
    """Returns bytes as people read them: "23.10 GiB", or "9.6 MiB"."""
    if num_bytes < 2**30 / 100:
        return f"{num_bytes / 2**20:.1f} MiB"
    return f"{num_bytes / 2**30:.2f} GiB"


def read(text: str) -> Shortage | None:
    """Reads an error's text; None where it is about something else."""
    if not any(mark in text for mark in _MARKS):
        return None
    if whole := next(_matches(_PROGRAM, text), None):
        needed, available = to_bytes(*whole[:2]), to_bytes(*whole[2:])
        return Shortage(needed, True, available, _largest(text))
    asked, left = (next(_matches(patterns, text), None) for patterns in (_ASKED, _LEFT))
    return Shortage(
        to_bytes(*asked) if asked else None,
        False,
        to_bytes(*left) if left else None,
        _largest(text),
    )


def _matches(patterns: tuple[str, ...], text: str) -> Iterator[tuple[str, ...]]:
    for pattern in patterns:
        if match := re.search(pattern, text):
            yield match.groups()


def to_bytes(number: str, unit: str) -> int:
    """Returns bytes of "1.5" and "G"; units are powers of 1,024."""
    return round(float(number) * _UNITS.get(unit, 1))


def _largest(text: str) -> tuple[Buffer, ...]:
    """Reads the list of arrays: after each size its shape and its origin."""
    starts = [match.start() for match in re.finditer(rf"Size: {_SIZE}", text)]
    sections = [text[a:b] for a, b in zip(starts, [*starts[1:], len(text)], strict=False)]
    buffers = {_buffer(section): None for section in sections}
    return tuple(sorted(buffers, key=lambda buffer: -buffer.num_bytes))


def _buffer(section: str) -> Buffer:
    size = re.match(rf"Size: {_SIZE}", section)
    shape = re.search(r"(?:Shape|Subshape): ([\w]+\[[\d,]*\])", section)
    origin = re.search(r'op_name="([^"]*)"', section)
    return Buffer(
        to_bytes(*size.groups()) if size else 0,
        shape[1] if shape else "?",
        origin[1] if origin else "",
    )
