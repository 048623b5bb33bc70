"""`flanjax tokenizer train`: a vocabulary of one's own."""

from __future__ import annotations

import dataclasses
import pathlib
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

import click

from flanjax.cli.options import (
    OUTPUT_FILE,
    catalog_option,
    data_dir_option,
    examples,
    gin_options,
    hold_out_option,
    json_option,
)
from flanjax.cli.output import print_json

if TYPE_CHECKING:
    from flanjax.data.catalogue import Catalogue, Mixture
    from flanjax.data.records import RecordSet
    from flanjax.data.task import Task
    from flanjax.experiment import DataConfig

_MEASURED = 200
"""Records of each task on which characters per token are counted."""

_SUMMARY = "{model}: {pieces:,} pieces, {characters_per_token:.2f} characters per token"


@click.group()
def tokenizer() -> None:
    """Train a tokenizer."""


@tokenizer.command("train")
@gin_options
@catalog_option(default=None)
@data_dir_option
@click.option(
    "--mixture",
    metavar="NAME",
    help="What to learn from: the catalogue's own name, a cluster or a task.  "
    "[default: the gin files', else the whole catalogue]",
)
@hold_out_option(
    metavar="CLUSTER",
    help="A cluster whose texts must not be read.  [default: the gin files', else none]",
)
@click.option(
    "--vocab_size",
    required=True,
    type=click.IntRange(min=1),
    help="Pieces wanted; at least 260 and one for each character of the texts.",
)
@click.option(
    "--output",
    required=True,
    type=OUTPUT_FILE,
    metavar="FILE.model",
    help="The SentencePiece model to write.",
)
@click.option(
    "--max_examples",
    type=click.IntRange(min=1),
    help="Records read of each task.  [default: the gin files', else 30000]",
)
@click.option("--seed", default=0, show_default=True, help="Draws records and wordings.")
@json_option
@examples(
    "flanjax tokenizer train --vocab_size=2000 --hold_out=entailment --output=mini.model",
    "flanjax tokenizer train --gin_file=my.gin --vocab_size=8000 --output=my.model",
)
def train_tokenizer(
    gin_files: tuple[str, ...],
    bindings: tuple[str, ...],
    gin_search_paths: tuple[str, ...],
    catalog: str | None,
    data_dir: str | None,
    mixture: str | None,
    hold_out: str | None,
    vocab_size: int,
    output: str,
    max_examples: int | None,
    seed: int,
    as_json: bool,
) -> None:
    """Train a SentencePiece vocabulary on a mixture's training texts.

    Prompts and targets are read as a run would read them.
    """
    if pathlib.Path(output).suffix != ".model":
        raise click.BadParameter(f"{output!r} must end in .model.", param_hint="--output")
    from flanjax.cli.catalog import load_catalog
    from flanjax.data.sentencepiece_tokenizer import train_sentencepiece
    from flanjax.data.tokenize import TokenizerConfig, make_tokenizer

    data = _data_config(gin_files, bindings, gin_search_paths, output)
    catalogue = load_catalog(catalog or data.catalogue)
    data = dataclasses.replace(
        data,
        data_dir=data_dir or data.data_dir,
        mixture_or_task_name=mixture
        or (data.mixture_or_task_name if gin_files else catalogue.name),
        hold_out=hold_out or data.hold_out,
        max_examples=max_examples or data.max_examples,
    )
    read, missing = _read_all(_training_mixture(data, catalogue), data, seed)
    num_pieces = train_sentencepiece(
        _texts(read, seed=seed, limit=data.num_read), output, vocab_size=vocab_size, seed=seed
    )
    trained = make_tokenizer(TokenizerConfig(kind="sentencepiece", path=output))
    sample = list(_texts(read, seed=seed, limit=_MEASURED))
    num_tokens = sum(len(ids) for ids in trained.encode_batch(sample))
    facts = {
        "model": output,
        "pieces": num_pieces,
        "characters_per_token": sum(map(len, sample)) / num_tokens,
        "tasks": {task.name: len(records.records) for task, records in read},
        "hold_out": data.hold_out,
        "missing": missing,
    }
    if as_json:
        print_json(facts)
    else:
        click.echo(_SUMMARY.format(**facts))
        if num_pieces < vocab_size:
            click.echo(f"fewer than {vocab_size:,} pieces, for the texts have no more")
        if missing:
            click.echo(f"{len(missing)} tasks not read for want of data: {', '.join(missing)}")


def _data_config(
    gin_files: Sequence[str], bindings: Sequence[str], search_paths: Sequence[str], output: str
) -> DataConfig:
    """Returns the data of the gin files' run; its tokenizer is the one to be made."""
    if gin_files:
        unneeded = {"MODEL_DIR": "not used", "TOKENIZER_PATH": output}
        return _run_data(gin_files, bindings, search_paths, unneeded)
    if bindings:
        raise click.UsageError("--gin.NAME must stand with a --gin_file to change.")
    from flanjax.experiment import DataConfig

    return DataConfig()


def _run_data(
    gin_files: Sequence[str],
    bindings: Sequence[str],
    search_paths: Sequence[str],
    unneeded: Mapping[str, str],
) -> DataConfig:
    """Loads a run; what it needs but its vocabulary does not is set where it lacks."""
    from flanjax import gin_bridge

    try:
        return gin_bridge.load(gin_files, bindings, search_paths=search_paths).experiment.data
    except ValueError as error:
        lacking = [name for name in unneeded if f"{name} must be set" in str(error)]
        if not lacking:
            raise
    rest = {name: value for name, value in unneeded.items() if name not in lacking}
    more = [f"{name}={unneeded[name]!r}" for name in lacking]
    return _run_data(gin_files, [*bindings, *more], search_paths, rest)


def _training_mixture(data: DataConfig, catalogue: Catalogue) -> Mixture:
    from flanjax.data.holdout import hold_out

    mixture = catalogue.mixture(data.mixture_or_task_name)
    if data.hold_out is None:
        return mixture
    try:
        split = hold_out(catalogue, data.hold_out, mixture=mixture, closure=data.corpus_closure)
    except ValueError as error:
        raise ValueError(f"HOLD_OUT = {data.hold_out!r}, or --hold_out: {error}") from None
    return split.train


def _read_all(
    mixture: Mixture, data: DataConfig, seed: int
) -> tuple[list[tuple[Task, RecordSet]], dict[str, str]]:
    """Reads a mixture, and tells what is missing where it may be."""
    from flanjax.data.holdout import without_missing
    from flanjax.data.task import UnavailableError

    read, missing = [], {}
    for task in mixture.tasks():
        try:
            read.append((task, _read(task, data, seed)))
        except UnavailableError as error:
            if data.missing_tasks == "fail":
                raise
            missing[task.name] = str(error)
    without_missing(mixture, missing)  # says so where nothing was read
    return read, missing


def _read(task: Task, data: DataConfig, seed: int) -> RecordSet:
    from flanjax.data.records import read_records

    return read_records(
        task,
        "train",
        data_dir=data.data_dir,
        limit=data.num_read,
        bad_record_limit=data.bad_record_limit,
        seed=seed,
    )


def _texts(read: Sequence[tuple[Task, RecordSet]], *, seed: int, limit: int) -> Iterator[str]:
    """Yields prompts and targets of at most `limit` records of each task."""
    from flanjax.data.render import render, template_index

    for task, records in read:
        pairs = zip(records.records[:limit], records.uids[:limit], strict=True)
        for record, uid in pairs:
            example = render(task, record, template=template_index(task, uid, seed=seed))
            if example is not None:
                yield example.inputs
                yield example.targets
