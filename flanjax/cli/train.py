"""`flanjax train`: one run, from its start or from where it was left."""

from __future__ import annotations

import click

from flanjax.cli.failure import memory_told
from flanjax.cli.options import (
    catalog_option,
    data_dir_option,
    examples,
    gin_options,
    json_option,
    load_run,
    typed_command,
)
from flanjax.cli.output import open_console, print_outcome


@click.command()
@gin_options
@catalog_option(default=None)
@data_dir_option
@click.option(
    "--coordinator_address",
    metavar="HOST:PORT",
    help="Where process 0 of several listens, or 'auto' on machines that JAX knows. Each process "
    "runs this command with the same flags but its own --process_id.",
)
@click.option("--num_processes", type=click.IntRange(min=1), help="How many processes there are.")
@click.option("--process_id", type=click.IntRange(min=0), help="This process, counted from 0.")
@json_option
@click.pass_context
@examples(
    "flanjax train --gin_file=runs/mini_t5.gin --gin.MODEL_DIR=\"'/tmp/run'\"",
    "flanjax train --gin_file=my.gin --catalog=tasks.catalogue:CATALOGUE --data_dir=data",
)
def train(
    ctx: click.Context,
    gin_files: tuple[str, ...],
    bindings: tuple[str, ...],
    gin_search_paths: tuple[str, ...],
    catalog: str | None,
    data_dir: str | None,
    coordinator_address: str | None,
    num_processes: int | None,
    process_id: int | None,
    as_json: bool,
) -> None:
    """Train a model on task clusters, and score the one held out.

    A gin file describes the run; --gin.NAME=VALUE changes one value of it.
    The held-out cluster is scored before and after. The same command goes on
    from the last checkpoint where an earlier attempt was cut short.
    """
    resolved = load_run(gin_files, bindings, gin_search_paths, catalog=catalog, data_dir=data_dir)
    import os

    from flanjax import distributed
    from flanjax.cli.catalog import run_catalog
    from flanjax.compilation_cache import keep_programs

    catalogue = run_catalog(resolved.experiment)
    processes = distributed.resolve(
        coordinator_address=coordinator_address,
        num_processes=num_processes,
        process_id=process_id,
        environ=os.environ,
    )
    distributed.initialize(processes)
    keep_programs(os.environ)
    import jax

    from flanjax import run

    is_first = jax.process_index() == 0
    with memory_told(resolved.experiment):
        outcome = run.train_and_evaluate(
            resolved.experiment,
            catalogue,
            resolved_text=resolved.text,
            command=typed_command(ctx),
            console=open_console(as_json=as_json, quiet=not is_first),
        )
    if as_json and is_first:
        print_outcome(outcome)
