"""libtpu's compiler where there is no TPU: slices, the step, want of memory."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from flanjax import chips, gin_bridge, parallel
from flanjax.preflight import out_of_memory, report, topology
from flanjax.preflight.examine import examine

TINY = (
    "MODEL_DIR='out'",
    "TRAIN_STEPS=100",
    "BATCH_SIZE=8",
    "TASK_FEATURE_LENGTHS={'inputs': 32, 'targets': 32}",
    "DecoderConfig.dtype='bfloat16'",
    "DecoderConfig.num_layers=3",
    "DecoderConfig.scan_layers=True",
    "DecoderConfig.remat='full'",
    "MeshConfig.fsdp=2",
    "MeshConfig.tensor=2",
)
TPUS = {chip.name: chip for chip in chips.CHIPS if chip.topologies}


@pytest.fixture(scope="module")
def found() -> report.Report:
    """The report on a tiny decoder for four chips of v5e."""
    experiment = gin_bridge.load(["runs/mini_decoder.gin"], TINY).experiment
    return examine(experiment, topology.tpu_target("v5e:2x2"), None)


def test_the_real_step_compiles_for_a_slice_that_is_not_here(found: report.Report) -> None:
    assert found.fits
    assert (found.num_devices, found.mesh) == (4, {"data": 1, "fsdp": 2, "context": 1, "tensor": 2})
    arguments = found.program.memory["arguments"]
    assert 12 * found.parameters[0] / 4 < arguments < 2 * 12 * found.parameters[0] / 4


def test_collectives_of_its_layers_are_counted_for_each(found: report.Report) -> None:
    assert found.counts is not None
    assert 3 in {each.times for each in found.counts.collectives}
    assert all(each.is_known for each in found.counts.collectives)
    kinds = {each.kind for each in found.counts.collectives}
    assert {"all-gather", "all-reduce"} <= kinds  # parameters in pieces; halves of a product


def test_the_estimate_has_all_three_times(found: report.Report) -> None:
    assert found.counts is not None and found.counts.roofline is not None
    roofline = found.counts.roofline
    assert min(roofline.compute_s, roofline.memory_s, roofline.links_s) > 0
    assert roofline.step_s < 1


@pytest.mark.parametrize("name", TPUS)
def test_every_slice_of_the_table_is_known_to_libtpu(name: str) -> None:
    chip = TPUS[name]
    for shape in chip.topologies:
        slice_ = topology.tpu_target(f"{name}:{shape}")
        assert len(slice_.devices) == np.prod(slice_.torus)
        assert chips.of_kind(slice_.devices[0].device_kind) in chips.CHIPS
        assert chips.of_kind(slice_.devices[0].device_kind)[2:] == chip[2:]  # type: ignore[index]


@pytest.mark.parametrize("name", TPUS)
def test_a_program_that_is_too_large_tells_the_memory_of_the_table(name: str) -> None:
    chip = TPUS[name]
    devices = np.array(topology.tpu_target(f"{name}:{chip.topologies[1]}").devices).ravel()
    whole = NamedSharding(Mesh(devices, ("x",)), PartitionSpec())

    def pairs(x: jax.Array) -> jax.Array:
        return jnp.sort(jnp.sin(x)[:, None] * jnp.cos(x)[None, :], axis=0)[0, 0]

    shape = jax.ShapeDtypeStruct((200_000,), jnp.float32, sharding=whole)
    with pytest.raises(RuntimeError) as refused:
        jax.jit(pairs).lower(shape).compile()
    shortage = out_of_memory.read(str(refused.value))
    assert shortage is not None and shortage.is_whole
    assert shortage.needed is not None and shortage.needed > 4 * 200_000**2
    assert shortage.available == pytest.approx(chip.hbm_bytes, abs=2**24)


def test_a_slice_that_cannot_be_is_refused_with_libtpu_s_reason() -> None:
    with pytest.raises(ValueError, match=r"got 'v5e:3x5' \(INVALID_ARGUMENT.*known are v4:"):
        topology.tpu_target("v5e:3x5")


def test_what_is_traced_for_a_tpu_takes_its_code() -> None:
    devices = topology.tpu_target("v5e:2x2").devices
    assert parallel.platform() == "cpu"
    with parallel.compute_on(parallel.make_mesh(parallel.MeshConfig(), devices=devices)):
        assert parallel.platform() == "tpu"
    assert parallel.platform() == "cpu"
