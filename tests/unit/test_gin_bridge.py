"""gin files resolve to one experiment, or are refused in one line."""

from __future__ import annotations

import dataclasses
import os
import pathlib
import subprocess
import sys
from collections.abc import Sequence
from typing import Any

import gin
import pytest

from flanjax import gin_bridge, gin_statements
from flanjax.experiment import Experiment
from flanjax.gin_values import GinError

BASE = gin_statements.config_dir() / "base.gin"
TINY = gin_statements.config_dir() / "models" / "t5_tiny.gin"
HEAD = """\
include 'base.gin'
include 'models/t5_tiny.gin'
MODEL_DIR = 'out'
TRAIN_STEPS = 5
"""


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def write(name: str, text: str) -> str:
    path = pathlib.Path(name)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, "utf-8")
    return name


def load(text: str, bindings: Sequence[str] = (), **options: Any) -> gin_bridge.Resolved:
    return gin_bridge.load([write("x.gin", text)], bindings, **options)


def test_values_reach_the_fields_they_are_meant_for() -> None:
    experiment = load(
        HEAD
        + "DROPOUT_RATE = 0.25\nHOLD_OUT = 'nli'\nRANDOM_SEED = 7\nBATCH_SIZE = 16\n"
        + "TASK_FEATURE_LENGTHS = {'inputs': 64, 'targets': 32}\nDATA_DIR = 'd'\n"
        + "CATALOGUE = 'mine:ALL'\nMIXTURE_OR_TASK_NAME = 'rte'\nINITIAL_CHECKPOINT_PATH = 'c'\n"
        + "ScheduleConfig:\n  name = 'linear'\n  warmup_steps = 2\n"
    ).experiment
    assert isinstance(experiment, Experiment)
    data, train, schedule = experiment.data, experiment.train, experiment.optimizer.schedule
    assert experiment.model_dir == "out"
    assert experiment.initial_checkpoint_path == "c"
    assert (data.catalogue, data.mixture_or_task_name, data.hold_out) == ("mine:ALL", "rte", "nli")
    assert (data.task_feature_lengths, data.data_dir) == ({"inputs": 64, "targets": 32}, "d")
    assert (train.steps, train.batch_size, train.seed) == (5, 16, 7)
    assert (experiment.model.dropout_rate, experiment.model.d_model) == (0.25, 128)
    assert (schedule.name, schedule.warmup_steps) == ("linear", 2)


def test_an_int_becomes_a_float_where_a_float_is_meant() -> None:
    peak = load(HEAD + "ScheduleConfig.peak = 1\n").experiment.optimizer.schedule.peak
    assert (peak, type(peak)) == (1.0, float)


def test_macros_inside_a_dict_are_replaced() -> None:
    text = HEAD + "TASK_FEATURE_LENGTHS = {'inputs': %INPUTS, 'targets': 32}\nINPUTS = 64\n"
    lengths = load(text).experiment.data.task_feature_lengths
    assert lengths == {"inputs": 64, "targets": 32}


def test_the_including_file_a_later_file_and_the_command_line_override_in_this_order() -> None:
    write(
        "y.gin",
        "include 'base.gin'\ninclude 'models/t5_tiny.gin'\nBATCH_SIZE = 1\nTRAIN_STEPS = 1\n",
    )
    write(
        "x.gin",
        "include 'y.gin'\nMODEL_DIR = 'out'\nTRAIN_STEPS = 2\nRANDOM_SEED = 2\nHOLD_OUT = 'x'\n",
    )
    write("z.gin", "TRAIN_STEPS = 3\nRANDOM_SEED = 3\n")
    experiment, text = gin_bridge.load(["x.gin", "z.gin"], ["TRAIN_STEPS=4"])
    assert (experiment.train.steps, experiment.train.seed) == (4, 3)
    assert (experiment.data.hold_out, experiment.train.batch_size) == ("x", 1)
    lines = text.splitlines()
    assert (
        "TRAIN_STEPS = 4  # command line; overrides 3 (z.gin:1), 2 (x.gin:3), 1 (y.gin:4)" in lines
    )
    assert f"RANDOM_SEED = 3  # z.gin:2; overrides 2 (x.gin:4), 0 ({BASE}:6)" in lines
    assert f"HOLD_OUT = 'x'  # x.gin:5; overrides None ({BASE}:12)" in lines
    assert "MODEL_DIR = 'out'  # x.gin:2" in lines
    assert f"TrainConfig.steps = %TRAIN_STEPS  # {BASE}:38" in lines
    assert f"MODEL = @T5Config()  # {TINY}:3" in lines


