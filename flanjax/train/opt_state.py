"""An optimizer's state by names, without the types of the library that made it.

```
  v_row/encoder/layers/attention/q   what the optimizer keeps of a parameter: its name, the path
  count/encoder/layers/0             what it keeps beside: its name, the stack, a number
```
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import jax

from flanjax.base import Params, path_name


def named(opt_state: Any, params: Params) -> dict[str, Any]:
    """Returns name -> leaf of an optimizer's state, in the order of its leaves.

    Args:
      opt_state: The state, or shapes of it.
      params: The parameters, or anything of their structure.
    """
    paths = {tuple(path) for path, _ in jax.tree_util.tree_leaves_with_path(params)}
    found: dict[str, Any] = {}
    numbers: dict[str, int] = {}
    for path, leaf in jax.tree_util.tree_leaves_with_path(opt_state):
        start = next((i for i in range(len(path)) if tuple(path[i:]) in paths), None)
        if start is None:
            kind = "/".join([path_name(path[-1:]), *_labels(path)])
            name = f"{kind}/{numbers.setdefault(kind, 0)}"
            numbers[kind] += 1
        else:
            name = path_name(path[start - 1 :])
        assert name not in found, f"two leaves of an optimizer are called {name}"
        found[name] = leaf
    return found


def _labels(path: tuple[Any, ...]) -> list[str]:
    """Returns the labels that `optax.partition` gave the parts that a leaf is of."""
    return [str(e.key) for e in path if isinstance(e, jax.tree_util.DictKey) and e.key]


def from_named(leaves: Mapping[str, Any], like: Any, params: Params) -> Any:
    """Returns the state of `like`'s structure whose leaves are those of a mapping."""
    names = named(like, params)
    return jax.tree.unflatten(jax.tree.structure(like), [leaves[name] for name in names])


def flat(tree: Mapping[str, Any]) -> dict[str, Any]:
    """Returns dicts in dicts as a mapping of paths."""
    return {path_name(path): leaf for path, leaf in jax.tree_util.tree_leaves_with_path(tree)}
