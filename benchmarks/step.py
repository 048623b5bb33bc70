"""Times one training step: forward, backward and optimizer, on one device.

Run by benchmarks/step.sh, each size in a process of its own. It needs jax,
flax and optax, and nothing that reads data, so it runs on a bare machine.

Every row holds one example that fills it, so all slots are tokens and the
whole of a row's attention is needed work. Memory is the peak of the process:
what the device reports where it does, else the resident set.
"""

from __future__ import annotations

import argparse
import dataclasses
import datetime
import json
import pathlib
import platform
import re
import resource
import shlex
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks import record
from flanjax import parallel
from flanjax.data.batch import Example, SeqBatch
from flanjax.engine import pack
from flanjax.losses.tokens import LossConfig
from flanjax.models import families, flops, kernels
from flanjax.models.configs import EmbeddingConfig, RotaryConfig
from flanjax.models.decoder import DecoderConfig
from flanjax.models.t5 import T5Config
from flanjax.train import objectives, optim
from flanjax.train.state import make_state
from flanjax.train.step import compile_step, make_train_step, put_batch

PACKAGES = ("jax", "jaxlib", "flax", "optax", "numpy")
"""What a step's speed depends on; a result tells their versions."""

_NUM_SPECIAL = 3  # pad, end of sequence, unknown
_EOS_ID = 1
_CEILING_WIDTH = 2048
_CEILING_RUNS = 50


class Size(NamedTuple):
    """A model and the batch it is timed on.

    Attributes:
      config: The model, without dropout.
      batch_size: Rows.
      input_length: Tokens of an encoder row; None for a causal model.
      target_length: Tokens of a decoder row.
      loss_chunk: Columns of the batch whose logits exist at a time; 0 for all.
    """

    config: T5Config | DecoderConfig
    batch_size: int
    input_length: int | None
    target_length: int
    loss_chunk: int = 0

    @property
    def family(self) -> str:
        return "t5" if isinstance(self.config, T5Config) else "decoder"


SIZES = {
    "t5_small": Size(T5Config(dropout_rate=0.0), 4, 512, 128),
    "llama_60m": Size(
        DecoderConfig(
            vocab_size=32_000,
            d_model=512,
            d_ff=1408,
            num_heads=8,
            num_kv_heads=4,
            num_layers=8,
            positions=RotaryConfig(),
            embedding=EmbeddingConfig(),
        ),
        batch_size=4,
        input_length=None,
        target_length=512,
    ),
    "t5_large": Size(
        T5Config(
            d_model=1024,
            d_ff=2816,
            num_heads=16,
            num_encoder_layers=24,
            num_decoder_layers=24,
            dropout_rate=0.0,
            remat="full",
        ),
        batch_size=64,
        input_length=512,
        target_length=128,
    ),
    "llama_1b": Size(DecoderConfig(remat="full"), 8, None, 2048, loss_chunk=256),
}
"""T5 1.1 small and large; a Llama of 56 million parameters; Llama 3.2 1B."""


def full_batch(size: Size, rng: np.random.Generator) -> SeqBatch:
    """Returns rows of random ids, each filled by one example, without padding."""
    target_length, input_length = size.target_length, size.input_length
    layout = pack.Layout(input_length, target_length, eos_id=_EOS_ID)
    num_inputs = target_length // 2 if input_length is None else input_length - 1
    num_targets = target_length - num_inputs if input_length is None else target_length

    def example() -> Example:
        ids = rng.integers(_NUM_SPECIAL, size.config.vocab_size, num_inputs + num_targets - 1)
        targets = np.append(ids[num_inputs:], _EOS_ID)
        return Example(ids[:num_inputs], targets, loss_on_inputs=True)

    return pack.pack([[example()] for _ in range(size.batch_size)], layout)


def num_tokens(batch: SeqBatch) -> int:
    """Returns the tokens of a batch that are not padding."""
    encoder = 0 if batch.encoder is None else np.sum(batch.encoder.segments > 0)
    return int(np.sum(batch.segments > 0) + encoder)


