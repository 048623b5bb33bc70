"""Times attention as it is written, cuDNN's, tokamax's and flanjax's own kernels.

    python -m benchmarks.attention [--sweep] [--seconds 420] [--cpu-smoke]

One JSON line for each case and backend: time of the forward pass and of forward
and backward, memory the program needs beside its operands and results, and how
far output and gradients are from float32's. A backend that fails prints its
error. `--sweep` times flanjax's kernels with blocks of other sizes instead.

Every case is packed: four examples a row, and some padding. The bias is T5's,
from its table, and the table's gradient is part of the backward pass. It needs
jax; plain attention also flax.
"""

from __future__ import annotations

import argparse
import functools
import json
import os
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np

from flanjax.models.flash import flash_attention
from flanjax.models.flash_blocks import Tile, Tiles
from flanjax.models.flash_tiles import tiles_for
from flanjax.models.positions import relative_bias, relative_buckets

_NUM_BUCKETS = 32
_ROUND_S = 0.02
"""Calls are timed in rounds of about this length, which hides their dispatch."""


class Case(NamedTuple):
    """An attention of a public model, on a batch as it is trained."""

    num_rows: int
    num_queries: int
    num_keys: int
    num_heads: int
    num_kv_heads: int
    width: int
    has_table: bool = False
    is_causal: bool = False


CASES = {
    "T5-large encoder 512": Case(64, 512, 512, 16, 16, 64, has_table=True),
    "T5-large decoder 128": Case(64, 128, 128, 16, 16, 64, has_table=True, is_causal=True),
    "T5-large cross 128 x 512": Case(64, 128, 512, 16, 16, 64),
    "Llama-1B 2048": Case(8, 2048, 2048, 32, 8, 64, is_causal=True),
}

CANDIDATES = {
    "forward": (
        Tile(64, 64, 4, 2),
        Tile(64, 64, 4, 3),
        Tile(128, 32, 4, 3),
        Tile(128, 64, 4, 2),
        Tile(128, 64, 8, 2),
        Tile(128, 64, 8, 3),
        Tile(128, 128, 8, 2),
    ),
    "queries": (
        Tile(64, 32, 4, 3),
        Tile(64, 64, 4, 2),
        Tile(64, 64, 8, 3),
        Tile(128, 32, 4, 2),
        Tile(128, 32, 4, 3),
        Tile(128, 64, 8, 2),
        Tile(128, 64, 8, 3),
    ),
    "keys": (
        Tile(32, 64, 4, 3),
        Tile(32, 128, 4, 2),
        Tile(32, 128, 8, 3),
        Tile(64, 64, 4, 2),
        Tile(64, 64, 8, 3),
        Tile(64, 128, 8, 2),
        Tile(128, 64, 8, 2),
    ),
    "table": (
        Tile(32, 64, 4, 1),
        Tile(64, 64, 8, 1),
        Tile(64, 128, 8, 1),
        Tile(128, 64, 8, 1),
        Tile(128, 128, 8, 1),
    ),
}
"""Blocks that a sweep tries on Hopper, one kernel at a time."""


class Arrays(NamedTuple):
    """What has gradients."""

    q: jax.Array
    k: jax.Array
    v: jax.Array
    table: jax.Array


class Inputs(NamedTuple):
    """What a backend is given."""

    arrays: Arrays
    query_segments: jax.Array
    key_segments: jax.Array
    dout: jax.Array


Backend: TypeAlias = Callable[[Case, Arrays, jax.Array, jax.Array], jax.Array]


def packed_segments(case: Case, length: int, rng: np.random.Generator) -> np.ndarray:
    """Returns int32 rows of four examples, each followed by the next, then padding."""
    shares = rng.dirichlet([4.0] * 4, case.num_rows) * rng.uniform(0.85, 1.0, (case.num_rows, 1))
    ends = np.cumsum(shares, 1) * length
    rows = np.arange(length)
    segments = 1 + (rows[None, :, None] >= ends[:, None, :]).sum(-1)
    return np.where(segments > 4, 0, segments).astype(np.int32)


