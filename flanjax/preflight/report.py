"""What preflight found, in words and as plain data."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from flanjax.preflight import collectives
from flanjax.preflight.checks import Check
from flanjax.preflight.collectives import Collective
from flanjax.preflight.out_of_memory import Shortage, gib
from flanjax.preflight.roofline import Roofline

_NUM_LARGEST = 3


class Compiled(NamedTuple):
    """A step that compiled.

    Attributes:
      memory: Kind -> bytes on a device.
      flops: The compiler's count, loops' bodies once; None without one.
      memory_bytes: Read and written in a step on a device.
      collectives: What devices send.
      roofline: The estimate; None where the chip is not known.
      lower_s: Time to trace.
      compile_s: Time to compile.
    """

    memory: Mapping[str, int]
    flops: float | None
    memory_bytes: int
    collectives: Sequence[Collective]
    roofline: Roofline | None
    lower_s: float
    compile_s: float

    @property
    def needed(self) -> int:
        return sum(self.memory.values())


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
      compiled: The step; None where there is no room for it.
      shortage: What was missing; None where there is room.
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
    compiled: Compiled | None
    shortage: Shortage | None
    available: int | None
    advice: str

    @property
    def fits(self) -> bool:
        if self.compiled is None:
            return False
        return self.available is None or self.compiled.needed <= self.available

    @property
    def is_ready(self) -> bool:
        """Whether training would start."""
        return self.fits and all(check.is_ok for check in self.checks)

    def verdict(self) -> str:
        """Returns the last line: whether the step fits, and else what to try."""
        if self.fits:
            failed = [check.name for check in self.checks if not check.is_ok]
            return f"fits, but will not start: {', '.join(failed)}" if failed else "fits"
        if self.compiled is not None:
            needs = f"needs {gib(self.compiled.needed)} of {gib(self.available or 0)} per device"
        else:
            assert self.shortage is not None
            needs = self.shortage.headline().removeprefix("out of memory: ") + " per device"
        return f"does not fit: {needs}; {self.advice}"

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
        if self.compiled is not None:
            lines += self._compiled_lines(self.compiled)
        if self.shortage is not None:
            lines.append(f"memory       {self.shortage.largest()}")
        return [*lines, "", self.verdict()]

    def _compiled_lines(self, compiled: Compiled) -> list[str]:
        parts = ", ".join(f"{kind} {gib(size)}" for kind, size in compiled.memory.items())
        room = f" of {gib(self.available)}" if self.available else ""
        per_device = self.model_flops / self.num_devices
        counted = "nothing" if compiled.flops is None else f"{compiled.flops / 1e12:,.3g} T"
        lines = [
            f"memory       {gib(compiled.needed)}{room} per device: {parts}",
            f"FLOPs        {per_device / 1e12:,.4g} T per device and step by the model's formula; "
            f"the compiler counts {counted}, which takes each loop once",
            f"traffic      {gib(compiled.memory_bytes)} read and written per device and step",
            *_collective_lines(compiled.collectives),
            f"compiled in  {compiled.lower_s:.1f} s to trace, {compiled.compile_s:.1f} s to compile",
        ]
        if compiled.roofline is not None:
            lines.append(_roofline_line(compiled.roofline, self.tokens, self.num_devices))
        return lines

    def to_plain(self) -> dict[str, Any]:
        """Returns the report as JSON values."""
        plain: dict[str, Any] = {
            "topology": self.target,
            "devices": self.num_devices,
            "mesh": dict(self.mesh),
            "parameters": {"trained": self.parameters[0], "frozen": self.parameters[1]},
            "model_flops_per_step": self.model_flops,
            "tokens_per_step": self.tokens,
            "checks": [check._asdict() for check in self.checks],
            "undivided": list(self.undivided),
            "fits": self.fits,
            "is_ready": self.is_ready,
            "verdict": self.verdict(),
            "memory_available_bytes": self.available,
        }
        if self.shortage is not None:
            plain["needed_bytes"] = self.shortage.needed
            plain["largest"] = [buffer._asdict() for buffer in self.shortage.buffers[:10]]
        if self.compiled is not None:
            plain |= _compiled_plain(self.compiled)
        return plain


def _compiled_plain(compiled: Compiled) -> dict[str, Any]:
    roofline = compiled.roofline
    times = {} if roofline is None else {**roofline._asdict(), "step_s": roofline.step_s}
    return {
        "needed_bytes": compiled.needed,
        "memory_bytes": dict(compiled.memory),
        "compiler_flops": compiled.flops,
        "memory_traffic_bytes": compiled.memory_bytes,
        "collectives": [total._asdict() for total in collectives.totals(compiled.collectives)],
        "roofline_estimate": {key: float(f"{value:.4g}") for key, value in times.items()} or None,
        "lower_s": round(compiled.lower_s, 2),
        "compile_s": round(compiled.compile_s, 2),
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
        lines.append(
            f"  {total.kind}: {total.num:,} a step{unknown}, arrays of {gib(total.num_bytes)}, each "
            f"device sends {gib(total.sent)}; most by {largest}"
        )
    return ["collectives", *lines]


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
