"""A user's folder with a catalogue of two tasks, their files, and a tiny run."""

from __future__ import annotations

import itertools
import json

from click.testing import CliRunner

from flanjax.cli import main as program
from tests.faults import tiny_run

MODULE = """
from flanjax.data.catalogue import Catalogue
from flanjax.data.sources import Jsonl
from flanjax.data.task import Task, TaskCluster, Template


def to_fields(record):
    fields = {"text": record["text"], "answer": record["label"], "options": ("bad", "good")}
    return fields


def make(name, mode):
    return Task(
        name=name,
        version=1,
        source=Jsonl(
            files={"train": f"{name}.jsonl", "validation": f"{name}_held.jsonl"},
            public="https://example.org/" + name,
        ),
        to_fields=to_fields,
        fields=("text", "answer", "options"),
        templates=(Template("Judge: {text}"), Template("Is {text} fine?")),
        mode=mode,
        metrics=("accuracy",) if mode == "rank" else ("exact_match",),
        license="none",
        citation="none",
    )


CATALOGUE = Catalogue(
    "shop",
    (
        TaskCluster("opinions", (make("reviews", "rank"),)),
        TaskCluster("titles", (make("headlines", "generate"),)),
    ),
)
"""
TASK_LINE, TEMPLATES_LINE = (
    number
    for number, line in enumerate(MODULE.splitlines(), start=1)
    if "return Task(" in line or "templates=" in line
)
_NUMBERS = itertools.count()
RUN = {
    "MIXTURE_OR_TASK_NAME": "'titles'",
    "HOLD_OUT": "'opinions'",
    "AblationConfig.clusters": "None",
    "TRAIN_STEPS": "2",
    "BATCH_SIZE": "2",
    "ScheduleConfig.warmup_steps": "1",
    "EvalConfig.max_examples": "2",
    "TASK_FEATURE_LENGTHS": "{'inputs': 48, 'targets': 16}",
}


def good_lines(num=50):
    lines = (json.dumps({"text": f"item {n}", "label": ("bad", "good")[n % 2]}) for n in range(num))
    return [line.encode() for line in lines]


class Shop:
    """The folder: the catalogue's module, the files of its tasks, the run."""

    def __init__(self, folder):
        self.folder = folder
        self.model_dir = folder / "run"
        self.module = f"shop_catalogue_{next(_NUMBERS)}"
        self.data = folder / "data"
        self.data.mkdir()
        self.write_module()
        for task in ("reviews", "headlines"):
            self.write_lines(f"{task}.jsonl", good_lines())
            self.write_lines(f"{task}_held.jsonl", good_lines(4))

    def write_module(self, old="", new=""):
        assert old in MODULE
        text = MODULE.replace(old, new) if old else MODULE
        (self.folder / f"{self.module}.py").write_text(text, "utf-8")

    def write_lines(self, name, lines):
        (self.data / name).write_bytes(b"".join(line + b"\n" for line in lines))

    def replace_line(self, name, number, line):
        lines = good_lines()
        lines[number - 1] = line
        self.write_lines(name, lines)

    def command(self, *bindings):
        bound = [f"{name}={value}" for name, value in RUN.items()]
        command = tiny_run.command(self.model_dir, *bound, *bindings)
        return [*command, f"--catalog={self.module}:CATALOGUE", f"--data_dir={self.data}"]

    def train(self, *bindings):
        return call(*self.command(*bindings)[3:])

    def files(self):
        """Returns path -> content of every file, but for compiled modules."""
        paths = (path for path in self.folder.rglob("*") if "__pycache__" not in path.parts)
        return {str(path): path.read_bytes() for path in paths if path.is_file()}


def call(*args):
    """Returns what the command printed, and its exit status."""
    return CliRunner().invoke(program.main, args, prog_name="flanjax")
