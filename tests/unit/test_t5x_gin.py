"""The gin files that T5X reads, against tables of what T5X has."""

from __future__ import annotations

import io
import re
from typing import Any, NamedTuple

import pytest
from gin import config_parser

from flanjax import gin_statements

FOLDER = gin_statements.config_dir() / "t5x"
FILES = {path.name: path for path in sorted(FOLDER.glob("*.gin"))}

RUN_MACROS = {
    "finetune": {
        "MODEL_DIR",
        "MIXTURE_OR_TASK_NAME",
        "TASK_FEATURE_LENGTHS",
        "TRAIN_STEPS",
        "INITIAL_CHECKPOINT_PATH",
        "DROPOUT_RATE",
        "USE_CACHED_TASKS",
        "BATCH_SIZE",
        "EVAL_STEPS",
        "EVAL_PERIOD",
        "EVALUATOR_USE_MEMORY_CACHE",
        "EVALUATOR_NUM_EXAMPLES",
        "JSON_WRITE_N_RESULTS",
        "USE_HARDWARE_RNG",
        "RANDOM_SEED",
    },
    "eval": {"MIXTURE_OR_TASK_NAME", "TASK_FEATURE_LENGTHS", "CHECKPOINT_PATH", "EVAL_OUTPUT_DIR"},
    "infer": {
        "MIXTURE_OR_TASK_NAME",
        "TASK_FEATURE_LENGTHS",
        "CHECKPOINT_PATH",
        "INFER_OUTPUT_DIR",
    },
}
"""Source: t5x/configs/runs/{finetune,eval,infer}.gin of google-research/t5x."""

MODEL_MACROS = {
    "DROPOUT_RATE",
    "LABEL_SMOOTHING",
    "LOSS_NORMALIZING_FACTOR",
    "MODEL",
    "OPTIMIZER",
    "VOCABULARY",
    "Z_LOSS",
}
"""Source: t5x/examples/t5/t5_1_1/base.gin, which small, large, xl and xxl include."""

MODELS = [f"t5x/examples/t5/t5_1_1/{size}.gin" for size in ("small", "base", "large", "xl", "xxl")]
SCRIPTS = {"finetune": "train", "eval": "eval", "infer": "infer"}

FIELDS = {
    "utils.DatasetConfig": {"mixture_or_task_name", "task_feature_lengths", "split", "batch_size"},
    "utils.SaveCheckpointConfig": {"period", "keep", "dtype", "save_dataset"},
    "utils.create_learning_rate_scheduler": {"factors", "base_learning_rate", "warmup_steps"},
    "partitioning.PjitPartitioner": {"num_partitions", "model_parallel_submesh"},
    "seqio.Evaluator": {"num_examples", "use_memory_cache", "logger_cls"},
    "infer_script.infer": {"mode", "checkpoint_ds_iter", "checkpoint_period"},
}
"""Source: t5x/utils.py, partitioning.py and infer.py; SeqIO's are checked in tests/tfds."""

SCOPES = {"finetune": {"train", "train_eval", "infer_eval"}, "eval": set(), "infer": set()}
"""Source: the scopes of utils.DatasetConfig in T5X's run files."""


class Parsed(NamedTuple):
    """What a gin file says.

    Attributes:
      macros: Name -> value; a macro's value is its name after "%".
      bindings: (scope, owner, field) -> value.
      imports: What names stand for modules here.
      includes: Files, in order.
      order: Kinds of statements, in order.
    """

    macros: dict[str, Any]
    bindings: dict[tuple[str, str, str], Any]
    imports: set[str]
    includes: list[str]
    order: list[str]


class _Values(config_parser.ParserDelegate):
    def configurable_reference(self, scoped_configurable_name: str, evaluate: bool) -> str:
        return f"@{scoped_configurable_name}"

    def macro(self, macro_name: str) -> str:
        return f"%{macro_name}"


def parse(text: str) -> Parsed:
    """Returns what gin's own parser finds; a name that is bound twice is a fault."""
    found = Parsed({}, {}, set(), [], [])
    for statement in config_parser.ConfigParser(io.StringIO(text), _Values()):
        kind = type(statement).__name__.removesuffix("Statement")
        found.order.append(kind)
        if kind == "Import":
            found.imports.add(statement.bound_name())
        elif kind == "Include":
            found.includes.append(statement.filename)
        elif statement.arg_name:
            key = (statement.scope, statement.selector, statement.arg_name)
            assert key not in found.bindings
            found.bindings[key] = statement.value
        else:
            assert statement.selector not in found.macros
            found.macros[statement.selector] = statement.value
    return found


def kind_of(parsed: Parsed) -> str:
    """Returns which of T5X's run files a file includes last."""
    match = re.fullmatch(r"t5x/configs/runs/(finetune|eval|infer)\.gin", parsed.includes[-1])
    assert match, parsed.includes
    return match[1]


PARSED = {name: parse(path.read_text("utf-8")) for name, path in FILES.items()}
each_file = pytest.mark.parametrize("name", FILES)


def test_there_is_a_file_for_each_program_of_t5x() -> None:
    assert {kind_of(parsed) for parsed in PARSED.values()} == {"finetune", "eval", "infer"}
    sizes = {parsed.includes[0] for parsed in PARSED.values()}
    assert sizes == {MODELS[0], MODELS[1], MODELS[3]}


