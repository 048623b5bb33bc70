"""Flash attention, interpreted, against attention as it is written down."""

from __future__ import annotations

import functools
import math
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import export

from flanjax.models import attention, positions
from flanjax.models.attention import KeyValues
from flanjax.models.flash import flash_attention
from flanjax.models.flash_blocks import Tile, Tiles
from flanjax.models.flash_tiles import tiles_for

# Blocks of both shapes, of which none divides the lengths below.
TILES = Tiles(forward=Tile(8, 16), queries=Tile(8, 16), keys=Tile(16, 8), table=Tile(8, 16))
# Two packed rows: one ends in padding, one starts a new example inside a block.
SEGMENTS_BT = np.array([[1] * 9 + [2] * 8 + [0] * 4, [1] * 3 + [2] * 18], np.int32)
SOURCE_SEGMENTS_BS = np.array([[1] * 19 + [2] * 4 + [0] * 2, [1] * 11 + [2] * 14], np.int32)
PREFIX_BS = np.array([[1] * 4 + [0] * 5 + [1] * 3 + [0] * 9, [0] * 3 + [1] * 18], bool)
NUM_BUCKETS, MAX_DISTANCE = 8, 12


class Case(NamedTuple):
    """What an attention does, and the sizes it is tried on."""

    num_heads: int = 2
    num_kv_heads: int = 2
    is_cross: bool = False
    has_table: bool = False
    is_bidirectional: bool = True
    is_causal: bool = False
    has_prefix: bool = False
    window: int = 0
    cap: float = 0.0
    dtype: Any = jnp.float32


CASES = {
    "T5 encoder": Case(has_table=True),
    "T5 decoder": Case(has_table=True, is_bidirectional=False, is_causal=True),
    "cross-attention in bfloat16": Case(is_cross=True, dtype=jnp.bfloat16),
    "Llama": Case(num_heads=4, is_causal=True),
    "prefix LM, window, cap and table": Case(
        num_heads=4, has_table=True, is_causal=True, has_prefix=True, window=7, cap=1.5
    ),
}


class Arrays(NamedTuple):
    """What has gradients; no table where there is no bias."""

    q: jax.Array
    k: jax.Array
    v: jax.Array
    table: jax.Array | None


class Segments(NamedTuple):
    """Who belongs together, among queries and keys."""

    queries: jax.Array
    keys: jax.Array


def make_segments(case: Case) -> Segments:
    key_segments_BS = SOURCE_SEGMENTS_BS if case.is_cross else SEGMENTS_BT
    return Segments(jnp.asarray(SEGMENTS_BT), jnp.asarray(key_segments_BS))


def make_arrays(case: Case, num_keys: int) -> Arrays:
    keys = jax.random.split(jax.random.key(0), 4)
    rows, width = SEGMENTS_BT.shape[0], 8
    kv_shape = (rows, num_keys, case.num_kv_heads, width)
    q = jax.random.normal(keys[0], (*SEGMENTS_BT.shape, case.num_heads, width), case.dtype)
    k, v = (jax.random.normal(key, kv_shape, case.dtype) for key in keys[1:3])
    table = jax.random.normal(keys[3], (NUM_BUCKETS, case.num_heads))
    return Arrays(q, k, v, table if case.has_table else None)


def flash(case: Case, platform: str, arrays: Arrays, segments: Segments, **arguments: Any):
    return flash_attention(
        arrays.q,
        arrays.k,
        arrays.v,
        query_segments_BT=segments.queries,
        key_segments_BS=segments.keys,
        scale=0.4,
        table_NH=arrays.table,
        is_bidirectional=case.is_bidirectional,
        max_distance=MAX_DISTANCE,
        is_causal=case.is_causal,
        prefix_BS=jnp.asarray(PREFIX_BS) if case.has_prefix else None,
        window=case.window,
        cap=case.cap,
        platform=platform,
        **(arguments or {"interpret": True, "tiles": TILES}),
    )


def plain(case: Case, arrays: Arrays, segments: Segments):
    query_rows_1T = jnp.arange(arrays.q.shape[1])[None]
    key_rows_1S = jnp.arange(arrays.k.shape[1])[None]
    mask = attention.segment_mask(*segments)
    if case.is_causal:
        prefix_BS = jnp.asarray(PREFIX_BS) if case.has_prefix else None
        mask = attention.causal_mask(segments.queries, prefix_BS)
    if case.window:
        mask &= attention.within_window(query_rows_1T, key_rows_1S, case.window)
    bias = None
    if arrays.table is not None:
        buckets = positions.relative_buckets(
            key_rows_1S[:, None, :] - query_rows_1T[:, :, None],
            is_bidirectional=case.is_bidirectional,
            num_buckets=NUM_BUCKETS,
            max_distance=MAX_DISTANCE,
        )
        bias = positions.relative_bias(arrays.table, buckets)
    source = KeyValues(arrays.k, arrays.v, mask, bias)
    return attention.attend(arrays.q, [source], scale=0.4, cap=case.cap)


