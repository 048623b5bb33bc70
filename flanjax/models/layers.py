"""The pieces of a block, and stacks of equal blocks."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx

from flanjax.base import Key, Params, path_name
from flanjax.models import kernels


def check_config(config: Any) -> None:
    """Checks what the configs of all families share.

    Raises:
      ValueError: A size, rate or choice is out of range.
    """
    family = type(config).__name__
    for field in dataclasses.fields(config):
        value = getattr(config, field.name)
        if field.type == "int" and value < 1:
            raise ValueError(f"{family} {field.name} must be positive, got {value}; raise it.")
    if not 0 <= config.dropout_rate < 1:
        raise ValueError(
            f"{family} dropout_rate must lie in [0, 1), got {config.dropout_rate}; T5 uses 0.1."
        )
    for name, choices in (("dtype", ("float32", "bfloat16")), ("remat", ("none", "full"))):
        if getattr(config, name) not in choices:
            raise ValueError(
                f"{family} {name} must be {' or '.join(choices)}, got {getattr(config, name)!r}; "
                "choose one."
            )


def normal_param(
    rngs: nnx.Rngs, shape: tuple[int, ...], axes: tuple[str, ...], *, std: float
) -> nnx.Param[Any]:
    """Declares a float32 parameter drawn from N(0, std^2)."""
    return nnx.Param(std * jax.random.normal(rngs.params(), shape, jnp.float32), axes=axes)


def norm_param(width: int) -> nnx.Param[Any]:
    """Declares the scale of an RMSNorm, all ones."""
    return nnx.Param(jnp.ones(width, jnp.float32), axes=("norm",))


def slot() -> nnx.Param[Any]:
    """Declares a place that stays empty until an adapter fills it.

    A module reads its slot as None as long as the parameters it is bound to
    have no entry of that name. `Model.init` makes none.
    """
    return nnx.Param(None)


def split_key(key: Key | None, num: int) -> tuple[Key | None, ...]:
    """Returns `num` new keys, or as many Nones where there is no key."""
    return (None,) * num if key is None else tuple(jax.random.split(key, num))


class GatedMLP(nnx.Module):
    """act(x @ gate) * (x @ up) @ down (Shazeer 2020, equation 6)."""

    def __init__(
        self,
        *,
        d_model: int,
        d_ff: int,
        activation: Callable[[jax.Array], jax.Array],
        dropout_rate: float,
        in_std: float,
        out_std: float,
        rngs: nnx.Rngs,
    ) -> None:
        self.gate = normal_param(rngs, (d_model, d_ff), ("embed", "mlp"), std=in_std)
        self.up = normal_param(rngs, (d_model, d_ff), ("embed", "mlp"), std=in_std)
        self.down = normal_param(rngs, (d_ff, d_model), ("mlp", "embed"), std=out_std)
        self.activation = activation
        self.dropout_rate = dropout_rate

    def __call__(self, x_BTD: jax.Array, key: Key | None) -> jax.Array:
        gate_key, up_key, inner_key, down_key = split_key(key, 4)
        gate_BTF = self.activation(kernels.dot(x_BTD, self.gate.get_value(), gate_key))
        inner_BTF = gate_BTF * kernels.dot(x_BTD, self.up.get_value(), up_key)
        inner_BTF = kernels.dropout(inner_BTF, self.dropout_rate, inner_key)
        return kernels.dot(inner_BTF, self.down.get_value(), down_key)


def embed(params: Params, tokens_BT: jax.Array, dtype: Any) -> jax.Array:
    """Returns the embeddings of tokens, [B, T, D].

    The table is read as float32 and rounded afterwards, so that the gradients
    of a frequent token add up in float32. A `soft_prompt` [P, D] in the
    parameters is P more rows of the table: the ids from its number of rows on.
    """
    table_VD, soft_PD = jnp.asarray(params["embed"]), params.get("soft_prompt")
    if soft_PD is None:
        return table_VD[tokens_BT].astype(dtype)
    soft_BT = tokens_BT - table_VD.shape[0]
    is_soft_BT = soft_BT >= 0
    hard_BTD = table_VD[jnp.where(is_soft_BT, 0, tokens_BT)]
    soft_BTD = soft_PD[jnp.where(is_soft_BT, soft_BT, 0)]
    return jnp.where(is_soft_BT[..., None], soft_BTD, hard_BTD).astype(dtype)


def cast_weights(params: Params, dtype: Any) -> Params:
    """Returns params with every matrix of a product in the compute type.

    Cast once, outside the layers. Norm scales and relative biases stay
    float32: they are small, and their gradients are sums over many tokens.
    """

    def cast(path: tuple[Any, ...], leaf: Any) -> jax.Array:
        is_small = leaf.ndim < 2 or path_name(path).endswith(("norm", "relative_bias"))
        is_float = jnp.issubdtype(leaf.dtype, jnp.floating)
        return jnp.asarray(leaf, dtype if is_float and not is_small else None)

    return jax.tree_util.tree_map_with_path(cast, params)


def init_module(make: Callable[[nnx.Rngs], nnx.Module], key: Key) -> Params:
    """Returns a module's parameters as a nested dict, without empty slots."""
    return _without_slots(nnx.to_pure_dict(nnx.state(make(nnx.Rngs(key)))))