def make_inputs(case: Case, dtype: Any) -> Inputs:
    """Returns normal values, as large as those of a trained model's heads."""
    keys = jax.random.split(jax.random.key(0), 5)
    q_shape = (case.num_rows, case.num_queries, case.num_heads, case.width)
    kv_shape = (case.num_rows, case.num_keys, case.num_kv_heads, case.width)
    q, dout = (jax.random.normal(key, q_shape, dtype) for key in keys[:2])
    k, v = (jax.random.normal(key, kv_shape, dtype) for key in keys[2:4])
    table = jax.random.normal(keys[4], (_NUM_BUCKETS, case.num_heads))
    rng = np.random.default_rng(0)
    query_segments = packed_segments(case, case.num_queries, rng)
    key_segments = query_segments
    if case.num_keys != case.num_queries:
        key_segments = packed_segments(case, case.num_keys, rng)
    is_real = jnp.asarray(query_segments > 0)[:, :, None, None]
    return Inputs(
        Arrays(q, k, v, table),
        jnp.asarray(query_segments),
        jnp.asarray(key_segments),
        jnp.where(is_real, dout, 0),
    )


def scale_of(case: Case) -> float:
    """Returns the factor of logits; T5 has none, but has smaller queries."""
    return float(case.width**-0.5)


def mask_of(case: Case, query_segments: jax.Array, key_segments: jax.Array) -> jax.Array:
    """Returns bool [B, T, S]."""
    queries, keys = query_segments[:, :, None], key_segments[:, None, :]
    mask = (queries == keys) & (keys > 0)
    if case.is_causal:
        mask &= jnp.tri(case.num_queries, case.num_keys, dtype=bool)
    return mask


def bias_of(case: Case, table: jax.Array) -> jax.Array | None:
    """Returns float32 [1, H, T, S], or None."""
    if not case.has_table:
        return None
    distances = jnp.arange(case.num_keys)[None] - jnp.arange(case.num_queries)[:, None]
    buckets = relative_buckets(
        distances[None],
        is_bidirectional=not case.is_causal,
        num_buckets=_NUM_BUCKETS,
        max_distance=128,
    )
    return relative_bias(table, buckets)


def exact(case: Case, arrays: Arrays, queries: jax.Array, keys: jax.Array) -> jax.Array:
    """Returns attention in float32 throughout, whatever it costs."""
    q, k, v, table = (x.astype(jnp.float32) for x in arrays)
    group = case.num_heads // case.num_kv_heads
    k, v = (jnp.repeat(x, group, axis=2) for x in (k, v))
    product = functools.partial(jnp.einsum, precision=jax.lax.Precision.HIGHEST)
    logits = product("bthc,bshc->bhts", q, k) * scale_of(case)
    if (bias := bias_of(case, table)) is not None:
        logits = logits + bias
    logits = jnp.where(mask_of(case, queries, keys)[:, None], logits, -1e30)
    return product("bhts,bshc->bthc", jax.nn.softmax(logits), v)


def plain(case: Case, arrays: Arrays, queries: jax.Array, keys: jax.Array) -> jax.Array:
    """Returns what models run where there is no kernel."""
    from flanjax.models import attention

    source = attention.KeyValues(
        arrays.k, arrays.v, mask_of(case, queries, keys), bias_of(case, arrays.table)
    )
    return attention.attend(arrays.q, [source], scale=scale_of(case))


def cudnn(case: Case, arrays: Arrays, queries: jax.Array, keys: jax.Array) -> jax.Array:
    """Returns cuDNN's, which adds the mask to the bias, [B, H, T, S]."""
    bias = bias_of(case, arrays.table)
    return jax.nn.dot_product_attention(
        *arrays[:3],
        bias=None if bias is None else bias.astype(arrays.q.dtype),
        mask=mask_of(case, queries, keys)[:, None],
        scale=scale_of(case),
        implementation="cudnn",
    )


