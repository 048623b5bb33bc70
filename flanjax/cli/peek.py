"""`flanjax data peek`: what the model saw at a step."""

from __future__ import annotations

import dataclasses
import pathlib
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from flanjax.cli.options import catalog_option, data_bindings, examples, gin_options, json_option
from flanjax.cli.output import open_console, print_json

if TYPE_CHECKING:
    from rich.panel import Panel
    from rich.text import Text

    from flanjax.data.tokenize import Tokenizer
    from flanjax.engine.peek import Piece, SeenBatch, SeenRow, Segment
    from flanjax.experiment import Experiment

_ROWS = 2
_TRAINED = "green"
_OPEN, _CLOSE = "\u27e6\u27e7"  # white square brackets, which hardly a text holds


@click.command()
@click.option(
    "--checkpoint",
    "--model_dir",
    "checkpoint",
    metavar="DIR",
    help="A run's MODEL_DIR, or a checkpoint in it: shows what that run has read.",
)
@gin_options
@catalog_option(default=None, otherwise="the run's")
@click.option("--step", required=True, type=click.IntRange(min=1), help="The step, from 1.")
@click.option(
    "--rows",
    "num_rows",
    type=click.IntRange(min=1),
    metavar="N",
    help=f"Show the first N rows of the batch.  [default: {_ROWS}]",
)
@click.option(
    "--row", type=click.IntRange(min=0), metavar="K", help="Show row K alone, counted from 0."
)
@json_option
@examples(
    "flanjax data peek --checkpoint=/tmp/run --step=1200",
    "flanjax data peek --gin_file=my.gin --step=1 --row=7 --json",
)
def peek(
    checkpoint: str | None,
    gin_files: tuple[str, ...],
    bindings: tuple[str, ...],
    gin_search_paths: tuple[str, ...],
    catalog: str | None,
    step: int,
    num_rows: int | None,
    row: int | None,
    as_json: bool,
) -> None:
    """Show the rows that training reads at a step, as the model sees them.

    Each example stands with its task, wording and source row, and with what
    of it is trained on. The cache is read, the records are not.
    """
    if num_rows is not None and row is not None:
        raise click.UsageError("--rows and --row must not stand together: choose one.")
    from flanjax import start
    from flanjax.cached_data import cached_train_data
    from flanjax.cli.catalog import run_catalog
    from flanjax.engine.peek import Reader, seen_batch

    experiment, tokenizer = _run(checkpoint, gin_files, bindings, gin_search_paths, catalog)
    train = experiment.train
    first = start.first_step(experiment)
    if not first < step <= train.steps:
        raise ValueError(
            f"step must be one of the run's steps {first + 1:,} to {train.steps:,}, got {step:,}; "
            "name another, or raise TRAIN_STEPS."
        )
    if row is not None and row >= train.batch_size:
        raise ValueError(
            f"row must be below the batch size {train.batch_size}, got {row}; count from 0."
        )
    console = open_console(as_json=as_json)
    data = cached_train_data(experiment, run_catalog(experiment), tokenizer)
    index = data.row_index(is_writer=False)
    reader = Reader(data.plan, data.tokens, data.layout, tokenizer, index, train.batch_size)
    shown = range(min(num_rows or _ROWS, train.batch_size)) if row is None else [row]
    with console.status("looking for the step") as status:

        def on_window(known: int, sought: int) -> None:
            status.update(f"planning rows: {min(known, sought + 1):,} of {sought + 1:,}")

        seen = seen_batch(reader, step - first, rows=shown, on_window=on_window)
    if as_json:
        print_json(_plain(seen, step, data.plan_id()))
    else:
        console.print(*_printed(seen, f"step {step:,} of {train.steps:,}"), sep="\n")


def _run(
    checkpoint: str | None,
    gin_files: Sequence[str],
    bindings: Sequence[str],
    search_paths: Sequence[str],
    catalog: str | None,
) -> tuple[Experiment, Tokenizer]:
    """Returns the run of a checkpoint or of gin files, and its tokenizer."""
    from flanjax import gin_bridge, model_dir
    from flanjax.data.tokenize import make_tokenizer

    if checkpoint is not None and (gin_files or bindings):
        raise click.UsageError("--checkpoint and --gin_file must not stand together: choose one.")
    if checkpoint is not None:
        experiment = model_dir.read_run(checkpoint)
        data = dataclasses.replace(experiment.data, catalogue=catalog or experiment.data.catalogue)
        experiment = dataclasses.replace(experiment, data=data)
        return experiment, model_dir.read_tokenizer(pathlib.Path(experiment.model_dir))
    if not gin_files:
        raise click.UsageError("No run named: give --checkpoint, or a --gin_file.")
    overrides = [*bindings, *data_bindings(catalog=catalog, data_dir=None)]
    experiment = gin_bridge.load(gin_files, overrides, search_paths=search_paths).experiment
    return experiment, make_tokenizer(experiment.tokenizer)


