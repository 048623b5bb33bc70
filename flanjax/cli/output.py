"""What the command prints: JSON for programs, tables for people."""

from __future__ import annotations

import json
import os
import pathlib
import sys
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    import rich.console

    from flanjax.scoring import Outcome

_DEFAULT_WIDTH = 80  # what rich assumes where it cannot see
_WIDE = 160  # columns where nobody watches; a narrower table would fold its cells


def print_json(value: Any) -> None:
    """Prints a value as indented JSON on stdout."""
    click.echo(json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False))


def write_text(output: str, text: str, *, err: bool = False, with_size: bool = False) -> None:
    """Writes a file aside, renames it, and says so, on stderr if asked."""
    path = pathlib.Path(output)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError):
        raise ValueError(
            f"a file must be written into a directory, got {path.parent}; name another place."
        ) from None
    aside = path.with_name(path.name + ".partial")
    try:
        aside.write_text(text, encoding="utf-8")
        os.replace(aside, path)
    finally:
        aside.unlink(missing_ok=True)
    size = f" ({path.stat().st_size:,} bytes)" if with_size else ""
    click.echo(f"wrote {path}{size}", err=err)


def print_outcome(outcome: Outcome) -> None:
    """Prints a run's last step, its files, and the report among them."""
    report = None
    if "json" in outcome.files:
        report = json.loads(pathlib.Path(outcome.files["json"]).read_text("utf-8"))
    print_json({"step": outcome.step, "files": dict(outcome.files), "report": report})


def open_console(*, as_json: bool = False, quiet: bool = False) -> rich.console.Console:
    """Returns the console for people: stderr where JSON has stdout."""
    from rich.console import Console

    console = Console(file=sys.stderr if as_json else sys.stdout, highlight=False, quiet=quiet)
    if not console.is_terminal and console.width == _DEFAULT_WIDTH:
        console.width = _WIDE
    return console