def tokamax(
    implementation: str, case: Case, arrays: Arrays, queries: jax.Array, keys: jax.Array
) -> jax.Array:
    """Returns tokamax's; a mask and a bias are arrays there too."""
    import tokamax as library

    return library.dot_product_attention(
        *arrays[:3],
        bias=bias_of(case, arrays.table),
        mask=mask_of(case, queries, keys)[:, None],
        scale=scale_of(case),
        implementation=implementation,
    )


def flash(
    case: Case,
    arrays: Arrays,
    queries: jax.Array,
    keys: jax.Array,
    *,
    tiles: Tiles | None = None,
) -> jax.Array:
    """Returns flanjax's own, interpreted where there is no accelerator."""
    is_interpreted = jax.default_backend() == "cpu"
    return flash_attention(
        *arrays[:3],
        query_segments_BT=queries,
        key_segments_BS=keys,
        scale=scale_of(case),
        table_NH=arrays.table if case.has_table else None,
        is_bidirectional=not case.is_causal,
        is_causal=case.is_causal,
        platform="gpu" if is_interpreted else None,
        tiles=tiles,
        interpret=is_interpreted,
    )


BACKENDS: dict[str, Backend] = {
    "plain": plain,
    "cudnn": cudnn,
    "tokamax mosaic": functools.partial(tokamax, "mosaic"),
    "tokamax triton": functools.partial(tokamax, "triton"),
    "flash": flash,
}


def programs(backend: Backend, case: Case) -> tuple[Any, Any]:
    """Returns the forward pass, and forward with backward, to be compiled."""

    def forward(inputs: Inputs) -> jax.Array:
        return backend(case, inputs.arrays, inputs.query_segments, inputs.key_segments)

    def both(inputs: Inputs) -> tuple[jax.Array, Arrays]:
        out, pull = jax.vjp(lambda arrays: forward(inputs._replace(arrays=arrays)), inputs.arrays)
        return out, pull(inputs.dout.astype(out.dtype))[0]

    return jax.jit(forward), jax.jit(both)


def time_ms(compiled: Any, inputs: Inputs, limit_s: float) -> float:
    """Returns the median time of a call, from rounds within the limit, at least three."""
    jax.block_until_ready(compiled(inputs))
    started = time.perf_counter()
    jax.block_until_ready(compiled(inputs))
    num_calls = max(1, min(100, int(_ROUND_S / (time.perf_counter() - started))))
    rounds: list[float] = []
    started = time.perf_counter()
    while len(rounds) < 3 or time.perf_counter() - started < limit_s:
        round_started = time.perf_counter()
        for _ in range(num_calls):
            result = compiled(inputs)
        jax.block_until_ready(result)
        rounds.append((time.perf_counter() - round_started) / num_calls)
    return round(statistics.median(rounds) * 1e3, 4)


def distances_from(expected: Sequence[Any], found: Sequence[Any]) -> list[float]:
    """Returns the error of each array, relative to the norm of the expected one."""
    errors = []
    for wanted, ours in zip(expected, found, strict=True):
        wide = np.asarray(ours, np.float32)
        errors.append(float(np.linalg.norm(wide - wanted) / max(np.linalg.norm(wanted), 1e-30)))
    return [float(f"{error:.3g}") for error in errors]


def real_results(inputs: Inputs, out: jax.Array, grads: Arrays) -> list[np.ndarray]:
    """Returns output without padding and the gradients, float32."""
    is_real = (inputs.query_segments > 0)[:, :, None, None]
    return [np.asarray(x, np.float32) for x in (jnp.where(is_real, out, 0), *grads)]


def measure(
    backend: Backend, case: Case, inputs: Inputs, expected: list[np.ndarray], limit_s: float
) -> dict[str, Any]:
    """Returns what one backend does on one case."""
    started = time.perf_counter()
    forward, both = (program.lower(inputs).compile() for program in programs(backend, case))
    compile_s = time.perf_counter() - started
    return {
        "forward_ms": time_ms(forward, inputs, limit_s),
        "both_ms": time_ms(both, inputs, limit_s),
        "forward_temp_mib": round(forward.memory_analysis().temp_size_in_bytes / 2**20, 1),
        "both_temp_mib": round(both.memory_analysis().temp_size_in_bytes / 2**20, 1),
        "errors_out_dq_dk_dv_dtable": distances_from(expected, real_results(inputs, *both(inputs))),
        "compile_s": round(compile_s, 1),
    }


