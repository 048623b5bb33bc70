"""`flanjax cache`: tokenizes what a run needs, before it trains."""

from __future__ import annotations

import collections
import dataclasses
import os
import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import click

from flanjax.cli import seqio_cache
from flanjax.cli.failure import Interrupted, interrupts_kept
from flanjax.cli.options import (
    catalog_option,
    data_dir_option,
    examples,
    gin_options,
    json_option,
    load_run,
)
from flanjax.cli.output import open_console, print_json

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from flanjax.data.catalogue import Mixture
    from flanjax.data.tokenize import Tokenizer
    from flanjax.engine.cache import TokenStore
    from flanjax.engine.shard import Shard
    from flanjax.experiment import Experiment
    from flanjax.train_data import TrainData

_MIB = 1 << 20
_FILES = ("tokens", "index", "json")
_COUNTS = ("records", "passes", "examples", "tokens", "cut", "dropped")


@click.command()
@gin_options
@catalog_option(default=None)
@data_dir_option
@click.option(
    "--workers",
    type=click.IntRange(min=1),
    metavar="N",
    help="Processes that render and tokenize; tasks of SeqIO take one.  [default: one for each "
    "CPU]",
)
@click.option(
    "--format",
    "form",
    type=click.Choice(["flanjax", "seqio"]),
    default="flanjax",
    show_default=True,
    help="Whose cache: for `flanjax train`, or for T5X on the tasks that are registered.",
)
@click.option("--out", metavar="DIR", help="Where SeqIO's cache goes.")
@json_option
@examples(
    "flanjax cache --gin_file=my.gin --workers=8",
    "flanjax cache --gin_file=my.gin --format=seqio --out=/data/seqio",
    "flanjax cache --gin_file=my.gin --gin.CACHE_DIR=\"'/data/tokens'\"",
)
def cache(
    gin_files: tuple[str, ...],
    bindings: tuple[str, ...],
    gin_search_paths: tuple[str, ...],
    catalog: str | None,
    data_dir: str | None,
    workers: int | None,
    form: str,
    out: str | None,
    as_json: bool,
) -> None:
    """Tokenize what a run trains on, before it trains.

    Takes the flags of `flanjax train`; a run that starts afterwards finds its
    tokens in CACHE_DIR. What is there is kept, so a build that was cut short
    goes on where it stopped, and several may build into one directory.

    For SeqIO each task is written whole to DIR as NAME_10templates, its
    training and validation splits, in DataConfig.passes wordings of each
    record; a task that is there is an error.
    """
    if out is not None and form != "seqio":
        raise click.UsageError(
            f"--out must go with --format=seqio, got {out}; CACHE_DIR says where tokens of "
            "`flanjax train` go."
        )
    experiment = load_run(
        gin_files, bindings, gin_search_paths, catalog=catalog, data_dir=data_dir
    ).experiment
    from flanjax.certificate import split_catalogue
    from flanjax.cli.catalog import run_catalog
    from flanjax.data.tokenize import make_tokenizer

    experiment = dataclasses.replace(
        experiment, cache=dataclasses.replace(experiment.cache, build_missing=True)
    )
    mixture = split_catalogue(experiment, run_catalog(experiment)).train
    console = open_console(as_json=as_json)
    if form == "seqio":
        written = seqio_cache.write_seqio_cache(experiment, mixture, out, console)
        if as_json:
            print_json({"cache": out, "tasks": written})
        else:
            seqio_cache.print_seqio_cache(written, str(out), console)
        return
    started_s = time.monotonic()
    data, built = _built(
        experiment,
        mixture,
        make_tokenizer(experiment.tokenizer),
        console,
        workers=_num_workers(mixture, workers),
    )
    rows = [_row(store, data.prepared[store.task], built) for store in data.tokens.stores]
    seconds = time.monotonic() - started_s
    if as_json:
        print_json(_plain(data, rows, seconds))
    else:
        _print(console, data, rows, seconds)


def _num_workers(mixture: Mixture, asked: int | None) -> int:
    """Returns how many processes build: one after TensorFlow's threads have read."""
    if any(task.pretokenized is not None for task in mixture.tasks()):
        return 1
    return asked or len(os.sched_getaffinity(0))


