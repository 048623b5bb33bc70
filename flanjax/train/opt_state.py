"""An optimizer's state by names, without the types of the library that made it.

```
  v_row/encoder/layers/attention/q   what the optimizer keeps of a parameter: its name, the path
  count/encoder/layers/0             what it keeps beside: its name, the stack, a number
```

A flat dict is also what a call of a compiled step takes apart and puts together soonest: trees of
the library's own types, one within another, cost the host more than the call itself.
"""

from __future__ import annotations

from typing import Any

import jax
import optax

from flanjax.base import Params, path_name


def by_name(tx: optax.GradientTransformation) -> optax.GradientTransformation:
    """Returns an optimizer that does the same and whose state is name -> array."""

    def init(params: Params) -> dict[str, Any]:
        return _named(tx.init(params), params)

    def update(
        updates: Params, state: dict[str, Any], params: Params | None = None
    ) -> tuple[Params, dict[str, Any]]:
        like = jax.eval_shape(tx.init, params)
        leaves = [state[name] for name in _named(like, params)]
        theirs = jax.tree.unflatten(jax.tree.structure(like), leaves)
        updates, new = tx.update(updates, theirs, params)
        return updates, _named(new, params)

    return optax.GradientTransformation(init, update)


def _named(opt_state: Any, params: Params) -> dict[str, Any]:
    """Returns name -> leaf of a library's state, in the order of its leaves."""
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
