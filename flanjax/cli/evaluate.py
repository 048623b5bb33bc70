"""`flanjax eval`: scores a checkpoint on clusters of tasks."""

from __future__ import annotations

import dataclasses
import os
import pathlib
from typing import TYPE_CHECKING

import click

from flanjax.cli.options import (
    catalog_option,
    data_bindings,
    data_dir_option,
    examples,
    gin_options,
    json_option,
    typed_command,
    weights_option,
)
from flanjax.cli.output import open_console, print_outcome

if TYPE_CHECKING:
    from flanjax.experiment import Experiment
    from flanjax.train.restore import Weights


@click.command("eval")
@click.option(
    "--checkpoint",
    "--model_dir",
    "checkpoint",
    metavar="DIR",
    help="A run's MODEL_DIR (its newest checkpoint is scored) or MODEL_DIR/checkpoints/STEP. "
    "Without it, the parameters are scored that the gin files' run would start from.",
)
@gin_options
@catalog_option(default=None)
@data_dir_option
@click.option(
    "--cluster",
    "clusters",
    multiple=True,
    metavar="NAME",
    help="A cluster to score; may be repeated.  [default: the one held out, else all]",
)
@click.option(
    "--split",
    type=click.Choice(["validation", "test"]),
    help="The split to score.  [default: the run's]",
)
@click.option(
    "--max_examples",
    type=click.IntRange(min=0),
    help="Records of each task; each is scored in every wording. 0 takes all.  "
    "[default: the run's]",
)
@click.option(
    "--output",
    metavar="DIR",
    help="Where the report goes: DIR/report, in place of one there.  [default: MODEL_DIR/eval]",
)
@weights_option
@json_option
@click.pass_context
@examples(
    "flanjax eval --model_dir=/tmp/run --cluster=entailment --split=test",
    "flanjax eval --gin_file=my.gin --output=/tmp/untrained",
)
def evaluate(
    ctx: click.Context,
    checkpoint: str | None,
    gin_files: tuple[str, ...],
    bindings: tuple[str, ...],
    gin_search_paths: tuple[str, ...],
    catalog: str | None,
    data_dir: str | None,
    clusters: tuple[str, ...],
    split: str | None,
    max_examples: int | None,
    output: str | None,
    weights: Weights,
    as_json: bool,
) -> None:
    """Score a model on clusters of tasks, over all wordings.

    The run in the checkpoint's directory says how, unless gin files do.
    """
    from flanjax import gin_bridge, model_dir
    from flanjax.cli.catalog import run_catalog

    if gin_files:
        overrides = [*bindings, *data_bindings(catalog=catalog, data_dir=data_dir)]
        experiment = gin_bridge.load(gin_files, overrides, search_paths=gin_search_paths).experiment
    elif bindings:
        raise click.UsageError("--gin.NAME must stand with a --gin_file to change.")
    elif checkpoint:
        experiment = model_dir.read_run(checkpoint)
        experiment = _with_data(experiment, catalog=catalog, data_dir=data_dir)
    else:
        raise click.UsageError("Nothing to score: give --checkpoint, or a --gin_file.")
    experiment = _with_evaluation(experiment, split=split, max_examples=max_examples)
    catalogue = run_catalog(experiment)
    held_out = experiment.data.hold_out
    if weights == "averaged" and not checkpoint:
        raise click.UsageError("--weights=averaged must stand with a --checkpoint to read.")
    from flanjax import scoring
    from flanjax.compilation_cache import keep_programs

    keep_programs(os.environ)
    is_own = checkpoint is not None and not gin_files
    outcome = scoring.evaluate(
        experiment,
        catalogue,
        tokenizer=model_dir.read_tokenizer(pathlib.Path(experiment.model_dir)) if is_own else None,
        checkpoint=checkpoint,
        weights=weights,
        clusters=clusters or ((held_out,) if held_out else ()),
        output=output or str(pathlib.Path(experiment.model_dir) / "eval"),
        command=typed_command(ctx),
        console=open_console(as_json=as_json),
    )
    if as_json:
        print_outcome(outcome)


def _with_data(experiment: Experiment, *, catalog: str | None, data_dir: str | None) -> Experiment:
    data = dataclasses.replace(
        experiment.data,
        catalogue=catalog or experiment.data.catalogue,
        data_dir=data_dir or experiment.data.data_dir,
    )
    return dataclasses.replace(experiment, data=data)


def _with_evaluation(
    experiment: Experiment, *, split: str | None, max_examples: int | None
) -> Experiment:
    config = experiment.evaluation
    evaluation = dataclasses.replace(
        config,
        split=split or config.split,
        max_examples=config.max_examples if max_examples is None else max_examples,
    )
    return dataclasses.replace(experiment, evaluation=evaluation)
