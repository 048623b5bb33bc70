"""What a run may change to need less memory: only what it has not done."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping

from flanjax.experiment import Experiment
from flanjax.train.optim import UNREAD, OptimizerConfig

_NUM_TOLD = 3
_CHUNK_TOKENS = 2048
"""Tokens of a device whose logits exist at a time: enough to keep a matrix unit busy."""
_MORE_PARTS = 4


def remedies(experiment: Experiment, mesh: Mapping[str, int]) -> list[str]:
    """Returns bindings that lower memory, those that cost least first.

    Args:
      experiment: The run.
      mesh: Axis -> devices along it.
    """
    return list(_remedies(experiment, mesh))


def advice(experiment: Experiment, mesh: Mapping[str, int]) -> str:
    """Returns the first remedies as part of a sentence."""
    found = remedies(experiment, mesh)
    return f"try {', '.join(found[:_NUM_TOLD])}"


def _remedies(experiment: Experiment, mesh: Mapping[str, int]) -> Iterator[str]:
    model, train, optimizer = experiment.model, experiment.train, experiment.optimizer
    model_name = type(model).__name__
    copies = mesh["data"] // experiment.mesh.slices  # of the parameters, within a slice
    if copies > 1:
        is_fixed = experiment.mesh.data != -1
        with_data = f" with MeshConfig.data = {experiment.mesh.slices}" if is_fixed else ""
        yield f"MeshConfig.fsdp = {mesh['fsdp'] * copies}{with_data}"
    if model.remat != "full":
        yield f"{model_name}.remat = 'full'"
    rows = train.batch_size // (train.microbatches * mesh["data"] * mesh["fsdp"])
    columns = experiment.loss.chunk or _num_columns(experiment)
    if (chunk := max(1, _CHUNK_TOKENS // max(1, rows))) < min(columns, _num_columns(experiment)):
        yield f"LossConfig.chunk = {chunk}"
    if model.dtype == "float32":
        yield f"{model_name}.dtype = 'bfloat16'"
    if rows > 1:
        parts = next(n for n in range(min(_MORE_PARTS, rows), 0, -1) if rows % n == 0)
        yield f"TrainConfig.microbatches = {train.microbatches * (parts if parts > 1 else rows)}"
    if optimizer.name != "adafactor" and optimizer.moment_dtype == "float32":
        yield "OptimizerConfig.moment_dtype = 'bfloat16'"
    if not model.scan_layers:
        yield f"{model_name}.scan_layers = True"
    num_heads = model.num_kv_heads or model.num_heads
    if mesh["fsdp"] % 2 == 0 and num_heads % (2 * mesh["tensor"]) == 0:
        yield f"MeshConfig.tensor = {2 * mesh['tensor']} with MeshConfig.fsdp = {mesh['fsdp'] // 2}"
    if optimizer.name not in ("adafactor", "sgd"):
        yield "OptimizerConfig.name = 'adafactor'" + _without(optimizer, "adafactor")
    yield "shorter TASK_FEATURE_LENGTHS"
    yield "more devices"
    yield "a smaller model"


def _without(optimizer: OptimizerConfig, name: str) -> str:
    """Returns which of its settings another optimizer would refuse."""
    refused = [
        f"OptimizerConfig.{field.name}"
        for field in dataclasses.fields(optimizer)
        if field.name in (*UNREAD[name], "moment_dtype")
        and getattr(optimizer, field.name) != field.default
    ]
    return f" without {' and '.join(refused)}" if refused else ""


def _num_columns(experiment: Experiment) -> int:
    """Returns the length of the rows that have logits."""
    lengths = experiment.data.task_feature_lengths
    return lengths["targets"] + (0 if experiment.is_encoder_decoder else lengths["inputs"])
