"""Joins the processes of one run, before any of them touches a device.

Every process runs the same command and sees the devices of all. A process
learns its place from flags, from JAX's environment variables, or, on a TPU
pod, from the machine itself.
"""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Collection, Mapping

import jax
import numpy as np
from jax.experimental import multihost_utils

AUTO = "auto"
"""The coordinator address that asks JAX to find the processes by itself."""

_VARIABLES = {
    "coordinator_address": "JAX_COORDINATOR_ADDRESS",
    "num_processes": "JAX_NUM_PROCESSES",
    "process_id": "JAX_PROCESS_ID",
}
_LOOPBACK_HOSTS = ("127.0.0.1", "localhost", "[::1]")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Processes:
    """The processes of a run, and which of them this one is.

    Attributes:
      coordinator_address: HOST:PORT of process 0, or "auto".
      num_processes: How many processes there are; None with "auto".
      process_id: This process, counted from 0; None with "auto".
    """

    coordinator_address: str
    num_processes: int | None = None
    process_id: int | None = None

    def __post_init__(self) -> None:
        if self.coordinator_address == AUTO:
            if (self.num_processes, self.process_id) != (None, None):
                raise ValueError(
                    "coordinator address auto must stand alone, got "
                    f"num_processes {self.num_processes} and process_id {self.process_id}; "
                    "leave them out, or give HOST:PORT."
                )
            return
        host, _, port = self.coordinator_address.rpartition(":")
        if not host or not port.isdecimal():
            raise ValueError(
                f"coordinator address must be HOST:PORT or auto, got {self.coordinator_address!r}; "
                "name the host of process 0 and a free port there."
            )
        if self.num_processes is None or self.process_id is None:
            raise ValueError(
                "coordinator address must come with num_processes and process_id, got "
                f"{self.num_processes} and {self.process_id}; give both, or use auto."
            )
        if not 0 <= self.process_id < self.num_processes:
            raise ValueError(
                f"process_id must lie in [0, num_processes), got {self.process_id} of "
                f"{self.num_processes}; count processes from 0."
            )

    @property
    def bind_address(self) -> str | None:
        """Where process 0 listens: only on loopback where the address is loopback.

        None is every interface, which processes on other machines need.
        """
        host = self.coordinator_address.rpartition(":")[0]
        return self.coordinator_address if host in _LOOPBACK_HOSTS else None


def resolve(
    *,
    coordinator_address: str | None,
    num_processes: int | None,
    process_id: int | None,
    environ: Mapping[str, str],
) -> Processes | None:
    """Returns the processes that flags and environment name; None for one alone.

    A flag goes before its variable: JAX_COORDINATOR_ADDRESS, JAX_NUM_PROCESSES
    and JAX_PROCESS_ID. The variables do not count where the flag says "auto".

    Raises:
      ValueError: What is given contradicts itself or is not enough.
    """
    if coordinator_address == AUTO:
        environ = {}
    address = coordinator_address or environ.get(_VARIABLES["coordinator_address"])
    num_processes = _integer("num_processes", num_processes, environ)
    process_id = _integer("process_id", process_id, environ)
    if address is None:
        if (num_processes, process_id) != (None, None):
            raise ValueError(
                "num_processes and process_id must come with a coordinator address, got "
                f"{num_processes} and {process_id} alone; name HOST:PORT of process 0."
            )
        return None
    return Processes(
        coordinator_address=address, num_processes=num_processes, process_id=process_id
    )


def initialize(processes: Processes | None) -> None:
    """Connects this process to the others; does nothing for a run of one process."""
    if processes is None:
        return
    if processes.coordinator_address == AUTO:
        jax.distributed.initialize()
        return
    jax.distributed.initialize(
        coordinator_address=processes.coordinator_address,
        num_processes=processes.num_processes,
        process_id=processes.process_id,
        coordinator_bind_address=processes.bind_address,
        # Under Slurm, detection would hide all devices but one from each process.
        cluster_detection_method="deactivate",
    )


def _integer(name: str, flag: int | None, environ: Mapping[str, str]) -> int | None:
    text = environ.get(_VARIABLES[name])
    if flag is not None or text is None:
        return flag
    if not text.isdecimal():
        raise ValueError(
            f"{_VARIABLES[name]} must be a whole number, got {text!r}; correct or unset it."
        )
    return int(text)


def check_same(what: str, value: str, lacking: Collection[str] = ()) -> None:
    """Checks that every process of a run has read the same; all must call it.

    Args:
      what: What it is.
      value: Tells it from any other.
      lacking: What this process has not found of it.

    Raises:
      ValueError: Some process has another; in every process.
    """
    if jax.process_count() == 1:
        return
    own = np.frombuffer(hashlib.blake2b(value.encode(), digest_size=8).digest(), np.uint32)
    every = multihost_utils.process_allgather(own)
    others = [process for process, each in enumerate(every) if (each != every[0]).any()]
    if others:
        told = f" (this one lacks {', '.join(lacking)})" if lacking else ""
        raise ValueError(
            f"{what} must be the same in all processes, got another in process "
            f"{', '.join(map(str, others))} than in process 0{told}; give each the same files."
        )
