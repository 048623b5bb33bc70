"""A run with an average, eight-bit moments and weights in bfloat16."""

from __future__ import annotations

import pathlib

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from click.testing import Result

from flanjax import model_dir, opened, start
from flanjax.interop.places import everything
from flanjax.parts import assemble_to_score, param_shardings
from tests.e2e import verbs
from tests.e2e.verbs import flanjax, values

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
TrainConfig.checkpoint_period = 1
TrainConfig.keep_checkpoints = 4
OptimizerConfig.name = 'adamw'
OptimizerConfig.moment_dtype = 'int8'
OptimizerConfig.weight_dtype = 'bfloat16'
ScheduleConfig.peak = 0.01
EmaConfig.decay = 0.5
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    place = tmp_path_factory.mktemp("optimizer")
    (place / "model.gin").write_text(MODEL + "\n".join(verbs.SMALL), "utf-8")
    return place


def train(folder: pathlib.Path, name: str, steps: int, *bindings: str, code: int = 0) -> Result:
    return verbs.train(folder / "model.gin", folder / name, steps, *bindings, code=code)


@pytest.fixture(scope="module")
def unbroken(folder: pathlib.Path) -> pathlib.Path:
    train(folder, "unbroken", 4)
    return folder / "unbroken"


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
    checkpoints = [unbroken / "checkpoints" / str(step) for step in (1, 2, 3, 4)]
    steps = [values(path) for path in checkpoints]
    average = values(unbroken, weights="averaged")
    assert average.keys() == steps[0].keys()
    assert average["layers/mlp/up"].dtype == np.float32
    name = "norm/scale"  # float32, so what is averaged is what was kept
    # With decay 0.5 the newest weights count 8, those before 4, 2 and 1.
    shares = {2: (1 / 3, 2 / 3), 3: (1 / 7, 2 / 7, 4 / 7), 4: (1 / 15, 2 / 15, 4 / 15, 8 / 15)}
    for count, parts in shares.items():
        expected = sum(part * step[name] for part, step in zip(parts, steps[:count], strict=True))
        found = values(checkpoints[count - 1], weights="averaged")[name]
        np.testing.assert_allclose(found, expected, rtol=1e-6)

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
    experiment = model_dir.read_run(str(unbroken))
    made = assemble_to_score(experiment)  # it keeps weights in bfloat16, not the average
    shardings = param_shardings(made)
    read = start.load_params(str(unbroken), made, shardings, weights="averaged")
    np.testing.assert_array_equal(read["layers"]["mlp"]["up"], average["layers/mlp/up"])


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
