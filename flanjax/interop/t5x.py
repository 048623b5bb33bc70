"""T5X's names of parameters and ours: T5 and kin, scanned or not; its decoder.

```
  unscanned  decoder/layers_0/self_attention/query/kernel   [D, H C]
  scanned    decoder/decoder/self_attention/query/kernel    [D, L, H, C]
```
"""

from __future__ import annotations

import dataclasses
import pathlib
from collections.abc import Collection, Iterator, Mapping
from typing import Any, NamedTuple

from flanjax.interop.places import Arrays, Place, check_arrays, to_ours
from flanjax.interop.t5x_format import open_arrays
from flanjax.models.configs import AttentionConfig, BlockConfig, EmbeddingConfig, RelativeConfig
from flanjax.models.decoder import DecoderConfig
from flanjax.models.t5 import T5Config

_TABLE = "embed"
_EMBEDDING = "token_embedder/embedding"
_HEAD = "decoder/logits_dense/kernel"
_PROJECTIONS = {"q": "query", "k": "key", "v": "value", "o": "out"}
_PARTS = {
    ("encoder", "attention"): "attention",
    ("decoder", "attention"): "self_attention",
    ("decoder", "cross_attention"): "encoder_decoder_attention",
}
_CROSS = "cross_attention"
Shapes = Mapping[str, tuple[int, ...]]


class Found(NamedTuple):
    """The parameters of a T5X checkpoint.

    Attributes:
      arrays: Our path -> array.
      places: Our path -> where it lies there.
      unread: Arrays of the checkpoint that no parameter is made of.
    """

    arrays: Arrays
    places: Mapping[str, Place]
    unread: tuple[str, ...]


def our_arrays(path: str, config: Any, shapes: Shapes, *, has_more: bool = False) -> Found:
    """Returns the parameters of a T5X checkpoint under our names.

    Args:
      path: checkpoint_N, as T5X wrote it.
      config: The model's, of the checkpoint's sizes.
      shapes: Path -> shape of the model's parameters.
      has_more: Whether the checkpoint may hold arrays of no parameter.

    Raises:
      ValueError: The checkpoint is damaged or is not of this config; all
        arrays that are missing, unexpected or of another shape are named.
    """
    theirs = open_arrays(pathlib.Path(path))
    _check_family(path, config, theirs, has_table=_TABLE in shapes)
    where = places(config, shapes, is_scanned=is_scanned(theirs))
    wanted = {name for place in where.values() for name in place.names}
    unread = tuple(sorted(set(theirs) - wanted))
    check_arrays(
        f"T5X checkpoint {path}",
        {name: theirs[name] for name in set(theirs) & wanted} if has_more else theirs,
        where,
        remedy="choose the gin file of its family and size",
    )
    return Found(to_ours(theirs, where, shapes), where, unread)


def is_scanned(names: Collection[str]) -> bool:
    """Returns whether a checkpoint's layers are one array each."""
    return any(name.startswith("decoder/decoder/") for name in names)


def _check_family(path: str, config: Any, theirs: Arrays, *, has_table: bool) -> None:
    has_encoder = any(name.startswith("encoder/") for name in theirs)
    wanted = T5Config if has_encoder else DecoderConfig
    if not isinstance(config, wanted):
        raise ValueError(
            f"T5X checkpoint {path} must be loaded into a {wanted.__name__}, got "
            f"{type(config).__name__}; choose a gin file of its family."
        )
    embedding = _embedding(config)
    num_rows = theirs[embedding].shape[0] if embedding in theirs else config.vocab_size
    if has_table and num_rows != config.vocab_size:
        raise ValueError(
            f"{type(config).__name__} vocab_size must be the T5X checkpoint's {num_rows} ({path}), "
            f"got {config.vocab_size}; set it."
        )


def _embedding(config: Any) -> str:
    return f"decoder/{_EMBEDDING}" if isinstance(config, DecoderConfig) else _EMBEDDING


def places(config: Any, shapes: Shapes, *, is_scanned: bool) -> dict[str, Place]:
    """Returns where each parameter lies in a T5X checkpoint.

    Args:
      config: A T5Config, or a DecoderConfig with relative positions.
      shapes: Path -> shape of its parameters.
      is_scanned: Whether layers are one array each (scalable_t5).

    Raises:
      ValueError: T5X has no place for some parameter.
    """
    found = {path: _place(config, path, shape, is_scanned) for path, shape in shapes.items()}
    lost = [path for path, place in found.items() if place is None]
    if lost:
        raise ValueError(
            f"a T5X checkpoint must have room for every parameter, got {', '.join(sorted(lost))} "
            "without; T5X knows T5 1.0, 1.1 and its own decoder."
        )
    return {path: place for path, place in found.items() if place is not None}


