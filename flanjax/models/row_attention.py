"""Attention over whole rows, without an array of the pairs of tokens.

`attention.attend` is the plain path and says what is right. A kernel reads who sees whom from
vectors of segment ids, and leaves out blocks that see nothing.

| name | machine | what goes the plain way |
|---|---|---|
| flash | GPU, TPU (and slowly, interpreted, CPU) | heads of more than 256 channels |
| cudnn | GPU from Ampere on | soft caps, float32, odd lengths, heads of other than 8, 16 ... 128 |
| splash | TPU | biases, prefixes, cross-attention |

cuDNN reads biases and segments as arrays of pairs. None of them drops attention weights, and none
reads rows that a mesh splits over devices (`context`): there the plain path is taken.
"""

from __future__ import annotations

import dataclasses
import functools
import warnings
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax.sharding import Mesh

from flanjax import parallel
from flanjax.models.configs import RelativeConfig
from flanjax.models.flash import flash_attention


@functools.partial(
    jax.tree_util.register_dataclass,
    data_fields=["query_segments", "key_segments", "prefix", "bias", "mask", "table", "is_local"],
    meta_fields=["is_causal", "is_self", "reach", "max_distance"],
)
@dataclasses.dataclass(frozen=True, kw_only=True)
class Sight:
    """Who sees whom in whole rows.

    Attributes:
      query_segments: int32 [B, T], 0 for padding.
      key_segments: int32 [B, S].
      prefix: bool [B, S], keys seen from everywhere in their segment; None
        for none.
      bias: float32 [1, H, T, S], added to the logits; None for none.
      mask: bool [1 or B, T, S], True where a query may attend. Of bias and
        mask, which are arrays of pairs, a kernel may do without.
      table: float32 [buckets, H], what the bias is made of.
      is_local: bool [], whether this layer sees `reach` alone; None where all
        layers are alike.
      is_causal: Whether what lies ahead is hidden.
      is_self: Whether queries and keys are of the same tokens.
      reach: Rows apart that are seen, less one; 0 for all.
      max_distance: Where the table's buckets end.
    """

    query_segments: Any
    key_segments: Any
    prefix: Any = None
    bias: Any = None
    mask: Any = None
    table: Any = None
    is_local: Any = None
    is_causal: bool = False
    is_self: bool = True
    reach: int = 0
    max_distance: int = 0


class _Need(NamedTuple):
    """What an attention asks of a kernel."""

    dtype: str
    d_head: int
    cap: float
    has_bias: bool
    has_prefix: bool
    is_self: bool
    lengths: tuple[int, ...]


def _cudnn_lack(need: _Need) -> str:
    if need.dtype != "bfloat16":
        return f"dtype {need.dtype}"
    if need.d_head % 8 or need.d_head > 128:
        return f"heads of {need.d_head} channels"
    if odd := [length for length in need.lengths if length % 2]:
        return f"rows of {odd[0]} tokens"
    return "a soft cap" if need.cap else ""


def _splash_lack(need: _Need) -> str:
    if need.has_bias:
        return "a relative bias"
    if need.has_prefix:
        return "a prefix"
    return "" if need.is_self else "cross-attention"


_LACKS: Mapping[str, Callable[[_Need], str]] = {
    "flash": lambda need: f"heads of {need.d_head} channels" if need.d_head > 256 else "",
    "cudnn": _cudnn_lack,
    "splash": _splash_lack,
}
"""Backend -> what it lacks of what is needed; nothing if it can."""

_PLATFORMS: Mapping[str, tuple[str, ...]] = {
    "flash": ("gpu", "tpu", "cpu"),
    "cudnn": ("gpu",),
    "splash": ("tpu",),
}


_HOPPER = 9.0
"""The compute capability on which `benchmarks/gpu.sh kernels` compared flash with cuDNN."""


def choose(name: str, sight: Sight, q_BTHC: jax.Array, num_kv_heads: int, cap: float) -> str:
    """Returns the backend of an attention: what the config says, or "xla".

    Args:
      name: The config's `attention_backend`.
      sight: Who sees whom.
      q_BTHC: Queries.
      num_kv_heads: Heads of the keys.
      cap: Of the logits.
    """
    wanted = _best(parallel.platform(), q_BTHC.dtype.name) if name == "auto" else name
    need = _Need(
        q_BTHC.dtype.name,
        q_BTHC.shape[-1],
        cap,
        sight.bias is not None,
        sight.prefix is not None,
        sight.is_self,
        (sight.query_segments.shape[1], sight.key_segments.shape[1]),
    )
    is_even = parallel.divides(q_BTHC.shape[0], "batch") and parallel.divides(
        num_kv_heads, "kv_heads"
    )
    if wanted == "xla" or parallel.splits_columns() or not is_even or _LACKS[wanted](need):
        return "xla"
    return wanted


