"""What preflight found, in words and as plain data."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from flanjax.preflight import collectives
from flanjax.preflight.checks import Check
from flanjax.preflight.collectives import Collective
from flanjax.preflight.compile import Program
from flanjax.preflight.out_of_memory import gib, shown
from flanjax.preflight.roofline import Roofline

_NUM_LARGEST = 3


class Counts(NamedTuple):
    """What was counted in a step's program, on one device.

    Attributes:
      memory_bytes: Read and written.
      collectives: What devices send.
      roofline: The estimate; None where the chip is not known.
    """

    memory_bytes: int
    collectives: Sequence[Collective]
    roofline: Roofline | None


class Report(NamedTuple):
    """What was found of a run.

    Attributes:
      target: The devices.
      num_devices: How many.
      mesh: Axis -> devices along it.
      parameters: Trained, and not trained.
      model_flops: Of a step on all devices, by the model's formula.
      tokens: Slots of a step, padding included.
      checks: What was looked at beside the step.
      undivided: Lines on what the mesh does not divide.
      program: The step as the compiler made it, or gave it up.
      whole_batch: Collectives that move activations of all rows.
      counts: What stands in it; None where the compiler left nothing.
      available: Bytes of a device; None where nobody says.
      advice: What to try where it does not fit.
    """

    target: str
    num_devices: int
    mesh: Mapping[str, int]
    parameters: tuple[int, int]
    model_flops: int
    tokens: int
    checks: Sequence[Check]
    undivided: Sequence[str]
    program: Program
    whole_batch: Sequence[Collective]
    counts: Counts | None
    available: int | None
    advice: str

    @property
    def fits(self) -> bool:
        if self.program.is_refused:
            return False
        return self.available is None or self.program.needed <= self.available

    @property
    def is_ready(self) -> bool:
        """Whether training would start."""
        return self.fits and all(check.is_ok for check in self.checks)

    def verdict(self) -> str:
        """Returns the last line: whether the step fits, and else what to try."""
        if self.fits:
            failed = [check.name for check in self.checks if not check.is_ok]
            return f"fits, but will not start: {', '.join(failed)}" if failed else "fits"
        room, needed = self._room or 0, self.program.needed
        needs = f"needs {gib(needed)} of {gib(room)} per device"
        if self.program.is_refused and needed <= room:  # the compiler told of one array alone
            needs = f"the compiler found no room in the {gib(room)} of a device"
        cause = "rows do not stay on their devices (see layout); " if self.whole_batch else ""
        return f"does not fit: {needs}; {cause}{self.advice}"

    @property
    def _room(self) -> int | None:
        return self.program.available or self.available

    def lines(self) -> list[str]:
        """Returns what a person reads."""
        mesh = " x ".join(f"{axis} {size}" for axis, size in self.mesh.items())
        trained, frozen = self.parameters
        kept = f", {frozen:,} more are not trained" if frozen else ""
        lines = [
            f"devices      {self.target}: {self.num_devices}, mesh {mesh}",
            *(f"{c.name:<12} {'ok' if c.is_ok else 'FAILS'}: {c.text}" for c in self.checks),
            *(f"layout       {line}" for line in self.undivided),
            f"parameters   {trained:,}{kept}",
        ]
        if self.whole_batch:
            lines.insert(-1, f"layout       {_whole_batch_line(self.whole_batch)}")
        lines += self._program_lines()
        return [*lines, "", self.verdict()]

    def _program_lines(self) -> list[str]:
        program, counts = self.program, self.counts
        parts = ", ".join(f"{kind} {gib(size)}" for kind, size in program.memory.items())
        room = f" of {gib(self._room)}" if self._room else ""
        per_device = self.model_flops / self.num_devices
        lines = [f"memory       {gib(program.needed)}{room} per device: {parts}"]
        if not self.fits:
            lines.append(f"largest      {shown(program.buffers)}")
        flops = f"{per_device / 1e12:,.4g} T per device and step by the model's formula"
        if program.flops is not None:
            flops += f"; the compiler counts {program.flops / 1e12:,.3g} T, each loop once"
        lines.append(f"FLOPs        {flops}")
        if counts is not None:
            lines.append(
                f"traffic      {gib(counts.memory_bytes)} read and written per device and step"
            )
            lines += _collective_lines(counts.collectives)
        lines.append(
            f"compiled in  {program.lower_s:.1f} s to trace, {program.compile_s:.1f} s to compile"
        )
        if counts is not None and counts.roofline is not None:
            lines.append(_roofline_line(counts.roofline, self.tokens, self.num_devices))
        return lines

    def to_plain(self) -> dict[str, Any]:
        """Returns the report as JSON values."""
        program = self.program
        return {
            "topology": self.target,
            "devices": self.num_devices,
            "mesh": dict(self.mesh),
            "parameters": {"trained": self.parameters[0], "frozen": self.parameters[1]},
            "model_flops_per_step": self.model_flops,
            "tokens_per_step": self.tokens,
            "checks": [check._asdict() for check in self.checks],
            "undivided": list(self.undivided),
            "collectives_of_whole_batch": sum(each.times for each in self.whole_batch),
            "fits": self.fits,
            "is_ready": self.is_ready,
            "verdict": self.verdict(),
            "needed_bytes": program.needed,
            "available_bytes": self._room,
            "memory_bytes": dict(program.memory),
            "largest": [buffer._asdict() for buffer in program.buffers],
            "compiler_flops": program.flops,
            "lower_s": round(program.lower_s, 2),
            "compile_s": round(program.compile_s, 2),
            **(_counts_plain(self.counts) if self.counts else {}),
        }


def _counts_plain(counts: Counts) -> dict[str, Any]:
    roofline = counts.roofline
    times = {} if roofline is None else {**roofline._asdict(), "step_s": roofline.step_s}
    return {
        "memory_traffic_bytes": counts.memory_bytes,
        "collectives": [total._asdict() for total in collectives.totals(counts.collectives)],
        "roofline_estimate": {key: float(f"{value:.4g}") for key, value in times.items()} or None,
    }


def _collective_lines(found: Sequence[Collective]) -> list[str]:
    if not found:
        return ["collectives  none"]
    lines = []
    for total in collectives.totals(found):
        of_kind = sorted((c for c in found if c.kind == total.kind), key=lambda c: -c.sent)
        largest = "; ".join(f"{c.times} x {c.array} over {c.group}" for c in of_kind[:_NUM_LARGEST])
        unknown = f", {total.num_unknown} of them in loops of unknown length" * (
            total.num_unknown > 0
        )
        sent = f"arrays of {gib(total.num_bytes)}, each device sends {gib(total.sent)}"
        lines.append(f"  {total.kind}: {total.num:,} a step{unknown}, {sent}; most by {largest}")
    return ["collectives", *lines]


def _whole_batch_line(found: Sequence[Collective]) -> str:
    num, largest = sum(each.times for each in found), max(found, key=lambda each: each.sent)
    return (
        f"{num:,} collectives move activations of the whole batch, most {largest.times} x "
        f"{largest.array}: the compiler does not keep rows on their devices"
    )


def _roofline_line(roofline: Roofline, tokens: int, num_devices: int) -> str:
    if math.isclose(roofline.step_s, 0):
        return "step         nothing to do"
    rate = tokens / roofline.step_s / num_devices
    return (
        f"step         at least {roofline.step_s:.3g} s, an estimate: compute "
        f"{roofline.compute_s:.3g}, memory {roofline.memory_s:.3g}, links {roofline.links_s:.3g} "
        f"s at the data sheet's rates; bound by {roofline.bound}; at most {rate:,.0f} tokens/s per "
        f"device and {roofline.utilization:.0%} utilization"
    )
