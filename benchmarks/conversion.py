"""How much memory and time a conversion takes: a synthetic checkpoint of 2 GB.

  .venv-test/bin/python -m benchmarks.conversion --output benchmarks/results/conversion.json

A Llama-like model in bfloat16, in shards of at most 500 MB, is imported and exported again, each in
a process of its own. Memory is the largest resident set, less that of a process that imported the
same modules and did nothing; the rate is bytes of the checkpoint by seconds of the conversion.
"""

from __future__ import annotations

import argparse
import datetime
import json
import math
import os
import pathlib
import platform
import subprocess
import sys
import tempfile
import time
from typing import Any

import ml_dtypes
import numpy as np

from flanjax import opened
from flanjax.interop.hf import checkpoint
from flanjax.interop.places import StoredArray
from flanjax.models.configs import EmbeddingConfig, RotaryConfig
from flanjax.models.decoder import DecoderConfig

CONFIG = DecoderConfig(
    vocab_size=32_000,
    d_model=2048,
    d_ff=5632,
    num_heads=16,
    num_kv_heads=4,
    d_head=128,
    num_layers=20,
    positions=RotaryConfig(),
    embedding=EmbeddingConfig(),
)
_SHARD_BYTES = 500_000_000
_DTYPE = np.dtype(ml_dtypes.bfloat16)
_MEASURED = """
import json, pathlib, re, sys, time
import ml_dtypes, numpy as np
from flanjax import conversion, opened
verb, source, target = sys.argv[1:]
started = time.perf_counter()
if verb == "import":
    conversion.import_into(opened.open_any(source), pathlib.Path(target))
elif verb == "export":
    conversion.export_hf(
        opened.open_any(source), pathlib.Path(target), model_type="llama",
        dtype=np.dtype(ml_dtypes.bfloat16),
    )
seconds = time.perf_counter() - started
status = pathlib.Path("/proc/self/status").read_text()
peak = int(re.search(r"VmHWM:\\s+(\\d+) kB", status)[1]) / 1024
print(json.dumps({"seconds": seconds, "peak_mib": peak}))
"""


def write_checkpoint(folder: pathlib.Path) -> int:
    """Writes the synthetic checkpoint; returns its bytes."""

    def stored(shape: tuple[int, ...], seed: int) -> StoredArray:
        def read(index: tuple[slice, ...]) -> np.ndarray:
            sizes = [len(range(*part.indices(n))) for part, n in zip(index, shape, strict=True)]
            rng = np.random.default_rng(seed)
            return (0.02 * rng.standard_normal(sizes, np.float32)).astype(_DTYPE)

        return StoredArray(shape, _DTYPE, read)

    shapes = opened.shapes_of(CONFIG)
    arrays = {name: stored(shape, seed) for seed, (name, shape) in enumerate(shapes.items())}
    checkpoint.write_checkpoint(
        folder, "llama", CONFIG, arrays, dtype=_DTYPE, max_shard_bytes=_SHARD_BYTES
    )
    about = {"tokenizer_class": "ByT5Tokenizer", "extra_ids": 125}
    (folder / "tokenizer_config.json").write_text(json.dumps(about), "utf-8")
    return sum(math.prod(shape) for shape in shapes.values()) * _DTYPE.itemsize


def measure(verb: str, source: pathlib.Path, target: pathlib.Path) -> dict[str, float]:
    """Runs a conversion in a process of its own; "nothing" gives the baseline."""
    command = [sys.executable, "-c", _MEASURED, verb, str(source), str(target)]
    environment = {**os.environ, "JAX_PLATFORMS": "cpu"}
    ended = subprocess.run(command, check=True, capture_output=True, text=True, env=environment)
    found: dict[str, float] = json.loads(ended.stdout.splitlines()[-1])
    return found


def run(folder: pathlib.Path) -> dict[str, Any]:
    """Measures import and export."""
    started = time.perf_counter()
    num_bytes = write_checkpoint(folder / "hf")
    written_s = time.perf_counter() - started
    baseline = measure("nothing", folder, folder)["peak_mib"]
    lines = {}
    for verb, source, target in (("import", "hf", "own"), ("export", "own", "back")):
        found = measure(verb, folder / source, folder / target)
        lines[verb] = {
            "seconds": round(found["seconds"], 2),
            "gb_per_s": round(num_bytes / found["seconds"] / 1e9, 3),
            "peak_mib": round(found["peak_mib"]),
            "peak_mib_beyond_the_interpreter": round(found["peak_mib"] - baseline),
        }
    return {
        "bytes": num_bytes,
        "written_s": round(written_s, 2),
        "baseline_mib": round(baseline),
        **lines,
    }


def main() -> None:
    """Reads the command line, measures, writes and prints the result."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--output", type=pathlib.Path, help="where to write the result")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        found = {
            "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
            "command": "python -m benchmarks.conversion",
            "machine": {"cores": os.cpu_count(), "python": platform.python_version()},
            **run(pathlib.Path(folder)),
        }
    text = json.dumps(found, indent=2)
    if arguments.output:
        arguments.output.write_text(text + "\n", "utf-8")
    print(text)


if __name__ == "__main__":
    main()
