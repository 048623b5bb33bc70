"""`flanjax tasks explore`: a catalogue as a page to browse."""

from __future__ import annotations

import pathlib

import click

from flanjax.cli.options import catalog_option, data_dir_option, examples
from flanjax.cli.output import write_text

PAGE = "index.html"


@click.command("explore")
@click.option("--out", required=True, metavar="DIR", help="The directory to write the page to.")
@catalog_option(default="flan2021")
@data_dir_option
@examples(
    "flanjax tasks explore --out=explore",
    "flanjax tasks explore --out=explore --catalog=tasks.catalogue:CATALOGUE --data_dir=data",
)
def explore_tasks(out: str, catalog: str, data_dir: str | None) -> None:
    """Write a page to browse a catalogue: wordings, examples, shares, lengths.

    It shows the records that a task's author wrote by hand; with --data_dir,
    records of the data as well, where it is there. It is one file, and needs
    no network.
    """
    from flanjax.cli.catalog import written_catalog
    from flanjax.explore.content import content
    from flanjax.explore.page import render_page
    from flanjax.explore.samples import sample

    catalogue = written_catalog(catalog)
    folder = _made(out)
    sampled = {task.name: sample(task, data_dir=data_dir) for task in catalogue.tasks()}
    page = render_page(content(catalogue, sampled, place=catalog))
    write_text(str(folder / PAGE), page, with_size=True)


def _made(out: str) -> pathlib.Path:
    """Returns the directory, made if it is not there."""
    folder = pathlib.Path(out)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ValueError(
            f"out must be a directory that can be made, got {out} ({error.strerror}); name another."
        ) from None
    return folder