def test_the_text_holds_every_binding_in_force_sorted_macros_first() -> None:
    write("y.gin", "include 'base.gin'\ninclude 'models/t5_tiny.gin'\nDecoderConfig.d_model = 8\n")
    lines = load("include 'y.gin'\nMODEL_DIR = 'out'\nTRAIN_STEPS = 5\n").text.splitlines()
    rest = lines.index("# Not used by this experiment:")
    names = [line.partition(" = ")[0] for line in lines[:rest]]
    macros = [name for name in names if "." not in name]
    fields = [name for name in names if "." in name]
    assert names == sorted(macros) + sorted(fields)
    assert lines[rest + 1 :] == ["# DecoderConfig.d_model = 8  # y.gin:3"]
    bound = {
        line.partition(" = ")[0]
        for path in (BASE, TINY)
        for line in path.read_text("utf-8").splitlines()
        if " = " in line and not line.startswith("#")
    }
    assert set(names) == bound


def test_the_text_is_a_gin_file_of_the_same_experiment() -> None:
    write("y.gin", "include 'base.gin'\ninclude 'models/t5_tiny.gin'\nDecoderConfig.d_model = 8\n")
    first = load("include 'y.gin'\nMODEL_DIR = 'it\\'s\\n#1'\nTRAIN_STEPS = 5\n")
    again = gin_bridge.load([write("resolved.gin", first.text)], [])
    assert again.experiment == first.experiment
    assert again.experiment.model_dir == "it's\n#1"


def test_a_file_included_twice_overrides_nothing_the_second_time() -> None:
    write("y.gin", "include 'base.gin'\nBATCH_SIZE = 16\n")
    text = "include 'y.gin'\ninclude 'base.gin'\ninclude 'models/t5_tiny.gin'\n"
    resolved = load(text, ["MODEL_DIR='x'", "TRAIN_STEPS=1"])
    assert resolved.experiment.train.batch_size == 16


def test_two_loads_do_not_touch_each_other_nor_gin() -> None:
    before = gin.config_str()
    first = load(HEAD + "BATCH_SIZE = 16\nHOLD_OUT = 'nli'\n").experiment
    second = load(HEAD, ["RANDOM_SEED=3"]).experiment
    assert (first.train.batch_size, first.train.seed, first.data.hold_out) == (16, 0, "nli")
    assert (second.train.batch_size, second.train.seed, second.data.hold_out) == (128, 3, None)
    assert gin.config_str() == before == ""


def test_the_experiment_is_frozen() -> None:
    experiment = load(HEAD).experiment
    for config, name in ((experiment, "model_dir"), (experiment.train, "steps")):
        with pytest.raises(dataclasses.FrozenInstanceError):
            setattr(config, name, 1)


def test_an_allowed_module_is_imported_after_all_else_is_checked(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(tmp_path))
    write("my_gin_module/__init__.py", "")
    write("my_gin_module/tasks.py", "import pathlib\npathlib.Path('imported').touch()\n")
    text = HEAD + "import my_gin_module.tasks\n"
    with pytest.raises(GinError, match="BATCH_SIZE must be int"):
        load(text + "BATCH_SIZE = 'x'\n", allowed_modules=["my_gin_module"])
    with pytest.raises(GinError, match=r"allowed module \(flanjax, other\), got my_gin_module"):
        load(text, allowed_modules=["other"])
    assert not pathlib.Path("imported").exists()
    load(text, allowed_modules=["my_gin_module"])
    assert pathlib.Path("imported").exists()


def test_no_device_is_touched() -> None:
    write("x.gin", HEAD)
    code = (
        "import jax; from flanjax import gin_bridge\n"
        "print(gin_bridge.load(['x.gin'], []).experiment.train.steps)\n"
        "try: jax.devices()\n"
        "except RuntimeError: print('no device')\n"
    )
    root = pathlib.Path(gin_bridge.__file__).parents[1]
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": str(root), "JAX_PLATFORMS": "none_such"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.split("\n") == ["5", "no device", ""], done.stderr
