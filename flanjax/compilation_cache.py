"""Compiled programs, kept on disk for the next start of a run."""

from __future__ import annotations

import os
import pathlib
import warnings
from collections.abc import Mapping

import jax

_DIRECTORY, _IS_ON = "jax_compilation_cache_dir", "jax_enable_compilation_cache"


def keep_programs(environ: Mapping[str, str], *, platform: str | None = None) -> str | None:
    """Has JAX keep what it compiles for GPUs and TPUs, unless told otherwise.

    Call it before the first compilation. The directory is the user's own: who can write to it
    chooses what runs. Two kinds are kept only where JAX_COMPILATION_CACHE_DIR asks for it: programs
    for CPUs hold instructions of the machine they were compiled on, and of several processes JAX
    has the first alone write, so that a directory that not all of them see would have them run
    programs of different make.

    Args:
      environ: Where XDG_CACHE_HOME is looked up.
      platform: JAX's name of what is compiled for; None asks JAX, which then
        takes hold of its devices.

    Returns:
      The directory in force, None for none.
    """
    told: str | None = getattr(jax.config, _DIRECTORY)
    if not getattr(jax.config, _IS_ON):
        return None
    if told is not None or (platform or jax.default_backend()) == "cpu" or jax.process_count() > 1:
        return told
    # A relative XDG_CACHE_HOME is void (XDG Base Directory Specification).
    home = environ.get("XDG_CACHE_HOME", "")
    try:
        base = pathlib.Path(home) if os.path.isabs(home) else pathlib.Path.home() / ".cache"
        folder = base / "flanjax" / "compiled"
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except (OSError, RuntimeError) as error:  # the latter: there is no home
        warnings.warn(
            f"the compilation cache must be a directory that can be made, got {error}; programs "
            "are compiled anew at each start; set JAX_COMPILATION_CACHE_DIR.",
            stacklevel=2,
        )
        return None
    jax.config.update(_DIRECTORY, str(folder))
    return str(folder)
