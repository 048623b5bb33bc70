"""How long a step takes at least: an estimate from counts and data sheets.

Nothing here is measured. Each of three times is what a chip would need if it did nothing else and
did that as fast as its data sheet says; a step takes at least the longest of them (Williams et al.
2009), and all of them together where none hides another.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from flanjax.chips import Chip
from flanjax.preflight.collectives import Collective


class Roofline(NamedTuple):
    """Times of a step on one device, in seconds.

    Attributes:
      compute_s: Its share of the FLOPs at the chip's peak, those that remat
        has it do again included.
      memory_s: Its reads and writes at the memory's bandwidth.
      links_s: What it sends at the links' bandwidth.
      utilization: Share of the peak that the model's own FLOPs are of a step
        that takes no longer than the longest of these.
    """

    compute_s: float
    memory_s: float
    links_s: float
    utilization: float

    @property
    def step_s(self) -> float:
        """The longest of the three."""
        return max(self.compute_s, self.memory_s, self.links_s)

    @property
    def bound(self) -> str:
        """What the longest of them is of."""
        times = {"compute": self.compute_s, "memory": self.memory_s, "links": self.links_s}
        return max(times, key=times.__getitem__)


def estimate(
    chip: Chip,
    *,
    flops: float,
    repeated_flops: float = 0.0,
    memory_bytes: float,
    collectives: Sequence[Collective],
    torus: Sequence[int] = (),
) -> Roofline:
    """Estimates a step.

    Args:
      chip: The device.
      flops: The model's own, of one device.
      repeated_flops: What one device computes again.
      memory_bytes: Of one device.
      collectives: Of the program.
      torus: Chips along each axis; () where all reach all by one switch.
    """
    links_s = sum(
        each.sent / chip.ring_bandwidth(num_axes(each.group, torus)) for each in collectives
    )
    compute_s = (flops + repeated_flops) / chip.peak_flops
    memory_s = memory_bytes / chip.hbm_bandwidth
    longest = max(compute_s, memory_s, links_s)
    utilization = flops / chip.peak_flops / longest if longest else 0.0
    return Roofline(compute_s, memory_s, links_s, utilization)


def num_axes(group: int, torus: Sequence[int]) -> int:
    """Returns how many axes of a torus a group of devices spans at least.

    Example: on 16 x 16 a group of 16 spans 1, one of 64 or 256 spans 2.
    """
    sizes = sorted(torus, reverse=True)
    spans = [count for count in range(1, len(sizes) + 1) if math.prod(sizes[:count]) >= group]
    return spans[0] if spans else max(len(sizes), 1)