class Timing(NamedTuple):
    """What a run of steps took.

    Attributes:
      num_parameters: Numbers that are trained.
      compile_s: Time to trace and compile the step.
      step_s: Time of each timed step.
      processor_s: Time of a mean timed step summed over the cores, which
        tells a slow step from a busy machine.
      loss: Of the last step.
    """

    num_parameters: int
    compile_s: float
    step_s: list[float]
    processor_s: float
    loss: float


def time_steps(size: Size, batch: SeqBatch, *, num_warmups: int, num_steps: int) -> Timing:
    """Compiles the training step and times it, each step to its end."""
    mesh = parallel.make_mesh(parallel.MeshConfig(), num_devices=1)
    model = families.make_model(size.config)
    adamw = optim.OptimizerConfig(name="adamw", schedule=optim.ScheduleConfig(peak=1e-4))
    tx = optim.make_optimizer(adamw, model.axes, num_steps=num_warmups + num_steps)
    state, shardings = make_state(model, tx, mesh, jax.random.key(0))
    loss = objectives.token_loss(model, LossConfig(chunk=size.loss_chunk))
    jitted: Any = compile_step(make_train_step(loss, tx), mesh, shardings)
    placed = put_batch(batch, mesh)
    key = jax.device_put(jax.random.key(1), parallel.replicated(mesh))
    started = time.perf_counter()
    step = jitted.lower(state, placed, key).compile()
    compile_s = time.perf_counter() - started
    step_s, processor_s = [], []
    for _ in range(num_warmups + num_steps):
        started, processor_started = time.perf_counter(), time.process_time()
        state, metrics = jax.block_until_ready(step(state, placed, key))
        step_s.append(time.perf_counter() - started)
        processor_s.append(time.process_time() - processor_started)
    return Timing(
        num_parameters=sum(leaf.size for leaf in jax.tree.leaves(state.params)),
        compile_s=compile_s,
        step_s=step_s[num_warmups:],
        processor_s=statistics.mean(processor_s[num_warmups:]),
        loss=metrics["loss"].value(),
    )


def measured_ceiling(dtype: str) -> float:
    """Returns FLOP/s of the best of some square products, as models do them."""
    square = jnp.ones((_CEILING_WIDTH, _CEILING_WIDTH), dtype)
    product: Callable[..., jax.Array] = jax.jit(
        lambda a, b: kernels.einsum("ni,io->no", a, b, jnp.float32)
    )
    jax.block_until_ready(product(square, square))
    best_s = float("inf")
    for _ in range(_CEILING_RUNS):
        started = time.perf_counter()
        jax.block_until_ready(product(square, square))
        best_s = min(best_s, time.perf_counter() - started)
    return 2 * _CEILING_WIDTH**3 / best_s


def peak_flops(device: jax.Device, dtype: str) -> tuple[float | None, str]:
    """Returns the FLOP/s that MFU is a share of, and where they are from."""
    if device.platform == "cpu":
        source = f"measured here: best of {_CEILING_RUNS} {_CEILING_WIDTH}^3 products, {dtype}"
        return measured_ceiling(dtype), source
    peak = flops.peak_flops(device.device_kind)
    source = "data sheet of" if peak else "unknown for"
    return peak, f"{source} {device.device_kind}, dense bfloat16"


def peak_memory(device: jax.Device) -> tuple[int, str]:
    """Returns the peak in bytes, and what was read."""
    stats = device.memory_stats()
    if stats and "peak_bytes_in_use" in stats:
        return stats["peak_bytes_in_use"], "device peak_bytes_in_use"
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024, "process max resident set"


def describe_machine(device: jax.Device) -> dict[str, Any]:
    """Returns the device, processor, cores and load."""
    return {
        "device": device.device_kind,
        **record.describe_machine(),
        "system": platform.platform(),
    }


