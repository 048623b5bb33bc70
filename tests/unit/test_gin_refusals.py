"""What a gin file gets wrong is refused in one line with its place."""

from __future__ import annotations

import pathlib
import re
from collections.abc import Sequence

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from flanjax import gin_bridge, gin_statements
from flanjax.gin_values import GinError

BASE = gin_statements.config_dir() / "base.gin"
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


def load(text: str, bindings: Sequence[str] = ()) -> gin_bridge.Resolved:
    return gin_bridge.load([write("x.gin", text)], bindings)


def exactly(line: str) -> str:
    assert "\n" not in line
    return f"^{re.escape(line)}$"


REFUSED_LINES = {
    "DataConfig.passes = 2\nDataConfig.passes = 3": (
        "6: DataConfig.passes must be bound once, got a second binding, the first at x.gin:5; "
        "remove one."
    ),
    "TRAIN_STEPS = 5": (
        "5: TRAIN_STEPS must be bound once, got a second binding, the first at x.gin:4; remove one."
    ),
    "DataConfig:\n  passes = 2\n  passes = 3": (
        "7: DataConfig.passes must be bound once, got a second binding, the first at x.gin:6; "
        "remove one."
    ),
    "TrainConfg.steps = 3": (
        "5: binding must name a config, got TrainConfg.steps; did you mean TrainConfig or "
        "T5Config or AblationConfig?"
    ),
    "zzz.q = 3": (
        "5: binding must name a config, got zzz.q; known: AblationConfig, "
        "AttentionConfig, BlockConfig, CacheConfig, DataConfig, DecodeConfig, DecoderConfig, "
        "EmaConfig, EmbeddingConfig, EvalConfig, Experiment, LearnedConfig, ...."
    ),
    "T5Config.d_modle = 3": (
        "5: binding must name a field of T5Config, got d_modle; did you mean d_model?"
    ),
    "BATCHSIZE = 3": (
        "5: macro must be read by some binding, got BATCHSIZE; did you mean BATCH_SIZE?"
    ),
    "DataConfig.passes = %RANDOM_SED": (
        "5: macro must be bound somewhere, got %RANDOM_SED; did you mean RANDOM_SEED or "
        "TRAIN_STEPS?"
    ),
    "DataConfig.passes = '3'": (
        "5: DataConfig.passes must be int, got '3'; write a whole number without quotes."
    ),
    "DataConfig.passes = 3.0": (
        "5: DataConfig.passes must be int, got 3.0; write a whole number without quotes."
    ),
    "DataConfig.passes = True": (
        "5: DataConfig.passes must be int, got True; write a whole number without quotes."
    ),
    "T5Config.scan_layers = 1": "5: T5Config.scan_layers must be bool, got 1; write True or False.",
    "LossConfig.z_loss = '1e-4'": (
        "5: LossConfig.z_loss must be float, got '1e-4'; write a number without quotes."
    ),
    "EvalConfig.split = 3": "5: EvalConfig.split must be str, got 3; write it in quotes.",
    "HOLD_OUT = 3": "5: HOLD_OUT must be str or None, got 3; write it in quotes.",
    "BATCH_SIZE = None": (
        "5: BATCH_SIZE must be int, got None; write a whole number without quotes."
    ),
    "T5Config.dtype = 'float16'": (
        "5: T5Config.dtype must be one of 'float32', 'bfloat16', got 'float16'; choose one that "
        "fits."
    ),
    "TASK_FEATURE_LENGTHS = {'inputs': 64, 'targets': '32'}": (
        "5: TASK_FEATURE_LENGTHS must be a dict of str to int, got {'inputs': 64, 'targets': "
        "'32'}; choose one that fits."
    ),
    "AblationConfig.clusters = 'nli'": (
        "5: AblationConfig.clusters must be a tuple of str or None, got 'nli'; choose one that "
        "fits."
    ),
    "MODEL = @DataConfig()": (
        "5: MODEL must be @T5Config() or @DecoderConfig(), got @DataConfig(); choose one that fits."
    ),
    "MODEL = @T5Confi()": (
        "5: reference must name a config, got @T5Confi(); did you mean T5Config or TrainConfig or "
        "EmaConfig?"
    ),
    "MODEL = @T5Config": "5: reference must be called, got @T5Config; write @T5Config().",
    "train/DataConfig.passes = 3": (
        "5: binding must have no scope, got train/DataConfig.passes; remove the scope."
    ),
    "DataConfig.passes 3": (
        "5: statement must be NAME = value, include or import, got 'DataConfig.passes 3' "
        "(Couldn't parse statement, expected ':' or '='); strings stand in quotes."
    ),
    "HOLD_OUT = '''entailment": (
        "5: statement must be NAME = value, include or import, got \"HOLD_OUT = '''entailment\" "
        "(EOF in multi-line string); strings stand in quotes."
    ),
    "HOLD_OUT = entailment": (
        "5: statement must be NAME = value, include or import, got 'HOLD_OUT = entailment' "
        "(Failed to parse token 'entailment'); strings stand in quotes."
    ),
    "TASK_FEATURE_LENGTHS = {[1]: 2}": (
        "5: statement must be NAME = value, include or import, got 'TASK_FEATURE_LENGTHS = {[1]: "
        "2}' (unhashable type: 'list'); strings stand in quotes."
    ),
    "import os": (
        "5: import must lie in an allowed module (flanjax), got os; remove the line or allow the "
        "module."
    ),
    "from flanjaxes import tasks": (
        "5: import must lie in an allowed module (flanjax), got flanjaxes.tasks; remove the line "
        "or allow the module."
    ),
    "import flanjax.nothing": (
        "5: import must name a module that can be imported, got flanjax.nothing (No module named "
        "'flanjax.nothing'); install it or mend the name."
    ),
    "include 'meshes/fsdp.gin'": (
        "5: include must stand above every binding of its file, got 'meshes/fsdp.gin' below "
        "MODEL_DIR (x.gin:3); move it up."
    ),
    "DataConfig.num_shots = -1": "5: num_shots must not be negative, got -1; 0 is zero-shot.",
    "BATCH_SIZE = 0": "5: train batch_size must be positive, got 0; raise it.",
    "TrainConfig.keep_checkpoints = 0": (
        "5: train keep_checkpoints must be positive, got 0; raise it."
    ),
    "TrainConfig.eval_period = -1": (
        "5: train eval_period must not be negative, got -1; 0 evaluates before and after."
    ),
    "RANDOM_SEED = 4294967296": (
        "5: train seed must lie in [0, 2**32), got 4294967296; set RANDOM_SEED."
    ),
    "ObjectiveConfig.name = 'causal_lm'": (
        "5: objective causal_lm must have a decoder-only model, got T5Config; use instruction or "
        "span_corruption."
    ),
    "DecoderConfig.d_model = 64": (
        "5: DecoderConfig.d_model must reach the experiment, got no use of @DecoderConfig(); "
        "remove the line or refer to it."
    ),
    "BATCH_SIZE = %TRAIN_STEPS_TOO\nTRAIN_STEPS_TOO = %BATCH_SIZE": (
        "5: macro must not lead back to itself, got BATCH_SIZE = %TRAIN_STEPS_TOO; give it a value."
    ),
    "TASK_FEATURE_LENGTHS = {'inputs': %LENGTHS}\nLENGTHS = [%TASK_FEATURE_LENGTHS]": (
        "5: macro must not lead back to itself, got TASK_FEATURE_LENGTHS = {'inputs': %LENGTHS}; "
        "give it a value."
    ),
}
"""What follows the four lines of HEAD -> the line number and what is said of it."""


