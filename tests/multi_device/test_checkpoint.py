"""A checkpoint does not depend on the mesh, nor on the optimizer that reads it."""

from __future__ import annotations

import jax
import numpy as np
import pytest

from flanjax import start
from flanjax.interop import orbax_format
from flanjax.models import families
from flanjax.models.decoder import DecoderConfig
from flanjax.models.t5 import T5Config
from flanjax.parallel import MeshConfig, make_mesh
from flanjax.train.checkpoint import Checkpoints
from flanjax.train.optim import OptimizerConfig, make_optimizer
from flanjax.train.state import init_state, state_shardings

CONFIGS = {
    "t5": T5Config(
        vocab_size=64, d_model=16, d_ff=32, num_heads=4, d_head=8,
        num_encoder_layers=2, num_decoder_layers=2,
    ),
    "decoder": DecoderConfig(
        vocab_size=64, d_model=16, d_ff=32, num_heads=4, num_kv_heads=2, d_head=8, num_layers=2
    ),
}  # fmt: skip
ONE_AXIS = MeshConfig(data=8)
THREE_AXES = MeshConfig(data=2, fsdp=2, tensor=2)
POSITION = {"window": 3, "row": 17}


def make(family, mesh_config, *, optimizer="adafactor", seed=0):
    """Returns a state of random numbers laid over a mesh, and its shardings."""
    model = families.make_model(CONFIGS[family])
    width = {"min_dim_to_factor": 16} if optimizer == "adafactor" else {}
    settings = OptimizerConfig(name=optimizer, **width)
    tx = make_optimizer(settings, model.axes, num_steps=9)
    shardings = state_shardings(model, tx, make_mesh(mesh_config))
    shapes = jax.eval_shape(lambda key: init_state(model, tx, key), jax.random.key(0))
    rng = np.random.default_rng(seed)

    def fill(leaf, sharding):
        return jax.device_put(rng.normal(0, 99, leaf.shape).astype(leaf.dtype), sharding)

    return jax.tree.map(fill, shapes, shardings), shardings


def save(folder, step, state, position=POSITION):
    checkpoints = Checkpoints(folder)
    checkpoints.save(step, state, position)
    checkpoints.close()


def assert_same_bits(found, expected):
    assert jax.tree.structure(found) == jax.tree.structure(expected)
    for a, b in zip(jax.tree.leaves(found), jax.tree.leaves(expected), strict=True):
        assert a.dtype == b.dtype
        np.testing.assert_array_equal(np.asarray(a), np.asarray(b))


@pytest.mark.parametrize(("family", "optimizer"), [("t5", "adafactor"), ("decoder", "adamw")])
def test_state_saved_on_one_mesh_is_the_same_on_another(tmp_path, family, optimizer):
    saved, _ = make(family, ONE_AXIS, optimizer=optimizer)
    save(tmp_path, 5, saved)
    like, shardings = make(family, THREE_AXES, optimizer=optimizer, seed=1)
    checkpoints = Checkpoints(tmp_path)
    restored, position = checkpoints.restore(checkpoints.latest_step(), like, shardings)
    checkpoints.close()
    assert_same_bits(restored, saved)
    assert position == POSITION
    for leaf, sharding in zip(jax.tree.leaves(restored), jax.tree.leaves(shardings), strict=True):
        assert leaf.sharding.is_equivalent_to(sharding, leaf.ndim)
    assert any(not leaf.sharding.is_fully_replicated for leaf in jax.tree.leaves(restored.params))


def test_parameters_alone_are_read_whatever_the_optimizer(tmp_path):
    saved, _ = make("t5", THREE_AXES, optimizer="adafactor")
    save(tmp_path, 5, saved)
    like, shardings = make("t5", ONE_AXIS, optimizer="adamw", seed=1)
    stored = orbax_format.open_arrays(tmp_path / "checkpoints/5/state", top="params")
    restored = start.read_into(stored, like.params, shardings.params)
    assert_same_bits(restored, saved.params)


def test_interrupted_save_is_ignored(tmp_path):
    first, shardings = make("decoder", ONE_AXIS)
    save(tmp_path, 5, first)
    whole = tmp_path / "checkpoints" / "5"
    broken = tmp_path / "checkpoints" / "6.orbax-checkpoint-tmp"
    (broken / "state").mkdir(parents=True)
    (broken / "state" / "manifest.ocdbt").write_bytes(b"half a file")
    checkpoints = Checkpoints(tmp_path)
    assert checkpoints.latest_step() == 5
    second, _ = make("decoder", ONE_AXIS, seed=1)
    checkpoints.save(6, second, {"window": 4, "row": 0})
    checkpoints.wait()
    assert checkpoints.latest_step() == 6
    restored, position = checkpoints.restore(6, first, shardings)
    checkpoints.close()
    assert_same_bits(restored, second)
    assert position == {"window": 4, "row": 0}
    assert whole.is_dir()


def test_only_the_newest_are_kept(tmp_path):
    state, _ = make("decoder", ONE_AXIS)
    checkpoints = Checkpoints(tmp_path, keep=2)
    for step in (1, 2, 3):
        checkpoints.save(step, state, POSITION)
        checkpoints.wait()
    checkpoints.close()
    assert sorted(p.name for p in (tmp_path / "checkpoints").iterdir()) == ["2", "3"]


def test_the_state_of_another_optimizer_is_refused_in_a_line(tmp_path):
    save(tmp_path, 4, make("decoder", ONE_AXIS, optimizer="adamw")[0])
    like, shardings = make("decoder", ONE_AXIS, optimizer="adafactor")
    message = (
        r"checkpoint .*/4 must hold the arrays of the run's state, got others: .{9,240}; start"
    )
    with pytest.raises(ValueError, match=message):
        Checkpoints(tmp_path).restore(4, like, shardings)
