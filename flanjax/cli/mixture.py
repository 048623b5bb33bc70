"""`flanjax mixture`: what a run would draw, before it trains."""

from __future__ import annotations

import dataclasses
import sys
from typing import TYPE_CHECKING, Any

import click

from flanjax.cli.options import (
    DEFAULT_CATALOG,
    OUTPUT_FILE,
    catalog_option,
    data_dir_option,
    examples,
    hold_out_option,
    json_option,
)
from flanjax.cli.output import open_console, print_json, write_text

if TYPE_CHECKING:
    from flanjax.data.catalogue import Catalogue, Mixture
    from flanjax.data.sizes import Draw, Size


@click.group()
def mixture() -> None:
    """Look at mixtures of tasks."""


@mixture.command()
@click.argument("name")
@catalog_option(default=None, otherwise="the one of that name, else mini")
@data_dir_option
@hold_out_option(metavar="RULE", help="Leave out what this hold-out leaves out.")
@click.option(
    "--max_examples",
    type=click.IntRange(min=1),
    help="Examples used of each task.  [default: 30,000; all of a mixture of SeqIO]",
)
@click.option(
    "--rate_cap",
    default=3_000,
    show_default=True,
    type=click.IntRange(min=1),
    help="A task's size counts as at most this much.",
)
@click.option("--temperature", default=1.0, show_default=True, help="Flattens the rates.")
@click.option(
    "--draws",
    type=click.IntRange(min=1),
    help="Examples drawn in all, for the passes.  [default: as many as there are]",
)
@click.option("--published", is_flag=True, help="Read nothing: take the sizes that TFDS publishes.")
@json_option
@examples(
    "flanjax mixture show mini --draws=100000",
    "flanjax mixture show flan2021 --hold_out=nli --published",
)
def show(
    name: str,
    catalog: str | None,
    data_dir: str | None,
    hold_out: str | None,
    max_examples: int | None,
    rate_cap: int,
    temperature: float,
    draws: int | None,
    published: bool,
    as_json: bool,
) -> None:
    """Show each task's examples, rate, share and passes in the mixture NAME.

    NAME is the catalogue, one of its clusters or one of its tasks. With
    --data_dir, a task whose data is not on this machine is not drawn; without,
    it counts with its published size.
    """
    from flanjax.cli.catalog import SHIPPED, load_catalog
    from flanjax.data import holdout
    from flanjax.data.sizes import expected_draws, measured_size, published_size

    catalogue = load_catalog(catalog or (name if name in SHIPPED else DEFAULT_CATALOG))
    chosen = catalogue.mixture(name)
    limit = max_examples or chosen.max_examples
    chosen = dataclasses.replace(
        chosen, max_examples=limit, rate_cap=rate_cap, temperature=temperature
    )
    dropped = holdout.evaluation_only(catalogue) if name == catalogue.name else {}
    if hold_out:
        split = holdout.hold_out(catalogue, hold_out, mixture=chosen)
        chosen, dropped = split.train, split.dropped
    sizes = {
        task.name: published_size(task)
        if published
        else measured_size(task, data_dir=data_dir, max_examples=limit)
        for task in chosen.tasks()
    }
    unknown = {
        task: size.missing or "no published size"
        for task, size in sizes.items()
        if size.examples is None or (data_dir is not None and size.missing)
    }
    present = [task for task in chosen.tasks() if task.name not in unknown]
    if not present:
        raise ValueError(
            f"mixture {name} must have a task of known size, got none; "
            f"first: {next(iter(unknown.values()))}"
        )
    chosen = holdout.restricted(chosen, present, name=chosen.name)
    found = expected_draws(
        chosen,
        {task.name: sizes[task.name].examples or 0 for task in present},
        num_draws=draws,
    )
    if as_json:
        print_json(_plain(chosen, found, sizes, {**dropped, **unknown}))
    else:
        _print(catalogue, chosen, found, sizes, {**dropped, **unknown})


