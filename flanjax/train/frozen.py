"""Parameters in two trees: what is trained, and what is read but not trained."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any

import jax

from flanjax.base import Params, nested, path_name


def split(
    tree: Params, frozen: Collection[str], *, is_leaf: Callable[[Any], bool] | None = None
) -> tuple[Params, Params]:
    """Returns (trained, frozen) of a nested dict; frozen is None where nothing is.

    Args:
      tree: A nested dict.
      frozen: Paths of the leaves to put apart.
      is_leaf: As in `jax.tree.map`.
    """
    if not frozen:
        return tree, None
    leaves = jax.tree_util.tree_leaves_with_path(tree, is_leaf=is_leaf)
    named = {path_name(path): leaf for path, leaf in leaves}
    return (
        nested({path: leaf for path, leaf in named.items() if path not in frozen}),
        nested({path: leaf for path, leaf in named.items() if path in frozen}),
    )


def merge(params: Params, frozen: Params | None) -> Params:
    """Returns the nested dict that was split."""
    if frozen is None:
        return params
    if not (isinstance(params, dict) and isinstance(frozen, dict)):
        raise TypeError("a parameter is either trained or frozen")
    keys = sorted({*params, *frozen})
    return {
        key: merge(params[key], frozen.get(key)) if key in params else frozen[key] for key in keys
    }
