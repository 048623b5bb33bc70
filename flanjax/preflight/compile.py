"""The training step of a run, compiled for devices that need not be here."""

from __future__ import annotations

import math
import pathlib
import tempfile
import time
from collections.abc import Sequence
from typing import Any, NamedTuple

import jax

from flanjax import parallel
from flanjax.data.batch import SeqBatch
from flanjax.engine import pack
from flanjax.experiment import Experiment
from flanjax.parts import StepParts, compiled_step
from flanjax.preflight import buffers, hlo, out_of_memory
from flanjax.preflight.out_of_memory import Buffer
from flanjax.train.state import abstract_state
from flanjax.train_data import make_layout

_ANY_ID = 1
_PROGRAM = "*jit_step*after_optimizations.txt"
_MEMORY_REPORT = "*jit_step*after_optimizations-memory-usage-report.txt"


class Program(NamedTuple):
    """A compiled step, or one that the compiler found no room for.

    Attributes:
      module: Its HLO; None where the compiler left none.
      memory: Kind -> bytes on a device.
      is_refused: Whether the compiler found too little memory.
      available: Bytes that it says there are then, if it says.
      buffers: The largest temporaries; () where the compiler does not tell.
      flops: The compiler's count on a device, which takes a loop's body once;
        None where it gives none.
      lower_s: Time to trace it.
      compile_s: Time to compile it.
    """

    module: hlo.Module | None
    memory: dict[str, int]
    is_refused: bool
    available: int | None
    buffers: Sequence[Buffer]
    flops: float | None
    lower_s: float
    compile_s: float

    @property
    def needed(self) -> int:
        """Bytes on a device."""
        return sum(self.memory.values())


def abstract_batch(experiment: Experiment, mesh: jax.sharding.Mesh) -> SeqBatch:
    """Returns the shapes of a step's rows, and where they lie."""
    row = pack.pack([[]], make_layout(experiment, _ANY_ID))
    sharding = parallel.batch_sharding(mesh)
    rows: SeqBatch = jax.tree.map(
        lambda array: jax.ShapeDtypeStruct(
            (experiment.train.batch_size, *array.shape[1:]), array.dtype, sharding=sharding
        ),
        row,
    )
    return rows


def compile_train_step(experiment: Experiment, parts: StepParts) -> Program:
    """Compiles the step that training runs; nothing is allocated on any device.

    Args:
      experiment: The run.
      parts: What its step is made of, on a mesh of the devices.
    """
    state = abstract_state(parts.model, parts.tx, parts.mesh, parts.frozen)
    shardings = jax.tree.map(lambda leaf: leaf.sharding, state)
    batch = abstract_batch(experiment, parts.mesh)
    key = jax.eval_shape(lambda: jax.random.key(0))
    step: Any = compiled_step(experiment, parts, shardings)
    started = time.perf_counter()
    lowered = step.lower(state, batch, key)
    lower_s = time.perf_counter() - started
    with tempfile.TemporaryDirectory() as folder:
        options = {"xla_dump_to": folder, "xla_dump_hlo_as_text": True}
        started = time.perf_counter()
        try:
            compiled = lowered.compile(compiler_options=options)
        except RuntimeError as error:
            shortage = out_of_memory.read(str(error))
            if shortage is None:
                raise
            text = _dumped(folder, _PROGRAM)
            memory = {"arguments": _bytes((state, batch)), "temporaries": shortage.needed or 0}
            available, flops, is_refused = shortage.available, None, True
        else:
            text, memory = compiled.as_text(), _memory(compiled)
            available, flops, is_refused = None, _flops(compiled), False
        compile_s = time.perf_counter() - started
        report = _dumped(folder, _MEMORY_REPORT)
    module = hlo.parse(text) if text else None
    largest = buffers.largest(report, module)
    return Program(module, memory, is_refused, available, largest, flops, lower_s, compile_s)


def _dumped(folder: str, pattern: str) -> str:
    """Returns the text of a file that the compiler left, "" where it left none."""
    found = sorted(pathlib.Path(folder).glob(pattern), key=lambda path: path.stat().st_size)
    return found[-1].read_text("utf-8") if found else ""


def _bytes(tree: Any) -> int:
    """Returns what arrays of some shapes and places take on one device."""
    return sum(
        math.prod(leaf.sharding.shard_shape(leaf.shape)) * leaf.dtype.itemsize
        for leaf in jax.tree.leaves(tree)
    )


def _memory(compiled: Any) -> dict[str, int]:
    """Returns what a device holds; outputs lie where donated arguments did."""
    found = compiled.memory_analysis()
    if found is None:
        return {}
    return {
        "arguments": int(found.argument_size_in_bytes),
        "outputs": int(found.output_size_in_bytes - found.alias_size_in_bytes),
        "temporaries": int(found.temp_size_in_bytes),
        "code": int(found.generated_code_size_in_bytes),
    }


def _flops(compiled: Any) -> float | None:
    found = compiled.cost_analysis()
    costs = found[0] if isinstance(found, list) else found
    return (costs or {}).get("flops")
