"""T5X checkpoints give here the logits that T5X computed from them."""

from __future__ import annotations

import dataclasses
import io
import json
import pathlib

import jax
import numpy as np
import pytest
import rich.console
from t5x_samples import SAMPLES, model_of

from flanjax import parts, run, start
from flanjax.data.batch import EncoderInput, SeqBatch
from flanjax.data.tokenize import ByteTokenizer, TokenizerConfig
from flanjax.evaluation.cluster import EvalConfig
from flanjax.experiment import DataConfig, Experiment
from flanjax.models.configs import BlockConfig
from flanjax.tasks.mini import CATALOGUE
from flanjax.train.checkpoint import Checkpoints
from flanjax.train.loop import TrainConfig
from flanjax.train.optim import OptimizerConfig, ScheduleConfig


@pytest.fixture(scope="module", params=SAMPLES)
def sample(request, test_data):
    return test_data / "reference/t5x_checkpoints" / request.param


def experiment_of(sample, model_dir="unused", **fields):
    facts = json.loads((sample / "config.json").read_text("utf-8"))
    tokenizer = TokenizerConfig(extra_ids=5)
    fields = {"train": TrainConfig(steps=1), "model": model_of(facts)} | fields
    path = str(sample / facts["checkpoint_dir"])
    return Experiment(
        model_dir=str(model_dir), tokenizer=tokenizer, initial_checkpoint_path=path, **fields
    )


@pytest.fixture(scope="module")
def loaded(sample):
    experiment = experiment_of(sample)
    made = parts.assemble_for_reading(experiment, ByteTokenizer(extra_ids=5))
    path = experiment.initial_checkpoint_path
    return made.model, start.load_params(path, made, parts.param_shardings(made))


def reference_batch(arrays, prefix):
    """Returns a reference's batch; an unpacked row is one example and padding."""
    tokens = {"decoder": arrays[f"{prefix}decoder_target_tokens"]}
    if f"{prefix}encoder_input_tokens" in arrays:
        tokens["encoder"] = arrays[f"{prefix}encoder_input_tokens"]
    segments = {side: (ids > 0).astype(np.int32) for side, ids in tokens.items()}
    positions = {side: np.broadcast_to(np.arange(16), (2, 16)) for side in tokens}
    if prefix:
        segments = {side: arrays[f"{prefix}{side}_segment_ids"] for side in tokens}
        positions = {side: arrays[f"{prefix}{side}_positions"] for side in tokens}
    encoder = None
    if "encoder" in tokens:
        encoder = EncoderInput(tokens["encoder"], segments["encoder"], positions["encoder"])
    return SeqBatch(
        arrays[f"{prefix}decoder_input_tokens"],
        tokens["decoder"],
        arrays[f"{prefix}decoder_loss_weights"].astype(np.float32),
        segments["decoder"],
        positions["decoder"],
        np.zeros((2, 16), bool),
        encoder,
    )


@pytest.mark.parametrize("prefix", ["", "packed_"])
def test_logits_are_those_of_t5x(sample, loaded, prefix):
    model, params = loaded
    arrays = np.load(sample / "reference.npz")
    batch = reference_batch(arrays, prefix)
    logits = np.asarray(jax.jit(lambda p: model.unembed(p, model.hidden(p, batch)))(params))
    is_target = batch.weights == 1
    assert is_target.sum() >= 20
    wanted = arrays[f"{prefix}logits"]
    np.testing.assert_allclose(logits[is_target], wanted[is_target], rtol=0, atol=1e-4)


def test_sums_of_the_parameters_are_those_that_t5x_wrote(sample, loaded):
    tree = json.loads((sample / "tree.json").read_text("utf-8"))
    written = [entry for entry in tree if entry["path"].startswith("target/")]
    assert len(written) >= 20
    leaves = [np.asarray(leaf, np.float64) for leaf in jax.tree.leaves(loaded[1])]
    for name, sum_of in (("sum", np.sum), ("abs_sum", lambda x: np.abs(x).sum())):
        wanted = sum(entry[name] for entry in written)
        assert sum(sum_of(leaf) for leaf in leaves) == pytest.approx(wanted, rel=1e-9)


def test_a_run_starts_from_it_and_says_so(test_data, tmp_path):
    sample = test_data / "reference/t5x_checkpoints/t5_1_1_legacy"
    experiment = experiment_of(
        sample,
        tmp_path / "run",
        data=DataConfig(
            mixture_or_task_name="struct_to_text",
            task_feature_lengths={"inputs": 160, "targets": 64},
            max_examples=20,
            passes=1,
        ),
        optimizer=OptimizerConfig(name="adamw", schedule=ScheduleConfig(peak=1e-12)),
        train=TrainConfig(steps=1, batch_size=2, log_period=1),
        evaluation=EvalConfig(before_and_after=False),
    )
    text = io.StringIO()
    console = rich.console.Console(file=text, width=80)
    run.train_and_evaluate(experiment, CATALOGUE, resolved_text="", command="", console=console)
    path = experiment.initial_checkpoint_path
    assert f"parameters of T5X checkpoint {path}\n" in text.getvalue()
    made = parts.assemble_for_reading(experiment, ByteTokenizer(extra_ids=5))
    before, after = (
        start.load_params(place, made, parts.param_shardings(made))
        for place in (path, experiment.model_dir)
    )
    assert Checkpoints(experiment.model_dir).latest_step() == 1
    for one, other in zip(jax.tree.leaves(before), jax.tree.leaves(after), strict=True):
        np.testing.assert_allclose(one, other, rtol=0, atol=1e-11)


def test_a_refused_checkpoint_leaves_the_run_directory_free(test_data, tmp_path):
    sample = test_data / "reference/t5x_checkpoints/t5_1_0_legacy"
    experiment = experiment_of(sample, tmp_path / "run", data=DataConfig(max_examples=4, passes=1))
    wrong = dataclasses.replace(experiment.model, block=BlockConfig(is_gated=True))
    experiment = dataclasses.replace(experiment, model=wrong)
    with pytest.raises(ValueError, match="missing: decoder/layers_0/mlp/wi_0/kernel"):
        run.train_and_evaluate(
            experiment, CATALOGUE, resolved_text="", command="", console=rich.console.Console()
        )
    assert not pathlib.Path(experiment.model_dir).exists()
