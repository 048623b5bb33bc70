"""The command line: help, exit statuses, errors, and what reaches the run."""

from __future__ import annotations

import json
import pathlib
import subprocess
import sys

import click
import pytest
from click.testing import CliRunner, Result

from flanjax import distributed, gin_bridge, run, scoring
from flanjax.cli import main as program
from flanjax.cli.catalog import load_catalog

ROOT = pathlib.Path(program.__file__).parents[2]
GIN = """
MODEL_DIR = 'out'
TRAIN_STEPS = 7
Experiment.model_dir = %MODEL_DIR
Experiment.model = @T5Config()
Experiment.train = @TrainConfig()
Experiment.data = @DataConfig()
TrainConfig.steps = %TRAIN_STEPS
DataConfig.mixture_or_task_name = 'mini'
DataConfig.hold_out = 'entailment'
"""


def call(*args: str, input: str | bytes | None = None) -> Result:
    return CliRunner().invoke(program.main, list(args), prog_name="flanjax", input=input)


def every_verb() -> list[tuple[str, ...]]:
    found: list[tuple[str, ...]] = []
    for name, verb in program.main.commands.items():
        inner = verb.commands if isinstance(verb, click.Group) else {}
        found += [(name, *([sub] if sub else [])) for sub in inner or [""]]
    return found


@pytest.fixture
def failing_verb(monkeypatch):
    """Gives the program a verb that raises what the test wants."""

    def add(error: BaseException) -> None:
        def fail() -> None:
            raise error

        command = click.Command("fail", callback=fail)
        monkeypatch.setitem(program.main.commands, "fail", command)

    return add


@pytest.fixture
def gin_file(tmp_path) -> str:
    path = tmp_path / "run.gin"
    path.write_text(GIN)
    return str(path)


def test_the_verbs_are_these():
    assert sorted(map(" ".join, every_verb())) == [
        "cache",
        "convert verify",
        "data advise",
        "data peek",
        "eval",
        "export hf",
        "export t5x",
        "generate",
        "import hf",
        "import t5x",
        "mixture certify",
        "mixture show",
        "preflight",
        "tasks check",
        "tasks document",
        "tasks explore",
        "tasks list",
        "tasks new",
        "tasks show",
        "tokenizer train",
        "train",
    ]


@pytest.mark.parametrize("verb", [(), *every_verb()], ids=" ".join)
def test_help_shows_an_example(verb):
    result = call(*verb, "--help")
    assert result.exit_code == 0
    assert f"  Examples:\n    {' '.join(('flanjax', *verb))}" in result.stdout


def test_no_help_imports_what_only_work_needs():
    verbs = [["--help"], ["--version"], *([*verb, "--help"] for verb in every_verb())]
    code = f"""
import sys
from flanjax.cli.main import main
for args in {verbs!r}:
    try:
        main(args, prog_name="flanjax")
    except SystemExit as end:
        assert end.code == 0, (args, end.code)
print(sorted({{name.partition(".")[0] for name in sys.modules}}), file=sys.stderr)
"""
    ended = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    loaded = set(json.loads(ended.stderr.replace("'", '"')))
    assert {"flanjax", "click"} <= loaded
    heavy = {"jax", "flax", "numpy", "orbax", "grain", "gin", "sentencepiece", "tensorboardX"}
    assert loaded & {*heavy, "rich", "pyarrow", "sacrebleu", "rouge_score", "tensorflow"} == set()


def test_the_version_is_the_distribution_s(monkeypatch):
    monkeypatch.setattr("importlib.metadata.version", {"flanjax": "1.2.3"}.__getitem__)
    result = call("--version")
    assert (result.exit_code, result.stdout) == (0, "flanjax 1.2.3\n")