@pytest.mark.parametrize(("lines", "message"), REFUSED_LINES.items())
def test_a_bad_line_is_refused_with_its_file_and_line(lines: str, message: str) -> None:
    with pytest.raises(GinError, match=exactly(f"x.gin:{message}")):
        load(f"{HEAD}{lines}\n")


REFUSED_BINDINGS = [
    (
        ["MODEL_DIR=/tmp/run"],
        (
            "binding must be NAME=value, got 'MODEL_DIR=/tmp/run'; strings stand in quotes: "
            "--gin.MODEL_DIR=\"'/tmp/run'\""
        ),
    ),
    (
        ["TRAIN_STEPS"],
        (
            "binding must be NAME=value, got 'TRAIN_STEPS'; strings stand in quotes: "
            "--gin.TRAIN_STEPS=\"'text'\""
        ),
    ),
    (
        ["TRAIN_STEPS = 1\nBATCH_SIZE = 2"],
        (
            "binding must be NAME=value, got 'TRAIN_STEPS = 1\\nBATCH_SIZE = 2'; strings stand in "
            "quotes: --gin.TRAIN_STEPS=\"'1\\nBATCH_SIZE = 2'\""
        ),
    ),
    (
        ["include 'base.gin'"],
        (
            "binding must be NAME=value, got \"include 'base.gin'\"; strings stand in quotes: "
            "--gin.include 'base.gin'=\"'text'\""
        ),
    ),
    (
        ["TRAIN_STEPS=1", "TRAIN_STEPS = 2"],
        (
            "TRAIN_STEPS must be bound once, got a second binding, the first at command line; "
            "remove one."
        ),
    ),
    (
        ["TRAIN_STEPS='3'"],
        "TRAIN_STEPS must be int, got '3'; write a whole number without quotes.",
    ),
    (
        ["T5Config.d_modle=3"],
        "binding must name a field of T5Config, got d_modle; did you mean d_model?",
    ),
    (
        ["MODEL=@DecoderConfig()", "T5Config.num_heads=%RANDOM_SEED"],
        (
            "T5Config.num_heads must reach the experiment, got no use of @T5Config(); remove the "
            "line or refer to it."
        ),
    ),
    (
        ["MODEL_DIR=''"],
        "MODEL_DIR must name a directory, got ''; set MODEL_DIR.",
    ),
    (
        ["MODEL_DIR='gs://bucket/run'"],
        (
            "MODEL_DIR must be a path of this machine, got gs://bucket/run; name a local "
            "directory, or mount the bucket and name its path."
        ),
    ),
]


