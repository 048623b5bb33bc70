"""Times what a host pays for a training step besides its computing.

    python -m benchmarks.dispatch

A step that computes next to nothing takes and gives the state of a real run:
as many arrays as a model with stacked layers and its optimizer have, small ones,
donated, on one device, jit-compiled as a run's step is. Calls are timed in a
row, the last one waited for, so the little that is computed is part of it.
Results are kept in benchmarks/results/dispatch.json.
"""

from __future__ import annotations

import dataclasses
import itertools
import json
import statistics
import time
from typing import Any, Literal

import jax
import numpy as np

from benchmarks import record
from benchmarks.step import SIZES, full_batch
from flanjax import parallel
from flanjax.base import Mean
from flanjax.models import families
from flanjax.train.optim import OptimizerConfig, make_optimizer
from flanjax.train.state import make_state
from flanjax.train.step import compile_step, put_batch

_NUM_CALLS = 40
_NUM_ROUNDS = 75
_SMALL = {"vocab_size": 64, "d_model": 16, "d_ff": 16, "num_heads": 2, "d_head": 8}


def measure(name: str, optimizer: Literal["adafactor", "adamw"]) -> dict[str, Any]:
    """Returns the time of a call, and of a batch's way to the device, in us."""
    size = SIZES[name]
    config: Any = dataclasses.replace(
        size.config,
        **_SMALL,
        **({"num_kv_heads": 2} if name.startswith("llama") else {}),
    )
    model = families.make_model(config)
    tx = make_optimizer(OptimizerConfig(name=optimizer), model.axes, num_steps=10)
    mesh = parallel.make_mesh(parallel.MeshConfig(), num_devices=1)
    state, shardings = make_state(model, tx, mesh, jax.random.key(0))
    rows = full_batch(size._replace(config=config), np.random.default_rng(0))
    key = jax.random.key(1)

    def nothing(state: Any, batch: Any, key: Any) -> Any:
        return state._replace(step=state.step + 1), {"loss": Mean(batch.weights[0, 0], state.step)}

    step = compile_step(nothing, mesh, shardings)
    batch = put_batch(rows, mesh)
    state, _ = step(state, batch, key)
    calls, puts = [], []
    for _ in range(_NUM_ROUNDS):
        jax.block_until_ready(state)
        started = time.perf_counter()
        for _ in range(_NUM_CALLS):
            state, _ = step(state, batch, key)
        jax.block_until_ready(state)
        calls.append((time.perf_counter() - started) / _NUM_CALLS)
        started = time.perf_counter()
        jax.block_until_ready([put_batch(rows, mesh) for _ in range(_NUM_CALLS // 10)])
        puts.append((time.perf_counter() - started) / (_NUM_CALLS // 10))
    return {
        "model": name,
        "optimizer": optimizer,
        "arrays": len(jax.tree.leaves((state, batch, key))),
        "call_us": round(statistics.median(calls) * 1e6, 1),
        "put_us": round(statistics.median(puts) * 1e6, 1),
    }


def main() -> None:
    """Measures, prints and keeps every case."""
    found = []
    optimizers: tuple[Literal["adafactor", "adamw"], ...] = ("adafactor", "adamw")
    for name, optimizer in itertools.product(("t5_large", "llama_1b"), optimizers):
        found.append(measure(name, optimizer))
        print(json.dumps(found[-1]), flush=True)
    about = {"command": "python -m benchmarks.dispatch", **record.describe_machine()}
    about |= record.describe_build(("jax", "jaxlib")) | {"device": jax.devices()[0].device_kind}
    record.write_json(record.ROOT / "benchmarks/results/dispatch.json", {**about, "cases": found})


if __name__ == "__main__":
    main()