def comparisons(cases: dict[str, Case], dtype: Any, limit_s: float) -> Iterator[dict[str, Any]]:
    """Yields a line for each case and backend."""
    for name, case in cases.items():
        inputs = make_inputs(case, dtype)
        _, both = programs(exact, case)
        expected = real_results(inputs, *both(inputs))
        for backend_name, backend in BACKENDS.items():
            line: dict[str, Any] = {"case": name, "backend": backend_name}
            # A backend may lack the machine, the library or the memory: the others go on.
            try:
                line |= measure(backend, case, inputs, expected, limit_s)
            except Exception as error:
                line["error"] = f"{type(error).__name__}: {error}"[:300]
            yield line


def sweeps(cases: dict[str, Case], dtype: Any, limit_s: float) -> Iterator[dict[str, Any]]:
    """Yields a line for each case, kernel and block: the time it is part of."""
    platform = "gpu" if jax.default_backend() == "cpu" else jax.default_backend()
    for name, case in cases.items():
        inputs = make_inputs(case, dtype)
        default = tiles_for(platform, case.num_queries, case.num_keys, case.width)
        for kernel, candidates in CANDIDATES.items():
            if kernel == "table" and not case.has_table:
                continue
            for tile in (getattr(default, kernel), *candidates):
                line: dict[str, Any] = {"case": name, "kernel": kernel, "tile": tile}
                tiles = default._replace(**{kernel: tile})
                forward, both = programs(functools.partial(flash, tiles=tiles), case)
                timed = forward if kernel == "forward" else both
                # A block may need more registers or shared memory than there are.
                try:
                    line["ms"] = time_ms(timed.lower(inputs).compile(), inputs, limit_s)
                except Exception as error:
                    line["error"] = f"{type(error).__name__}: {error}"[:300]
                yield line


def small(case: Case) -> Case:
    """Returns a case that an interpreter can run."""
    return case._replace(
        num_rows=2,
        num_queries=case.num_queries // 16,
        num_keys=case.num_keys // 16,
        num_heads=4,
        num_kv_heads=4 * case.num_kv_heads // case.num_heads,
        width=16,
    )


def main(arguments: Sequence[str] | None = None) -> None:
    """Prints a line about the machine, then the measurements."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--sweep", action="store_true", help="time blocks of other sizes")
    parser.add_argument("--case", choices=CASES, action="append", help="default: all")
    parser.add_argument("--dtype", choices=("float32", "bfloat16"), default="bfloat16")
    parser.add_argument("--seconds", type=float, default=420, help="start nothing after that")
    parser.add_argument("--measure-s", type=float, default=1.0, help="time for one measurement")
    parser.add_argument("--cpu-smoke", action="store_true", help="tiny sizes, interpreted")
    args = parser.parse_args(arguments)
    started = time.perf_counter()
    if args.cpu_smoke:
        jax.config.update("jax_platforms", "cpu")
    cases = {name: CASES[name] for name in args.case or CASES}
    if args.cpu_smoke:
        cases = {name: small(case) for name, case in cases.items()}
    machine = {"device": jax.devices()[0].device_kind, "jax": jax.__version__}
    print(json.dumps(machine | {"dtype": args.dtype, "command": sys.argv}), flush=True)
    lines = sweeps if args.sweep else comparisons
    limit_s = 0.0 if args.cpu_smoke else args.measure_s
    for line in lines(cases, jnp.dtype(args.dtype), limit_s):
        print(json.dumps(line), flush=True)
        if time.perf_counter() - started > args.seconds:
            print(json.dumps({"stopped_after_s": args.seconds}), flush=True)
            return


if __name__ == "__main__":
    os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")
    main()
