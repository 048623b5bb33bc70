"""What ends a command: one line on stderr, no traceback."""

from __future__ import annotations

from typing import IO, Any

import click


class Failure(click.ClickException):
    """Ends the command with a line of explanation and status 1."""

    def __init__(self, message: str):
        super().__init__(" ".join(message.splitlines()))

    def show(self, file: IO[Any] | None = None) -> None:
        """Prints the line on stderr."""
        click.echo(f"flanjax: error: {self.message}", file=file, err=True)


class Interrupted(Failure):
    """Ends the command as a shell expects after Ctrl-C, with status 130."""

    exit_code = 130
