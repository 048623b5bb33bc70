"""T5 1.1 parameters from a T5X checkpoint: T5X's names to those of models/t5.py."""

from __future__ import annotations

import dataclasses
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

import jax
import numpy as np

from flanjax.base import Params
from flanjax.interop.t5x_format import StoredArray, open_arrays
from flanjax.models.t5 import T5Config

_EMBEDDING = "token_embedder/embedding"
_SELF_ATTENTION = {"encoder": "attention", "decoder": "self_attention"}
_PROJECTIONS = {"q": "query", "k": "key", "v": "value", "o": "out"}
_MLP = {"gate": "wi_0", "up": "wi_1", "down": "wo"}
_MAX_SHOWN = 8


@dataclasses.dataclass(frozen=True)
class Origin:
    """Where a parameter comes from.

    Attributes:
      names: T5X's tensors; those of several layers are stacked on axis 0.
      is_stacked: Whether there is such an axis.
      is_transposed: Whether T5X has a table's two axes the other way round.
    """

    names: tuple[str, ...]
    is_stacked: bool = False
    is_transposed: bool = False

    def stored_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """Returns the shape of each tensor, from the parameter's."""
        shape = shape[1:] if self.is_stacked else shape
        return shape[::-1] if self.is_transposed else shape

    def read(self, arrays: Mapping[str, StoredArray], index: tuple[slice, ...]) -> np.ndarray:
        """Returns a part of the parameter, and reads no other."""
        if self.is_stacked:
            layer_names = self.names[index[0]]
            return np.stack([arrays[name].read(index[1:]) for name in layer_names])
        array = arrays[self.names[0]]
        return array.read(index[::-1]).T if self.is_transposed else array.read(index)


def load_params(path: str, config: Any, shapes: Params, shardings: Params) -> Params:
    """Returns the parameters of a T5X checkpoint, float32, each read into its place.

    A device's shard is read from the files by itself. Optimizer slots are not
    read.

    Args:
      path: checkpoint_N, as T5X wrote it.
      config: The model's, of the checkpoint's sizes.
      shapes: The model's parameters as shapes.
      shardings: A tree like it.

    Raises:
      ValueError: The checkpoint is damaged or is not of this config; all
        tensors that are missing, unknown or of another shape are named.
    """
    if not isinstance(config, T5Config):
        raise ValueError(
            f"T5X checkpoint {path} must be loaded into a T5Config, got {type(config).__name__}; "
            "choose a gin file of models/t5_1_1_*.gin."
        )
    arrays = open_arrays(pathlib.Path(path))
    origins = _origins(config)
    _check(path, config, arrays, origins, shapes)

    def load(origin: Origin, like: Any, sharding: Any) -> jax.Array:
        def shard(index: Any) -> np.ndarray:
            return origin.read(arrays, index)

        return jax.make_array_from_callback(like.shape, sharding, shard)

    return jax.tree.map(load, origins, shapes, shardings)


def _origins(config: T5Config) -> dict[str, Any]:
    """Returns a tree like the model's parameters, of Origins."""
    tree: dict[str, Any] = {
        "embed": Origin((_EMBEDDING,)),
        "encoder": _side("encoder", config.num_encoder_layers),
        "decoder": _side("decoder", config.num_decoder_layers),
    }
    if not config.is_tied:
        tree["head"] = Origin(("decoder/logits_dense/kernel",))
    return tree


def _side(side: str, num_layers: int) -> dict[str, Any]:
    def stacked(suffix: str) -> Origin:
        names = tuple(f"{side}/layers_{layer}/{suffix}" for layer in range(num_layers))
        return Origin(names, is_stacked=True)

    def projections(module: str) -> dict[str, Origin]:
        return {own: stacked(f"{module}/{name}/kernel") for own, name in _PROJECTIONS.items()}

    own_attention = _SELF_ATTENTION[side]
    layers: dict[str, Any] = {
        "attention_norm": stacked(f"pre_{own_attention}_layer_norm/scale"),
        "attention": projections(own_attention),
        "mlp_norm": stacked("pre_mlp_layer_norm/scale"),
        "mlp": {own: stacked(f"mlp/{name}/kernel") for own, name in _MLP.items()},
    }
    if side == "decoder":
        layers["cross_attention_norm"] = stacked("pre_cross_attention_layer_norm/scale")
        layers["cross_attention"] = projections("encoder_decoder_attention")
    return {
        "relative_bias": Origin((f"{side}/relpos_bias/rel_embedding",), is_transposed=True),
        "norm": Origin((f"{side}/{side}_norm/scale",)),
        "layers": layers,
    }


def _check(
    path: str,
    config: T5Config,
    arrays: Mapping[str, StoredArray],
    origins: Params,
    shapes: Params,
) -> None:
    """Checks names and shapes before anything is read."""
    num_rows = arrays[_EMBEDDING].shape[0] if _EMBEDDING in arrays else config.vocab_size
    if num_rows != config.vocab_size:
        raise ValueError(
            f"T5Config vocab_size must be the T5X checkpoint's {num_rows} ({path}), got "
            f"{config.vocab_size}; set it."
        )
    wanted: dict[str, tuple[int, ...]] = {}
    for origin, like in zip(jax.tree.leaves(origins), jax.tree.leaves(shapes), strict=True):
        wanted |= dict.fromkeys(origin.names, origin.stored_shape(like.shape))
    faults = {
        "missing": [name for name in wanted if name not in arrays],
        "unknown": [name for name in arrays if name not in wanted],
        "misshapen": [
            f"{name} {arrays[name].shape}, not {shape}"
            for name, shape in wanted.items()
            if name in arrays and arrays[name].shape != shape
        ],
    }
    shown = [f"{kind}: {_shown(found)}" for kind, found in faults.items() if found]
    if shown:
        raise ValueError(
            f"T5X checkpoint must hold a T5 1.1 model of the config's sizes, got {path} with "
            f"{'; '.join(shown)}; choose the gin file of its size."
        )


def _shown(found: Sequence[str]) -> str:
    rest = len(found) - _MAX_SHOWN
    return ", ".join(sorted(found)[:_MAX_SHOWN]) + (f" and {rest} more" if rest > 0 else "")
