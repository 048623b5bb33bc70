"""Remedies follow from what a run has not done yet."""

from __future__ import annotations

import dataclasses

import pytest

from flanjax.experiment import DataConfig, Experiment
from flanjax.losses.tokens import LossConfig
from flanjax.parallel import MeshConfig
from flanjax.preflight import remedies
from flanjax.train.loop import TrainConfig
from flanjax.train.optim import OptimizerConfig
from tests.unit.tiny_models import TINY_DECODER, TINY_T5

WASTEFUL = Experiment(
    model_dir="out",
    model=dataclasses.replace(TINY_DECODER, scan_layers=False),
    data=DataConfig(task_feature_lengths={"inputs": 1024, "targets": 1024}),
    optimizer=OptimizerConfig(name="adamw"),
    train=TrainConfig(steps=1, batch_size=64),
)
MESH = {"data": 4, "fsdp": 2, "tensor": 1}


def test_a_run_that_has_done_nothing_may_do_all():
    assert remedies.remedies(WASTEFUL, MESH) == [
        "MeshConfig.fsdp = 8",
        "DecoderConfig.remat = 'full'",
        "LossConfig.chunk = 256",
        "DecoderConfig.dtype = 'bfloat16'",
        "TrainConfig.microbatches = 4",
        "OptimizerConfig.moment_dtype = 'bfloat16'",
        "DecoderConfig.scan_layers = True",
        "OptimizerConfig.name = 'adafactor'",
        "shorter TASK_FEATURE_LENGTHS",
        "more devices",
        "a smaller model",
    ]
    assert remedies.advice(WASTEFUL, MESH) == (
        "try MeshConfig.fsdp = 8, DecoderConfig.remat = 'full', LossConfig.chunk = 256"
    )


DONE = {
    "MeshConfig.fsdp": (WASTEFUL, {"data": 1, "fsdp": 8, "tensor": 1}),
    "DecoderConfig.remat": (
        dataclasses.replace(WASTEFUL, model=dataclasses.replace(WASTEFUL.model, remat="full")),
        MESH,
    ),
    "DecoderConfig.dtype": (
        dataclasses.replace(WASTEFUL, model=dataclasses.replace(WASTEFUL.model, dtype="bfloat16")),
        MESH,
    ),
    "LossConfig.chunk": (dataclasses.replace(WASTEFUL, loss=LossConfig(chunk=256)), MESH),
    "TrainConfig.microbatches": (
        dataclasses.replace(WASTEFUL, train=TrainConfig(steps=1, batch_size=64, microbatches=8)),
        MESH,
    ),
    "OptimizerConfig.moment_dtype": (
        dataclasses.replace(
            WASTEFUL, optimizer=OptimizerConfig(name="adamw", moment_dtype="bfloat16")
        ),
        MESH,
    ),
    "OptimizerConfig": (
        dataclasses.replace(WASTEFUL, optimizer=OptimizerConfig(name="adafactor")),
        MESH,
    ),
    "DecoderConfig.scan_layers": (
        dataclasses.replace(WASTEFUL, model=dataclasses.replace(WASTEFUL.model, scan_layers=True)),
        MESH,
    ),
}


@pytest.mark.parametrize("name", DONE)
def test_what_is_done_is_not_proposed(name):
    proposed = remedies.remedies(*DONE[name])
    assert not any(remedy.startswith(name) for remedy in proposed)
    assert any(remedy.startswith(name) for remedy in remedies.remedies(WASTEFUL, MESH))


def test_another_optimizer_is_proposed_without_what_it_refuses():
    refused = "OptimizerConfig.b2 and OptimizerConfig.moment_dtype"
    for changes, without in (
        ({}, ""),
        ({"moment_dtype": "int8", "b2": 0.95}, f" without {refused}"),
    ):
        optimizer = OptimizerConfig(name="adamw", **changes)
        experiment = dataclasses.replace(WASTEFUL, optimizer=optimizer)
        told = f"OptimizerConfig.name = 'adafactor'{without}"
        assert told in remedies.remedies(experiment, MESH)


