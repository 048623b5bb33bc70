"""Ctrl-C ends long work, even where the exception that it raises is lost."""

from __future__ import annotations

import gc
import os
import signal
import sys

import pytest

from flanjax.cli.failure import interrupts_kept


def press() -> None:
    os.kill(os.getpid(), signal.SIGINT)
    for _ in range(1000):
        pass  # the handler runs between two of these


def test_an_interrupt_that_the_garbage_collector_loses_is_raised_at_the_next_check():
    pressed = []

    def on_collection(phase: str, _: dict[str, int]) -> None:
        if phase == "start" and not pressed:
            pressed.append(True)
            press()

    with interrupts_kept() as check:
        check()
        gc.callbacks.append(on_collection)
        try:
            gc.collect()
        finally:
            gc.callbacks.remove(on_collection)
        assert pressed
        with pytest.raises(KeyboardInterrupt):
            check()


def test_what_else_is_lost_is_told(monkeypatch):
    told = []
    monkeypatch.setattr(sys, "unraisablehook", lambda lost: told.append(lost.exc_type))

    class Broken:
        def __init__(self, error: type[BaseException]) -> None:
            self.error = error

        def __del__(self) -> None:
            raise self.error

    with interrupts_kept():
        Broken(KeyboardInterrupt)
        Broken(OSError)
    assert told == [OSError]
    Broken(KeyboardInterrupt)
    assert told == [OSError, KeyboardInterrupt]


def test_an_interrupt_is_raised_at_once_where_it_can_be():
    with interrupts_kept(), pytest.raises(KeyboardInterrupt):
        press()


def test_what_ctrl_c_did_before_it_does_again():
    before = signal.getsignal(signal.SIGINT)
    with interrupts_kept():
        assert signal.getsignal(signal.SIGINT) is not before
    assert signal.getsignal(signal.SIGINT) is before
