"""The mesh, and what lies where on it; eight devices are tests/multi_device's."""

import types

import jax
import jax.numpy as jnp
import pytest
from jax.sharding import AxisType, PartitionSpec

from flanjax import parallel
from flanjax.parallel import MeshConfig, make_mesh
from flanjax.train.step import check_batch


@pytest.mark.parametrize("name", ["data", "fsdp", "context", "tensor", "slices"])
def test_sizes_are_positive(name):
    with pytest.raises(ValueError, match=f"mesh {name} must be positive.*got 0"):
        MeshConfig(**{name: 0})


def test_axes_multiply_to_the_devices():
    with pytest.raises(ValueError, match=r"the 1 devices, got .* context 3 x tensor 1;"):
        make_mesh(MeshConfig(context=3), num_devices=1)


def test_slices_are_those_of_the_devices():
    with pytest.raises(ValueError, match="must be the 1 processes of the devices, got 2; change"):
        parallel._over_slices(2, (2, 1, 1, 1), jax.devices())
    with pytest.raises(ValueError, match="data must be a multiple of its slices, got 3 and 2"):
        parallel._over_slices(2, (3, 1, 1, 1), jax.devices())


def test_the_data_axis_alone_leaves_a_slice():
    devices = [
        types.SimpleNamespace(
            slice_index=n // 4, process_index=n // 4, id=n, platform="gpu", device_kind="v"
        )
        for n in range(8)
    ]
    laid = parallel._over_slices(2, (4, 1, 1, 2), devices)
    assert laid.shape == (4, 1, 1, 2)
    assert [[device.slice_index for device in row.flat] for row in laid] == [
        [0, 0], [0, 0], [1, 1], [1, 1]
    ]  # fmt: skip


def test_a_mesh_divides_rows_and_their_columns():
    sizes = {"data": 2, "fsdp": 1, "context": 4, "tensor": 1}
    mesh = jax.sharding.AbstractMesh(tuple(sizes.values()), tuple(sizes))
    check_batch(4, 2, mesh, (8, 12))
    with pytest.raises(ValueError, match="multiples of the mesh's context 4, got 10; change"):
        check_batch(4, 2, mesh, (8, 10))


def test_without_a_mesh_nothing_is_laid_anywhere():
    x = jnp.ones((2, 3))
    assert parallel.constrain(x, "batch", "embed") is x
    assert parallel.map_shards(jnp.sin, [("batch", None)], ("batch", None)) is jnp.sin
    assert parallel.divides(7, "batch")
    assert not parallel.splits_columns()


def test_activations_lie_as_their_rules_say():
    mesh = jax.sharding.AbstractMesh((2, 2, 2, 4), parallel.MESH_AXES, (AxisType.Auto,) * 4)

    def lay(x):
        with jax.sharding.use_abstract_mesh(mesh):
            assert parallel.splits_columns()
            assert parallel.divides(8, "batch") and not parallel.divides(6, "batch")
            return parallel.constrain(x, "batch", "length", "mlp")

    def spec(*shape):
        traced = jax.make_jaxpr(lay)(jax.ShapeDtypeStruct(shape, jnp.float32))
        return traced.eqns[0].params["sharding"].spec

    assert spec(8, 6, 16) == PartitionSpec(("data", "fsdp"), "context", "tensor")
    assert spec(8, 5, 18) == PartitionSpec(("data", "fsdp"), None, None)
