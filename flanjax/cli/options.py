"""Flags that several verbs share."""

from __future__ import annotations

import inspect
import shlex
import textwrap
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeAlias

import click

if TYPE_CHECKING:
    from flanjax.gin_bridge import Resolved

Command: TypeAlias = Callable[..., Any]

DEFAULT_CATALOG = "mini"
GIN_BINDING = "--gin.NAME"
"""Stands for any `--gin.X`; its value is a whole binding, "X=1"."""
ARGUMENTS = "flanjax.arguments"
"""Where the context keeps the command line as it was typed."""


def examples(*commands: str) -> Callable[[Command], Command]:
    """Returns a decorator that ends a verb's help with example commands."""

    def add(command: Command) -> Command:
        text = inspect.cleandoc(command.__doc__ or "")
        lines = textwrap.indent("\n".join(commands), "  ")
        command.__doc__ = f"{text}\n\n\b\nExamples:\n{lines}"
        return command

    return add


OUTPUT_FILE = click.Path(dir_okay=False)
"""The type of a flag that names a file to write: a directory is refused before any work."""


def hold_out_option(*, metavar: str, help: str) -> Callable[[Command], Command]:
    """Returns --hold_out of a verb that leaves out one hold-out."""
    return click.option(
        "--hold_out", multiple=True, metavar=metavar, callback=_only_rule, help=help
    )


def _only_rule(
    ctx: click.Context, parameter: click.Parameter, rules: tuple[str, ...]
) -> str | None:
    """Returns the rule; of two, click itself would take the last in silence."""
    if len(rules) > 1:
        raise click.BadParameter(
            f"it must be given once, got {', '.join(rules)}; {_joined(rules)}.",
            ctx,
            parameter,
        )
    if rules and not rules[0].strip():
        raise click.BadParameter(
            "it must name what is held out, got nothing; leave it out.",
            ctx,
            parameter,
        )
    return rules[0] if rules else None


def _joined(rules: tuple[str, ...]) -> str:
    """Returns a remedy: one rule holds out several clusters, but nothing else."""
    is_plain = all(rule and ":" not in rule for rule in rules) and len(set(rules)) == len(rules)
    return f"write {'+'.join(rules)}" if is_plain else "keep one"


def typed_command(ctx: click.Context) -> str:
    """Returns the command as one would type it again."""
    return shlex.join(["flanjax", *ctx.meta[ARGUMENTS]])


def data_bindings(*, catalog: str | None, data_dir: str | None) -> list[str]:
    """Returns the gin bindings that --catalog and --data_dir stand for."""
    given = (("catalogue", catalog), ("data_dir", data_dir))
    return [f"DataConfig.{name}={value!r}" for name, value in given if value is not None]


def load_run(
    gin_files: tuple[str, ...],
    bindings: tuple[str, ...],
    gin_search_paths: tuple[str, ...],
    *,
    catalog: str | None,
    data_dir: str | None,
) -> Resolved:
    """Returns the run that gin files and the flags over them describe.

    Raises:
      click.UsageError: There are neither.
      ValueError: gin files that cannot be read, or a run that cannot be.
    """
    if not gin_files and not bindings:
        raise click.UsageError("No run described: name a gin file with --gin_file.")
    from flanjax import gin_bridge

    bound = [*bindings, *data_bindings(catalog=catalog, data_dir=data_dir)]
    return gin_bridge.load(gin_files, bound, search_paths=gin_search_paths)


def _split_commas(_: click.Context, __: click.Parameter, value: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(path for entry in value for path in entry.split(",") if path)


def gin_options(command: Command) -> Command:
    """Adds gin_file, bindings and gin_search_paths."""
    options = (
        click.option(
            "--gin_file",
            "gin_files",
            multiple=True,
            metavar="FILE",
            help="A gin file of the run; may be repeated, later files override.",
        ),
        click.option(
            GIN_BINDING,
            "bindings",
            multiple=True,
            metavar="VALUE",
            help="Bind a gin name over the files, as in --gin.TRAIN_STEPS=100. Text needs quotes "
            "of its own: --gin.MODEL_DIR=\"'/tmp/run'\".",
        ),
        click.option(
            "--gin_search_paths",
            multiple=True,
            callback=_split_commas,
            metavar="DIR[,DIR]",
            help="Where gin files and their includes are looked for, besides the current directory "
            "and flanjax's own gin_configs.",
        ),
    )
    for option in reversed(options):
        command = option(command)
    return command


def catalog_option(
    *, default: str | None, otherwise: str = "the one the gin files name"
) -> Callable[[Command], Command]:
    """Returns the flag that names a catalogue of tasks."""
    otherwise = otherwise if default is None else default
    return click.option(
        "--catalog",
        default=default,
        metavar="NAME|MODULE:NAME|seqio:MODULE",
        help="The catalogue of tasks: mini, flan2021, flan2021_by_skill, one in a Python module, "
        "or what a module registers with SeqIO; it is looked for in the current directory first.  "
        f"[default: {otherwise}]",
    )


data_dir_option = click.option(
    "--data_dir",
    type=click.Path(exists=True, file_okay=False),
    metavar="DIR",
    help="The directory under which the files of the tasks lie, for those that read files.",
)

weights_option = click.option(
    "--weights",
    type=click.Choice(["trained", "averaged"]),
    default="trained",
    show_default=True,
    help="Which of a checkpoint's: those of the last update, or the moving average that a run with "
    "EmaConfig.decay keeps.",
)

json_option = click.option(
    "--json", "as_json", is_flag=True, help="Print JSON for a program to read."
)
