"""A run with an average, eight-bit moments and weights in bfloat16."""

from __future__ import annotations

import pathlib
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from click.testing import CliRunner, Result

from flanjax import opened
from flanjax.cli.main import main
from flanjax.interop.places import everything

MODEL = """
include 'base.gin'
include 'objectives/instruction.gin'
MODEL = @DecoderConfig()
DecoderConfig.vocab_size = 384
DecoderConfig.d_model = 32
DecoderConfig.d_ff = 160
DecoderConfig.num_heads = 2
DecoderConfig.num_kv_heads = 2
DecoderConfig.d_head = 16
DecoderConfig.num_layers = 1
BATCH_SIZE = 2
MIXTURE_OR_TASK_NAME = 'struct_to_text'
TASK_FEATURE_LENGTHS = {'inputs': 160, 'targets': 64}
DataConfig.max_examples = 20
DataConfig.passes = 1
EvalConfig.before_and_after = False
TrainConfig.checkpoint_period = 2
OptimizerConfig.name = 'adamw'
OptimizerConfig.moment_dtype = 'int8'
OptimizerConfig.weight_dtype = 'bfloat16'
ScheduleConfig.peak = 0.01
EmaConfig.decay = 0.5
"""


def flanjax(*arguments: Any, code: int = 0) -> Result:
    ended = CliRunner().invoke(main, [str(a) for a in arguments], prog_name="flanjax")
    assert ended.exit_code == code, ended.output
    return ended


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    place = tmp_path_factory.mktemp("optimizer")
    (place / "model.gin").write_text(MODEL, "utf-8")
    return place


def train(folder: pathlib.Path, name: str, steps: int, *bindings: str, code: int = 0) -> Result:
    named = [f"TRAIN_STEPS={steps}", f"MODEL_DIR='{folder / name}'", *bindings]
    gin = [f"--gin.{binding}" for binding in named]
    return flanjax("train", f"--gin_file={folder / 'model.gin'}", *gin, code=code)


@pytest.fixture(scope="module")
def unbroken(folder: pathlib.Path) -> pathlib.Path:
    train(folder, "unbroken", 4)
    return folder / "unbroken"


def values(path: Any, **options: Any) -> dict[str, np.ndarray]:
    arrays = opened.open_any(str(path), **options).arrays
    return {name: array.read(everything(array.shape)) for name, array in arrays.items()}


def state(path: pathlib.Path) -> dict[str, np.ndarray]:
    leaves = opened.open_any(str(path)).opt_state
    assert leaves is not None
    return {name: array.read(everything(array.shape)) for name, array in leaves.items()}


def test_a_run_that_is_resumed_ends_in_the_same_bits(folder, unbroken):
    train(folder, "resumed", 2)
    assert "resumed from step 2" in train(folder, "resumed", 4).output
    for read in (values, state):
        expected, found = read(unbroken), read(folder / "resumed")
        assert expected.keys() == found.keys()
        for name, array in expected.items():
            assert found[name].dtype == array.dtype
            np.testing.assert_array_equal(found[name], array, err_msg=name)
    leaves = state(unbroken)
    assert leaves["mu/layers/mlp/up"].dtype == np.int8
    assert leaves["nu/layers/mlp/up"].dtype == np.uint8
    assert leaves["mu_scales/layers/mlp/up"].shape == (1, 32, 1)
    assert values(unbroken)["layers/mlp/up"].dtype == jnp.bfloat16


def test_the_average_of_a_run_is_what_is_scored_exported_and_started_from(folder, unbroken):
    steps = [values(unbroken / "checkpoints" / str(step)) for step in (2, 4)]
    average = values(unbroken, weights="averaged")
    assert average.keys() == steps[0].keys()
    assert average["layers/mlp/up"].dtype == np.float32
    name = "norm/scale"  # float32, so what is averaged is what was kept
    assert (average[name] != steps[1][name]).any()
    two = values(unbroken / "checkpoints/2", weights="averaged")[name]
    # Decay 0.5 after four updates: 1, 2, 4, 8 fifteenths; after two 1, 2 thirds.
    # What the third update led to, which no checkpoint holds, lies between its neighbours.
    third = (average[name] * 15 - two * 3 - steps[1][name] * 8) / 4
    low = np.minimum(steps[0][name], steps[1][name]) - 0.02
    assert (third > low).all() and (third < np.maximum(steps[0][name], steps[1][name]) + 0.02).all()

    flanjax("export", "hf", unbroken, folder / "hf", "--weights=averaged", "--family=llama")
    exported = values(folder / "hf")
    for path, array in average.items():
        np.testing.assert_array_equal(exported[path], array, err_msg=path)

    begin = [f"INITIAL_CHECKPOINT_PATH='{unbroken}'", "RestoreConfig.weights='averaged'"]
    assert (
        "; averaged weights" in train(folder, "next", 1, "ScheduleConfig.peak=1e-9", *begin).output
    )
    found = values(folder / "next")[name]
    np.testing.assert_allclose(found, average[name], rtol=1e-6)
    said = flanjax(
        "eval", f"--checkpoint={unbroken}", "--weights=averaged", "--max_examples=1",
        "--cluster=struct_to_text",
    ).output  # fmt: skip
    assert "averaged weights" in said


def test_weights_without_an_average_are_refused(folder, unbroken):
    train(folder, "plain", 1, "EmaConfig.decay=0.0")
    ended = flanjax("export", "hf", folder / "plain", folder / "none", "--weights=averaged", code=1)
    assert "weights 'averaged' must be read of a run that kept an average, got" in ended.stderr
    # An average may begin in a run that goes on from one without.
    begin = [f"INITIAL_CHECKPOINT_PATH='{folder / 'plain'}'"]
    keep = "RestoreConfig.optimizer_state='keep'"
    assert "average anew" in train(folder, "late", 2, *begin, keep).output
    assert jax.tree.leaves(state(folder / "late")["ema_count/0"]) == [1]


def test_float32_moments_do_not_go_on_as_eight_bits(folder, unbroken):
    begin = [f"INITIAL_CHECKPOINT_PATH='{unbroken}'", "RestoreConfig.optimizer_state='keep'"]
    ended = train(folder, "wide", 6, "OptimizerConfig.moment_dtype='float32'", *begin, code=1)
    assert "optimizer_state 'keep' must have the run's own optimizer" in ended.stderr
