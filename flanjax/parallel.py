"""One description of sharding for CPU, GPU and TPU.

Parameters and activations carry logical axis names; a rule table maps each
name to mesh axes. Change the mesh, and nothing else changes.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import jax
import numpy as np
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec

MESH_AXES = ("data", "fsdp", "tensor")

PARAM_RULES: dict[str, str | None] = {
    "embed": "fsdp",
    "vocab": "tensor",
    "mlp": "tensor",
    "heads": "tensor",
    "kv_heads": "tensor",
    "layers": None,
    "norm": None,
    "buckets": None,
}
"""Logical axis of a parameter -> mesh axis; ZeRO-3 over fsdp."""

BATCH_AXES = ("data", "fsdp")


@dataclasses.dataclass(frozen=True, kw_only=True)
class MeshConfig:
    """The shape of the device mesh.

    Attributes:
      data: Copies of the model that see different rows; -1 takes what the
        other axes leave.
      fsdp: Shards of parameters and optimizer state, which see different rows
        too.
      tensor: Shards of each matrix product.
    """

    data: int = -1
    fsdp: int = 1
    tensor: int = 1

    def __post_init__(self) -> None:
        for name, size in (("fsdp", self.fsdp), ("tensor", self.tensor)):
            if size < 1:
                raise ValueError(f"mesh {name} must be positive, got {size}; use 1 for no shards.")
        if self.data != -1 and self.data < 1:
            raise ValueError(
                f"mesh data must be positive or -1, got {self.data}; use -1 for the rest."
            )


def make_mesh(
    config: MeshConfig,
    *,
    num_devices: int | None = None,
    devices: Sequence[jax.Device] | None = None,
) -> Mesh:
    """Returns a (data, fsdp, tensor) mesh over the devices.

    Args:
      config: Its shape.
      num_devices: Takes the first so many; None takes all.
      devices: Those to take from; None for those of this run.

    Raises:
      ValueError: The axes do not multiply to the number of devices.
    """
    devices = jax.devices() if devices is None else devices
    num_devices = num_devices or len(devices)
    model = config.fsdp * config.tensor
    data = num_devices // model if config.data == -1 else config.data
    if data < 1 or data * model != num_devices:
        raise ValueError(
            f"mesh axes must multiply to the {num_devices} devices, got data {config.data} x fsdp "
            f"{config.fsdp} x tensor {config.tensor}; change an axis, or leave data at -1."
        )
    return jax.make_mesh(
        (data, config.fsdp, config.tensor),
        MESH_AXES,
        axis_types=(AxisType.Auto,) * len(MESH_AXES),
        devices=devices[:num_devices],
    )


def batch_sharding(mesh: Mesh) -> NamedSharding:
    """Returns the sharding of a batch: rows over data and fsdp."""
    return NamedSharding(mesh, PartitionSpec(BATCH_AXES))


def put_batch(tree: Any, *, mesh: Mesh) -> Any:
    """Lays rows, which every process holds whole, over the mesh."""
    sharding = batch_sharding(mesh)
    return jax.tree.map(
        lambda x: jax.make_array_from_callback(x.shape, sharding, lambda index: x[index]), tree
    )


def replicated(mesh: Mesh) -> NamedSharding:
    return NamedSharding(mesh, PartitionSpec())


def num_batch_shards(mesh: Mesh) -> int:
    """Returns how many ways the rows of a batch are split."""
    return int(np.prod([mesh.shape[axis] for axis in BATCH_AXES]))


def param_sharding(
    mesh: Mesh, axes: tuple[str | None, ...], shape: tuple[int, ...]
) -> NamedSharding:
    """Returns a parameter's sharding from its logical axes.

    A dimension that its mesh axis does not divide stays whole.

    Raises:
      ValueError: An axis name has no rule, or two share a mesh axis.
    """
    spec: list[str | None] = []
    for name, size in zip(axes, shape, strict=True):
        if name is not None and name not in PARAM_RULES:
            raise ValueError(
                f"logical axis must have a rule, got {name!r}; add it to parallel.PARAM_RULES."
            )
        target = PARAM_RULES[name] if name is not None else None
        if target is not None and target in spec:
            raise ValueError(
                f"logical axes must map to different mesh axes, got {axes} with {target} twice; "
                "change a rule."
            )
        spec.append(target if target is not None and size % mesh.shape[target] == 0 else None)
    return NamedSharding(mesh, PartitionSpec(*spec))


def constrain_batch(tree: Any, mesh: Mesh) -> Any:
    """Asks the compiler to keep every array's first axis split as a batch."""
    sharding = batch_sharding(mesh)
    return jax.tree.map(lambda x: jax.lax.with_sharding_constraint(x, sharding), tree)