@functools.cache
def _best(platform: str, dtype: str) -> str:
    """Returns the fastest measured, or cuDNN's where no GPU of the kind was at hand."""
    if platform == "tpu":
        return "splash"
    if platform != "gpu" or dtype != "bfloat16":
        return "xla"
    device = jax.local_devices(backend="gpu")[0]
    capability = parallel.compute_capability(device)
    if capability >= 8.0:
        return "flash" if capability == _HOPPER else "cudnn"
    warnings.warn(
        f"{device.device_kind} has no flash attention of cuDNN's; attention goes by xla.",
        stacklevel=1,
    )
    return "xla"


def check_backend(config: Any, mesh: Mesh, lengths: tuple[int, ...]) -> None:
    """Checks that a model's attention runs where it is to run.

    Args:
      config: A T5Config or DecoderConfig.
      mesh: What it is computed on.
      lengths: Columns of the rows it is trained on: of encoder and decoder, or
        of a causal model's alone.

    Raises:
      ValueError: The backend that is named is another machine's, or does not
        do what the model or the mesh needs.
    """
    platform = mesh.devices.flat[0].platform
    name = config.attention_backend
    if name in ("auto", "xla"):
        return
    if platform not in _PLATFORMS[name]:
        raise ValueError(
            f"attention_backend must run on this machine's {platform}, got {name!r} of "
            f"{' and '.join(_PLATFORMS[name])}; use 'auto'."
        )
    need = _Need(
        config.dtype,
        config.d_head,
        config.block.attention.cap,
        isinstance(config.positions, RelativeConfig),
        getattr(config, "prefix_lm", False),
        is_self=len(lengths) == 1,
        lengths=lengths,
    )
    for lack, remedy in (
        (_LACKS[name](need), ""),
        (f"dropout_rate {rate}" if (rate := config.dropout_rate) else "", "dropout_rate = 0.0"),
        (_split_badly(config.num_kv_heads or config.num_heads, mesh), "another mesh"),
    ):
        if lack:
            raise ValueError(
                f"attention_backend {name!r} must do all that the run needs, got {lack}; use "
                f"'auto'{' or ' if remedy else ''}{remedy}."
            )


def for_platform(config: Any, platform: str) -> Any:
    """Returns a model whose attention runs there, 'auto' for another machine's."""
    name = config.attention_backend
    if name in ("auto", "xla") or platform in _PLATFORMS[name]:
        return config
    return dataclasses.replace(config, attention_backend="auto")


def _split_badly(num_kv_heads: int, mesh: Mesh) -> str:
    """Returns what no kernel does of a mesh; "" for nothing."""
    if (context := mesh.shape["context"]) > 1:
        return f"MeshConfig.context {context}"
    tensor = mesh.shape["tensor"]
    return f"{num_kv_heads} heads of keys over tensor {tensor}" if num_kv_heads % tensor else ""


def attend_rows(
    backend: str,
    q_BTHC: jax.Array,
    k_BSKC: jax.Array,
    v_BSKC: jax.Array,
    sight: Sight,
    *,
    scale: float,
    cap: float,
) -> jax.Array:
    """Returns softmax attention, [B, T, H, C], as `attention.attend` does.

    What queries of padding read is finite, and not defined otherwise.

    Args:
      backend: A name that `choose` returned, not "xla".
      q_BTHC: Queries.
      k_BSKC: Keys; K divides H.
      v_BSKC: Values.
      sight: Who sees whom.
      scale: Factor of the logits.
      cap: Logits become cap * tanh(logits / cap); 0 leaves them.
    """
    kernel = functools.partial(_KERNELS[backend], scale=scale, cap=cap)
    arrays = (q_BTHC, k_BSKC, v_BSKC, sight)
    local = functools.partial(kernel, reach=sight.reach)
    if sight.is_local is None or backend in _READ_MASKS:
        return local(*arrays)
    out: jax.Array = jax.lax.cond(
        sight.is_local, local, functools.partial(kernel, reach=0), *arrays
    )
    return out