def test_an_encoder_decoder_is_called_by_its_own_config():
    t5 = dataclasses.replace(WASTEFUL, model=dataclasses.replace(TINY_T5, remat="dots"))
    assert "T5Config.remat = 'full'" in remedies.remedies(t5, MESH)


@pytest.mark.parametrize(("batch", "now", "wanted"), [(80, 2, 10), (56, 1, 7), (40, 1, 5)])
def test_more_microbatches_never_leave_longer_ones(batch, now, wanted):
    train = TrainConfig(steps=1, batch_size=batch, microbatches=now)
    found = remedies.remedies(dataclasses.replace(WASTEFUL, train=train), MESH)
    assert f"TrainConfig.microbatches = {wanted}" in found


def test_microbatches_divide_the_rows_of_a_device():
    six = dataclasses.replace(WASTEFUL, train=TrainConfig(steps=1, batch_size=48))
    assert "TrainConfig.microbatches = 3" in remedies.remedies(six, MESH)  # 6 rows a device
    seven = dataclasses.replace(WASTEFUL, train=TrainConfig(steps=1, batch_size=56))
    assert "TrainConfig.microbatches = 7" in remedies.remedies(seven, MESH)


def test_tensor_shards_are_proposed_where_heads_allow_them():
    wide = dataclasses.replace(
        WASTEFUL, model=dataclasses.replace(TINY_DECODER, num_heads=4, num_kv_heads=4)
    )
    assert "MeshConfig.tensor = 2 with MeshConfig.fsdp = 1" in remedies.remedies(wide, MESH)
    whole = {"data": 1, "fsdp": 1, "tensor": 4}
    assert not any("tensor" in remedy for remedy in remedies.remedies(wide, whole))


@pytest.mark.parametrize(
    ("batch_size", "targets", "chunk", "proposed"),
    [
        (64, 128, 0, None),  # 8 rows a device: 1,024 tokens are few already
        (512, 128, 0, 32),
        (64, 2048, 2048, 256),  # a chunk as long as the rows is none
        (64, 2048, 512, 256),
        (64, 2048, 128, None),
        (64 * 4096, 128, 0, 1),
    ],
)
def test_a_chunk_is_columns_of_the_decoder_and_fewer_than_there_are(
    batch_size, targets, chunk, proposed
):
    run = dataclasses.replace(
        WASTEFUL,
        model=TINY_T5,
        data=DataConfig(task_feature_lengths={"inputs": 1024, "targets": targets}),
        loss=LossConfig(chunk=chunk),
        train=TrainConfig(steps=1, batch_size=batch_size),
    )
    found = [r for r in remedies.remedies(run, MESH) if r.startswith("LossConfig")]
    assert found == ([] if proposed is None else [f"LossConfig.chunk = {proposed}"])


@pytest.mark.parametrize(
    ("config", "mesh", "proposed"),
    [
        (MeshConfig(fsdp=2), {"data": 4, "fsdp": 2}, "MeshConfig.fsdp = 8"),
        (MeshConfig(data=4, fsdp=2), {"data": 4, "fsdp": 2}, "fsdp = 8 with MeshConfig.data = 1"),
        (MeshConfig(fsdp=2, slices=2), {"data": 4, "fsdp": 2}, "MeshConfig.fsdp = 4"),
        (
            MeshConfig(data=4, fsdp=2, slices=2),
            {"data": 4, "fsdp": 2},
            "= 4 with MeshConfig.data = 2",
        ),
        (MeshConfig(fsdp=4, slices=2), {"data": 2, "fsdp": 4}, None),
    ],
)
def test_slices_keep_their_copies_of_the_parameters(config, mesh, proposed):
    run = dataclasses.replace(WASTEFUL, mesh=config)
    first = remedies.remedies(run, {**mesh, "tensor": 1})[0]
    if proposed is None:
        assert not first.startswith("MeshConfig")
    else:
        assert first.endswith(proposed)