@each_file
def test_it_is_short_and_opens_with_what_its_reader_wants_to_know(name: str) -> None:
    text = FILES[name].read_text("utf-8")
    lines = text.splitlines()
    assert len(lines) <= 40
    assert max(map(len, lines)) <= 100
    comment = text[: text.index("\n\n") + 1]
    titles = re.findall(r"^# (Wall time|\w+) +\S", comment, re.MULTILINE)
    assert titles[:6] == ["Purpose", "Command", "Needs", "Hardware", "Wall time", "Expected"]
    script = SCRIPTS[kind_of(PARSED[name])]
    assert f"python -m t5x.{script} --gin_file=gin_configs/t5x/{name} " in comment
    assert "docs/from_t5x.md" in comment
    assert "not yet run" in comment


@each_file
def test_the_command_gives_what_the_file_leaves_open(name: str) -> None:
    comment = FILES[name].read_text("utf-8").partition("\n\n")[0]
    kind = kind_of(PARSED[name])
    needed = {
        "finetune": {"MODEL_DIR"},
        "eval": {"CHECKPOINT_PATH", "EVAL_OUTPUT_DIR"},
        "infer": {"CHECKPOINT_PATH", "INFER_OUTPUT_DIR"},
    }[kind]
    assert set(re.findall(r"--gin\.([A-Z_]+)=", comment)) == needed
    assert not needed & set(PARSED[name].macros)


@each_file
def test_it_includes_a_model_of_t5x_and_then_a_run(name: str) -> None:
    model, run = PARSED[name].includes  # a model after a run would ask for DROPOUT_RATE again
    assert model in MODELS
    assert run == f"t5x/configs/runs/{kind_of(PARSED[name])}.gin"
    assert PARSED[name].order == sorted(
        PARSED[name].order, key=["Import", "Include", "Binding"].index
    )


@each_file
def test_it_registers_flanjaxs_mixtures(name: str) -> None:
    text = FILES[name].read_text("utf-8")
    assert "from __gin__ import dynamic_registration\n" in text
    assert "import flanjax.tasks.seqio_mixtures\n" in text


@each_file
def test_every_macro_is_one_that_t5x_has(name: str) -> None:
    known = RUN_MACROS[kind_of(PARSED[name])] | MODEL_MACROS
    assert set(PARSED[name].macros) <= known
    read = {str(v).removeprefix("%") for v in PARSED[name].bindings.values() if str(v)[:1] == "%"}
    assert read <= set(PARSED[name].macros)


@each_file
def test_every_binding_names_what_t5x_has_and_the_file_imports(name: str) -> None:
    for scope, owner, field in PARSED[name].bindings:
        assert field in FIELDS[owner], (owner, field)
        assert owner.split(".")[0] in PARSED[name].imports
        assert scope in SCOPES[kind_of(PARSED[name])] | {""}
    used = {owner.split(".")[0] for _, owner, _ in PARSED[name].bindings}
    assert PARSED[name].imports - {"flanjax", "dynamic_registration"} == used


@each_file
def test_no_cache_of_seqio_is_asked_for(name: str) -> None:
    if kind_of(PARSED[name]) == "finetune":  # the others do without one by themselves
        assert PARSED[name].macros["USE_CACHED_TASKS"] is False


@each_file
def test_the_periods_of_a_finetuning_are_multiples_as_t5x_wants(name: str) -> None:
    parsed = PARSED[name]
    if kind_of(parsed) != "finetune":
        return
    saved = parsed.bindings.get(("", "utils.SaveCheckpointConfig", "period"), 5_000)
    periods = sorted((saved, parsed.macros["EVAL_PERIOD"]))
    assert periods[1] % periods[0] == 0


@pytest.mark.parametrize("size", ["small", "base", "xl"])
def test_a_finetuning_starts_from_its_own_size_and_counts_the_steps_before(size: str) -> None:
    parsed = PARSED[f"finetune_flan2021_{size}.gin"]
    steps = {"small": 98_000, "base": 84_000, "xl": 38_000}[size]  # Chung et al. 2022, appendix
    start = f"gs://t5-data/pretrained_models/t5x/t5_1_1_{size}/checkpoint_1000000"
    assert parsed.includes[0].endswith(f"/{size}.gin")
    assert parsed.macros["INITIAL_CHECKPOINT_PATH"] == start
    assert parsed.macros["TRAIN_STEPS"] == 1_000_000 + steps
    assert parsed.macros["LOSS_NORMALIZING_FACTOR"] == 2_048 * 114
    assert f"{steps:,} steps" in FILES[f"finetune_flan2021_{size}.gin"].read_text("utf-8")


def test_a_hold_out_trains_on_one_mixture_and_is_judged_on_the_other() -> None:
    parsed = PARSED["finetune_hold_out_nli_base.gin"]
    judged = parsed.bindings["infer_eval", "utils.DatasetConfig", "mixture_or_task_name"]
    trained = parsed.macros["MIXTURE_OR_TASK_NAME"]
    assert (trained.removesuffix("train"), trained[-5:]) == (judged.removesuffix("eval"), "train")
    assert judged == PARSED["eval_hold_out_nli_base.gin"].macros["MIXTURE_OR_TASK_NAME"]
