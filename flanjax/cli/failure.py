"""What ends a command: one line on stderr, or three, no traceback."""

from __future__ import annotations

import contextlib
import signal
import sys
from collections.abc import Callable, Iterator
from typing import IO, TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from flanjax.experiment import Experiment


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


class OutOfMemoryFailure(Failure):
    """Ends the command with what was needed, what is largest, and what to try."""

    def __init__(self, headline: str, *details: str):
        super().__init__(headline)
        self.details = details

    def show(self, file: IO[Any] | None = None) -> None:
        """Prints the lines on stderr."""
        super().show(file)
        for line in self.details:
            click.echo(f"  {line}", file=file, err=True)


@contextlib.contextmanager
def memory_told(experiment: Experiment) -> Iterator[None]:
    """Turns a device's lack of memory into three lines, but not with --traceback."""
    try:
        yield
    except RuntimeError as error:  # what JAX raises for all that a device or compiler refuses
        from flanjax import parallel
        from flanjax.preflight import out_of_memory, remedies

        shortage = out_of_memory.read(str(error))
        if shortage is None or click.get_current_context().find_root().params.get("traceback"):
            raise
        advice = remedies.advice(experiment, parallel.make_mesh(experiment.mesh).shape)
        raise OutOfMemoryFailure(shortage.headline(), shortage.largest(), advice) from None


@contextlib.contextmanager
def interrupts_kept() -> Iterator[Callable[[], None]]:
    """Yields a function that raises KeyboardInterrupt if Ctrl-C was pressed before.

    JAX has the garbage collector call it, and what Ctrl-C raises in that call
    is lost, but for a traceback that Python prints: here it prints none. Long work
    calls the function now and then.
    """
    pressed: list[int] = []

    def on_signal(number: int, _: object) -> None:
        pressed.append(number)
        raise KeyboardInterrupt

    def check() -> None:
        if pressed:
            raise KeyboardInterrupt

    def on_lost(lost: sys.UnraisableHookArgs) -> None:
        if lost.exc_type is not KeyboardInterrupt:
            tell(lost)

    tell, sys.unraisablehook = sys.unraisablehook, on_lost
    before = signal.signal(signal.SIGINT, on_signal)
    try:
        yield check
    finally:
        signal.signal(signal.SIGINT, before)
        sys.unraisablehook = tell
