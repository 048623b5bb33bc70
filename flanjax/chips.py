"""What accelerators can do: the one table of their makers' figures.

TPUs: Cloud TPU's pages "TPU v4", "TPU v5e", "TPU v5p" and "TPU v6e", under docs.cloud.google.com.
They give the interconnect per chip and in both directions; a link is that over twice the links.
Those of v4: Jouppi et al. 2023, table 4. Memory is what libtpu 0.0.42 leaves to programs, as
it says when it refuses one ("exceeds available HBM"). GPUs: NVIDIA's data sheets "A100 Tensor Core
GPU", "H100 Tensor Core GPU" and "H200 Tensor Core GPU"; FLOP/s dense, NVLink in one direction.
"""

from __future__ import annotations

from typing import NamedTuple

GIB = 2**30


class Chip(NamedTuple):
    """One accelerator.

    Attributes:
      name: What people call it; for a TPU the first part of a topology.
      kind: How JAX's name of the device begins.
      peak_flops: FLOP/s in bfloat16, dense.
      hbm_bytes: Memory that programs may use.
      hbm_bandwidth: Bytes/s between memory and chip.
      link_bandwidth: Bytes/s of one link to a neighbour, in one direction.
      num_axes: Axes of the torus, each with two links; 0 where every chip of
        a host reaches every other by one switch.
      topologies: Examples of slices, chips along each axis.
    """

    name: str
    kind: str
    peak_flops: float
    hbm_bytes: int
    hbm_bandwidth: float
    link_bandwidth: float
    num_axes: int = 0
    topologies: tuple[str, ...] = ()

    def ring_bandwidth(self, num_axes: int = 1) -> float:
        """Returns bytes/s that a chip sends in a ring, or in rings over several axes.

        A ring over an axis of a torus runs in both directions at once.
        """
        if not self.num_axes:
            return self.link_bandwidth
        return 2 * self.link_bandwidth * min(num_axes, self.num_axes)


_PLANE = ("1x1", "2x2", "2x4", "4x4", "4x8", "8x8", "8x16", "16x16")
_CUBES = ("2x2x1", "2x2x2", "2x2x4", "2x4x4", "4x4x4", "4x4x8", "4x8x8", "8x8x8", "8x8x16")

CHIPS = (
    Chip("v4", "TPU v4", 275e12, int(30.75 * GIB), 1.2e12, 50e9, 3, _CUBES),
    Chip("v5e", "TPU v5 lite", 197e12, int(15.75 * GIB), 819e9, 50e9, 2, _PLANE),
    Chip("v5e", "TPU v5e", 197e12, int(15.75 * GIB), 819e9, 50e9, 2, _PLANE),
    Chip("v5p", "TPU v5", 459e12, int(95.74 * GIB), 2.765e12, 100e9, 3, _CUBES),
    Chip("v6e", "TPU v6 lite", 918e12, int(31.25 * GIB), 1.638e12, 100e9, 2, _PLANE),
    Chip("v6e", "TPU v6e", 918e12, int(31.25 * GIB), 1.638e12, 100e9, 2, _PLANE),
    Chip("A100", "NVIDIA A100-SXM4-40GB", 312e12, 40 * GIB, 1.555e12, 300e9),
    Chip("A100", "NVIDIA A100", 312e12, 80 * GIB, 1.935e12, 300e9),
    Chip("H100 PCIe", "NVIDIA H100 PCIe", 756e12, 80 * GIB, 2.0e12, 300e9),
    Chip("H100 NVL", "NVIDIA H100 NVL", 835e12, 94 * GIB, 3.9e12, 300e9),
    Chip("H100", "NVIDIA H100", 989e12, 80 * GIB, 3.35e12, 450e9),
    Chip("H200", "NVIDIA H200", 989e12, 141 * 10**9, 4.8e12, 450e9),
)
"""The first whose kind fits counts: JAX calls v5e "TPU v5 lite" and v5p "TPU v5"."""


def of_kind(device_kind: str) -> Chip | None:
    """Returns the chip that JAX gives a name, None where it is not known."""
    return next((chip for chip in CHIPS if device_kind.startswith(chip.kind)), None)


def of_topology(name: str) -> Chip | None:
    """Returns the TPU of a topology such as "v5e:16x16", None where it is not known."""
    prefix = name.partition(":")[0]
    return next((chip for chip in CHIPS if chip.topologies and chip.name == prefix), None)


def known_topologies() -> list[str]:
    """Returns one line on each TPU: its slices."""
    tpus = {chip.name: chip for chip in CHIPS if chip.topologies}
    return [f"{name}: {', '.join(chip.topologies)}" for name, chip in tpus.items()]
