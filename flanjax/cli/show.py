"""`flanjax tasks show`: what a model reads and what it should write."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from flanjax.cli.options import (
    DEFAULT_CATALOG,
    catalog_option,
    data_dir_option,
    examples,
    json_option,
)
from flanjax.cli.output import open_console, print_json

if TYPE_CHECKING:
    from rich.panel import Panel

    from flanjax.data.task import Record, Task


@click.command()
@click.argument("name")
@catalog_option(default=DEFAULT_CATALOG)
@data_dir_option
@click.option(
    "--split",
    default="train",
    show_default=True,
    type=click.Choice(["train", "validation", "test"]),
    help="The split to show records of.",
)
@click.option("--num", default=3, show_default=True, type=click.IntRange(min=1), help="Records.")
@click.option(
    "--template",
    type=click.IntRange(min=0),
    metavar="I",
    help="Show this wording.  [default: the one that a run would draw]",
)
@click.option("--all", "is_all", is_flag=True, help="Show every wording of each record.")
@click.option(
    "--handwritten", is_flag=True, help="Show the task's hand-written records; needs no data."
)
@click.option(
    "--shots",
    default=0,
    show_default=True,
    type=click.IntRange(min=0),
    help="Solved examples before each; they are training records.",
)
@click.option("--seed", default=0, show_default=True, help="Draws records, wordings and examples.")
@json_option
@examples(
    "flanjax tasks show sst2 --catalog=flan2021 --handwritten --num=1 --all",
    "flanjax tasks show my_task --catalog=tasks.catalogue:CATALOGUE --shots=2",
)
def show(
    name: str,
    catalog: str,
    data_dir: str | None,
    split: str,
    num: int,
    template: int | None,
    is_all: bool,
    handwritten: bool,
    shots: int,
    seed: int,
    as_json: bool,
) -> None:
    """Show records of the task NAME as prompt and target."""
    if is_all and template is not None:
        raise click.UsageError("--all and --template must not stand together: choose one.")
    if handwritten and data_dir is not None:
        raise click.UsageError("--handwritten and --data_dir must not stand together: choose one.")
    from flanjax.cli.catalog import find_task
    from flanjax.data.fewshot import choose_shots
    from flanjax.data.records import read_records
    from flanjax.data.render import record_uid, template_index

    task = find_task(catalog, name)
    if template is not None and template >= len(task.templates):
        raise ValueError(
            f"task {name}: template must be below {len(task.templates)}, got {template}; "
            "count from 0."
        )
    if handwritten:
        split, records = "hand-written", _handwritten(task)
        read, pool = records[:num], records
    else:
        read = read_records(task, split, data_dir=data_dir, limit=num, seed=seed).records
        pool = read_records(task, "train", data_dir=data_dir, seed=seed).records if shots else ()
    chosen = range(len(task.templates)) if is_all else None if template is None else [template]
    examples = []
    for number, record in enumerate(read):
        exemplars = choose_shots(task, record, pool, num_shots=shots, seed=seed)
        for index in chosen or [template_index(task, record_uid(record), seed=seed)]:
            place = {"task": name, "split": split, "record": number, "template": index}
            examples.append(place | _rendered(task, record, index, exemplars))
    if as_json:
        print_json(examples)
        return
    console = open_console()
    for example in examples:
        console.print(_panel(example))


def _handwritten(task: Task) -> tuple[Record, ...]:
    """Returns the hand-written records that the task keeps."""
    from flanjax.data.render import checked_fields

    kept = tuple(record for record in task.examples if checked_fields(task, record) is not None)
    if not kept:
        raise ValueError(
            f"task {task.name}: examples must hold a record to show, got none; "
            "show the data with --data_dir."
        )
    return kept


def _rendered(task: Task, record: Record, index: int, shots: tuple[Record, ...]) -> dict[str, Any]:
    from flanjax.data.render import render

    example = render(task, record, template=index, shots=shots)
    assert example is not None, "read_records returns only records that render"
    return {"inverted": task.templates[index].inverted, **example._asdict()}


def _panel(example: dict[str, Any]) -> Panel:
    from rich.console import Group
    from rich.panel import Panel
    from rich.rule import Rule
    from rich.text import Text

    title = f"{example['task']}, {example['split']} record {example['record']}, "
    title += f"template {example['template']}" + " (inverted)" * example["inverted"]
    inputs, targets = Text(example["inputs"]), Text(example["targets"], style="bold")
    return Panel(Group(inputs, Rule(style="dim"), targets), title=Text(title), title_align="left")
