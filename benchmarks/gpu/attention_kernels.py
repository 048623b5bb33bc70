"""Times attention as it is written, cuDNN's, tokamax's and flanjax's own kernels.

    python -m benchmarks.gpu.attention_kernels [--sweep] [--seconds 420] [--tiny]

One JSON line for each case and backend: time of the forward pass and of forward
and backward, memory the program needs beside its operands and results, and how
far output and gradients are from float32's. A backend that fails prints its
error, and one that this machine lacks says so. `--sweep` times flanjax's
kernels with blocks of other sizes instead.
"""

from __future__ import annotations

import argparse
import concurrent.futures
import functools
import json
import os
import statistics
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.gpu import attention_backends
from benchmarks.gpu.attention_backends import (
    BACKENDS,
    CASES,
    Arrays,
    Backend,
    Case,
    Inputs,
    exact,
    flash,
    make_inputs,
    small,
)
from flanjax.models.flash_blocks import Tile
from flanjax.models.flash_tiles import tiles_for

_Name = TypeVar("_Name")
_ROUND_S = 0.02
"""Calls are timed in rounds of about this length, which hides their dispatch."""


CANDIDATES = {
    "forward": "64x64x4x2, 64x64x4x3, 64x128x4x2, 128x32x4x3, 128x64x4x3, 128x64x8x2, 128x64x8x3, "
    "128x128x8x2",
    "queries": "64x32x4x3, 64x64x4x2, 64x64x4x3, 64x64x8x3, 64x128x8x2, 128x32x4x3, 128x64x8x2, "
    "128x64x8x3",
    "keys": "32x64x4x3, 32x128x4x2, 32x128x8x3, 64x64x4x2, 64x64x4x3, 64x64x8x3, 64x128x8x2, "
    "128x64x8x2",
    "table": "64x64x4x1, 64x64x4x2, 64x64x4x3, 64x64x8x2, 64x64x8x3, 64x128x8x2, 128x64x8x2",
}
"""Kernel -> the tiles a sweep tries on Hopper: queries x keys x warps x stages."""


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


def compile_beside(jitted: Mapping[_Name, Any], inputs: Inputs) -> dict[_Name, Callable[[], Any]]:
    """Compiles programs beside one another; what is returned raises where one failed."""

    def compiled(program: Any) -> Any:
        return program.lower(inputs).compile()

    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as executor:
        begun = {name: executor.submit(compiled, program) for name, program in jitted.items()}
    return {name: future.result for name, future in begun.items()}


def measure(
    forward: Any, both: Any, inputs: Inputs, expected: list[np.ndarray], limit_s: float
) -> dict[str, Any]:
    """Returns what one backend does on one case."""
    return {
        "forward_ms": time_ms(forward, inputs, limit_s),
        "both_ms": time_ms(both, inputs, limit_s),
        "forward_temp_mib": round(forward.memory_analysis().temp_size_in_bytes / 2**20, 1),
        "both_temp_mib": round(both.memory_analysis().temp_size_in_bytes / 2**20, 1),
        "errors_out_dq_dk_dv_dtable": distances_from(expected, real_results(inputs, *both(inputs))),
    }


def comparisons(cases: dict[str, Case], dtype: Any, limit_s: float) -> Iterator[dict[str, Any]]:
    """Yields a line for each case and backend."""
    absent = {other: attention_backends.why_absent(other) for other in BACKENDS}
    here = {other: backend for other, backend in BACKENDS.items() if not absent[other]}
    for name, case in cases.items():
        inputs = make_inputs(case, dtype)
        jitted = {
            (other, part): program
            for other, backend in (here | {"exact": exact}).items()
            for part, program in zip(("forward", "both"), programs(backend, case), strict=True)
        }
        finish = compile_beside(jitted, inputs)
        expected = real_results(inputs, *finish["exact", "both"]()(inputs))
        for backend_name in BACKENDS:
            line: dict[str, Any] = {"case": name, "backend": backend_name}
            if absent[backend_name]:
                yield line | {"absent": absent[backend_name]}
                continue
            # A backend may lack the memory, or fail to compile a case: the others go on.
            try:
                forward, both = (finish[backend_name, part]() for part in ("forward", "both"))
                line |= measure(forward, both, inputs, expected, limit_s)
            except Exception as error:
                line["error"] = f"{type(error).__name__}: {error}"[:1000]
            yield line


def sweeps(cases: dict[str, Case], dtype: Any, limit_s: float) -> Iterator[dict[str, Any]]:
    """Yields a line for each case, kernel and block: the time it is part of."""
    platform = "gpu" if jax.default_backend() == "cpu" else jax.default_backend()
    for name, case in cases.items():
        inputs = make_inputs(case, dtype)
        default = tiles_for(platform, case.num_queries, case.num_keys, case.width)
        timed: dict[tuple[str, Tile], Any] = {}
        for kernel, candidates in CANDIDATES.items():
            if kernel == "table" and not case.has_table:
                continue
            tried = (Tile(*map(int, tile.split("x"))) for tile in candidates.split(", "))
            for tile in (getattr(default, kernel), *tried):
                tiles = default._replace(**{kernel: tile})
                forward, both = programs(functools.partial(flash, tiles=tiles), case)
                timed[kernel, tile] = forward if kernel == "forward" else both
        finish = compile_beside(timed, inputs)
        for kernel, tile in timed:
            line: dict[str, Any] = {"case": name, "kernel": kernel, "tile": tile}
            # A block may need more registers or shared memory than there are.
            try:
                line["ms"] = time_ms(finish[kernel, tile](), inputs, limit_s)
            except Exception as error:
                line["error"] = f"{type(error).__name__}: {error}"[:300]
            yield line


def parse_arguments(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--sweep", action="store_true", help="time blocks of other sizes")
    parser.add_argument("--case", choices=CASES, action="append", help="default: all")
    parser.add_argument("--dtype", choices=("float32", "bfloat16"), default="bfloat16")
    parser.add_argument("--seconds", type=float, default=420, help="start nothing after that")
    parser.add_argument("--measure-s", type=float, default=0.5, help="time for one measurement")
    parser.add_argument("--tiny", action="store_true", help="tiny shapes, interpreted on a CPU")
    return parser.parse_args(arguments)


def main() -> None:
    """Prints a line about the machine, then the measurements."""
    args = parse_arguments()
    started = time.perf_counter()
    if args.tiny:
        jax.config.update("jax_platforms", "cpu")
    cases = {name: CASES[name] for name in args.case or CASES}
    if args.tiny:
        cases = {name: small(case) for name, case in cases.items()}
    machine = {"device": jax.devices()[0].device_kind, "jax": jax.__version__}
    print(json.dumps(machine | {"dtype": args.dtype, "settings": vars(args)}), flush=True)
    lines = sweeps if args.sweep else comparisons
    limit_s = 0.0 if args.tiny else args.measure_s
    for line in lines(cases, jnp.dtype(args.dtype), limit_s):
        print(json.dumps(line), flush=True)
        if time.perf_counter() - started > args.seconds:
            print(json.dumps({"stopped_after_s": args.seconds}), flush=True)
            return


if __name__ == "__main__":
    os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")
    main()
