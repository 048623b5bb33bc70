"""What a program is compiled for, which need not be what it is compiled on."""

from __future__ import annotations

import contextlib
import contextvars
from collections.abc import Iterator

import jax

_PLATFORM: contextvars.ContextVar[str | None] = contextvars.ContextVar("platform", default=None)


def platform() -> str:
    """Returns "cpu", "gpu" or "tpu": whose code to choose while tracing."""
    return _PLATFORM.get() or jax.default_backend()


@contextlib.contextmanager
def compiling_for(name: str) -> Iterator[None]:
    """Has functions that are traced within choose a platform's code."""
    token = _PLATFORM.set(name)
    try:
        yield
    finally:
        _PLATFORM.reset(token)
