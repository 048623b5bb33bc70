"""The text of what `flanjax tasks new` writes."""

from __future__ import annotations

import json

from flanjax.data.task import Mode

_TASK = '''"""{constant}: say in one line what the task asks."""

from flanjax.data.sources import Jsonl
from flanjax.data.task import Fields, Record, Task, Template
{labels}
# Paths are relative to --data_dir. Csv, Tsv, Parquet and TextLines stand beside Jsonl.
SOURCE = Jsonl(
    files={{
        "train": "{cluster}/{name}/train.jsonl",
        "validation": "{cluster}/{name}/validation.jsonl",
        "test": "{cluster}/{name}/test.jsonl",
    }},
    public="the address at which anyone finds these files",
)


def to_fields(record: Record) -> Fields | None:
    """Returns what the templates may name; None leaves a record out."""
    return {{
        "text": record["text"],
{answer}
    }}


# Write ten wordings of the task, as different from one another as ten people would word it.
# Name the fields in braces. {hint}
# The target is "{{answer}}". Up to three may turn the task around, and name their target:
# Template("Write a text whose answer is {{answer}}.", "{{text}}", inverted=True).
TEMPLATES = (
{slots}
)

{constant} = Task(
    name="{name}",
    version=1,
    source=SOURCE,
    to_fields=to_fields,
    fields=({fields}),
    templates=TEMPLATES,
    mode="{mode}",
    metrics=("{metric}",),
    corpora=(),  # the source texts it was built on, so that a hold-out can keep them apart
    license="the license that its authors state",
    citation="who made it, and where it was published",
)
'''

_TEST = '''"""Checks {name} by itself, on the records of {records}."""

import json
import pathlib

from flanjax.data.catalogue import Catalogue
from flanjax.data.check import check_catalogue
from flanjax.data.task import TaskCluster
{import_line}

RECORDS = pathlib.Path(__file__).parent / "{records}"


def test_{name}_has_ten_sound_templates() -> None:
    lines = RECORDS.read_text("utf-8").rstrip("\\n").split("\\n")
    records = [json.loads(line) for line in lines]
    catalogue = Catalogue("alone", clusters=(TaskCluster("{cluster}", ({constant},)),))
    report = check_catalogue(catalogue, records={{"{name}": records}})
    problems = [
        ("the task" if problem.template is None else f"template {{problem.template}}")
        + f": {{problem.what}}"
        for problem in report.problems
    ]
    assert not problems, "\\n".join(problems)
'''

_CATALOGUE = '''"""The clusters of this collection, and the tasks in each."""

from flanjax.data.catalogue import Catalogue
from flanjax.data.task import TaskCluster

{import_line}

CATALOGUE = Catalogue("mine", clusters=({cluster_line},))
'''

_RANK = {
    "labels": '\nOPTIONS = ("no", "yes")\n',
    "answer": '        "options": OPTIONS,\n        "answer": OPTIONS[record["label"]],',
    "hint": "In half of them or more, {options} stands on a line of its own.",
    "fields": '"text", "options", "answer"',
    "metric": "accuracy",
}
_GENERATE = {
    "labels": "",
    "answer": '        "answer": record["answer"],',
    "hint": "None may hold {answer} but as its target.",
    "fields": '"text", "answer"',
    "metric": "rouge",
}
_RANK_RECORDS = (
    {"text": "a first text", "label": 0},
    {"text": "a second one", "label": 1},
    {"text": "and a third", "label": 0},
)
_GENERATE_RECORDS = (
    {"text": "a first text", "answer": "what to write about it"},
    {"text": "a second one", "answer": "something to say of that"},
    {"text": "and a third", "answer": "the last thing to write"},
)
_NUM_TEMPLATES = 10


def task_file(cluster: str, name: str, mode: Mode) -> str:
    """Returns a task's module with ten wordings to be filled in."""
    slots = "\n".join(f'    Template(""),  # {i}' for i in range(_NUM_TEMPLATES))
    parts = _RANK if mode == "rank" else _GENERATE
    return _TASK.format(
        cluster=cluster, name=name, constant=name.upper(), mode=mode, slots=slots, **parts
    )


def records_file(mode: Mode) -> str:
    """Returns the records that the task's test renders, as JSONL."""
    records = _RANK_RECORDS if mode == "rank" else _GENERATE_RECORDS
    return "".join(json.dumps(record) + "\n" for record in records)


def test_file(cluster: str, name: str, *, module: str, records: str) -> str:
    """Returns a test that fails until the ten wordings are written.

    Args:
      cluster: The cluster's name.
      name: The task's name.
      module: What the test imports the task from.
      records: The file of records, as seen from the test.
    """
    blank = "\n" if module.startswith(".") else ""  # as import sorters want it
    return _TEST.format(
        cluster=cluster,
        name=name,
        constant=name.upper(),
        import_line=blank + import_line(module, name),
        records=records,
    )


def import_line(module: str, name: str) -> str:
    """Returns the line with which a catalogue imports a task."""
    return f"from {module} import {name.upper()}"


def cluster_line(cluster: str, name: str) -> str:
    """Returns the entry of a cluster that holds the task alone."""
    return f'TaskCluster("{cluster}", ({name.upper()},))'


def catalogue_file(cluster: str, name: str) -> str:
    """Returns a catalogue that holds the task alone."""
    return _CATALOGUE.format(
        import_line=import_line(f".{cluster}.{name}", name),
        cluster_line=cluster_line(cluster, name),
    )