@pytest.mark.parametrize(
    ("typed", "arranged"),
    [
        (["train", "--gin.A=1", "--json"], ["train", "--json", "--gin.NAME", "A=1"]),
        (["train", "--gin.A", "1", "--json"], ["train", "--json", "--gin.NAME", "A=1"]),
        (["--gin.B.c='x=y'", "train"], ["train", "--gin.NAME", "B.c='x=y'"]),
        (["--gin.A", "-1", "train"], ["train", "--gin.NAME", "A=-1"]),
        (["--gin.A=", "train"], ["train", "--gin.NAME", "A="]),
        (
            ["train", "--gin_file=x.gin", "--traceback"],
            ["--traceback", "train", "--gin_file=x.gin"],
        ),
        (["x", "--gin.A=1", "--", "--gin.B=2"], ["x", "--gin.NAME", "A=1", "--", "--gin.B=2"]),
    ],
)
def test_flags_may_stand_before_and_after_the_verb(typed, arranged):
    assert program.arranged(typed) == arranged


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["trian"], "No such command 'trian'"),
        (["train"], "No run described"),
        (["train", "--gin.A"], "Option '--gin.A' requires a value"),
        (["train", "--gin.A", "--json"], "Option '--gin.A' requires a value"),
        (["train", "--gin.=1"], "Option '--gin.=1' requires a value"),
        (["tasks", "list", "--gin.A=1"], "No such option '--gin.NAME'"),
        (["tasks", "show"], "Missing argument 'NAME'"),
        (["tasks", "show", "x", "--all", "--template=1"], "--all and --template must not stand"),
        (["tasks", "check", "--num=0"], "0 is not in the range"),
        (["cache"], "No run described"),
        (["cache", "--gin.A=1", "--workers=0"], "0 is not in the range"),
        (["data", "peek", "--checkpoint=x"], "Missing option '--step'"),
        (["data", "peek", "--step=1"], "No run named"),
        (["data", "peek", "--step=1", "--rows=1", "--row=0"], "--rows and --row must not stand"),
        (["data", "peek", "--step=1", "--checkpoint=x", "--gin.A=1"], "must not stand together"),
        (["eval"], "Nothing to score"),
        (["eval", "--checkpoint=x", "--gin.A=1"], "must stand with a --gin_file"),
        (["eval", "--checkpoint=x", "--split=train"], "'train' is not one of"),
        (["generate", "--prompt=x"], "Missing option '--checkpoint'"),
        (["generate", "--checkpoint=x", "--temperature=-1"], "-1.0 is not in the range"),
        (["generate", "--checkpoint=x"], "No prompt given"),
        (["generate", "--checkpoint=x", "--seed=3"], "--seed must go with --temperature above 0"),
        (["cache", "--gin_file=x.gin", "--out=y"], "--out must go with --format=seqio, got y"),
        (["tokenizer", "train", "--vocab_size=9", "--output=x"], "must end in .model"),
        (["tokenizer", "train", "--vocab_size=9", "--output=x.model", "--gin.A=1"], "--gin_file"),
    ],
)
def test_bad_usage_ends_with_status_2(args, message):
    result = call(*args)
    assert result.exit_code == 2
    assert result.stdout == ""
    assert message in result.stderr


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (
            ValueError("task a: x must be y, got z; mend it."),
            "task a: x must be y, got z; mend it.",
        ),
        (ValueError("first\nsecond"), "first second"),
        (PermissionError(13, "Permission denied", "/x"), "[Errno 13] Permission denied: '/x'"),
    ],
)
def test_a_failure_is_one_line_on_stderr_and_status_1(failing_verb, error, line):
    failing_verb(error)
    result = call("fail")
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == f"flanjax: error: {line}\n"


def test_traceback_shows_where_an_error_arose(failing_verb):
    error = ValueError("deep")
    failing_verb(error)
    result = call("fail", "--traceback")
    assert result.exit_code == 1
    assert result.exception is error


def test_a_programming_error_is_not_hidden(failing_verb):
    failing_verb(TypeError("a bug"))
    assert isinstance(call("fail").exception, TypeError)


def test_an_interrupt_ends_with_status_130(failing_verb):
    failing_verb(KeyboardInterrupt())
    result = call("fail")
    assert (result.exit_code, result.stderr) == (130, "flanjax: error: interrupted\n")


def test_train_hands_the_run_what_was_typed(monkeypatch, gin_file, tmp_path):
    seen = {}
    monkeypatch.chdir(tmp_path)
    (tmp_path / "it's here").mkdir()

    def train_and_evaluate(experiment, catalogue, **given):
        seen.update(given, experiment=experiment, catalogue=catalogue)
        return scoring.Outcome(7, {}, {})

    monkeypatch.setattr(run, "train_and_evaluate", train_and_evaluate)
    monkeypatch.setattr(distributed, "initialize", lambda processes: seen.update(at=processes))
    args = ["train", f"--gin_file={gin_file}", "--gin.TRAIN_STEPS=9", "--data_dir=it's here"]
    args += ["--catalog=flanjax.tasks.flan2021:CATALOGUE", "--json"]
    args += ["--coordinator_address=127.0.0.1:1", "--num_processes=2", "--process_id=1"]
    result = call(*args)
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout) == {"step": 7, "files": {}, "report": None}
    assert seen["experiment"].train.steps == 9
    assert seen["experiment"].data.data_dir == "it's here"
    assert seen["experiment"].data.catalogue == "flanjax.tasks.flan2021:CATALOGUE"
    assert seen["catalogue"].name == "flan2021"
    assert seen["at"].process_id == 1
    assert 'DataConfig.data_dir = "it\'s here"  # command line' in seen["resolved_text"]
    assert seen["command"].startswith(f"flanjax train --gin_file={gin_file} --gin.TRAIN_STEPS=9 ")


def test_a_misspelt_binding_is_one_line_before_anything_runs(gin_file):
    result = call("train", f"--gin_file={gin_file}", "--gin.TRAIN_STEP=9")
    assert result.exit_code == 1
    assert "TRAIN_STEP" in result.stderr
    assert "did you mean TRAIN_STEPS?" in result.stderr
    assert result.stderr.count("\n") == 1


@pytest.fixture
def evaluated(monkeypatch):
    seen = {}

    def evaluate(experiment, catalogue, **given):
        seen.update(given, experiment=experiment, catalogue=catalogue)
        return scoring.Outcome(0, {}, {})

    monkeypatch.setattr(scoring, "evaluate", evaluate)
    return seen


