"""One description of sharding for CPU, GPU and TPU.

Parameters and activations carry logical axis names; a rule table maps each
name to mesh axes: one table for what is stored, one for what is computed.
Change the mesh, and nothing else changes.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import jax
import numpy as np
from jax.experimental import mesh_utils
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec

MESH_AXES = ("data", "fsdp", "context", "tensor")
"""From the axis that talks least to the one that talks most, and so lies on the nearest links."""

PARAM_RULES: dict[str, str | None] = {
    "embed": "fsdp",
    "vocab": "tensor",
    "mlp": "tensor",
    "heads": "tensor",
    "kv_heads": "tensor",
    "layers": None,
    "norm": None,
    "buckets": None,
    "places": None,
}
"""Logical axis of a parameter -> mesh axis; ZeRO-3 over fsdp."""

BATCH_AXES = ("data", "fsdp")

ACTIVATION_RULES: Mapping[str, tuple[str, ...]] = {
    "batch": BATCH_AXES,
    "length": ("context",),
    "embed": (),
    "mlp": ("tensor",),
    "heads": ("tensor",),
    "kv_heads": ("tensor",),
    "vocab": ("tensor",),
}
"""Logical axis of an activation -> mesh axes.

Rows are split over the axes that parameters are stored in pieces on, so the pieces of a weight
are gathered where it is used. Keys and values are gathered over `context`, queries are not
(Dubey et al. 2024, section 3.3.2).
"""


@dataclasses.dataclass(frozen=True, kw_only=True)
class MeshConfig:
    """The shape of the device mesh.

    Attributes:
      data: Copies of the model that see different rows; -1 takes what the
        other axes leave.
      fsdp: Shards of parameters and optimizer state, which see different rows
        too.
      context: Shards of each row: devices that see different tokens of the
        same examples.
      tensor: Shards of each matrix product.
      slices: Groups of devices that a slower network joins (slices of a
        multi-slice TPU job, hosts of GPUs); only `data` spans them.
    """

    data: int = -1
    fsdp: int = 1
    context: int = 1
    tensor: int = 1
    slices: int = 1

    def __post_init__(self) -> None:
        for name in ("fsdp", "context", "tensor", "slices"):
            size = getattr(self, name)
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
    """Returns a mesh of the devices, its axes `MESH_AXES`.

    Args:
      config: Its shape.
      num_devices: Takes the first so many; None takes all.
      devices: Those to take from; None for those of this run.

    Raises:
      ValueError: The axes do not multiply to the number of devices, or the
        devices do not come in that many slices.
    """
    devices = jax.devices() if devices is None else devices
    num_devices = num_devices or len(devices)
    model = config.fsdp * config.context * config.tensor
    data = num_devices // model if config.data == -1 else config.data
    if data < 1 or data * model != num_devices:
        raise ValueError(
            f"mesh axes must multiply to the {num_devices} devices, got data {config.data} x fsdp "
            f"{config.fsdp} x context {config.context} x tensor {config.tensor}; change an axis, "
            "or leave data at -1."
        )
    shape = (data, config.fsdp, config.context, config.tensor)
    types = (AxisType.Auto,) * len(MESH_AXES)
    devices = devices[:num_devices]
    if config.slices == 1:
        return jax.make_mesh(shape, MESH_AXES, axis_types=types, devices=devices)
    return Mesh(_over_slices(config.slices, shape, devices), MESH_AXES, axis_types=types)


def _over_slices(slices: int, shape: tuple[int, ...], devices: Sequence[Any]) -> np.ndarray:
    """Lays devices so that only the first axis leaves a slice."""
    if shape[0] % slices:
        raise ValueError(
            f"mesh data must be a multiple of its slices, got {shape[0]} and {slices}; change one."
        )
    is_by_slice = len({getattr(device, "slice_index", 0) for device in devices}) > 1
    place = "slice_index" if is_by_slice else "process_index"
    found = len({getattr(device, place) for device in devices})
    if found != slices:
        what = "slices" if is_by_slice else "processes"
        raise ValueError(
            f"mesh slices must be the {found} {what} of the devices, got {slices}; change it."
        )
    within, between = (shape[0] // slices, *shape[1:]), (slices, *(1 for _ in shape[1:]))
    laid: np.ndarray = mesh_utils.create_hybrid_device_mesh(
        within, between, devices, process_is_granule=not is_by_slice
    )
    return laid


def batch_sharding(mesh: Mesh) -> NamedSharding:
    """Returns the sharding of a batch's [B, T]: rows, and columns over `context`."""
    return NamedSharding(mesh, PartitionSpec(BATCH_AXES, "context"))


