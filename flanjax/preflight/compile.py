"""The training step of a run, compiled for devices that need not be here."""

from __future__ import annotations

import time
from typing import Any, NamedTuple

import jax

from flanjax import parallel, target
from flanjax.data.batch import SeqBatch
from flanjax.engine import pack
from flanjax.experiment import Experiment
from flanjax.parts import StepParts, assemble_step, compiled_step
from flanjax.preflight.topology import Target
from flanjax.train.state import abstract_state
from flanjax.train_data import make_layout

_ANY_ID = 1


class Program(NamedTuple):
    """A compiled step.

    Attributes:
      text: Its HLO.
      lower_s: Time to trace it.
      compile_s: Time to compile it.
      memory: Kind -> bytes on a device.
      flops: The compiler's count on a device, which takes a loop's body once;
        None where it gives none.
    """

    text: str
    lower_s: float
    compile_s: float
    memory: dict[str, int]
    flops: float | None


def abstract_batch(experiment: Experiment, mesh: jax.sharding.Mesh) -> SeqBatch:
    """Returns the shapes of a step's rows, and where they lie."""
    row = pack.pack([[]], make_layout(experiment, _ANY_ID))
    sharding = parallel.batch_sharding(mesh)
    return jax.tree.map(
        lambda array: jax.ShapeDtypeStruct(
            (experiment.train.batch_size, *array.shape[1:]), array.dtype, sharding=sharding
        ),
        row,
    )


def compile_train_step(experiment: Experiment, parts: StepParts, platform: str) -> Program:
    """Compiles the step that training runs; nothing is allocated on any device.

    Raises:
      RuntimeError: The compiler finds no room for it; `out_of_memory.read`
        reads its text.
    """
    state = abstract_state(parts.model, parts.tx, parts.mesh, parts.frozen)
    shardings = jax.tree.map(lambda leaf: leaf.sharding, state)
    batch = abstract_batch(experiment, parts.mesh)
    key = jax.eval_shape(lambda: jax.random.key(0))
    step: Any = compiled_step(experiment, parts, shardings)
    started = time.perf_counter()
    with target.compiling_for(platform):
        lowered = step.lower(state, batch, key)
    traced = time.perf_counter()
    compiled = lowered.compile()
    compile_s = time.perf_counter() - traced
    return Program(
        compiled.as_text(), traced - started, compile_s, _memory(compiled), _flops(compiled)
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