def module_axes(make: Callable[[nnx.Rngs], nnx.Module]) -> Params:
    """Returns a tree like `init_module`'s, of tuples of logical axis names."""
    state = nnx.state(nnx.eval_shape(lambda: make(nnx.Rngs(0))))
    axes = {
        path: variable.get_metadata()["axes"]
        for path, variable in nnx.to_flat_state(state)
        if variable.get_value() is not None
    }
    return nnx.traversals.unflatten_mapping(axes)


def _without_slots(params: Params) -> Params:
    kept = {name: entry for name, entry in params.items() if entry is not None}
    return {
        name: _without_slots(entry) if isinstance(entry, dict) else entry
        for name, entry in kept.items()
    }


def _with_slots(template: Params, params: Params) -> Params:
    """Adds None for each declared slot that params leave out.

    Raises:
      ValueError: A parameter is missing, or no module declares it.
    """
    wanted = {name for name, entry in template.items() if entry is not None}
    if strange := (set(params) - set(template)) | (wanted - set(params)):
        raise ValueError(
            f"parameters must be those the model declares ({', '.join(sorted(template))}), got "
            f"{', '.join(sorted(params))}; see {', '.join(sorted(strange))}."
        )
    return {
        name: _with_slots(entry, params[name]) if isinstance(entry, dict) else params.get(name)
        for name, entry in template.items()
    }


@dataclasses.dataclass(frozen=True, kw_only=True)
class Stack:
    """Equal blocks one after another, their parameters stacked on axis 0.

    Attributes:
      make_block: Declares one block.
      num_layers: Blocks.
      is_scanned: Whether the blocks are one compiled loop.
      is_rematerialized: Whether the backward pass computes each block again
        instead of keeping its activations.
    """

    make_block: Callable[[nnx.Rngs], nnx.Module]
    num_layers: int
    is_scanned: bool
    is_rematerialized: bool

    @functools.cached_property
    def _graph(self) -> tuple[Any, Params]:
        graph, state = nnx.split(nnx.eval_shape(lambda: self.make_block(nnx.Rngs(0))))
        return graph, nnx.to_pure_dict(state)

    def init(self, key: Key) -> Params:
        keys = jax.random.split(key, self.num_layers)
        return jax.vmap(functools.partial(init_module, self.make_block))(keys)

    def axes(self) -> Params:
        return jax.tree.map(
            lambda names: ("layers", *names),
            module_axes(self.make_block),
            is_leaf=lambda entry: isinstance(entry, tuple),
        )

    def run(
        self,
        body: Callable[[Any, Any, Any], tuple[Any, Any]],
        carry: Any,
        params: Params,
        xs: Any = None,
    ) -> tuple[Any, Any]:
        """Applies `body` to every block in order.

        Args:
          body: (block, carry, x) -> (carry, y).
          carry: What the first block receives.
          params: The stacked parameters.
          xs: A tree of arrays with one entry per block, or None.

        Returns:
          The last carry, and the ys stacked on axis 0.
        """
        graph, template = self._graph

        def step(carry: Any, layer: tuple[Params, Any]) -> tuple[Any, Any]:
            layer_params, x = layer
            block = nnx.merge(graph, nnx.State(_with_slots(template, layer_params)))
            return body(block, carry, x)

        if self.is_rematerialized:
            step = jax.checkpoint(step, prevent_cse=not self.is_scanned)
        if self.is_scanned:
            return jax.lax.scan(step, carry, (params, xs))
        ys = []
        for layer in _unstack((params, xs)):
            carry, y = step(carry, layer)
            ys.append(y)
        return carry, jax.tree.map(lambda *entries: jnp.stack(entries), *ys)


def _unstack(tree: Any) -> list[Any]:
    leaves, structure = jax.tree.flatten(tree)
    rows = zip(*(jnp.unstack(leaf) for leaf in leaves), strict=True)
    return [jax.tree.unflatten(structure, row) for row in rows]
