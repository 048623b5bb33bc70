"""`flanjax tasks`: lists, shows, checks and begins tasks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from flanjax.cli.failure import Failure
from flanjax.cli.new import new
from flanjax.cli.options import (
    DEFAULT_CATALOG,
    catalog_option,
    data_dir_option,
    examples,
    json_option,
)
from flanjax.cli.output import open_console, print_json
from flanjax.cli.show import show

if TYPE_CHECKING:
    from flanjax.data.catalogue import Catalogue
    from flanjax.data.check import Problem
    from flanjax.data.task import Record, Task


@click.group()
def tasks() -> None:
    """List, show, check and begin tasks."""


tasks.add_command(show)
tasks.add_command(new)


@tasks.command("list")
@catalog_option(default=DEFAULT_CATALOG)
@json_option
@examples(
    "flanjax tasks list --catalog=tasks.catalogue:CATALOGUE",
)
def list_tasks(catalog: str, as_json: bool) -> None:
    """List the tasks of a catalogue by cluster."""
    from flanjax.cli.catalog import load_catalog

    catalogue = load_catalog(catalog)
    rows = _rows(catalogue)
    if as_json:
        print_json({"catalogue": catalogue.name, "tasks": rows})
        return
    from rich.table import Table
    from rich.text import Text

    table = Table(title=f"catalogue {catalogue.name}", title_justify="left")
    for column in ("cluster", "task", "mode", "templates", "metrics", "license", "source"):
        table.add_column(column, justify="right" if column == "templates" else "left")
    previous = None
    for row in rows:
        if previous not in (None, row["cluster"]):
            table.add_section()
        name = "" if row["cluster"] == previous else row["cluster"]
        previous = row["cluster"]
        cells = [name, row["task"], row["mode"], str(row["templates"]), ", ".join(row["metrics"])]
        table.add_row(*map(Text, [*cells, row["license"], row["source"]]))
    open_console().print(table)


@tasks.command("check")
@catalog_option(default=DEFAULT_CATALOG)
@data_dir_option
@click.option(
    "--num",
    default=100,
    show_default=True,
    type=click.IntRange(min=1),
    help="Records of each split to render in every wording.",
)
@json_option
@examples(
    "flanjax tasks check --catalog=tasks.catalogue:CATALOGUE --data_dir=data",
)
def check_tasks(catalog: str, data_dir: str | None, num: int, as_json: bool) -> None:
    """Check the tasks of a catalogue, and render them on their records.

    Every fault is printed with its task and template. The command fails where
    there is any.
    """
    from flanjax.cli.catalog import load_catalog
    from flanjax.data.check import check_catalogue

    catalogue = load_catalog(catalog)
    unread: list[Problem] = []
    records: dict[str, list[Record]] = {}
    for task in catalogue.tasks():
        records[task.name], problems = _read_splits(task, data_dir, num)
        unread += problems
    report = check_catalogue(catalogue, records=records)
    problems = [*unread, *report.problems]
    if as_json:
        plain = {name: lengths._asdict() for name, lengths in report.lengths.items()}
        counts = {
            "num_tasks": report.num_tasks,
            "num_templates": report.num_templates,
            "num_renders": report.num_renders,
        }
        print_json({"problems": [p._asdict() for p in problems], **counts, "lengths": plain})
    else:
        for problem in problems:
            template = "" if problem.template is None else f", template {problem.template}"
            click.echo(f"{problem.task}{template}: {problem.what}")
        click.echo(
            f"catalogue {catalogue.name}: tasks {report.num_tasks}, templates "
            f"{report.num_templates}, examples rendered {report.num_renders:,}, "
            f"problems {len(problems)}"
        )
    if problems:
        raise Failure(f"catalogue {catalogue.name} has problems, got {len(problems)}; see above.")


def _read_splits(task: Task, data_dir: str | None, num: int) -> tuple[list[Record], list[Problem]]:
    """Returns records of every split, and why a split cannot be read."""
    from flanjax.data.check import Problem
    from flanjax.data.records import read_records

    records: list[Record] = []
    problems: list[Problem] = []
    for split in task.source.splits():
        try:
            records += read_records(task, split, data_dir=data_dir, limit=num).records
        except ValueError as error:
            what = str(error).removeprefix(f"task {task.name}").lstrip(",: ")
            problems.append(Problem(task.name, None, what))
    return records, problems


def _rows(catalogue: Catalogue) -> list[dict[str, Any]]:
    return [
        {
            "cluster": cluster.name,
            "task": task.name,
            "version": task.version,
            "mode": task.mode,
            "templates": len(task.templates),
            "metrics": list(task.metrics),
            "splits": list(task.source.splits()),
            "license": task.license,
            "source": task.source.describe(),
        }
        for cluster in catalogue.clusters
        for task in cluster.tasks
    ]