def row_sharding(mesh: Mesh) -> NamedSharding:
    """Returns the sharding of arrays whose rows alone are split."""
    return NamedSharding(mesh, PartitionSpec(BATCH_AXES))


def put_rows(tree: Any, *, mesh: Mesh) -> Any:
    """Lays rows, which every process holds whole, over the mesh."""
    sharding = row_sharding(mesh)
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


@contextlib.contextmanager
def compute_on(mesh: Mesh) -> Iterator[None]:
    """Makes `constrain` lay activations over a mesh in what is traced meanwhile."""
    with jax.sharding.use_abstract_mesh(mesh.abstract_mesh):
        yield


def on_mesh(function: Callable[..., Any], mesh: Mesh | None) -> Callable[..., Any]:
    """Returns a function that is traced under `compute_on`, to be jit-compiled.

    Whatever runs a model on a mesh is wrapped so: without it activations have no
    rules, and kernels are not split. None leaves the function as it is.
    """
    if mesh is None:
        return function

    @functools.wraps(function)
    def traced(*args: Any, **kwargs: Any) -> Any:
        with compute_on(mesh):
            return function(*args, **kwargs)

    return traced


def constrain(x: jax.Array, *axes: str | None) -> jax.Array:
    """Asks the compiler to lay an activation as `ACTIVATION_RULES` says.

    Without a mesh (`compute_on`) it is x itself. A dimension that its mesh axes do not divide
    stays whole.

    Args:
      x: The activation.
      axes: The logical name of each dimension; None for one that stays whole.
    """
    mesh = jax.sharding.get_abstract_mesh()
    if mesh.empty:
        return x
    spec: list[tuple[str, ...] | None] = []
    for name, size in zip(axes, x.shape, strict=True):
        targets = ACTIVATION_RULES[name] if name is not None else ()
        is_even = size % math.prod(mesh.shape[axis] for axis in targets) == 0
        spec.append(targets if targets and is_even else None)
    return jax.lax.with_sharding_constraint(x, PartitionSpec(*spec))


def map_shards(
    function: Callable[..., jax.Array],
    in_axes: Sequence[tuple[str | None, ...]],
    out_axes: tuple[str | None, ...],
) -> Callable[..., jax.Array]:
    """Returns a function that runs on each device's part of activations.

    What a compiler cannot split by itself, such as a kernel, is split so. On
    one device it is the function itself.

    Args:
      function: Arrays -> an array; parts must not need one another.
      in_axes: The logical names of each argument's dimensions, which the mesh
        must divide (`divides`).
      out_axes: Those of the result.
    """
    mesh = jax.sharding.get_abstract_mesh()
    if mesh.empty or mesh.size == 1:
        return function

    def spec(axes: tuple[str | None, ...]) -> PartitionSpec:
        return PartitionSpec(*(ACTIVATION_RULES[name] if name else None for name in axes))

    return jax.shard_map(
        function,
        mesh=mesh,
        in_specs=tuple(spec(axes) for axes in in_axes),
        out_specs=spec(out_axes),
        check_vma=False,
    )


def divides(size: int, axis: str) -> bool:
    """Whether the mesh that is computed on splits a dimension evenly."""
    shape = jax.sharding.get_abstract_mesh().shape
    return size % math.prod(shape.get(name, 1) for name in ACTIVATION_RULES[axis]) == 0


def platform() -> str:
    """Returns what is computed on: "cpu", "gpu" or "tpu", of this machine or another."""
    mesh = jax.sharding.get_abstract_mesh()
    return jax.default_backend() if mesh.empty else str(mesh.abstract_device.platform)


def compute_capability(device: Any) -> float:
    """Returns that of an NVIDIA GPU, such as 9.0; 0 for other devices."""
    try:
        return float(getattr(device, "compute_capability", 0))
    except ValueError:
        return 0.0


def splits_columns() -> bool:
    """Whether the mesh that is computed on splits rows over devices."""
    return jax.sharding.get_abstract_mesh().shape.get("context", 1) > 1
