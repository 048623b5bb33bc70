"""The devices that a step is compiled for: a TPU slice by name, or this machine's."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import math
import os
from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
from jax.experimental import topologies

from flanjax import chips


class Target(NamedTuple):
    """Devices, and what is known of them.

    Attributes:
      name: "v5e:16x16", or what the machine calls its devices.
      devices: In JAX's order.
      chip: Its figures; None where they are not known.
      torus: Chips along each axis; () where there is no torus.
    """

    name: str
    devices: Sequence[jax.Device]
    chip: chips.Chip | None
    torus: tuple[int, ...]

    @property
    def platform(self) -> str:
        return self.devices[0].platform

    @property
    def memory(self) -> int | None:
        """Bytes of a device, None where nobody says."""
        if self.torus:  # a slice that is not here
            return self.chip.hbm_bytes if self.chip else None
        if self.platform == "cpu":
            return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // len(self.devices)
        stats = self.devices[0].memory_stats() or {}
        return stats.get("bytes_limit") or (self.chip and self.chip.hbm_bytes)


def local_target() -> Target:
    """Returns this machine's devices."""
    devices = jax.devices()
    kind = devices[0].device_kind
    return Target(f"{len(devices)} x {kind}", devices, chips.of_kind(kind), ())


def tpu_target(name: str) -> Target:
    """Returns the devices of a slice that need not be here.

    Args:
      name: A TPU and the chips along each axis: "v5e:16x16", "v5p:4x4x8".

    Raises:
      ValueError: There is no such slice, or libtpu is not installed.
    """
    chip, torus = _parse(name)
    if importlib.util.find_spec("libtpu") is None:
        jax_version = importlib.metadata.version("jax")
        raise ValueError(
            "--topology must have libtpu, which compiles for TPUs without one, got none; "
            f'pip install "jax[tpu]=={jax_version}".'
        )
    # libtpu asks who and where it is; the answers keep it from complaining that it is nowhere. What
    # only compiles may do so beside others.
    for variable, value in {
        "TPU_SKIP_MDS_QUERY": "1",
        "TPU_ACCELERATOR_TYPE": f"{chip.name}-{math.prod(torus)}",
        "TPU_WORKER_HOSTNAMES": "localhost",
        "ALLOW_MULTIPLE_LIBTPU_LOAD": "1",
    }.items():
        os.environ.setdefault(variable, value)
    options: dict[str, Any] = {}
    if chip.name == "v4":  # two cores are one device, as JAX has them where the chip is
        options["chip_config_name"] = "megacore"
    if math.prod(torus) == 1:  # a host that has no more
        options["chips_per_host_bounds"] = (1, 1, 1)
    try:
        slice_ = topologies.get_topology_desc(platform="tpu", topology_name=name, **options)
    except RuntimeError as error:
        reason = str(error).splitlines()[0]
        if not reason.startswith("INVALID_ARGUMENT"):
            raise ValueError(f"libtpu must give the devices of {name}, got: {reason}") from None
        raise _unknown(name, reason) from None
    return Target(name, slice_.devices, chip, torus)


def _parse(name: str) -> tuple[chips.Chip, tuple[int, ...]]:
    chip = chips.of_topology(name)
    sizes = name.partition(":")[2].split("x")
    if chip is None or len(sizes) != len(chip.topologies[0].split("x")):
        raise _unknown(name, "unknown")
    if not all(size.isdecimal() and int(size) for size in sizes):
        raise _unknown(name, "not numbers of chips")
    return chip, tuple(int(size) for size in sizes)


def _unknown(name: str, why: str) -> ValueError:
    known = "; ".join(chips.known_topologies())
    return ValueError(
        f"--topology must be a TPU and a slice of it, got {name!r} ({why}); known are {known}."
    )