@pytest.mark.parametrize(("bindings", "message"), REFUSED_BINDINGS)
def test_a_bad_command_line_binding_is_refused(bindings: list[str], message: str) -> None:
    with pytest.raises(GinError, match=exactly(f"command line: {message}")):
        load(HEAD, bindings)


def test_a_field_of_the_command_line_is_blamed_before_a_macro_of_its_name() -> None:
    text = HEAD + "BATCH_SIZE = 2\nTrainConfig.batch_size = %BATCH_SIZE\n"
    with pytest.raises(GinError, match=r"^command line: evaluation batch_size must"):
        gin_bridge.load([write("a.gin", text)], ["EvalConfig.batch_size=0"])


def test_a_missing_required_value_names_both_remedies() -> None:
    message = (
        f"{BASE}:5: TRAIN_STEPS must be set, got nothing; add TRAIN_STEPS = ... to the gin file "
        "or pass --gin.TRAIN_STEPS=..."
    )
    with pytest.raises(GinError, match=exactly(message)):
        load("include 'base.gin'\ninclude 'models/t5_tiny.gin'\nMODEL_DIR = 'out'\n")


def test_all_missing_required_values_stand_in_one_line() -> None:
    message = (
        f"{BASE}:4: MODEL, MODEL_DIR must be set, got nothing; add MODEL = ... and "
        "MODEL_DIR = ... to the gin file or pass --gin.MODEL=... --gin.MODEL_DIR=..."
    )
    with pytest.raises(GinError, match=exactly(message)):
        load("include 'base.gin'\nTRAIN_STEPS = 5\n")


def test_fields_without_default_are_required_where_no_file_says_so() -> None:
    message = (
        "x.gin: Experiment.model, TrainConfig.steps must be set, got nothing; add "
        "Experiment.model = ... and TrainConfig.steps = ... to the gin file or pass "
        "--gin.Experiment.model=... --gin.TrainConfig.steps=..."
    )
    with pytest.raises(GinError, match=exactly(message)):
        load("Experiment.model_dir = 'out'\nExperiment.train = @TrainConfig()\n")


