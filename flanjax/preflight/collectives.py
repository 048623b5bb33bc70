"""What devices send one another in a step, read from its HLO."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from flanjax.preflight import hlo

KINDS = ("all-gather", "all-reduce", "reduce-scatter", "all-to-all", "collective-permute")
_SCATTERED = "all-reduce-scatter"
"""How the TPU's compiler calls a kernel that reduces and keeps a part; within stands all-reduce."""


class Collective(NamedTuple):
    """A collective operation of the program.

    Attributes:
      kind: One of `KINDS`.
      array: The largest array that it moves: whole, after gathering or before
        reducing.
      num_bytes: Bytes of all its arrays.
      group: Devices that exchange it.
      times: Times in a step.
      is_known: Whether that is; else it stands in a loop that counts as one.
      op_name: Where in the program it comes from.
    """

    kind: str
    array: hlo.Array
    num_bytes: int
    group: int
    times: int
    is_known: bool
    op_name: str

    @property
    def sent(self) -> float:
        """Bytes that a device sends in a step, by a ring.

        Of n devices each sends (n - 1) / n of the whole array to gather or
        scatter it, and twice that to reduce it everywhere.
        """
        if self.kind == "collective-permute":
            return self.num_bytes * self.times
        share = (self.group - 1) / self.group
        factor = 2 if self.kind == "all-reduce" else 1
        return factor * share * self.num_bytes * self.times


class Total(NamedTuple):
    """All collectives of a kind: how many run, what a device sends."""

    kind: str
    num: int
    num_bytes: float
    sent: float
    num_unknown: int


def find(module: hlo.Module, num_devices: int) -> list[Collective]:
    """Returns the collectives of a program.

    Args:
      module: Its HLO.
      num_devices: The group of a collective that names none.
    """
    found = []
    seen: set[tuple[str, str, str]] = set()
    for run in hlo.runs(module):
        for instruction in module.computations[run.computation].values():
            kind = _kind(run, instruction)
            if kind is None or _is_repeated(instruction, seen):
                continue
            if (group := _group(instruction.attributes, num_devices)) > 1:
                found.append(_collective(module, run, instruction, kind, group))
    return found


def totals(collectives: Sequence[Collective]) -> list[Total]:
    """Returns sums by kind, for those kinds that there are."""
    return list(_totals(collectives))


def of_whole_batch(
    collectives: Sequence[Collective], num_rows: int, lengths: Sequence[int]
) -> list[Collective]:
    """Returns those that move activations of every row to or over every device.

    A layout that keeps rows where they are has none: they are what is left
    where the compiler splits features in place of rows.

    Args:
      collectives: Of the program.
      num_rows: Rows that all devices read at a time.
      lengths: Tokens of a row.
    """
    starts = [start for length in lengths for start in ((num_rows, length), (num_rows * length,))]

    def is_of_all(sizes: tuple[int, ...]) -> bool:
        return any(
            sizes[: len(start)] == start and math.prod(sizes[len(start) :]) > 1 for start in starts
        )

    return [each for each in collectives if is_of_all(each.array.sizes)]


def _totals(collectives: Sequence[Collective]) -> Iterator[Total]:
    for kind in KINDS:
        found = [each for each in collectives if each.kind == kind]
        if found:
            yield Total(
                kind,
                sum(each.times for each in found),
                sum(each.num_bytes * each.times for each in found),
                sum(each.sent for each in found),
                sum(not each.is_known for each in found),
            )


def _kind(run: hlo.Run, instruction: hlo.Instruction) -> str | None:
    """Returns the kind of a collective; its end, where it has one, is none."""
    kind = instruction.opcode.removesuffix("-start")
    if kind == "all-reduce" and _SCATTERED in run.computation:
        return "reduce-scatter"
    return kind if kind in KINDS else None


def _is_repeated(instruction: hlo.Instruction, seen: set[tuple[str, str, str]]) -> bool:
    """Returns whether an instruction is a further part of one that was seen.

    The TPU's compiler spreads a collective over the kernels that it runs
    beside; each of them names it again, with the same chain and channel.
    """
    chain = re.search(r'chain_id="(\d+)"', instruction.attributes)
    channel = re.search(r"channel_id=(\d+)", instruction.attributes)
    if chain is None or channel is None:
        return False
    part = (instruction.opcode, chain[1], channel[1])
    is_repeated = part in seen
    seen.add(part)
    return is_repeated


def _collective(
    module: hlo.Module, run: hlo.Run, instruction: hlo.Instruction, kind: str, group: int
) -> Collective:
    arrays = _moved(module.computations[run.computation], instruction, kind)
    return Collective(
        kind=kind,
        array=max(arrays, key=lambda array: array.num_bytes),
        num_bytes=sum(array.num_bytes for array in arrays),
        group=group,
        times=run.times,
        is_known=run.is_known,
        op_name=instruction.op_name(),
    )


def _moved(
    computation: Mapping[str, hlo.Instruction], instruction: hlo.Instruction, kind: str
) -> Sequence[hlo.Array]:
    """Returns the arrays of a collective: results, or what is reduced and scattered."""
    if instruction.opcode == "reduce-scatter":
        operands = hlo.operand_shapes(computation, instruction)
        return [array for shapes in operands for array in shapes]
    if instruction.opcode in ("all-gather-start", "collective-permute-start"):
        # Beside its results stand its operands, before them.
        num = len(instruction.operands)
        return instruction.shapes[num : 2 * num]
    return instruction.shapes


def _group(attributes: str, num_devices: int) -> int:
    """Returns how many devices exchange something; 2 for pairs."""
    if "source_target_pairs=" in attributes:
        return 2
    if match := re.search(r"replica_groups=\{\{([0-9,]*)\}", attributes):
        return len(match[1].split(","))
    if match := re.search(r"replica_groups=\[(\d+),(\d+)\]<=", attributes):
        return int(match[2])
    if match := re.search(r"replica_groups=mesh\[([^\]]*)\][^{]*\{([^}]*)\}", attributes):
        sizes = dict(re.findall(r"('[^']*')=(\d+)", match[1]))
        return math.prod(int(sizes[name]) for name in re.findall(r"'[^']*'", match[2]))
    return num_devices
