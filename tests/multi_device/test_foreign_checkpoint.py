"""A checkpoint of another make in a mesh: a device reads its slices alone."""

from __future__ import annotations

import jax
import numpy as np
import pytest

from flanjax import model_dir, opened, parallel, parts, start
from flanjax.data.tokenize import ByteTokenizer
from flanjax.experiment import Experiment, to_plain
from flanjax.interop.hf import checkpoint
from flanjax.interop.places import StoredArray
from flanjax.models.configs import EmbeddingConfig
from flanjax.models.decoder import DecoderConfig
from flanjax.models.families import make_model
from flanjax.train.checkpoint import Checkpoints
from flanjax.train.loop import TrainConfig
from flanjax.train.optim import OptimizerConfig
from flanjax.train.restore import RestoreConfig
from flanjax.train.state import make_state

CONFIG = DecoderConfig(
    vocab_size=384,
    d_model=16,
    d_ff=32,
    num_heads=4,
    num_kv_heads=2,
    d_head=8,
    num_layers=2,
    embedding=EmbeddingConfig(),
)
MESH = parallel.MeshConfig(fsdp=4, tensor=2)


@pytest.fixture
def folder(tmp_path):
    shapes = opened.shapes_of(CONFIG)
    rng = np.random.default_rng(0)
    values = {name: rng.normal(size=s).astype(np.float32) for name, s in shapes.items()}
    arrays = {k: StoredArray(v.shape, v.dtype, v.__getitem__) for k, v in values.items()}
    target = tmp_path / "hf"
    checkpoint.write_checkpoint(target, "llama", CONFIG, arrays, dtype=np.dtype(np.float32))
    return target, values


@pytest.fixture
def made():
    experiment = Experiment(
        model_dir="unused", model=CONFIG, mesh=MESH, train=TrainConfig(steps=1, batch_size=8)
    )
    return parts.assemble(experiment, ByteTokenizer(extra_ids=125))


def test_each_device_gets_its_part_of_every_parameter(folder, made):
    path, values = folder
    params = start.load_params(str(path), made, parts.param_shardings(made))
    leaves = jax.tree_util.tree_leaves_with_path(params)
    assert len(leaves) == len(values)
    for where, leaf in leaves:
        wanted = values["/".join(key.key for key in where)]
        for shard in leaf.addressable_shards:
            np.testing.assert_array_equal(shard.data, wanted[shard.index])


def test_no_device_reads_what_another_has(folder, made):
    path, _ = folder
    read = checkpoint.open_checkpoint(path)
    asked: dict[str, list[int]] = {}

    def watched(name, array):
        def part(index):
            found = array.read(index)
            asked.setdefault(name, []).append(found.size)
            return found

        return StoredArray(array.shape, array.dtype, part)

    arrays = {name: watched(name, array) for name, array in read.arrays.items()}
    shapes = opened.shapes_of(CONFIG)
    ours = checkpoint.our_arrays(read._replace(arrays=arrays), shapes)
    like = jax.eval_shape(make_model(CONFIG).init, jax.random.key(0))
    start.read_into(ours, like, parts.param_shardings(made))
    embedding = asked["model.embed_tokens.weight"]
    assert set(embedding) == {384 * 16 // 8}
    query = asked["model.layers.1.self_attn.q_proj.weight"]
    assert set(query) == {16 * 32 // 8}


@pytest.mark.parametrize("freeze", [(), ("embed", "layers/mlp/.*")])
def test_a_state_in_a_mesh_starts_from_a_run_on_one_device(tmp_path, freeze):
    optimizer = OptimizerConfig(freeze=freeze, min_dim_to_factor=8)
    alone, meshed = (
        parts.assemble(
            Experiment(
                model_dir="unused",
                model=CONFIG,
                mesh=mesh,
                optimizer=optimizer,
                train=TrainConfig(steps=9, batch_size=8),
            ),
            ByteTokenizer(extra_ids=125),
        )
        for mesh in (parallel.MeshConfig(data=8), MESH)
    )
    stored, _ = state_on(alone, seed=0)
    stored = jax.tree.map(lambda leaf: leaf + 3, stored)  # a step, counters and moments unlike zero
    folder = tmp_path / "run"
    checkpoints = Checkpoints(folder)
    checkpoints.save(3, stored, {})
    checkpoints.wait()
    checkpoints.close()
    alone.tokenizer.save(folder / model_dir.TOKENIZER)
    model_dir.write_json(folder / model_dir.MODEL, {"model": to_plain(CONFIG)})

    fresh, shardings = state_on(meshed, seed=1)
    begun = start.open_start(str(folder), meshed, RestoreConfig(optimizer_state="keep"))
    found = start.apply(begun, fresh, shardings)
    assert (found.frozen is None) == (not freeze)
    assert jax.tree.structure(found) == jax.tree.structure(stored)
    for ours, theirs, sharding in zip(
        *map(jax.tree.leaves, (found, stored, shardings)), strict=True
    ):
        np.testing.assert_array_equal(ours, theirs)
        assert ours.sharding.is_equivalent_to(sharding, ours.ndim)


def state_on(made, *, seed):
    return make_state(made.model, made.tx, made.mesh, jax.random.key(seed), made.frozen)
