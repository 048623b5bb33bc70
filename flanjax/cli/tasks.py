"""`flanjax tasks`: lists, explores, shows, checks, documents, begins."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from flanjax.cli.check import check_tasks
from flanjax.cli.document import document_tasks
from flanjax.cli.explore import explore_tasks
from flanjax.cli.new import new
from flanjax.cli.options import DEFAULT_CATALOG, catalog_option, examples, json_option
from flanjax.cli.output import open_console, print_json
from flanjax.cli.show import show

if TYPE_CHECKING:
    from flanjax.data.catalogue import Catalogue


@click.group()
def tasks() -> None:
    """List, explore, show, check, document and begin tasks."""


tasks.add_command(show)
tasks.add_command(check_tasks)
tasks.add_command(document_tasks)
tasks.add_command(explore_tasks)
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
