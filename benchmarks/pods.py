"""Compiles the training step of public models for TPU slices, and tells what fits.

    python -m benchmarks.pods --all        one after another, each in a process of its own
    python -m benchmarks.pods llama_8b_v5e

No TPU is needed, but libtpu is: pip install "jax[tpu]". A run is `flanjax preflight --step_only`
with the bindings below; its JSON goes to benchmarks/results/pods.json, the newest of each name.
Times of compilation are this machine's; step times are estimates from data sheets.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import pathlib
import shlex
import subprocess
import sys
import time
from collections.abc import Sequence
from typing import Any, NamedTuple

from benchmarks import record

RESULTS = record.ROOT / "benchmarks/results/pods.json"
_PACKAGES = ("jax", "jaxlib", "libtpu", "flax", "optax")


class Pod(NamedTuple):
    """A model on a slice.

    Attributes:
      model: A file of gin_configs/models.
      topology: The slice.
      batch_size: Rows per step.
      lengths: Tokens of prompts and targets; a causal row holds both.
      bindings: Mesh, and what makes it fit.
    """

    model: str
    topology: str
    batch_size: int
    lengths: tuple[int, int]
    bindings: tuple[str, ...]

    def command(self) -> list[str]:
        """Returns the arguments of `flanjax` that compile it."""
        inputs, targets = self.lengths
        config = "T5Config" if self.model.startswith("t5") else "DecoderConfig"
        bindings = (
            "MODEL_DIR='out'",
            "TOKENIZER_PATH='not read'",
            "TRAIN_STEPS=1000",
            f"BATCH_SIZE={self.batch_size}",
            f"TASK_FEATURE_LENGTHS={{'inputs': {inputs}, 'targets': {targets}}}",
            f"{config}.dtype='bfloat16'",
            f"{config}.remat='full'",
            "OptimizerConfig.name='adamw'",
            *self.bindings,
        )
        return [
            "preflight",
            "--step_only",
            "--json",
            f"--topology={self.topology}",
            "--gin_file=base.gin",
            f"--gin_file=models/{self.model}.gin",
            *(f"--gin.{binding}" for binding in bindings),
        ]


_T5 = ("t5_1_1_xxl", (512, 128))
_8B = ("llama_3_1_8b", (1536, 512))
_70B = ("llama_3_1_70b", (1536, 512))


def _pod(model: tuple[str, tuple[int, int]], topology: str, batch: int, *bindings: str) -> Pod:
    return Pod(model[0], topology, batch, model[1], bindings)


PODS = {
    "t5_xxl_v5e": _pod(_T5, "v5e:16x16", 512, "MeshConfig.fsdp=256"),
    "t5_xxl_v5p": _pod(_T5, "v5p:4x4x4", 512, "MeshConfig.fsdp=64"),
    "t5_xxl_v6e": _pod(_T5, "v6e:8x8", 512, "MeshConfig.fsdp=64"),
    "llama_8b_v5e": _pod(_8B, "v5e:16x16", 256, "MeshConfig.fsdp=256", "LossConfig.chunk=256"),
    "llama_8b_v5p": _pod(_8B, "v5p:4x4x4", 256, "MeshConfig.fsdp=64", "LossConfig.chunk=256"),
    "llama_8b_v6e": _pod(_8B, "v6e:8x8", 256, "MeshConfig.fsdp=64", "LossConfig.chunk=256"),
    "llama_70b_v5e": _pod(
        _70B, "v5e:16x16", 256, "MeshConfig.fsdp=256", "LossConfig.chunk=256"
    ),
    "llama_70b_v5p": _pod(
        _70B, "v5p:4x4x8", 256, "MeshConfig.fsdp=128", "LossConfig.chunk=256"
    ),
    "llama_70b_v6e": _pod(
        _70B, "v6e:16x16", 256, "MeshConfig.fsdp=256", "LossConfig.chunk=256"
    ),
}  # fmt: skip
"""T5 1.1 XXL (11 B) and Llama 3.1 8B and 70B; AdamW in float32, products in bfloat16."""


def measure(name: str) -> dict[str, Any]:
    """Compiles one, in a process of its own, and returns what preflight tells of it."""
    command = PODS[name].command()
    started = time.perf_counter()
    child = subprocess.Popen(
        [sys.executable, "-m", "flanjax.cli.main", *command],
        cwd=record.ROOT,
        env={**os.environ, "JAX_PLATFORMS": "cpu"},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert child.stdout is not None
    with child.stdout as pipe:
        output = pipe.read()
    _, status, usage = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    if not output:
        raise ChildProcessError(
            f"{name} must end with a report, got status {child.returncode}; "
            "read its last words above, and where there are none, give it more memory."
        )
    return {
        "name": name,
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "command": shlex.join(["flanjax", *command]),
        **json.loads(output),
        "wall_s": round(time.perf_counter() - started, 1),
        "host_memory_bytes": usage.ru_maxrss * 1024,
        "machine": record.describe_machine(),
        **record.describe_build(_PACKAGES),
    }


def keep(result: dict[str, Any], path: pathlib.Path = RESULTS) -> None:
    """Puts a result in place of an earlier one of its name; the file is renamed into place."""
    earlier = json.loads(path.read_text("utf-8")) if path.exists() else []
    results = {each["name"]: each for each in [*earlier, result]}
    known = [results.pop(name) for name in PODS if name in results]
    record.write_json(path, [*known, *results.values()])


TABLE_HEAD = (
    "| model | slice | mesh | rows x tokens | memory per chip | step, estimate | traced + compiled "
    "|\n|---|---|---|---|---|---|---|"
)


def table_row(result: dict[str, Any]) -> str:
    """Returns a result as a row of the table whose head is `TABLE_HEAD`."""
    pod = PODS[result["name"]]
    mesh = " x ".join(f"{axis} {size}" for axis, size in result["mesh"].items() if size > 1)
    needed, available = (result[key] for key in ("needed_bytes", "available_bytes"))
    memory = f"{needed / 2**30:.1f} of {available / 2**30:.4g} GiB" + (
        "" if result["fits"] else ": does not fit"
    )
    estimate = result.get("roofline_estimate")
    step = f"{estimate['step_s']:.2f} s" if estimate else "-"
    times = f"{result['lower_s']:.0f} + {result['compile_s']:.0f} s"
    rows = f"{pod.batch_size} x ({pod.lengths[0]} + {pod.lengths[1]})"
    return f"| {pod.model} | {pod.topology} | {mesh} | {rows} | {memory} | {step} | {times} |"


def main(arguments: Sequence[str] | None = None) -> None:
    """Compiles what is named, keeps the results and prints the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(PODS)}")
    parser.add_argument("--all", action="store_true", help="compile all of them")
    args = parser.parse_args(arguments)
    if unknown := set(args.names) - set(PODS):
        parser.error(f"unknown {', '.join(sorted(unknown))}; known are {', '.join(PODS)}")
    failed = []
    for name in PODS if args.all else args.names:
        try:
            result = measure(name)
        except ChildProcessError as error:  # the compiler took its process with it
            print(error, file=sys.stderr)
            failed.append(name)
            continue
        keep(result)
        print(f"{name}: {result['verdict']}, {result['wall_s']:.0f} s", file=sys.stderr)
    if RESULTS.exists():
        print(TABLE_HEAD)
        for result in json.loads(RESULTS.read_text("utf-8")):
            print(table_row(result))
    if failed:
        sys.exit(f"without a report: {', '.join(failed)}")


if __name__ == "__main__":
    main()
