"""Compiled HLO text: its instructions, and how often each one runs.

Only what is needed to count is read. The form is that of `jax.stages.Compiled.as_text`.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

_BITS = {"pred": 8, "s4": 4, "u4": 4, "s2": 2, "u2": 2, "token": 0, "opaque": 0}
_ARRAY = re.compile(r"([a-z]+[0-9]*[a-z0-9]*)\[([0-9,<= ]*)\](\{[^}]*\})?")
_NAME = re.compile(r"%([\w.\-]+)")
_HEADER = re.compile(r"^(ENTRY )?%?([\w.\-]+) .*\{$")
_INSTRUCTION = re.compile(r"^\s+(ROOT )?%?([\w.\-]+) = ")
_OPCODE = re.compile(r"\s*([a-z][a-z0-9\-]*)\(")
_KNOWN_TRIPS = re.compile(r'"known_trip_count":\{"n":"(\d+)"\}')
_SAME_VALUE = ("copy", "bitcast", "copy-done", "convert", "reshape")


class Array(NamedTuple):
    """An array of a shape: its type, sizes and whether it lies in main memory."""

    dtype: str
    sizes: tuple[int, ...]
    in_memory: bool = True

    @property
    def num_bytes(self) -> int:
        return math.ceil(math.prod(self.sizes) * bits(self.dtype) / 8)

    def __str__(self) -> str:
        return f"{self.dtype}[{','.join(map(str, self.sizes))}]"


def bits(dtype: str) -> int:
    """Returns the bits of an element: 32 of "f32", 8 of "f8e4m3fn"."""
    if dtype in _BITS:
        return _BITS[dtype]
    digits = re.match(r"[a-z]+(\d+)", dtype)
    if digits is None:
        raise ValueError(f"an HLO type must tell its bits, got {dtype!r}; add it to hlo._BITS.")
    return int(digits[1])


class Instruction(NamedTuple):
    """One line of a computation.

    Attributes:
      name: Without its percent sign.
      shapes: The arrays of its result, in order; those of a tuple side by side.
      opcode: "fusion", "all-gather", ...
      operands: Names.
      attributes: The text after the operands.
      literal: The text between the parentheses, which a constant is.
      is_root: Whether it is the computation's result.
    """

    name: str
    shapes: tuple[Array, ...]
    opcode: str
    operands: tuple[str, ...]
    attributes: str
    literal: str
    is_root: bool

    def called(self, *roles: str) -> list[str]:
        """Returns the computations of some roles: "calls", "body", ..."""
        found = []
        for role in roles:
            match = re.search(rf"\b{role}=(\{{[^}}]*\}}|%?[\w.\-]+)", self.attributes)
            found += re.findall(r"%?([\w.\-]+)", match[1]) if match else []
        return found

    def op_name(self) -> str:
        """Returns where in the program it comes from, "" where nothing says."""
        match = re.search(r'op_name="([^"]*)"', self.attributes)
        return match[1] if match else ""


class Module(NamedTuple):
    """Computations by name, each as its instructions by name."""

    computations: Mapping[str, Mapping[str, Instruction]]
    entry: str


class Run(NamedTuple):
    """A computation that runs: how often, and whether that is known.

    Attributes:
      computation: Its name.
      times: Runs in one run of the program.
      is_known: Whether the trip counts of all loops around it are.
      is_fused: Whether it is the inside of one kernel.
    """

    computation: str
    times: int
    is_known: bool
    is_fused: bool


def parse(text: str) -> Module:
    """Reads a module.

    Raises:
      ValueError: It has no entry.
    """
    computations: dict[str, dict[str, Instruction]] = {}
    entry, current = None, None
    for line in text.splitlines():
        if current is None:
            header = _HEADER.match(line)
            if header:
                current = computations.setdefault(header[2], {})
                entry = header[2] if header[1] else entry
        elif line.startswith("}"):
            current = None
        elif start := _INSTRUCTION.match(line):
            read = _instruction(line, start)
            current[read.name] = read
    if entry is None:
        raise ValueError("HLO text must have an ENTRY, got none; pass Compiled.as_text().")
    return Module(computations, entry)


def _instruction(line: str, start: re.Match[str]) -> Instruction:
    at = start.end()
    end = _closing(line, at) + 1 if line[at] == "(" else line.index(" ", at)
    opcode = _OPCODE.match(line, end)
    if opcode is None:
        raise ValueError(f"an HLO instruction must have an opcode, got {line[:120]!r}.")
    close = _closing(line, opcode.end() - 1)
    literal = line[opcode.end() : close]
    return Instruction(
        name=start[2],
        shapes=tuple(_arrays(line[at:end])),
        opcode=opcode[1],
        operands=tuple(_NAME.findall(literal)),
        attributes=line[close + 1 :],
        literal=literal,
        is_root=bool(start[1]),
    )


def _closing(line: str, at: int) -> int:
    """Returns where the parenthesis that opens at `at` closes."""
    depth = 0
    for place in range(at, len(line)):
        depth += (line[place] == "(") - (line[place] == ")")
        if depth == 0:
            return place
    raise ValueError(f"HLO parentheses must close, got {line[at : at + 80]!r}.")


def _arrays(shape: str) -> Iterator[Array]:
    for dtype, sizes, layout in _ARRAY.findall(shape):
        numbers = tuple(int(size.strip("<= ")) for size in sizes.split(",") if size)
        yield Array(dtype, numbers, in_memory=not re.search(r"S\([1-9]\)", layout))


def runs(module: Module) -> list[Run]:
    """Returns every computation that runs, once for each place it is called from.

    A branch counts as if it were always taken; a loop whose trip count nobody
    knows as if it ran once.
    """
    return list(_runs(module, Run(module.entry, 1, is_known=True, is_fused=False)))


def _runs(module: Module, run: Run) -> Iterator[Run]:
    yield run
    computation = module.computations[run.computation]
    for instruction in computation.values():
        opcode = instruction.opcode
        if opcode == "while":
            trips = trip_count(module, computation, instruction)
            times = run.times * (1 if trips is None else trips)
            inner = run._replace(times=times, is_known=run.is_known and trips is not None)
            called = instruction.called("body")
        elif opcode in ("fusion", "call", "async-start", "conditional"):
            inner = run._replace(is_fused=run.is_fused or opcode == "fusion")
            roles = ("calls", "branch_computations", "true_computation", "false_computation")
            called = instruction.called(*roles, *(["to_apply"] if opcode == "call" else []))
        else:
            continue
        for name in called:
            yield from _runs(module, inner._replace(computation=name))


def trip_count(
    module: Module, computation: Mapping[str, Instruction], loop: Instruction
) -> int | None:
    """Returns how often a loop's body runs, None where its text does not say.

    The compiler may have written it down; else a loop counts if its condition
    compares a counter, which starts at a constant, with a constant.
    """
    if match := _KNOWN_TRIPS.search(loop.attributes):
        return int(match[1])
    condition = module.computations[loop.called("condition")[0]]
    root = next(each for each in condition.values() if each.is_root)
    if root.opcode != "compare" or "direction=LT" not in root.attributes:
        return None
    counter, bound = (_origin(condition, name) for name in root.operands)
    if counter.opcode != "get-tuple-element" or bound.opcode != "constant":
        return None
    index = re.search(r"index=(\d+)", counter.attributes)
    start = _tuple_element(computation, loop.operands[0], int(index[1]) if index else 0)
    if start is None or start.opcode != "constant":
        return None
    return max(int(bound.literal) - int(start.literal), 0)


def _origin(computation: Mapping[str, Instruction], name: str) -> Instruction:
    """Returns the instruction that a value comes from, past copies of it."""
    found = computation[name]
    while found.opcode in _SAME_VALUE:
        found = computation[found.operands[0]]
    return found


def _tuple_element(
    computation: Mapping[str, Instruction], name: str, index: int
) -> Instruction | None:
    found = computation[name]
    if found.opcode != "tuple":
        return None
    return _origin(computation, found.operands[index])


def operand_shapes(
    computation: Mapping[str, Instruction], instruction: Instruction
) -> Sequence[tuple[Array, ...]]:
    """Returns the arrays of each operand."""
    return [computation[name].shapes for name in instruction.operands if name in computation]