def _plain(seen: SeenBatch, step: int, plan_id: str) -> dict[str, Any]:
    return {
        "step": step,
        "plan": plan_id,
        "first_row": seen.first_row,
        "num_rows": seen.num_rows,
        "fill": seen.fill,
        "tokens": seen.num_tokens,
        "trained_tokens": seen.num_trained,
        "examples": seen.num_examples,
        "rows": [_plain_row(row) for row in seen.rows],
    }


def _plain_row(row: SeenRow) -> dict[str, Any]:
    """Returns a row as JSON values: its examples, and its arrays."""
    arrays = {
        name: array[0].tolist() for name, array in row.arrays._asdict().items() if name != "encoder"
    }
    if row.arrays.encoder is not None:
        arrays["encoder"] = {
            name: array[0].tolist() for name, array in row.arrays.encoder._asdict().items()
        }
    return {
        "row": row.number,
        "window": row.position.window,
        "row_of_window": row.position.row,
        "padding": dict(zip(_axes(row), row.num_padding, strict=True)),
        "segments": [_plain_segment(segment) for segment in row.segments],
        "arrays": arrays,
    }


def _axes(row: SeenRow) -> tuple[str, ...]:
    return ("tokens",) if row.arrays.encoder is None else ("inputs", "targets")


def _plain_segment(segment: Segment) -> dict[str, Any]:
    plain = segment._asdict()
    return {
        "pass" if name == "pass_index" else name: value
        for name, value in plain.items()
        if name not in ("prompt", "target")
    } | {side: [piece._asdict() for piece in plain[side]] for side in ("prompt", "target")}


def _printed(seen: SeenBatch, step: str) -> list[Any]:
    """Returns what people are shown: a legend, the rows, sums over the batch."""
    from rich.text import Text

    from flanjax.engine.peek import END

    last = seen.first_row + seen.num_rows - 1
    legend = Text.assemble(
        "trained on: ",
        (f"{_OPEN}green, in brackets{_CLOSE}", _TRAINED),
        f"; all else is read, and no loss is taken on it. {END} is the end id.",
    )
    head = f"{step}: rows {seen.first_row:,} to {last:,} of the run's sequence"
    examples = ", ".join(f"{task} {count:,}" for task, count in seen.num_examples.items())
    total = sum(seen.num_examples.values())
    filled = (
        f"batch of {seen.num_rows:,} rows: {100 * seen.fill:.2f} % full, {seen.num_tokens:,} "
        f"tokens of {seen.num_slots:,}, {seen.num_trained:,} of them trained on"
    )
    drawn = f"{total:,} examples: {examples}"
    return [Text(head, style="bold"), legend, *map(_panel, seen.rows), Text(filled), Text(drawn)]


def _panel(row: SeenRow) -> Panel:
    from rich.console import Group
    from rich.panel import Panel
    from rich.rule import Rule
    from rich.text import Text

    parts: list[Any] = []
    for number, segment in enumerate(row.segments, start=1):
        parts += [Rule(style="dim")] * (number > 1)
        parts += _told(segment, number, is_causal=row.arrays.encoder is None)
    lengths = (row.arrays.encoder.tokens.shape[1],) if row.arrays.encoder is not None else ()
    slots = (*lengths, row.arrays.tokens.shape[1])
    padding = ", ".join(
        f"{empty:,} of {size:,} {axis}"
        for empty, size, axis in zip(row.num_padding, slots, _axes(row), strict=True)
    )
    count = len(row.segments)
    title = f"row {row.number}: {count} example{'s' * (count != 1)}; padding {padding}"
    return Panel(Group(*parts), title=Text(title), title_align="left")


def _told(segment: Segment, number: int, *, is_causal: bool) -> list[Any]:
    """Returns what an example is, and its texts."""
    from rich.table import Table
    from rich.text import Text

    sizes = [sum(len(piece.ids) for piece in side) for side in (segment.prompt, segment.target)]
    heading = (
        f"{number}. {segment.task}, template {segment.template}, row {segment.source_row} of "
        f"train, pass {segment.pass_index}: prompt {sizes[0]}{' (cut)' * segment.inputs_cut} and "
        f"target {sizes[1]}{' (cut)' * segment.targets_cut} tokens"
    )
    texts = Table.grid(padding=(0, 1))
    labels = ("prompt", "target") if is_causal else ("encoder", "decoder")
    for label, side in zip(labels, (segment.prompt, segment.target), strict=True):
        texts.add_row(Text(label, style="dim"), _marked(side))
    return [Text(heading, style="bold"), texts]


def _marked(side: Sequence[Piece]) -> Text:
    """Returns a text in which what is trained on stands apart, in colour and without."""
    from rich.text import Text

    return Text.assemble(
        *(
            (f"{_OPEN}{piece.text}{_CLOSE}", _TRAINED) if piece.is_trained else piece.text
            for piece in side
        )
    )