def test_required_demands_a_value_in_place_of_none() -> None:
    message = (
        "x.gin:5: INITIAL_CHECKPOINT_PATH must be set, got nothing; add INITIAL_CHECKPOINT_PATH = "
        "... to the gin file or pass --gin.INITIAL_CHECKPOINT_PATH=..."
    )
    with pytest.raises(GinError, match=exactly(message)):
        load(HEAD + "INITIAL_CHECKPOINT_PATH = %gin.REQUIRED\n")


def test_required_does_not_take_back_a_value() -> None:
    write("late.gin", "include 'models/t5_tiny.gin'\ninclude 'base.gin'\n")
    experiment = load("include 'late.gin'\nMODEL_DIR = 'out'\nTRAIN_STEPS = 5\n").experiment
    assert type(experiment.model).__name__ == "T5Config"


def test_a_missing_include_names_the_search_paths(tmp_path: pathlib.Path) -> None:
    write("more/y.gin", "")
    message = (
        "sub/x.gin:2: include must be a file in a search path, got 'model.gin'; looked in "
        f"sub, more, {gin_statements.config_dir()}."
    )
    name = write("sub/x.gin", "include 'base.gin'\ninclude 'model.gin'\n")
    with pytest.raises(GinError, match=exactly(message)):
        gin_bridge.load([name], [], search_paths=["more"])


def test_a_missing_gin_file_names_the_search_paths(tmp_path: pathlib.Path) -> None:
    message = (
        "gin file must be a file in a search path, got 'y.gin'; looked in ., "
        f"{gin_statements.config_dir()}."
    )
    with pytest.raises(GinError, match=exactly(message)):
        gin_bridge.load(["y.gin"], [])


def test_a_file_may_not_include_itself_through_another() -> None:
    write("y.gin", "include 'x.gin'\n")
    message = (
        "y.gin:1: include must not come back to a file that is being read, got 'x.gin'; remove it."
    )
    with pytest.raises(GinError, match=exactly(message)):
        load("include 'y.gin'\n")


def test_bytes_that_are_not_utf8_are_refused_with_their_line() -> None:
    pathlib.Path("x.gin").write_bytes(b"A = 1\nB = '\xe9'\n")
    message = "x.gin:2: gin file must be UTF-8, got byte 0xe9; save it as UTF-8."
    with pytest.raises(GinError, match=exactly(message)):
        gin_bridge.load(["x.gin"], [])


def test_an_error_in_an_included_file_names_that_file() -> None:
    write("y.gin", "# a comment\nBATCH_SIZE = 'many'\n")
    message = "y.gin:2: BATCH_SIZE must be int, got 'many'; write a whole number without quotes."
    with pytest.raises(GinError, match=exactly(message)):
        load(
            "include 'base.gin'\ninclude 'models/t5_tiny.gin'\ninclude 'y.gin'\n",
            ["MODEL_DIR='x'", "TRAIN_STEPS=1"],
        )


@settings(max_examples=200, deadline=None)
@given(
    st.lists(
        st.sampled_from(
            [
                *(
                    "A",
                    " = ",
                    "3",
                    "'x'",
                    "{",
                    "}",
                    "[",
                    "]",
                    "(",
                    ")",
                    ":",
                    ",",
                    "\n",
                    "\n  ",
                    " ",
                ),
                *("include", "import", "from", "%A", "@A()", "@", "%", "-", ".", "/", "\\", '"""'),
                *('"', "#", "1.5", "None", "\t", "\0", "$", "é", "08", "A.b", "a/A.b", "\r\n"),
            ]
        ),
        max_size=9,
    ).map("".join)
)
@example("A = " + "[" * 5000)
def test_any_text_is_read_or_refused_in_one_line(text: str) -> None:
    refusal = "x.gin:"
    try:
        gin_statements.read([write("x.gin", text)], [], search_paths=[])
    except GinError as error:
        refusal = str(error)
    assert refusal.startswith("x.gin:")
    assert "\n" not in refusal
