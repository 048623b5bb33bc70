"""What a mesh axis does not divide: whole parameters, heads cut through."""

from __future__ import annotations

from typing import Any

import jax
from jax.sharding import Mesh

from flanjax import parallel
from flanjax.base import listed, path_name
from flanjax.models.api import Model, is_axes

_FIELDS = {"vocab": "vocab_size", "embed": "d_model", "mlp": "d_ff"}
"""Logical axis -> the field of a model that people know it by."""


def undivided_lines(model: Model, mesh: Mesh) -> list[str]:
    """Returns a line on each dimension that its mesh axis does not divide."""
    shapes = jax.eval_shape(model.init, jax.random.key(0))
    found: dict[tuple[str, int, str], list[str]] = {}

    def add(path: Any, axes: tuple[str | None, ...], leaf: Any) -> None:
        spec = parallel.param_sharding(mesh, axes, leaf.shape).spec
        for name, size, got in zip(axes, leaf.shape, spec, strict=True):
            wanted = parallel.PARAM_RULES[name] if name else None
            if wanted is not None and got is None and mesh.shape[wanted] > 1:
                found.setdefault((str(name), size, wanted), []).append(path_name(path))

    jax.tree_util.tree_map_with_path(add, model.axes, shapes, is_leaf=is_axes)
    lines = [
        f"{_FIELDS.get(name, name)} of {size} is no multiple of {axis} = {mesh.shape[axis]} and is "
        f"not split over it: {listed(paths, 3)}; choose another {axis}"
        for (name, size, axis), paths in found.items()
    ]
    return [*lines, *_cut_heads(model, mesh)]


def _cut_heads(model: Model, mesh: Mesh) -> list[str]:
    """Returns a line on heads whose channels would lie on different devices."""
    size, config = mesh.shape["tensor"], model.config
    num_heads = {
        "heads": config.num_heads,
        "key and value heads": config.num_kv_heads or config.num_heads,
    }
    return [
        f"{num} {what} are no multiple of tensor = {size}: their channels lie on different devices "
        "and are gathered in every layer; choose another tensor"
        for what, num in num_heads.items()
        if num % size
    ]