def outputs_and_grads(function):
    """Returns a compiled function from (arrays, segments) to outputs and gradients.

    The gradients are those of the sum over real rows of the output's cosine,
    whose own gradient is minus the sine.
    """

    def run(arrays: Arrays, segments: Segments):
        out, pull = jax.vjp(lambda arrays: function(arrays, segments), arrays)
        is_real = (segments.queries > 0)[:, :, None, None]
        (grads,) = pull(jnp.where(is_real, -jnp.sin(out), 0))
        return jnp.where(is_real, out, 0), out, grads

    return jax.jit(run)


@functools.cache
def compiled_flash(case: Case, platform: str):
    return outputs_and_grads(functools.partial(flash, case, platform))


@functools.cache
def expectation(case: Case):
    """Returns plain attention's outputs and gradients, always in float32."""
    segments = make_segments(case)
    arrays = make_arrays(case, segments.keys.shape[1])
    wide = jax.tree.map(lambda x: x.astype(jnp.float32), arrays)
    real, _, grads = outputs_and_grads(functools.partial(plain, case))(wide, segments)
    return real, grads


@pytest.mark.parametrize("platform", ["gpu", "tpu"])
@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_outputs_and_all_gradients_are_those_of_plain_attention(case, platform):
    segments = make_segments(case)
    arrays = make_arrays(case, segments.keys.shape[1])
    real, _, grads = compiled_flash(case, platform)(arrays, segments)
    expected_real, expected_grads = expectation(case)
    tolerance = 2e-6 if case.dtype == jnp.float32 else 2**-6
    names = ("out", *(f"d{name}" for name, x in arrays._asdict().items() if x is not None))
    for name, found, wanted in zip(
        names,
        (real, *jax.tree.leaves(grads)),
        (expected_real, *jax.tree.leaves(expected_grads)),
        strict=True,
    ):
        assert np.abs(wanted).max() > 0.1, name
        error = np.abs(np.asarray(found, np.float32) - wanted).max() / np.abs(wanted).max()
        assert error < tolerance, name


@pytest.mark.parametrize("platform", ["gpu", "tpu"])
def test_padding_reads_zeros_and_whatever_it_holds_changes_nothing(platform):
    case = CASES["T5 decoder"]
    segments = make_segments(case)
    arrays = make_arrays(case, segments.keys.shape[1])
    _, out, grads = compiled_flash(case, platform)(arrays, segments)
    is_padding = SEGMENTS_BT == 0
    assert not np.asarray(out)[is_padding].any()
    for grad in grads[:3]:
        assert not np.asarray(grad)[is_padding].any()
    loud = Arrays(
        *(jnp.where(is_padding[..., None, None], 1e4, x) for x in arrays[:3]), arrays.table
    )
    _, loud_out, loud_grads = compiled_flash(case, platform)(loud, segments)
    jax.tree.map(np.testing.assert_array_equal, (loud_out, loud_grads), (out, grads))


@pytest.mark.parametrize("platform", ["gpu", "tpu"])
def test_gradient_of_the_table_is_a_finite_difference(platform):
    case = CASES["T5 decoder"]
    segments = make_segments(case)
    arrays = make_arrays(case, segments.keys.shape[1])

    def loss(table_NH):
        real, _, grads = compiled_flash(case, platform)(arrays._replace(table=table_NH), segments)
        return np.cos(np.asarray(real, np.float64)).sum(), grads.table

    grad_NH, step = loss(arrays.table)[1], 1e-2
    for bucket, head in np.ndindex(grad_NH.shape):
        nudge_NH = np.zeros_like(arrays.table)
        nudge_NH[bucket, head] = step
        above, below = (loss(arrays.table + sign * nudge_NH)[0] for sign in (1, -1))
        # A third derivative of order 1 times step ** 2, and float32 outputs over the step.
        expected = pytest.approx((above - below) / (2 * step), abs=1e-3)
        assert float(grad_NH[bucket, head]) == expected, (bucket, head)
    assert np.abs(grad_NH).max() > 0.1


@pytest.mark.parametrize("platform", ["gpu", "tpu"])
def test_packed_rows_read_what_separate_rows_read(platform):
    case = CASES["T5 decoder"]
    segments = make_segments(case)
    arrays = make_arrays(case, segments.keys.shape[1])
    _, packed, packed_grads = compiled_flash(case, platform)(arrays, segments)
    place, alone_place = np.s_[0, 9:17], np.s_[1, :8]  # example 2 of row 0, put into row 1 alone
    alone_BT = np.zeros_like(SEGMENTS_BT)
    alone_BT[alone_place] = 5
    alone = Arrays(
        *(jnp.zeros_like(x).at[alone_place].set(x[place]) for x in arrays[:3]), arrays.table
    )
    alone_segments = Segments(jnp.asarray(alone_BT), jnp.asarray(alone_BT))
    _, out, grads = compiled_flash(case, platform)(alone, alone_segments)
    for found, wanted in zip((out, *grads[:3]), (packed, *packed_grads[:3]), strict=True):
        np.testing.assert_allclose(found[alone_place], wanted[place], atol=1e-6)


