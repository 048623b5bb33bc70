"""Times a checkpoint of a training state: saved to disk, and restored.

Prints one JSON line. The disk's own speed stands beside: one file of as many
bytes, at most 4 GB, written and synchronised.
"""

from __future__ import annotations

import argparse
import functools
import os
import pathlib
import tempfile
import time
from collections.abc import Callable, Sequence
from typing import Any

import jax
import numpy as np

from benchmarks.peers import sizes, turns
from flanjax import parallel
from flanjax.models import families
from flanjax.train import optim
from flanjax.train.state import make_state

_MOST_RAW_BYTES = 4_000_000_000
_BLOCK_BYTES = 64_000_000


def measure(config: sizes.Config, folder: pathlib.Path) -> dict[str, Any]:
    """Returns GB/s of saving and restoring a state of AdamW, and what blocks the step."""
    try:
        from flanjax.train.checkpoint import Checkpoints
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != "orbax":
            raise
        return {"absent": f"checkpoints are not measured: {error}"}
    mesh = parallel.make_mesh(parallel.MeshConfig(), num_devices=1)
    model = families.make_model(config)
    tx = optim.make_optimizer(optim.OptimizerConfig(name="adamw"), model.axes, num_steps=1)
    state, shardings = jax.block_until_ready(make_state(model, tx, mesh, jax.random.key(0)))
    num_bytes = sum(leaf.nbytes for leaf in jax.tree.leaves(state))
    checkpoints = Checkpoints(folder)
    blocked_s = _seconds(functools.partial(checkpoints.save, 1, state, {}))
    saved_s = blocked_s + _seconds(checkpoints.wait)
    like = jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype), state)
    del state
    restored_s = _seconds(lambda: jax.block_until_ready(checkpoints.restore(1, like, shardings)[0]))
    checkpoints.close()
    raw_bytes = min(num_bytes, _MOST_RAW_BYTES)
    raw_s = _seconds(lambda: _write(folder / "raw", raw_bytes))
    return {
        "num_bytes": num_bytes,
        "save_blocks_s": round(blocked_s, 3),
        "save_gb_per_s": round(num_bytes / saved_s / 1e9, 3),
        "restore_gb_per_s": round(num_bytes / restored_s / 1e9, 3),
        "raw_write_gb_per_s": round(raw_bytes / raw_s / 1e9, 3),
    }


def _seconds(action: Callable[[], object]) -> float:
    started = time.perf_counter()
    action()
    return time.perf_counter() - started


def _write(path: pathlib.Path, num_bytes: int) -> None:
    block = np.random.default_rng(0).bytes(min(num_bytes, _BLOCK_BYTES))
    with path.open("wb") as file:
        for start in range(0, num_bytes, len(block)):
            file.write(block[: num_bytes - start])
        file.flush()
        os.fsync(file.fileno())


def parse_arguments(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--size", choices=sizes.CONFIGS, required=True)
    parser.add_argument("--tiny", action="store_true", help="a model of that kind, but tiny")
    return parser.parse_args(arguments)


def main() -> None:
    """Measures one size, in a folder that is removed."""
    args = parse_arguments()
    with tempfile.TemporaryDirectory() as folder:
        found = measure(sizes.find(args.size, is_tiny=args.tiny), pathlib.Path(folder))
    turns.say({**found, "device": jax.devices()[0].device_kind})


if __name__ == "__main__":
    main()
