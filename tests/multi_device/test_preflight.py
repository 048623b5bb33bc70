"""Preflight on eight devices: known collectives are counted, the step is real."""

from __future__ import annotations

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import NamedSharding, PartitionSpec

from flanjax import parallel, parts
from flanjax.engine import pack
from flanjax.experiment import DataConfig, Experiment
from flanjax.parallel import MeshConfig
from flanjax.preflight import collectives, compile, hlo, topology
from flanjax.preflight.examine import examine
from flanjax.train.loop import TrainConfig
from flanjax.train.optim import OptimizerConfig
from flanjax.train.state import abstract_state, make_state
from flanjax.train_data import make_layout
from tests.unit.tiny_models import TINY_DECODER

WIDE = dataclasses.replace(
    TINY_DECODER, vocab_size=64, d_model=16, d_ff=32, num_kv_heads=2, d_head=8, num_layers=5
)
EXPERIMENT = Experiment(
    model_dir="out",
    model=WIDE,
    data=DataConfig(task_feature_lengths={"inputs": 8, "targets": 8}),
    optimizer=OptimizerConfig(name="adamw"),
    mesh=MeshConfig(fsdp=4, tensor=2),
    train=TrainConfig(steps=10, batch_size=8),
)


def found(function, in_spec, out_spec, shape):
    """Compiles a function of each device's part, and returns its collectives."""
    mesh = parallel.make_mesh(MeshConfig(fsdp=4, tensor=2))
    whole = jax.shard_map(
        function, mesh=mesh, in_specs=in_spec, out_specs=out_spec, check_vma=False
    )
    place = NamedSharding(mesh, in_spec)
    argument = jax.ShapeDtypeStruct(shape, jnp.float32, sharding=place)
    text = jax.jit(whole).lower(argument).compile().as_text()
    return [(c.kind, c.num_bytes, c.group, c.times) for c in collectives.find(hlo.parse(text), 8)]


ROWS, NONE = PartitionSpec("fsdp"), PartitionSpec()


@pytest.mark.parametrize(
    ("function", "in_spec", "out_spec", "expected"),
    [
        (lambda x: jax.lax.psum(x, "fsdp"), ROWS, NONE, ("all-reduce", 4 * 64, 4)),
        (
            lambda x: jax.lax.all_gather(x, "fsdp", tiled=True),
            ROWS, NONE, ("all-gather", 16 * 64, 4),
        ),
        (
            lambda x: jax.lax.psum_scatter(x, "fsdp", tiled=True),
            NONE, ROWS, ("reduce-scatter", 16 * 64, 4),
        ),
        (
            lambda x: jax.lax.ppermute(x, "tensor", [(0, 1), (1, 0)]),
            ROWS, ROWS, ("collective-permute", 4 * 64, 2),
        ),
        (
            lambda x: jax.lax.all_to_all(x, "fsdp", 1, 0, tiled=True),
            ROWS, PartitionSpec(None, "fsdp"), ("all-to-all", 4 * 64, 4),
        ),
    ],
)  # fmt: skip
def test_what_a_program_asks_for_is_what_is_counted(function, in_spec, out_spec, expected):
    kind, num_elements, group = expected
    assert found(function, in_spec, out_spec, (16, 64)) == [(kind, num_elements * 4, group, 1)]


def test_what_stands_in_a_scan_is_counted_for_each_turn():
    def turns(x):
        return jax.lax.scan(
            lambda x, _: (jnp.tanh(jax.lax.psum(x, "tensor")), None), x, None, length=7
        )[0]

    assert found(turns, ROWS, ROWS, (16, 64)) == [("all-reduce", 4 * 64 * 4, 2, 7)]


def test_shapes_and_places_are_those_of_the_state_that_training_makes():
    step = parts.assemble_step(EXPERIMENT)
    shapes = abstract_state(step.model, step.tx, step.mesh)
    made, _ = make_state(step.model, step.tx, step.mesh, jax.random.key(0))

    def same(shape, array):
        assert (shape.shape, shape.dtype) == (array.shape, array.dtype)
        assert shape.sharding.is_equivalent_to(array.sharding, array.ndim)

    jax.tree.map(same, shapes, made)


def test_the_rows_are_those_that_training_reads():
    mesh = parallel.make_mesh(EXPERIMENT.mesh)
    shapes = compile.abstract_batch(EXPERIMENT, mesh)
    rows = pack.pack([[]] * 8, make_layout(EXPERIMENT, 1))
    jax.tree.map(lambda s, r: np.testing.assert_equal((s.shape, s.dtype), (r.shape, r.dtype)),
                 shapes, rows)  # fmt: skip
    assert shapes.tokens.sharding == parallel.batch_sharding(mesh)


def test_the_step_on_eight_devices_holds_an_eighth_of_what_is_split():
    report = examine(EXPERIMENT, topology.local_target(), None)
    assert report.fits and report.checks == []
    assert report.mesh == {"data": 1, "fsdp": 4, "context": 1, "tensor": 2}
    trained, _ = report.parameters
    state = report.program.memory["arguments"]
    # Norms are on every device; all else is in eight parts.
    assert 12 * trained / 8 < state < 1.5 * 12 * trained / 8
    times = {each.times for each in report.counts.collectives}
    assert 5 in times  # layers
    assert {"all-gather", "all-reduce"} <= {each.kind for each in report.counts.collectives}


def test_a_mesh_over_given_devices_takes_them_in_their_number():
    devices = jax.devices()[4:]
    mesh = parallel.make_mesh(MeshConfig(fsdp=2), devices=devices)
    assert dict(mesh.shape) == {"data": 2, "fsdp": 2, "context": 1, "tensor": 1}
    assert set(mesh.devices.flat) == set(devices)
    with pytest.raises(ValueError, match="must multiply to the 4 devices"):
        parallel.make_mesh(MeshConfig(fsdp=8), devices=devices)
