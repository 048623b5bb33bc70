"""Parameters and caches with arrays of each layer's own, for many short steps.

A step of a token is bound by reading weights. Out of a stack each layer's are
copied before they are read, at every step; unrolled they lie ready, the cache
is written in place, and on a CPU matrices stand in the order in which products
of few rows are fast.
"""

from __future__ import annotations

from typing import Any

import jax
from jax.sharding import Mesh

from flanjax import parallel
from flanjax.base import Params
from flanjax.models import kernels, layers
from flanjax.models.api import Cache
from flanjax.models.block import turn_heads

_PRODUCTS = {
    "attention": ("q", "k", "v", "o"),
    "cross_attention": ("q", "k", "v", "o"),
    "mlp": ("gate", "up", "down"),
}
"""Module -> its weights that only `kernels.dot` reads."""


def unroll_params(params: Params) -> Params:
    """Returns parameters as `Model.extend` may read them, and nothing else.

    Each "layers" is a tuple of one tree a layer. An encoder, which steps do
    not read, is left out.
    """
    unrolled = {name: entry for name, entry in params.items() if name != "encoder"}
    for name, entry in unrolled.items():
        if name == "layers":
            unrolled[name] = tuple(map(_turned, layers.unstack(entry)))
        elif isinstance(entry, dict) and "layers" in entry:
            unrolled[name] = unroll_params(entry)
    if "head" in unrolled:
        unrolled["head"] = _turn(unrolled["head"])
    return unrolled


def _turned(layer: Params) -> Params:
    turned = dict(layer)
    for module, names in _PRODUCTS.items():
        if module in layer:
            kept = layer[module]
            turned[module] = kept | {name: _turn(kept[name]) for name in names if name in kept}
    return turned


def _turn(w: Any) -> Any:
    """Returns a matrix in the order that the backend multiplies fastest."""
    is_plain = isinstance(w, jax.Array)
    return kernels.Transposed(w.T) if is_plain and parallel.platform() == "cpu" else w


def unroll_cache(cache: Cache) -> Cache:
    """Returns a cache with tuples of one array a layer, its heads before its tokens."""

    def unroll(k_LRTKC: jax.Array) -> tuple[jax.Array, ...]:
        return tuple(map(turn_heads, layers.unstack(k_LRTKC)))

    fields = ("prompt_k", "prompt_v", "k", "v")
    return cache._replace(**{name: unroll(getattr(cache, name)) for name in fields})


def lay_cache(cache: Cache, mesh: Mesh) -> Cache:
    """Asks the compiler to split a cache, stacked or not: rows as a batch, and heads."""

    def lay(x: jax.Array) -> jax.Array:
        stacked = (None, "batch", None, "kv_heads", None)
        axes = stacked if x.ndim == 5 else ("batch", "kv_heads", None, None)
        return parallel.constrain(x, *axes)

    fields = ("prompt_k", "prompt_v", "k", "v")
    with parallel.compute_on(mesh):
        return cache._replace(**{name: jax.tree.map(lay, getattr(cache, name)) for name in fields})