def _plain(
    mixture: Mixture, draws: list[Draw], sizes: dict[str, Size], dropped: dict[str, str]
) -> dict[str, Any]:
    tasks = [{**draw._asdict(), **_told(sizes[draw.task])} for draw in draws]
    return {
        "mixture": mixture.name,
        "max_examples": mixture.max_examples,
        "rate_cap": mixture.rate_cap,
        "temperature": mixture.temperature,
        "tasks": tasks,
        "dropped": dropped,
    }


def _told(size: Size) -> dict[str, Any]:
    return {
        "from": size.origin,
        "before_cap": size.examples,
        "left_out_by_rule": size.left_out,
        "bad": size.bad,
        "missing": size.missing,
    }


def _print(
    catalogue: Catalogue,
    mixture: Mixture,
    draws: list[Draw],
    sizes: dict[str, Size],
    dropped: dict[str, str],
) -> None:
    from rich.table import Table
    from rich.text import Text

    is_capped = mixture.max_examples < sys.maxsize
    examples = f"at most {mixture.max_examples:,}" if is_capped else "all"
    rates = f"rate cap {mixture.rate_cap:,}" if mixture.weights is None else "rates of its own"
    title = f"mixture {mixture.name}: {examples} examples a task, {rates}, temperature "
    title += f"{mixture.temperature:g}"
    table = Table(title=title, title_justify="left")
    for column in ("cluster", "task"):
        table.add_column(column)
    for column in ("examples", "left out", "used", "rate", "share %", "passes"):
        table.add_column(column, justify="right")
    table.add_column("counted from")
    previous = None
    for draw in draws:
        home = catalogue.cluster_of(draw.task)
        if previous not in (None, home):
            table.add_section()
        size = sizes[draw.task]
        cells = [
            "" if home == previous else home,
            draw.task,
            f"{size.examples:,}",
            f"{size.left_out:,}" if size.origin == "read" else "-",
            f"{draw.examples:,}",
            f"{draw.rate:,.0f}" if mixture.weights is None else f"{draw.rate:,.3g}",
            f"{100 * draw.share:.2f}",
            f"{draw.passes:.2f}",
            "the data" if size.origin == "read" else "its published size",
        ]
        previous = home
        table.add_row(*map(Text, cells))
    console = open_console()
    console.print(table)
    total = sum(draw.passes * draw.examples for draw in draws)
    console.print(f"{len(draws)} tasks, {total:,.0f} examples drawn.")
    for task, why in dropped.items():
        console.print(Text(f"not drawn: {task}: {why}"))


@mixture.command()
@catalog_option(default=DEFAULT_CATALOG)
@click.option(
    "--hold_out",
    "rules",
    multiple=True,
    metavar="RULE",
    help="What is held out; may be repeated.  [default: each cluster in turn]",
)
@click.option(
    "--output",
    type=OUTPUT_FILE,
    metavar="FILE.json",
    help="The file to write.  [default: print it]",
)
@examples(
    "flanjax mixture certify --catalog=flan2021 --hold_out=nli",
    "flanjax mixture certify --catalog=flan2021 --output=docs/certificates.json",
)
def certify(catalog: str, rules: tuple[str, ...], output: str | None) -> None:
    """Certify what hold-outs train on, test and leave out, and why.

    A run writes the same for itself, with what was missing on its machine.
    """
    import json

    from flanjax import certificate
    from flanjax.cli.catalog import written_catalog
    from flanjax.data.holdout import hold_out

    catalogue = written_catalog(catalog)
    chosen = rules or tuple(cluster.name for cluster in catalogue.clusters)
    certificates = [
        certificate.certify(catalogue, hold_out(catalogue, rule), rule=rule).to_json()
        for rule in chosen
    ]
    if output is None:
        print_json(certificates)
    else:
        write_text(output, json.dumps(certificates, indent=1, ensure_ascii=False) + "\n")