def test_eval_scores_the_held_out_cluster_of_a_gin_file(evaluated, gin_file):
    result = call("eval", f"--gin_file={gin_file}", "--split=test", "--max_examples=0")
    assert result.exit_code == 0, result.output
    assert evaluated["checkpoint"] is None
    assert evaluated["clusters"] == ("entailment",)
    assert evaluated["output"] == "out/eval"
    assert evaluated["experiment"].evaluation.split == "test"
    assert evaluated["experiment"].evaluation.max_examples == 0


def test_eval_reads_the_run_from_a_checkpoint_s_directory(
    evaluated, gin_file, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "d").mkdir()
    from flanjax import model_dir
    from flanjax.data.tokenize import make_tokenizer
    from flanjax.experiment import to_plain

    experiment = gin_bridge.load([gin_file], [f"MODEL_DIR='{tmp_path}'"]).experiment
    model_dir.write_json(tmp_path / model_dir.EXPERIMENT, to_plain(experiment))
    make_tokenizer(experiment.tokenizer).save(tmp_path / model_dir.TOKENIZER)
    checkpoint = f"{tmp_path}/checkpoints/5"
    args = [f"--checkpoint={checkpoint}", "--cluster=sentiment", "--cluster=entailment"]
    result = call("eval", *args, "--data_dir=d", "--output=o")
    assert result.exit_code == 0, result.output
    assert evaluated["checkpoint"] == checkpoint
    assert evaluated["clusters"] == ("sentiment", "entailment")
    assert evaluated["output"] == "o"
    assert evaluated["experiment"].data.data_dir == "d"
    assert evaluated["experiment"].evaluation == experiment.evaluation
    assert evaluated["catalogue"].name == "mini"


def test_eval_names_the_directory_that_holds_no_run(tmp_path):
    result = call("eval", f"--model_dir={tmp_path}")
    assert result.exit_code == 1
    assert f"got {tmp_path}; check the path, or give a --gin_file" in result.stderr


@pytest.fixture
def module(tmp_path, monkeypatch):
    """Writes a module of the current directory, forgotten after the test."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    before = set(sys.modules)

    def write(name: str, text: str) -> pathlib.Path:
        path = tmp_path / f"{name}.py"
        path.write_text(text)
        return path

    yield write
    for name in set(sys.modules) - before:
        if name.startswith("own_"):
            del sys.modules[name]


def test_a_catalogue_is_found_in_the_current_directory(module):
    module("own_a", "from flanjax.tasks.mini import CATALOGUE as MINE\n")
    assert load_catalog("own_a:MINE").name == "mini"


def test_a_package_alone_stands_for_its_catalogue():
    assert load_catalog("flanjax.tasks.mini") is load_catalog("mini")


@pytest.mark.parametrize(
    ("place", "match"),
    [
        ("minis", r"must read module:NAME or be one of mini, .*, got 'minis'; did you mean mini"),
        ("a/b.py:X", r"must read module:NAME or be .*, got 'a/b\.py:X'"),
        (
            "own_catalog:CATALOGUE",
            r"there is no own_catalog; in /.*: did you mean own_catalogue or ",
        ),
        (
            "flanjax.tasks.mnii:C",
            r"no flanjax\.tasks\.mnii; in flanjax\.tasks: did you mean mini or nli\?",
        ),
        ("own_catalogue.inner:C", r"no own_catalogue\.inner; own_catalogue holds no modules"),
        (
            "own_catalogue:CATALOG",
            r"got nothing of that name in .*own_catalogue\.py; did you mean CATALOGUE",
        ),
        (
            "own_catalogue:NUMBER",
            r"must be a Catalogue, got a int in .*own_catalogue\.py; known: CATALOGUE",
        ),
        ("own_empty:C", r"got nothing of that name in .*; define C = Catalogue"),
        (
            "own_lacking:C",
            r"got ModuleNotFoundError: No module named 'own_gone' \(.*lacking\.py, line 2\)",
        ),
        ("own_broken:C", r"must import, got ZeroDivisionError: .* \(.*own_broken\.py, line 3\)"),
        ("own_syntax:C", r"must import, got SyntaxError: .* \(.*own_syntax\.py, line 1\)"),
        ("own_task:C", r"got ValueError: cluster c: tasks must hold .* \(.*own_task\.py, line 3\)"),
    ],
)
def test_a_catalogue_that_cannot_be_had_is_explained_in_one_line(module, place, match):
    module("own_catalogue", "from flanjax.tasks.mini import CATALOGUE\nNUMBER = 1\n")
    module("own_empty", "")
    module("own_lacking", "\nimport own_gone\n")
    module("own_broken", "\n\n1 / 0\n")
    module("own_syntax", "def\n")
    module("own_task", "from flanjax.data.task import TaskCluster\n\nTaskCluster('c', ())\n")
    with pytest.raises(ValueError, match=match) as caught:
        load_catalog(place)
    assert "\n" not in str(caught.value)
