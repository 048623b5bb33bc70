"""What docs/from_t5x.md names is there: fields, macros, verbs, flags, files."""

from __future__ import annotations

import dataclasses
import pathlib
import re
import shlex
from collections.abc import Iterator

import click
import pytest

from flanjax import gin_bridge, gin_statements
from flanjax.cli.main import main
from flanjax.experiment import CONFIGS
from flanjax.train import loop, objectives, step

ROOT = pathlib.Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "from_t5x.md").read_text("utf-8")

T5X_MACROS = {
    "CHECKPOINT_PATH",
    "EVALUATOR_NUM_EXAMPLES",
    "EVALUATOR_USE_MEMORY_CACHE",
    "EVAL_OUTPUT_DIR",
    "EVAL_PERIOD",
    "EVAL_STEPS",
    "INFER_OUTPUT_DIR",
    "JSON_WRITE_N_RESULTS",
    "LABEL_SMOOTHING",
    "LOSS_NORMALIZING_FACTOR",
    "MIXTURE_OR_TASK_MODULE",
    "OPTIMIZER",
    "SHUFFLE_TRAIN_EXAMPLES",
    "TRAIN_STEPS_RELATIVE",
    "USE_CACHED_TASKS",
    "USE_HARDWARE_RNG",
    "VOCABULARY",
    "Z_LOSS",
}
"""Macros of T5X that flanjax has not; the first column and the remarks may name them."""

T5X_CLASSES = {
    "DatasetConfig",
    "PjitPartitioner",
    "RestoreCheckpointConfig",
    "SaveCheckpointConfig",
    "Trainer",
}
SEQIO_MIXTURES = pathlib.Path(__file__).parents[2] / "tasks/seqio_mixtures.py"
OTHER_CAPITALS = {
    "AVERAGE_PER_SEQUENCE",
    "NUM_REAL_TARGET_TOKENS",
    "PARAM_RULES",
    "TFDS_DATA_DIR",
} | set(re.findall(r'environ.get\("(FLANJAX_\w+)"', SEQIO_MIXTURES.read_text("utf-8")))

FIELD = re.compile(r"\b([A-Z]\w+)\.([a-z]\w*)")
CAPITALS = re.compile(r"(?<![\w./])[A-Z][A-Z0-9_]{3,}\b(?![.(])")
PLACEHOLDERS = {"METRIC", "NAME", "TASK", "VALUE"}


def quoted(text: str) -> list[str]:
    """Returns what stands in backticks."""
    return re.findall(r"`([^`\n]+)`", text)


def prose(text: str) -> str:
    """Returns a document without its blocks of code."""
    return re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL)


def our_columns(text: str) -> list[str]:
    """Returns the second cell of every row of the tables that compare."""
    found, is_comparison = [], False
    for line in text.splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if not line.startswith("|"):
            is_comparison = False
        elif cells[-1] == "what differs":
            is_comparison = True
        elif is_comparison and set(cells[0]) != {"-"}:
            found.append(cells[1])
    return found


def our_macros() -> set[str]:
    """Returns the macros that any shipped gin file of flanjax binds."""
    folder = gin_statements.config_dir()
    names = [p for p in folder.rglob("*.gin") if p.relative_to(folder).parts[0] != "t5x"]
    read = (gin_statements.read([str(path)], [], search_paths=()).bindings for path in names)
    return {binding.name for bindings in read for binding in bindings if not binding.owner}


MACROS = our_macros()


def commands(text: str) -> Iterator[list[str]]:
    """Yields each `flanjax ...` command, of the prose and of blocks of code."""
    blocks = "\n".join(re.findall(r"^```sh\n(.*?)^```", text, re.MULTILINE | re.DOTALL))
    lines = blocks.replace("\\\n", " ").splitlines()
    for line in [*quoted(prose(text)), *lines]:
        words = shlex.split(line, comments=True) if re.match(r"flanjax\s", line) else []
        if words:
            yield words[1:]


def fault_of_command(words: list[str]) -> str:
    """Returns what a command names that is not there; "" where all is."""
    command: click.Command = main
    rest = list(words)
    while isinstance(command, click.Group):
        name = rest.pop(0) if rest else ""
        if name not in command.commands:
            return "" if not name and command is not main else f"verb {name!r}"
        command = command.commands[name]
    flags = {flag for parameter in command.params for flag in parameter.opts}
    for word in rest:
        flag = word.partition("=")[0]
        if flag.startswith("--gin."):
            fault = fault_of_names(flag.removeprefix("--gin."))
        else:
            fault = f"flag {flag}" if flag.startswith("--") and flag not in flags else ""
        if fault:
            return fault
    return ""