def check_network(config: Any) -> None:
    """Checks that T5X's code computes what a model does: its files do not say.

    Raises:
      ValueError: It has what T5X has not.
    """
    known = dataclasses.replace(
        BlockConfig(attention=AttentionConfig(scale=1.0)),
        norm_eps=1e-6,
        activation=_of_t5x(config.block.activation),
        is_gated=config.block.is_gated,
    )
    is_tied = config.embedding.is_tied
    plain = EmbeddingConfig(is_tied=is_tied, scales_outputs=is_tied)  # tied logits are, no others
    faults = [
        *_unlike("block", config.block, known),
        *_unlike("embedding", config.embedding, plain),
    ]
    if not isinstance(config.positions, RelativeConfig):
        faults.append(f"positions {type(config.positions).__name__}")
    elif isinstance(config, DecoderConfig):  # its table's sizes are constants of T5X's code
        known_positions = RelativeConfig(is_shared=config.positions.is_shared)
        faults += _unlike("positions", config.positions, known_positions)
    if (config.num_kv_heads or config.num_heads) != config.num_heads:
        faults.append(f"num_kv_heads {config.num_kv_heads}")
    if faults:
        raise ValueError(
            f"a T5X checkpoint must be of a network that T5X has, got {', '.join(faults)}; it "
            "knows T5 1.0, 1.1 and its own decoder."
        )


def _of_t5x(activation: str) -> Any:
    """Returns an activation as T5X has it: its "gelu" is the approximation."""
    return "gelu_tanh" if activation == "gelu" else activation


def _unlike(what: str, found: Any, known: Any) -> Iterator[str]:
    for field in dataclasses.fields(known):
        value = getattr(found, field.name)
        if dataclasses.is_dataclass(value):
            yield from _unlike(f"{what}.{field.name}", value, getattr(known, field.name))
        elif value != getattr(known, field.name):
            yield f"{what}.{field.name} {value!r}"


def _place(config: Any, path: str, shape: tuple[int, ...], is_scanned: bool) -> Place | None:
    side, _, rest = path.partition("/")
    if side not in ("encoder", "decoder"):
        side, rest = "decoder", path
    plain = {_TABLE: _embedding(config), "norm/scale": f"{side}/{side}_norm/scale", "head": _HEAD}
    if rest in plain:
        return Place(names=(plain[rest],), shape=shape)
    if rest == "relative_bias":
        name = f"{side}/relpos_bias/rel_embedding"
        return Place(names=(name,), shape=shape[::-1], order=((1,), (0,)))
    within = _layer_name(config, side, rest.removeprefix("layers/"))
    if within is None or not rest.startswith("layers/"):
        return None
    if is_scanned:
        return _scanned(config, f"{side}/{side}/{within}", shape)
    names = tuple(f"{side}/layers_{layer}/{within}" for layer in range(shape[0]))
    is_table = within.endswith("rel_embedding")
    return Place(
        names=names,
        is_stacked=True,
        shape=shape[:0:-1] if is_table else shape[1:],
        order=((1,), (0,)) if is_table else (),
    )


def _layer_name(config: Any, side: str, rest: str) -> str | None:
    """Returns T5X's name within a layer, None where it has none."""
    part, _, leaf = rest.partition("/")
    if part == "mlp":
        wide = {"gate": "wi_0", "up": "wi_1"} if config.block.is_gated else {"up": "wi"}
        name = {**wide, "down": "wo"}.get(leaf)
        return name and f"mlp/{name}/kernel"
    if leaf == "scale":
        owner = part.removesuffix("_norm")
        theirs = _CROSS if owner == _CROSS else _PARTS.get((side, owner), owner)
        return f"pre_{theirs}_layer_norm/scale" if part.endswith("_norm") else None
    if leaf == "relative_bias":
        return "relpos_bias/rel_embedding"
    module = _PARTS.get((side, part))
    return f"{module}/{_PROJECTIONS[leaf]}/kernel" if module and leaf in _PROJECTIONS else None


def _scanned(config: Any, name: str, shape: tuple[int, ...]) -> Place:
    """Returns the place of a parameter whose layers are the second axis."""
    num_layers, *own = shape
    heads = (config.num_heads, config.d_head)
    if name.endswith("rel_embedding"):
        theirs: tuple[int, ...] = (own[1], num_layers, own[0])
        return Place(names=(name,), shape=theirs, order=((1,), (2,), (0,)))
    module = name.split("/")[-2]
    if module == "out":
        theirs = (heads[0], num_layers, heads[1], own[1])
        return Place(names=(name,), shape=theirs, order=((1,), (0, 2), (3,)))
    if module in _PROJECTIONS.values():
        return Place(names=(name,), shape=(own[0], num_layers, *heads), order=((1,), (0,), (2, 3)))
    rest = tuple((axis,) for axis in range(2, len(shape)))
    return Place(names=(name,), shape=(own[0], num_layers, *own[1:]), order=((1,), (0,), *rest))