def _flash(
    q: jax.Array, k: jax.Array, v: jax.Array, sight: Sight, *, scale: float, cap: float, reach: int
) -> jax.Array:
    """This project's kernel; on a CPU it is interpreted, for tests."""
    platform = parallel.platform()
    rows, heads = ("batch", None), ("batch", None, "heads", None)
    more = {
        name: (array, axes)
        for name, array, axes in (
            ("table_NH", sight.table, (None, "heads")),
            ("prefix_BS", sight.prefix, rows),
        )
        if array is not None
    }

    def attend(q: Any, k: Any, v: Any, of_queries: Any, of_keys: Any, *rest: Any) -> jax.Array:
        return flash_attention(
            q,
            k,
            v,
            query_segments_BT=of_queries,
            key_segments_BS=of_keys,
            scale=scale,
            is_bidirectional=not sight.is_causal,
            max_distance=sight.max_distance,
            is_causal=sight.is_causal,
            window=reach,
            cap=cap,
            platform="tpu" if platform == "tpu" else "gpu",
            interpret=platform == "cpu",
            **dict(zip(more, rest, strict=True)),
        )

    in_axes = (heads, heads, heads, rows, rows, *(axes for _, axes in more.values()))
    on_shards = parallel.map_shards(attend, in_axes, heads)
    rest = (array for array, _ in more.values())
    return on_shards(q, k, v, sight.query_segments, sight.key_segments, *rest)


def _cudnn(
    q: jax.Array, k: jax.Array, v: jax.Array, sight: Sight, *, scale: float, cap: float, reach: int
) -> jax.Array:
    """cuDNN's kernel by way of `jax.nn`; it shards itself over rows and heads."""
    del cap, reach  # none, and in the mask already
    bias = None if sight.bias is None else sight.bias.astype(q.dtype)
    mask = sight.mask[:, None]
    return jax.nn.dot_product_attention(
        q, k, v, bias=bias, mask=mask, scale=scale, implementation="cudnn"
    )


_LANES = 128


def _splash(
    q: jax.Array,
    k: jax.Array,
    v: jax.Array,
    sight: Sight,
    *,
    scale: float,
    cap: float,
    reach: int,
    interpret: bool = False,
) -> jax.Array:
    """Splash attention of a TPU; rows and channels are filled up to its tiles.

    Padding is a segment of its own, so that no query is left without a key.
    """
    from jax.experimental.pallas.ops.tpu.splash_attention import splash_attention_kernel as splash

    length = q.shape[1]
    num_rows, num_channels = -length % _LANES, -q.shape[-1] % _LANES
    widths = ((0, 0), (0, num_rows), (0, 0), (0, num_channels))
    q, k, v = (jnp.pad(x, widths).swapaxes(1, 2) for x in (q * scale, k, v))
    segments = jnp.pad(sight.query_segments, ((0, 0), (0, num_rows)))
    mask = _splash_mask(length + num_rows, reach, is_causal=sight.is_causal)

    def rows(q: jax.Array, k: jax.Array, v: jax.Array, segments: jax.Array) -> jax.Array:
        kernel = splash.make_splash_mha(
            mask(q.shape[1]),
            head_shards=1,
            q_seq_shards=1,
            attn_logits_soft_cap=cap or None,
            interpret=interpret,
        )
        return jax.vmap(kernel)(q, k, v, splash.SegmentIds(segments, segments))

    heads = ("batch", "heads", None, None)
    on_shards = parallel.map_shards(rows, (heads, heads, heads, ("batch", None)), heads)
    out: jax.Array = on_shards(q, k, v, segments).swapaxes(1, 2)
    return out[:, :length, :, : out.shape[-1] - num_channels]


def _splash_mask(length: int, reach: int, *, is_causal: bool) -> Callable[[int], Any]:
    """Returns heads -> the mask that a window or its absence makes."""
    from jax.experimental.pallas.ops.tpu.splash_attention import splash_attention_mask as masks

    shape = (length, length)
    behind = reach - 1 if reach else None
    one: Any = masks.FullMask(shape)
    if reach or is_causal:
        one = masks.LocalMask(shape, (behind, 0 if is_causal else behind), 0)
    return lambda num_heads: masks.MultiHeadMask([one] * num_heads)


_READ_MASKS = ("cudnn",)
"""Kernels to which a window is part of the mask."""

_KERNELS: Mapping[str, Callable[..., jax.Array]] = {
    "flash": _flash,
    "cudnn": _cudnn,
    "splash": _splash,
}