def fault_of_names(text: str, *, may_be_t5x: bool = False) -> str:
    """Returns the first field or macro of a text that is not there; "" where all are."""
    for owner, field in FIELD.findall(text):
        if owner in CONFIGS:
            if field not in {entry.name for entry in dataclasses.fields(CONFIGS[owner])}:
                return f"field {owner}.{field}"
        elif not may_be_t5x or owner not in T5X_CLASSES:
            return f"config {owner}"
    known = MACROS | OTHER_CAPITALS | PLACEHOLDERS | (T5X_MACROS if may_be_t5x else set())
    wrong = [name for name in CAPITALS.findall(text) if name not in known]
    return f"macro {wrong[0]}" if wrong else ""


def test_the_tables_that_compare_are_read() -> None:
    columns = our_columns(TEXT)
    assert len(columns) > 80
    assert {"`TRAIN_STEPS`", "`MeshConfig.tensor`", "`train/loss`"} <= set(columns)


@pytest.mark.parametrize("cell", sorted(set(our_columns(TEXT))))
def test_flanjaxs_column_names_what_flanjax_has(cell: str) -> None:
    for name in quoted(cell):
        if not name.startswith("flanjax "):
            assert fault_of_names(name) == ""


@pytest.mark.parametrize("name", sorted(set(quoted(prose(TEXT)))))
def test_every_name_is_flanjaxs_or_t5xs(name: str) -> None:
    assert fault_of_names(name, may_be_t5x=True) == ""


@pytest.mark.parametrize("words", list(commands(TEXT)), ids=" ".join)
def test_every_command_has_its_verbs_and_flags(words: list[str]) -> None:
    assert fault_of_command(words) == ""


def test_t5xs_macros_and_classes_are_not_flanjaxs() -> None:
    assert not T5X_MACROS & MACROS
    assert not T5X_CLASSES & set(CONFIGS)


def test_every_macro_that_flanjax_has_under_t5xs_name_is_in_the_table() -> None:
    base = gin_statements.read(["base.gin"], [], search_paths=()).bindings
    macros = {binding.name for binding in base if not binding.owner}
    assert macros - {"DATA_DIR"} <= set(re.findall(r"[A-Z_]{4,}", TEXT))


@pytest.mark.parametrize("name", sorted(set(re.findall(r"`train/(\w+)`", TEXT))))
def test_every_metric_of_training_is_written_somewhere(name: str) -> None:
    sources = "".join(pathlib.Path(m.__file__).read_text("utf-8") for m in (loop, objectives, step))
    assert re.search(rf'"(train/)?{name}"', sources)


def test_every_gin_file_for_t5x_is_described_and_there() -> None:
    shipped = {f"gin_configs/t5x/{path.name}" for path in (ROOT / "gin_configs/t5x").glob("*.gin")}
    assert set(re.findall(r"gin_configs/t5x/\w+\.gin", TEXT)) == shipped


def test_the_run_that_it_starts_can_be_started() -> None:
    for words in commands(TEXT):
        if words[0] != "train" or len(words) == 1:
            continue
        values = [word.partition("=")[::2] for word in words if word.startswith("--gin")]
        files = [value for flag, value in values if flag == "--gin_file"]
        bindings = [f"{flag[6:]}={value}" for flag, value in values if flag.startswith("--gin.")]
        assert gin_bridge.load(files, bindings).experiment.initial_checkpoint_path


@pytest.mark.parametrize("link", re.findall(r"\]\((?!http)([^)]+)\)", TEXT))
def test_every_link_leads_somewhere(link: str) -> None:
    file, _, heading = link.partition("#")
    target = ROOT / "docs" / file if file else ROOT / "docs" / "from_t5x.md"
    headings = re.findall(r"^#+ (.+)", target.read_text("utf-8"), re.MULTILINE)
    slugs = {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in headings}
    assert not heading or heading in slugs


def test_lines_of_prose_are_short() -> None:
    long = [line for line in TEXT.splitlines() if len(line) > 120 and not line.startswith("|")]
    assert long == []


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("MeshConfig.model", "field MeshConfig.model"),
        ("Trainer.steps", "config Trainer"),
        ("USE_CACHED_TASKS", "macro USE_CACHED_TASKS"),
    ],
)
def test_a_name_that_is_not_there_is_noticed(text: str, fault: str) -> None:
    assert fault_of_names(text) == fault


@pytest.mark.parametrize(
    ("command", "fault"),
    [
        ("score out", "verb 'score'"),
        ("import mtf a b", "verb 'mtf'"),
        ("train --gin_files=a", "flag --gin_files"),
        ("train --gin.NUM_STEPS=1", "macro NUM_STEPS"),
    ],
)
def test_a_command_that_is_not_there_is_noticed(command: str, fault: str) -> None:
    assert fault_of_command(command.split()) == fault
