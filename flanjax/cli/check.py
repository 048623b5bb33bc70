"""`flanjax tasks check`: finds the faults of a catalogue's tasks."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from flanjax.cli.failure import Failure
from flanjax.cli.options import (
    DEFAULT_CATALOG,
    catalog_option,
    data_dir_option,
    examples,
    json_option,
)
from flanjax.cli.output import open_console, print_json

if TYPE_CHECKING:
    from flanjax.data.catalogue import Catalogue
    from flanjax.data.check import CheckReport, Problem
    from flanjax.data.task import Record, Task


class Checked(NamedTuple):
    """A catalogue's check, as the command prints it."""

    catalogue: str
    problems: tuple[Problem, ...]
    report: CheckReport
    num_read: int
    seconds: float


@click.command("check")
@catalog_option(default=DEFAULT_CATALOG)
@click.option("--all", "is_all", is_flag=True, help="Check every catalogue that ships.")
@data_dir_option
@click.option(
    "--num",
    default=100,
    show_default=True,
    type=click.IntRange(min=1),
    help="Records of each split to render in every wording.",
)
@click.option("--lengths", is_flag=True, help="Print each task's lengths and distinctness too.")
@json_option
@examples(
    "flanjax tasks check --all",
    "flanjax tasks check --catalog=tasks.catalogue:CATALOGUE --data_dir=data",
)
def check_tasks(
    catalog: str, is_all: bool, data_dir: str | None, num: int, lengths: bool, as_json: bool
) -> None:
    """Check the tasks of a catalogue, and render them on their records.

    A task's own `examples` are always rendered, where it has any, and records
    of its source; those of datasets of TFDS only with DATA_DIR. Every fault is
    printed with its task and template. The command fails where there is any.
    """
    from flanjax.cli.catalog import SHIPPED

    if is_all and catalog != DEFAULT_CATALOG:
        raise click.UsageError("--all and --catalog must not stand together: choose one.")
    places = list(SHIPPED) if is_all else [catalog]
    checked = [_check(place, data_dir, num) for place in places]
    if as_json:
        plain = [_plain(found) for found in checked]
        print_json(plain if is_all else plain[0])
    else:
        _print(checked)
        for found in checked if lengths else ():
            _print_lengths(found)
    num_problems = sum(len(found.problems) for found in checked)
    if num_problems:
        names = " and ".join(found.catalogue for found in checked if found.problems)
        raise Failure(f"catalogue {names} has problems, got {num_problems}; see above.")


def _check(place: str, data_dir: str | None, num: int) -> Checked:
    from flanjax.cli.catalog import written_catalog
    from flanjax.data.check import check_catalogue

    started = time.monotonic()
    catalogue = written_catalog(place)
    records, unread = _read(catalogue, data_dir, num)
    report = check_catalogue(catalogue, records=records)
    return Checked(
        catalogue.name,
        (*unread, *report.problems),
        report,
        sum(bool(found) for found in records.values()),
        time.monotonic() - started,
    )


def _read(
    catalogue: Catalogue, data_dir: str | None, num: int
) -> tuple[dict[str, list[Record]], list[Problem]]:
    records: dict[str, list[Record]] = {}
    unread: list[Problem] = []
    for task in catalogue.tasks():
        records[task.name], problems = _read_splits(task, data_dir, num)
        unread += problems
    return records, unread


def _read_splits(task: Task, data_dir: str | None, num: int) -> tuple[list[Record], list[Problem]]:
    """Returns records of every split, and why a split cannot be read.

    A task that has hand-written records need not have its data here.
    """
    from flanjax.data.check import Problem
    from flanjax.data.published import Published
    from flanjax.data.records import read_records
    from flanjax.data.task import UnavailableError

    records: list[Record] = []
    problems: list[Problem] = []
    if data_dir is None and isinstance(task.source, Published):
        return records, problems
    for split in task.source.splits():
        try:
            records += read_records(task, split, data_dir=data_dir, limit=num).records
        except ValueError as error:
            if isinstance(error, UnavailableError) and task.examples:
                continue
            what = str(error).removeprefix(f"task {task.name}").lstrip(",: ")
            problems.append(Problem(task.name, None, what))
    return records, problems


def _plain(found: Checked) -> dict[str, Any]:
    report, likeness = found.report, found.report.likeness
    return {
        "catalogue": found.catalogue,
        "problems": [problem._asdict() for problem in found.problems],
        "num_tasks": report.num_tasks,
        "num_tasks_read": found.num_read,
        "num_templates": report.num_templates,
        "num_renders": report.num_renders,
        "distinctness": likeness.mean_distinctness,
        "most_alike_within": likeness.within[0]._asdict() if likeness.within else None,
        "most_alike_across": likeness.across._asdict() if likeness.across else None,
        "seconds": round(found.seconds, 3),
        "lengths": {name: lengths._asdict() for name, lengths in report.lengths.items()},
    }


def _print(checked: list[Checked]) -> None:
    from rich.table import Table
    from rich.text import Text

    for found in checked:
        for problem in found.problems:
            template = "" if problem.template is None else f", template {problem.template}"
            click.echo(f"{problem.task}{template}: {problem.what}")
    table = Table()
    table.add_column("catalogue")
    columns = (
        "problems",
        "tasks",
        "read",
        "templates",
        "renders",
        "distinct",
        "within",
        "across",
        "s",
    )
    for column in columns:
        table.add_column(column, justify="right")
    for found in checked:
        report, likeness = found.report, found.report.likeness
        cells = [
            found.catalogue,
            str(len(found.problems)),
            str(report.num_tasks),
            str(found.num_read),
            f"{report.num_templates:,}",
            f"{report.num_renders:,}",
            f"{likeness.mean_distinctness:.3f}",
            f"{likeness.within[0].rouge:.2f}" if likeness.within else "-",
            f"{likeness.across.rouge:.2f}" if likeness.across else "-",
            f"{found.seconds:.1f}",
        ]
        table.add_row(*map(Text, cells))
    console = open_console()
    console.print(table)
    click.echo(
        "templates: rendered at least once. distinct: mean 1 - ROUGE-L of a task's wordings, "
        "fields left out. within, across: the highest ROUGE-L within a task, across tasks."
    )


def _print_lengths(found: Checked) -> None:
    from rich.table import Table
    from rich.text import Text

    table = Table(title=f"catalogue {found.catalogue}, words of an example", title_justify="left")
    table.add_column("task")
    for column in ("inputs, median", "longest", "targets, median", "longest", "distinct"):
        table.add_column(column, justify="right")
    for name, lengths in found.report.lengths.items():
        distinct = found.report.likeness.distinctness.get(name)
        cells = [
            name,
            f"{lengths.inputs_median:,.0f}",
            f"{lengths.inputs_max:,}",
            f"{lengths.targets_median:,.0f}",
            f"{lengths.targets_max:,}",
            "" if distinct is None else f"{distinct:.3f}",  # a variant's wordings count once
        ]
        table.add_row(*map(Text, cells))
    open_console().print(table)
