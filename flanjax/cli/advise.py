"""`flanjax data advise`: row lengths that suit a mixture, before it trains."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING

import click

from flanjax.cli.options import (
    OUTPUT_FILE,
    catalog_option,
    data_dir_option,
    examples,
    gin_options,
    json_option,
    load_run,
)
from flanjax.cli.output import open_console, print_json, write_text

if TYPE_CHECKING:
    import rich.console
    from rich.table import Table

    from flanjax.engine.advise import Advice
    from flanjax.engine.advise_text import Sampled
    from flanjax.experiment import Experiment
    from flanjax.length_sample import LengthSample


@click.command()
@gin_options
@catalog_option(default=None)
@data_dir_option
@click.option(
    "--max_truncation",
    default=0.01,
    show_default=True,
    type=click.FloatRange(0, 1),
    help="Share of examples that may be cut, on each side.",
)
@click.option(
    "--max_attention",
    default=1.1,
    show_default=True,
    type=click.FloatRange(0, min_open=True),
    help="Attention per token, over that of the run as it is, that is worth fuller rows. Raise it "
    "for wide models, in which attention is a small part of the work.",
)
@click.option(
    "--records",
    default=2_000,
    show_default=True,
    type=click.IntRange(min=1),
    help="Records tokenized of each task, chosen by a stable hash.",
)
@click.option(
    "--draws",
    default=16_384,
    show_default=True,
    type=click.IntRange(min=1),
    help="Examples drawn of them by share, and packed.",
)
@click.option(
    "--row_multiple",
    default=8,
    show_default=True,
    type=click.IntRange(min=1),
    help="Rows per step are a multiple of this, and of what mesh and microbatches ask for.",
)
@click.option(
    "--output",
    type=OUTPUT_FILE,
    metavar="PAGE.html",
    help="Write plots and table as a page, too.",
)
@json_option
@examples(
    "flanjax data advise --gin_file=runs/mini_t5.gin --gin.MODEL_DIR=\"'/tmp/run'\"",
    "flanjax data advise --gin_file=my.gin --data_dir=data --output=advice.html",
)
def advise(
    gin_files: tuple[str, ...],
    bindings: tuple[str, ...],
    gin_search_paths: tuple[str, ...],
    catalog: str | None,
    data_dir: str | None,
    max_truncation: float,
    max_attention: float,
    records: int,
    draws: int,
    row_multiple: int,
    output: str | None,
    as_json: bool,
) -> None:
    """Propose TASK_FEATURE_LENGTHS and BATCH_SIZE for the mixture of a run.

    Tokenizes a sample of each task's training records, draws examples as the
    run would, and packs them into rows of many lengths. The choice to take
    fills its rows best with few examples cut and no excess of attention.
    """
    experiment = load_run(
        gin_files, bindings, gin_search_paths, catalog=catalog, data_dir=data_dir
    ).experiment
    from flanjax.engine import advise as advisor
    from flanjax.engine.advise_page import render_page
    from flanjax.engine.advise_text import to_plain
    from flanjax.length_sample import rows_of

    console = open_console(as_json=as_json)
    sample, sampled = _sample(experiment, records, draws, console)
    is_strict = experiment.data.over_long == "error"
    with console.status("packing"):
        advice = advisor.advise(
            sampled.drawn,
            rows_of(experiment, multiple=row_multiple),
            max_truncation=0.0 if is_strict else max_truncation,
            max_attention=max_attention,
        )
    if as_json:
        print_json({**to_plain(advice, sampled), "missing": dict(sample.missing)})
    else:
        _print(console, advice, sampled, sample.missing)
    if output is not None:
        write_text(output, render_page(advice, sampled, missing=sample.missing), err=as_json)


def _sample(
    experiment: Experiment, num_records: int, num_draws: int, console: rich.console.Console
) -> tuple[LengthSample, Sampled]:
    """Returns the lengths of each task, and what is drawn of them."""
    from flanjax.certificate import split_catalogue
    from flanjax.cli.catalog import run_catalog
    from flanjax.data.tokenize import make_tokenizer
    from flanjax.engine import advise as advisor
    from flanjax.engine.advise_text import Sampled
    from flanjax.length_sample import sample_lengths

    mixture = split_catalogue(experiment, run_catalog(experiment, is_uncut=True)).train
    with console.status("reading") as status:
        sample = sample_lengths(
            experiment,
            mixture,
            make_tokenizer(experiment.tokenizer),
            num_records=num_records,
            on_task=lambda task: status.update(f"tokenizing {task}"),
        )
    seed = experiment.train.seed
    drawn = advisor.draw(sample.lengths, sample.shares, num_draws=num_draws, seed=seed)
    family = "encoder-decoder" if experiment.is_encoder_decoder else "causal"
    sampled = Sampled(mixture.name, family, drawn, sample.lengths, sample.sizes, sample.shares)
    return sample, sampled


def _print(
    console: rich.console.Console, advice: Advice, sampled: Sampled, missing: Collection[str]
) -> None:
    from rich.text import Text

    from flanjax.engine.advise_text import verdict

    console.print(Text(sampled.headline()))
    console.print()
    console.print(_table(advice))
    console.print(Text("> recommended   * the run as it is\n", style="dim"))
    if missing:
        console.print(Text(f"not drawn, their data is not here: {', '.join(missing)}\n"))
    console.print(Text(verdict(advice)))
    if advice.recommended is not None:
        console.print()
        for line in advice.recommended.gin_lines():
            console.print(Text(line, style="bold"), soft_wrap=True)


def _table(advice: Advice) -> Table:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    from flanjax.engine.advise_text import COLUMNS, cells, mark

    table = Table(box=box.SIMPLE_HEAD, padding=0, show_edge=False)
    table.add_column("")
    for _, title in COLUMNS:
        table.add_column(title, justify="right", no_wrap=True)
    for choice in advice.listed():
        style = "bold green" if choice == advice.recommended else ""
        table.add_row(mark(advice, choice), *map(Text, cells(advice, choice)), style=style)
    return table
