"""The `flanjax` command: its verbs, and how it ends when one fails."""

from __future__ import annotations

import errno
from collections.abc import Sequence
from typing import Any

import click

from flanjax.cli.cache import cache
from flanjax.cli.conversion import convert, export, import_
from flanjax.cli.data import data
from flanjax.cli.evaluate import evaluate
from flanjax.cli.failure import Failure, Interrupted
from flanjax.cli.generate import generate
from flanjax.cli.mixture import mixture
from flanjax.cli.options import (
    ARGUMENTS,
    GIN_BINDING,
    examples,
)
from flanjax.cli.preflight import preflight
from flanjax.cli.tasks import tasks
from flanjax.cli.tokenizer import tokenizer
from flanjax.cli.train import train


class Program(click.Group):
    """The group of verbs; turns the errors of bad input into one line."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        ctx.meta[ARGUMENTS] = list(args)
        return super().parse_args(ctx, arranged(args))

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            raise Interrupted("interrupted") from None
        except (ValueError, OSError) as error:
            is_closed_pipe = isinstance(error, OSError) and error.errno == errno.EPIPE
            if ctx.params["traceback"] or is_closed_pipe:
                raise
            raise Failure(str(error)) from None


def arranged(args: Sequence[str]) -> list[str]:
    """Puts flags that may stand anywhere where the parser looks for them.

    `--traceback` goes before the verb; `--gin.X=1` and `--gin.X 1` become the
    option GIN_BINDING with "X=1", after it. What follows a lone `--` stays.
    """
    end = list(args).index("--") if "--" in args else len(args)
    front: list[str] = []
    middle: list[str] = []
    back: list[str] = []
    tokens = iter(args[:end])
    for token in tokens:
        if token == "--traceback":
            front = [token]
        elif token.startswith("--gin."):
            name, equals, value = token.removeprefix("--gin.").partition("=")
            if not equals:
                value = next(tokens, "--")
            if not name or (not equals and value.startswith("--")):
                raise click.UsageError(f"Option '{token}' requires a value: --gin.NAME=VALUE.")
            back += [GIN_BINDING, f"{name}={value}"]
        else:
            middle.append(token)
    return [*front, *middle, *back, *args[end:]]


def _print_version(ctx: click.Context, _: click.Parameter, value: bool) -> None:
    if not value or ctx.resilient_parsing:
        return
    from importlib import metadata

    try:
        version = metadata.version("flanjax")
    except metadata.PackageNotFoundError:
        version = "(not installed)"
    click.echo(f"flanjax {version}")
    ctx.exit()


@click.group(cls=Program, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--version",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_print_version,
    help="Print the version and exit.",
)
@click.option("--traceback", is_flag=True, help="Show where in the program an error arose.")
@examples(
    "flanjax tasks list                      what there is to train on",
    "flanjax tasks show TASK                 what a model reads and writes",
    "flanjax mixture show NAME               what a run would draw, and how often",
    "flanjax cache --gin_file=runs/x.gin     tokenize what the run reads",
    "flanjax preflight --gin_file=runs/x.gin whether it would start, and fit",
    "flanjax train --gin_file=runs/x.gin     train, then score",
    "flanjax data peek --checkpoint=DIR --step=N",
    "                                        what the model saw at a step",
    "flanjax generate --checkpoint=DIR       ask the trained model",
    "flanjax import hf SRC DST               start from a model of transformers",
    "flanjax export hf SRC DST               give it back",
)
def main(traceback: bool) -> None:
    """Instruction-tune a language model, and test it on tasks it never saw.

    Tasks stand in clusters, each task in ten wordings. A run holds one cluster
    out, trains on the others, and scores the held-out one before and after.
    """


for _verb in (
    train, preflight, evaluate, generate, tasks, mixture, tokenizer, cache, data, import_, export,
    convert,
):  # fmt: skip
    main.add_command(_verb)

if __name__ == "__main__":
    main(prog_name="flanjax")
