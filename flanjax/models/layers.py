"""The pieces of a block, and stacks of equal blocks."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from flax import nnx

from flanjax import parallel
from flanjax.base import Key, Params, path_name
from flanjax.models import kernels
from flanjax.models.configs import BlockConfig, RematName


def normal_param(
    rngs: nnx.Rngs, shape: tuple[int, ...], axes: tuple[str, ...], *, std: float
) -> nnx.Param[Any]:
    """Declares a float32 parameter drawn from N(0, std^2)."""
    return nnx.Param(std * jax.random.normal(rngs.params(), shape, jnp.float32), axes=axes)


def zeros_param(width: int, axis: str) -> nnx.Param[Any]:
    """Declares a bias, all zeros."""
    return nnx.Param(jnp.zeros(width, jnp.float32), axes=(axis,))


class NormSpec(NamedTuple):
    """Which norm a model has.

    Attributes:
      kind: "rms" or "layer".
      eps: Added to mean squares.
      has_bias: Whether there is a bias.
      is_offset: Whether the factor is the parameter plus 1.
    """

    kind: str
    eps: float
    has_bias: bool
    is_offset: bool


class Norm(nnx.Module):
    """RMSNorm or LayerNorm over the last axis; starts as the identity's scale."""

    def __init__(self, spec: NormSpec, width: int) -> None:
        start = jnp.zeros if spec.is_offset else jnp.ones
        self.scale = nnx.Param(start(width, jnp.float32), axes=("norm",))
        if spec.has_bias:
            self.bias = zeros_param(width, "norm")
        self.spec = spec

    def __call__(self, x: jax.Array) -> jax.Array:
        bias = self.bias.get_value() if self.spec.has_bias else None
        return apply_norm(self.spec, x, self.scale.get_value(), bias)


def apply_norm(spec: NormSpec, x: jax.Array, scale_D: jax.Array, bias_D: Any = None) -> jax.Array:
    """Returns the norm of x over its last axis."""
    scale_D = scale_D + 1 if spec.is_offset else scale_D
    if spec.kind == "layer":
        return kernels.layer_norm(x, scale_D, bias_D, spec.eps)
    return kernels.rms_norm(x, scale_D, spec.eps)


def affine(module: Any, name: str, x: jax.Array, key: Key | None) -> jax.Array:
    """Returns x times a module's weight, plus its bias where it has one."""
    out = kernels.dot(x, getattr(module, name).get_value(), key)
    bias = getattr(module, f"{name}_bias", None)
    return out if bias is None else out + bias.get_value().astype(out.dtype)


def slot() -> nnx.Param[Any]:
    """Declares a place that stays empty until an adapter fills it.

    A module reads its slot as None as long as the parameters it is bound to
    have no entry of that name. `Model.init` makes none.
    """
    return nnx.Param(None)


def split_key(key: Key | None, num: int) -> tuple[Key | None, ...]:
    """Returns `num` new keys, or as many Nones where there is no key."""
    return (None,) * num if key is None else tuple(jax.random.split(key, num))


_ACTIVATIONS: Mapping[str, Callable[[jax.Array], jax.Array]] = {
    "silu": jax.nn.silu,
    "gelu": functools.partial(jax.nn.gelu, approximate=False),
    "gelu_tanh": functools.partial(jax.nn.gelu, approximate=True),
    "relu": jax.nn.relu,
}


class MLP(nnx.Module):
    """act(x @ up) @ down, or act(x @ gate) * (x @ up) @ down.

    Source: Shazeer 2020, equation 6.
    """

    def __init__(
        self,
        *,
        config: BlockConfig,
        d_model: int,
        d_ff: int,
        dropout_rate: float,
        in_std: float,
        out_std: float,
        rngs: nnx.Rngs,
    ) -> None:
        for name in ("gate", "up") if config.is_gated else ("up",):
            weight = normal_param(rngs, (d_model, d_ff), ("embed", "mlp"), std=in_std)
            setattr(self, name, weight)
            if config.has_mlp_bias:
                setattr(self, f"{name}_bias", zeros_param(d_ff, "mlp"))
        self.down = normal_param(rngs, (d_ff, d_model), ("mlp", "embed"), std=out_std)
        if config.has_mlp_bias:
            self.down_bias = zeros_param(d_model, "norm")
        self.config = config
        self.dropout_rate = dropout_rate

    def __call__(self, x_BTD: jax.Array, key: Key | None) -> jax.Array:
        gate_key, up_key, inner_key, down_key = split_key(key, 4)
        activation = _ACTIVATIONS[self.config.activation]
        inner_BTF = affine(self, "up", x_BTD, up_key)
        if self.config.is_gated:
            inner_BTF = activation(affine(self, "gate", x_BTD, gate_key)) * inner_BTF
        else:
            inner_BTF = activation(inner_BTF)
        inner_BTF = parallel.constrain(inner_BTF, "batch", "length", "mlp")
        inner_BTF = kernels.dropout(inner_BTF, self.dropout_rate, inner_key)
        return affine(self, "down", inner_BTF, down_key)