def _built(
    experiment: Experiment,
    mixture: Mixture,
    tokenizer: Tokenizer,
    console: Console,
    *,
    workers: int,
) -> tuple[TrainData, Mapping[str, int]]:
    """Builds what is missing; returns also how many records of each task it tokenized."""
    import concurrent.futures

    from flanjax import data_progress, start, token_cache
    from flanjax.train_data import prepare_train_data

    built: collections.Counter[str] = collections.Counter()
    root = token_cache.local_root(experiment)
    try:
        with interrupts_kept() as check, data_progress.shown(console) as show:

            def on_progress(task: str, done: int, total: int) -> None:
                check()
                built[task] += total * (done == total)  # said once, after the last part
                show(task, done, total)

            data = prepare_train_data(
                experiment,
                mixture,
                tokenizer,
                first_step=start.first_step(experiment),
                workers=workers,
                on_progress=on_progress,
            )
    except KeyboardInterrupt:
        raise Interrupted(
            f"interrupted; whole parts are kept in {root}, the same command goes on from there"
        ) from None
    except concurrent.futures.BrokenExecutor:
        raise ValueError(
            f"each of the {workers} workers must live until the end, got one that was killed; "
            f"take fewer --workers if memory is short: whole parts are kept in {root}."
        ) from None
    return data, built


def _row(
    store: TokenStore, prepared: Mapping[str, Any], built: Mapping[str, int]
) -> dict[str, Any]:
    """Returns what is told of a task, as JSON values."""
    lengths = [
        part.examples["inputs"].sum() + part.examples["targets"].sum() for part in store.shards
    ]
    return {
        "task": store.task,
        "records": prepared["kept"],
        "passes": prepared["passes"],
        "passes_built": built[store.task] // prepared["kept"],
        "examples": prepared["examples"],
        "tokens": int(sum(lengths)),
        "bytes": sum(_num_bytes(part) for part in store.shards),
        "cut": prepared["truncated"],
        "dropped": prepared["dropped"],
        "reasons": prepared["reasons"],
    }


def _num_bytes(part: Shard) -> int:
    """Returns the size of a pass's files."""
    assert not hasattr(part.tokens, "dtype"), "what is cached lies in files"
    return sum(part.tokens.with_suffix(f".{kind}").stat().st_size for kind in _FILES)


def _plain(data: TrainData, rows: Sequence[Mapping[str, Any]], seconds: float) -> dict[str, Any]:
    staged = data.staged
    return {
        "cache": str(data.root),
        "tasks": list(rows),
        "missing": data.missing,
        "staged": None if staged is None else staged._asdict(),
        "seconds": seconds,
    }


def _print(
    console: Console,
    data: TrainData,
    rows: Sequence[Mapping[str, Any]],
    seconds: float,
) -> None:
    from rich.text import Text

    from flanjax import data_progress

    console.print(_table(rows))
    for row in rows:
        if row["reasons"]:
            told = (f"{count:,} {why.replace('_', ' ')}" for why, count in row["reasons"].items())
            console.print(Text(f"{row['task']}: {', '.join(told)}"))
    for task, why in data.missing.items():
        console.print(Text(f"left out: {task}: {why}"))
    for line in data_progress.staged_lines(data.staged):
        console.print(line, soft_wrap=True)
    passes, built = (sum(row[name] for row in rows) for name in ("passes", "passes_built"))
    done = f"built {built} of {passes} passes in {seconds:.0f} s"
    done = done if built else f"nothing to build, all {passes} passes are there"
    console.print(f"{data.root}: {done}", soft_wrap=True)


def _table(rows: Sequence[Mapping[str, Any]]) -> Table:
    from rich import box
    from rich.table import Table

    table = Table(
        box=box.SIMPLE_HEAD,
        pad_edge=False,
        collapse_padding=True,
        padding=(0, 1, 0, 0),
        show_footer=True,
    )
    sums = {name: sum(row[name] for row in rows) for name in (*_COUNTS, "bytes")}
    table.add_column("task", "all", overflow="fold")
    for name in _COUNTS:
        table.add_column(name, f"{sums[name]:,}", justify="right", no_wrap=True)
    table.add_column("MiB", f"{sums['bytes'] / _MIB:,.1f}", justify="right", no_wrap=True)
    table.add_column("", no_wrap=True)
    for row in rows:
        counts = (f"{row[name]:,}" for name in _COUNTS)
        table.add_row(row["task"], *counts, f"{row['bytes'] / _MIB:,.1f}", _state(row))
    return table


def _state(row: Mapping[str, Any]) -> str:
    built, passes = row["passes_built"], row["passes"]
    if built == passes:
        return "built"
    return f"built {built}" if built else "was there"
