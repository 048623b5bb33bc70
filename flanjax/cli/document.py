"""`flanjax tasks document`: a catalogue as a page."""

from __future__ import annotations

import click

from flanjax.cli.options import (
    DEFAULT_CATALOG,
    OUTPUT_FILE,
    catalog_option,
    examples,
    typed_command,
)
from flanjax.cli.output import write_text


@click.command("document")
@catalog_option(default=DEFAULT_CATALOG)
@click.option(
    "--output", type=OUTPUT_FILE, metavar="FILE.md", help="The file to write.  [default: print it]"
)
@examples(
    "flanjax tasks document --catalog=flan2021 --output=docs/catalogue.md",
)
@click.pass_context
def document_tasks(ctx: click.Context, catalog: str, output: str | None) -> None:
    """Write a catalogue as Markdown: tasks, sizes, rates, licenses, hold-outs."""
    from flanjax.cli.catalog import written_catalog
    from flanjax.data.document import document

    text = document(written_catalog(catalog), command=typed_command(ctx))
    if output is None:
        click.echo(text, nl=False)
    else:
        write_text(output, text)