def sizes_in_memory(jaxpr) -> list[int]:
    """Returns how many numbers each array has that is made outside of the kernels."""
    sizes = []
    for equation in jaxpr.eqns:
        sizes += [math.prod(out.aval.shape) for out in equation.outvars]
        inner = [] if equation.primitive.name == "pallas_call" else equation.params.values()
        for closed in inner:
            part = getattr(closed, "jaxpr", closed)
            sizes += sizes_in_memory(part) if hasattr(part, "eqns") else []
    return sizes


@pytest.mark.parametrize("platform", ["gpu", "tpu"])
def test_nothing_of_queries_by_keys_is_in_memory(platform):
    case, length = CASES["T5 encoder"], 512
    shapes = Arrays(
        *(jax.ShapeDtypeStruct((1, length, case.num_heads, 8), jnp.float32) for _ in range(3)),
        jax.ShapeDtypeStruct((NUM_BUCKETS, case.num_heads), jnp.float32),
    )
    ids = jax.ShapeDtypeStruct((1, length), jnp.int32)

    def largest(function) -> int:
        run = outputs_and_grads(function)
        return max(sizes_in_memory(jax.make_jaxpr(run)(shapes, Segments(ids, ids)).jaxpr))

    tiles = tiles_for(platform, length, length, 8)
    ours = functools.partial(flash, case, platform, tiles=tiles)
    assert largest(ours) <= length * case.num_heads * 16
    assert largest(functools.partial(plain, case)) >= length * length * case.num_heads


DEVICES = {
    "gpu": ("cuda", "NVIDIA H100 80GB HBM3", "__gpu$xla.gpu.triton"),
    "tpu": ("tpu", "TPU v5 lite", "tpu_custom_call"),
}


@pytest.mark.filterwarnings("ignore:The Pallas Triton backend is deprecated")
@pytest.mark.parametrize("platform", DEVICES)
def test_kernels_lower_for_their_platform_without_one(platform):
    lowered_for, kind, call = DEVICES[platform]
    case = Case(
        num_heads=4, has_table=True, is_causal=True, has_prefix=True, window=7, cap=1.5,
        dtype=jnp.bfloat16,
    )  # fmt: skip
    segments = make_segments(case)
    tiles = tiles_for(platform, 512, 512, 64)
    grads = outputs_and_grads(functools.partial(flash, case, platform, tiles=tiles))
    device = jax.sharding.AbstractDevice(device_kind=kind, num_cores=1, platform=platform)
    axis = (jax.sharding.AxisType.Auto,)
    mesh = jax.sharding.AbstractMesh((1,), ("x",), axis_types=axis, abstract_device=device)
    shapes = jax.eval_shape(lambda: make_arrays(case, SEGMENTS_BT.shape[1]))
    with jax.sharding.use_abstract_mesh(mesh):
        exported = export.export(
            grads,
            platforms=[lowered_for],
            disabled_checks=[export.DisabledSafetyCheck.custom_call(call)],
        )(shapes, segments)
    assert exported.mlir_module().count(f"custom_call @{call}") == 4


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"platform": "cpu"}, "platform must be gpu or tpu, got 'cpu'"),
        ({"prefix_BS": PREFIX_BS}, "prefix_BS must come with is_causal"),
        ({"key_segments_BS": SOURCE_SEGMENTS_BS}, r"key_segments_BS must be \[2, 21\]"),
        ({"table_NH": np.zeros((8, 3))}, r"table_NH must be \[8, 2\]"),
        ({"k": jnp.zeros((1, 21, 2, 8))}, r"k_BSKC must be \[2, 21, 2, 8\]"),
        ({"q": jnp.zeros((2, 21, 3, 8))}, "multiple of the 2 key heads, got 3"),
        ({"v": jnp.zeros((2, 21, 2, 8), jnp.bfloat16)}, "must be of one type, got float32"),
    ],
)
def test_arguments_that_do_not_go_together_are_refused(arguments, message):
    arrays = make_arrays(Case(), SEGMENTS_BT.shape[1])
    given = arrays._asdict() | {
        "query_segments_BT": SEGMENTS_BT,
        "key_segments_BS": SEGMENTS_BT,
        "scale": 1.0,
        "platform": "gpu",
    }
    given = given | arguments
    table_NH = given.pop("table_NH", given.pop("table"))
    with pytest.raises(ValueError, match=message):
        flash_attention(given.pop("q"), given.pop("k"), given.pop("v"), table_NH=table_NH, **given)
