"""Looks at a run before it trains: everything but a step itself."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import jax

from flanjax.data.catalogue import Catalogue
from flanjax.experiment import Experiment
from flanjax.models import flops
from flanjax.parts import assemble_step
from flanjax.preflight import collectives, remedies, report, roofline, traffic
from flanjax.preflight.checks import check_run
from flanjax.preflight.compile import Program, compile_train_step
from flanjax.preflight.topology import Target
from flanjax.train.state import abstract_state
from flanjax.undivided import undivided_lines


def examine(
    experiment: Experiment,
    target: Target,
    load_catalogue: Callable[[], Catalogue] | None,
    on_phase: Callable[[str], None] = lambda name: None,
) -> report.Report:
    """Returns what is found of a run.

    Args:
      experiment: The run.
      target: What it would train on.
      load_catalogue: Gives its tasks; None looks at the step alone.
      on_phase: Told what is being done.

    Raises:
      ValueError: Batch, mesh and devices do not fit one another.
    """
    parts = assemble_step(experiment, devices=target.devices)
    checks = check_run(experiment, load_catalogue, parts, on_phase) if load_catalogue else []
    on_phase("compiling")
    program = compile_train_step(experiment, parts)
    counts = _count(experiment, program, target)
    state = abstract_state(parts.model, parts.tx, parts.mesh, parts.frozen)
    mesh = dict(parts.mesh.shape)
    return report.Report(
        target=target.name,
        num_devices=parts.mesh.size,
        mesh=mesh,
        parameters=(_size(state.params), _size(state.frozen)),
        model_flops=_work(experiment).flops,
        tokens=_tokens(experiment),
        checks=checks,
        undivided=undivided_lines(parts.model, parts.mesh),
        program=program,
        whole_batch=_whole_batch(experiment, counts, mesh),
        counts=counts,
        available=target.memory,
        advice=remedies.advice(experiment, mesh),
    )


def _whole_batch(
    experiment: Experiment, counts: report.Counts | None, mesh: Mapping[str, int]
) -> list[collectives.Collective]:
    if counts is None or mesh["data"] * mesh["fsdp"] == 1:
        return []
    lengths = tuple(experiment.data.task_feature_lengths.values())
    return collectives.of_whole_batch(
        counts.collectives,
        experiment.train.batch_size // experiment.train.microbatches,
        lengths if experiment.is_encoder_decoder else (sum(lengths),),
    )


def _size(tree: object) -> int:
    return sum(leaf.size for leaf in jax.tree.leaves(tree))


def _rows(experiment: Experiment) -> flops.Counted:
    """Counts a step whose rows are one example each, the most work it can be."""
    lengths = experiment.data.task_feature_lengths
    inputs, targets = lengths["inputs"], lengths["targets"]
    if not experiment.is_encoder_decoder:
        return flops.full_rows(experiment.train.batch_size, None, inputs + targets)
    return flops.full_rows(experiment.train.batch_size, inputs, targets)


def _work(experiment: Experiment) -> flops.Work:
    return flops.count_work(experiment.model, _rows(experiment))


def _tokens(experiment: Experiment) -> int:
    rows = _rows(experiment)
    return rows.num_inputs + rows.num_targets


def _count(experiment: Experiment, program: Program, target: Target) -> report.Counts | None:
    if program.module is None:
        return None
    num_devices = len(target.devices)
    found = collectives.find(program.module, num_devices)
    memory_bytes = traffic.memory_bytes(program.module)
    estimate = None
    if target.chip is not None:
        own = _work(experiment).flops / num_devices
        estimate = roofline.estimate(
            target.chip,
            flops=own,
            # The forward pass is a third of forward and backward.
            repeated_flops=own / 3 if experiment.model.remat == "full" else 0.0,
            memory_bytes=memory_bytes,
            collectives=found,
            torus=target.torus,
        )
    return report.Counts(memory_bytes, found, estimate)