def measure(name: str, size: Size, *, num_warmups: int, num_steps: int) -> dict[str, Any]:
    """Returns one result: what was timed, what it took, and where."""
    device, config = jax.devices()[0], size.config
    machine = describe_machine(device)
    peak, peak_source = peak_flops(device, config.dtype)
    batch = full_batch(size, np.random.default_rng(0))
    rows = flops.full_rows(size.batch_size, size.input_length, size.target_length)
    work = flops.count_work(config, rows)
    timing = time_steps(size, batch, num_warmups=num_warmups, num_steps=num_steps)
    if not np.isfinite(timing.loss):
        raise ValueError(f"the loss of {name} must be finite, got {timing.loss}; see the model.")
    median_s = statistics.median(timing.step_s)
    memory, memory_source = peak_memory(device)
    return {
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "family": size.family,
        "size": name,
        "parameters": timing.num_parameters,
        "matmul_parameters": work.matmul_parameters,
        "batch_shape": [size.batch_size, size.input_length, size.target_length],
        "dtype": config.dtype,
        "scan_layers": config.scan_layers,
        "remat": config.remat,
        "loss_chunk": size.loss_chunk,
        "optimizer": "adamw",
        "steps_timed": num_steps,
        "warmup_steps": num_warmups,
        "compile_s": round(timing.compile_s, 2),
        "step_s": {
            "median": round(median_s, 4),
            "min": round(min(timing.step_s), 4),
            "max": round(max(timing.step_s), 4),
        },
        "processor_s": round(timing.processor_s, 4),
        "tokens_per_step": num_tokens(batch),
        "tokens_per_s": round(num_tokens(batch) / median_s, 1),
        "model_flops_per_step": work.flops,
        "model_flops_formula": work.formula,
        "peak_flops_per_s": peak,
        "peak_source": peak_source,
        "mfu": round(work.flops / median_s / peak, 4) if peak else None,
        "peak_memory_bytes": memory,
        "memory_source": memory_source,
        "loss": round(timing.loss, 4),
        "machine": machine,
        **record.describe_build(PACKAGES),
        "command": shlex.join(["python", "-m", "benchmarks.step", *sys.argv[1:]]),
        "malloc_environment": record.describe_malloc(),
    }


def append_result(path: pathlib.Path, result: dict[str, Any]) -> None:
    """Adds a result to the list in a file, which is written aside and renamed."""
    results = json.loads(path.read_text()) if path.exists() else []
    if not isinstance(results, list):
        raise ValueError(f"{path} must hold a list of results; move it away.")
    record.write_json(path, [*results, result])


def table_row(result: dict[str, Any]) -> str:
    """Returns a result as one row of the table whose head is `TABLE_HEAD`."""
    mfu = "-" if result["mfu"] is None else f"{result['mfu']:.1%}"
    return (
        f"{result['size']:<10} {result['dtype']:<9} {result['scan_layers']!s:<6} "
        f"{result['step_s']['median']:>8.3f} {result['step_s']['min']:>8.3f} "
        f"{result['tokens_per_s']:>10.0f} {mfu:>7} "
        f"{result['peak_memory_bytes'] / 2**30:>7.2f} {result['compile_s']:>10.1f}"
    )


TABLE_HEAD = (
    f"{'size':<10} {'dtype':<9} {'scan':<6} {'step s':>8} {'min s':>8} {'tokens/s':>10} {'MFU':>7} "
    f"{'GiB':>7} {'compile s':>10}"
)


def parse_arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--size", choices=SIZES, help="print the head of the table without it")
    parser.add_argument("--dtype", choices=("float32", "bfloat16"), default="float32")
    parser.add_argument("--unroll", action="store_true", help="no compiled loop over layers")
    parser.add_argument("--remat", choices=("none", "full", "dots"), help="default: the size's own")
    parser.add_argument("--quick", action="store_true", help="3 steps after 1 instead of 7 after 2")
    parser.add_argument("--results", type=pathlib.Path, default=record.ROOT / "benchmarks/results")
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> None:
    """Times one size, prints its row and appends its result."""
    args = parse_arguments(arguments)
    if args.size is None:
        print(TABLE_HEAD)
        return
    size = SIZES[args.size]
    config = dataclasses.replace(
        size.config,
        dtype=args.dtype,
        scan_layers=not args.unroll,
        remat=args.remat or size.config.remat,
    )
    num_warmups, num_steps = (1, 3) if args.quick else (2, 7)
    result = measure(
        args.size, size._replace(config=config), num_warmups=num_warmups, num_steps=num_steps
    )
    device = re.sub(r"\W+", "_", jax.devices()[0].device_kind.lower())
    append_result(args.results / f"step_{device}.json", result)
    print(table_row(result), flush=True)


if __name__ == "__main__":
    main()
