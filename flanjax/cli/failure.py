"""What ends a command: one line on stderr, no traceback."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Callable, Iterator
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


@contextlib.contextmanager
def interrupts_kept() -> Iterator[Callable[[], None]]:
    """Yields a function that raises KeyboardInterrupt if Ctrl-C was pressed before.

    JAX has the garbage collector call it, and what Ctrl-C raises in that call
    is lost. Long work calls the function now and then.
    """
    pressed: list[int] = []

    def on_signal(number: int, _: object) -> None:
        pressed.append(number)
        raise KeyboardInterrupt

    def check() -> None:
        if pressed:
            raise KeyboardInterrupt

    before = signal.signal(signal.SIGINT, on_signal)
    try:
        yield check
    finally:
        signal.signal(signal.SIGINT, before)
