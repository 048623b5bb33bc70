"""`flanjax preflight`: whether a run would start and fit, before it does."""

from __future__ import annotations

import click

from flanjax.cli.options import (
    catalog_option,
    data_dir_option,
    examples,
    gin_options,
    json_option,
    load_run,
)
from flanjax.cli.output import open_console, print_json


@click.command()
@gin_options
@catalog_option(default=None)
@data_dir_option
@click.option(
    "--topology",
    metavar="TPU:AxB[xC]",
    help="A TPU slice to compile for, as v5e:16x16 or v5p:4x4x8; it need not be here, but libtpu "
    "must be installed.  [default: this machine's devices]",
)
@click.option(
    "--step_only",
    is_flag=True,
    help="Compile the step, and look at no tokenizer, data, checkpoint or directory.",
)
@json_option
@click.pass_context
@examples(
    "flanjax preflight --gin_file=runs/mini_t5.gin --gin.MODEL_DIR=\"'/tmp/run'\"",
    "flanjax preflight --gin_file=my.gin --topology=v5e:16x16",
)
def preflight(
    ctx: click.Context,
    gin_files: tuple[str, ...],
    bindings: tuple[str, ...],
    gin_search_paths: tuple[str, ...],
    catalog: str | None,
    data_dir: str | None,
    topology: str | None,
    step_only: bool,
    as_json: bool,
) -> None:
    """Compile a run's training step, and say whether it fits.

    Nothing is trained and no parameter is made. Also looks at tokenizer, data,
    checkpoint and output directory. The status is 0 if training would start.
    """
    experiment = load_run(
        gin_files, bindings, gin_search_paths, catalog=catalog, data_dir=data_dir
    ).experiment
    from rich.text import Text

    from flanjax.cli.catalog import run_catalog
    from flanjax.preflight.examine import examine
    from flanjax.preflight.topology import local_target, tpu_target

    console = open_console(as_json=as_json)
    target = local_target() if topology is None else tpu_target(topology)
    with console.status("preflight") as status:
        report = examine(
            experiment,
            target,
            None if step_only else lambda: run_catalog(experiment),
            on_phase=lambda name: status.update(f"preflight: {name}"),
        )
    if as_json:
        print_json(report.to_plain())
    else:
        console.print(*map(Text, report.lines()), sep="\n", soft_wrap=True)
    if not report.is_ready:
        ctx.exit(1)
