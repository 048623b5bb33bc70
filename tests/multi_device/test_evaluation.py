"""Scoring and writing on a mesh: kernels run on each device's part."""

import dataclasses

import jax
import numpy as np
import pytest

from flanjax import parallel, parts
from flanjax.data.tokenize import ByteTokenizer, TokenizerConfig
from flanjax.evaluation.predict import ModelPredictor
from flanjax.experiment import Experiment
from flanjax.models import families, row_attention
from flanjax.models.api import is_axes
from flanjax.models.decoder import DecoderConfig
from flanjax.models.t5 import T5Config
from flanjax.parallel import MeshConfig, make_mesh
from flanjax.train.loop import TrainConfig

TOKENIZER = ByteTokenizer(extra_ids=0)
MODELS = {
    "t5": T5Config(
        vocab_size=TOKENIZER.vocab_size, d_model=16, d_ff=16, num_heads=4, d_head=8,
        num_encoder_layers=1, num_decoder_layers=1, dropout_rate=0.0, attention_backend="flash",
    ),
    "decoder": DecoderConfig(
        vocab_size=TOKENIZER.vocab_size, d_model=16, d_ff=16, num_heads=4, num_kv_heads=2,
        d_head=8, num_layers=1, attention_backend="flash",
    ),
}  # fmt: skip
PROMPTS = ["a", "bcd", "the rain", "and the sea"]
OPTIONS = [["yes", "no"], ["it is", "no"], ["one"], ["two", "three"]]


def predictor(config, mesh):
    model = families.make_model(config)
    params = jax.jit(model.init)(jax.random.key(1))
    shardings = jax.tree.map(
        lambda axes, leaf: parallel.param_sharding(mesh, axes, leaf.shape),
        model.axes, params, is_leaf=is_axes,
    )  # fmt: skip
    return ModelPredictor(
        model, jax.device_put(params, shardings), TOKENIZER, max_input_length=16,
        max_target_length=8, batch_size=4, mesh=mesh,
    )  # fmt: skip


@pytest.fixture
def kernels(monkeypatch):
    """The axes of the mesh that each kernel was split over, one entry a call."""
    found = []
    map_shards = parallel.map_shards

    def spied(*arguments):
        found.append(dict(jax.sharding.get_abstract_mesh().shape))
        return map_shards(*arguments)

    monkeypatch.setattr(row_attention.parallel, "map_shards", spied)
    return found


@pytest.mark.parametrize("family", MODELS)
def test_kernels_are_split_and_give_what_one_device_gives(kernels, family):
    config = MODELS[family]
    results = []
    for sizes, num in ((MeshConfig(data=2, tensor=2), 4), (MeshConfig(), 1)):
        mesh = make_mesh(sizes, num_devices=num)
        asked = predictor(config, mesh)
        num_calls = len(kernels)
        scores = np.concatenate(asked.score(PROMPTS, OPTIONS))
        assert len(kernels) > num_calls
        num_calls = len(kernels)
        answers = asked.answers(PROMPTS, max_length=4)
        assert len(kernels) > num_calls
        assert all(shape == dict(mesh.shape) for shape in kernels)
        results.append((scores, [[each.text for each in found] for found in answers]))
        kernels.clear()
    np.testing.assert_allclose(results[0][0], results[1][0], rtol=1e-5)
    assert results[0][1] == results[1][1]


def test_a_run_is_scored_on_more_devices_than_its_batch_has_rows(tmp_path):
    experiment = Experiment(
        model_dir=str(tmp_path),
        model=dataclasses.replace(MODELS["decoder"], vocab_size=384, attention_backend="splash"),
        tokenizer=TokenizerConfig(extra_ids=0),
        train=TrainConfig(steps=1, batch_size=4),
    )
    with pytest.raises(ValueError, match="batch_size must be a multiple"):
        parts.assemble(experiment)
    assembled = parts.assemble_to_score(experiment)
    assert assembled.mesh.size == jax.device_count() == 8
    assert assembled.model.config.attention_backend == "auto"