def cast_weights(params: Params, dtype: Any) -> Params:
    """Returns params with every matrix of a product in the compute type.

    Cast once, outside the layers. Norm scales and biases stay
    float32: they are small, and their gradients are sums over many tokens.
    """

    def cast(path: tuple[Any, ...], leaf: Any) -> jax.Array:
        is_small = leaf.ndim < 2 or path_name(path).endswith(("scale", "bias"))
        is_float = jnp.issubdtype(leaf.dtype, jnp.floating)
        return jnp.asarray(leaf, dtype if is_float and not is_small else None)

    return jax.tree_util.tree_map_with_path(cast, params)


def product_weights(params: Params, config: Any) -> Params:
    """Returns the parameters of layers as their products read them.

    Matrices are in the compute type, and `Float8` where the config's matmul is
    "fp8"; typed leaves and what fills a slot stay as they are.
    """

    def typed(path: tuple[Any, ...], leaf: jax.Array) -> Any:
        is_own = all(isinstance(entry, jax.tree_util.DictKey) for entry in path)
        is_matrix = leaf.ndim == 3 and not path_name(path).endswith(("scale", "bias"))
        return kernels.Float8(leaf) if is_own and is_matrix else leaf

    params = cast_weights(params, config.dtype)
    if config.matmul == "plain":
        return params
    return jax.tree_util.tree_map_with_path(typed, params)


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


REMAT: Mapping[RematName, Callable[..., bool] | None] = {
    "full": None,
    "dots": jax.checkpoint_policies.save_from_both_policies(
        jax.checkpoint_policies.dots_with_no_batch_dims_saveable,
        jax.checkpoint_policies.save_only_these_names(kernels.READ),
    ),
}
"""Name -> what the backward pass finds kept of a block.

"full" keeps what enters the block and computes the rest again, about a third more arithmetic;
"dots" keeps products with weights and what this project's attention kernel read, and computes again
what lies between them and the attention of others.
"""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Stack:
    """Equal blocks one after another, their parameters stacked on axis 0.

    Attributes:
      make_block: Declares one block.
      num_layers: Blocks.
      is_scanned: Whether the blocks are one compiled loop.
      remat: "none", or a name of `REMAT`.
    """

    make_block: Callable[[nnx.Rngs], nnx.Module]
    num_layers: int
    is_scanned: bool
    remat: RematName

    def __post_init__(self) -> None:
        _ = self._graph  # flax would lay its variables over a mesh that is computed on

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

        def step(carry: Any, layer: tuple[Params, Any]) -> tuple[Any, Any]:
            layer_params, x = layer
            return body(self._bind(layer_params), carry, x)

        if self.remat != "none":
            step = jax.checkpoint(step, prevent_cse=not self.is_scanned, policy=REMAT[self.remat])
        if self.is_scanned:
            return jax.lax.scan(step, carry, (params, xs))
        ys = []
        for layer in unstack((params, xs)):
            carry, y = step(carry, layer)
            ys.append(y)
        return carry, jax.tree.map(lambda *entries: jnp.stack(entries), *ys)

    def run_each(
        self,
        body: Callable[[Any, Any, Any], tuple[Any, Any]],
        carry: Any,
        params: Sequence[Params],
        xs: Sequence[Any],
    ) -> tuple[Any, list[Any]]:
        """Applies `body` to every block in order, nothing being stacked.

        Args:
          body: (block, carry, x) -> (carry, y).
          carry: What the first block receives.
          params: The parameters of each block.
          xs: What each block is given.

        Returns:
          The last carry, and the ys.
        """
        ys = []
        for layer_params, x in zip(params, xs, strict=True):
            carry, y = body(self._bind(layer_params), carry, x)
            ys.append(y)
        return carry, ys

    def _bind(self, layer_params: Params) -> Any:
        graph, template = self._graph
        return nnx.merge(graph, nnx.State(_with_slots(template, layer_params)))


def unstack(tree: Any) -> list[Any]:
    """Returns the trees that were stacked on axis 0 of every array."""
    leaves, structure = jax.tree.flatten(tree)
    rows = zip(*(jnp.unstack(leaf) for leaf in leaves), strict=True)
    return [jax.tree.unflatten(structure, row) for row in rows]
