"""What a result tells of where it was taken, and how results are written.

It needs nothing but the standard library, so it goes with any benchmark.
"""

from __future__ import annotations

import importlib.metadata
import json
import os
import pathlib
import platform
import re
import subprocess
from collections.abc import Sequence
from typing import Any

ROOT = pathlib.Path(__file__).parents[1]
CPUINFO = pathlib.Path("/proc/cpuinfo")
_RESULTS = ":!benchmarks/results"
MALLOC_VARIABLES = (
    "GLIBC_TUNABLES",
    "MALLOC_MMAP_MAX_",
    "MALLOC_TRIM_THRESHOLD_",
    "MALLOC_ARENA_MAX",
)
"""What tells glibc to keep freed memory, which makes steps on a CPU faster."""
VECTORS = ("avx2", "avx512f", "avx512_bf16", "amx_bf16", "asimd", "bf16")
"""Instruction sets that decide how fast products are, as Linux calls them."""


def describe_machine() -> dict[str, Any]:
    """Returns the processor, which of VECTORS it has, cores and load."""
    told = CPUINFO.read_text()
    model = re.search(r"model name\s*: (.+)", told)
    return {
        "processor": model[1] if model else platform.machine(),
        "vectors": [name for name in VECTORS if re.search(rf"\b{name}\b", told)],
        "cores": len(os.sched_getaffinity(0)),
        "load_average_1min": round(os.getloadavg()[0], 2),
    }


def describe_build(packages: Sequence[str]) -> dict[str, Any]:
    """Returns the versions of Python and packages, and the commit.

    The commit is None outside a checkout, and ends in "-dirty" where a file was changed since,
    results apart: the first of several would else call the rest of them so.
    """
    versions = {name: importlib.metadata.version(name) for name in packages}
    commit = _git("rev-parse", "HEAD")
    if commit and _git("status", "--porcelain", "--untracked-files=no", "--", ".", _RESULTS):
        commit += "-dirty"
    return {"versions": {"python": platform.python_version(), **versions}, "commit": commit}


def _git(*arguments: str) -> str | None:
    """Returns what a command of git prints; None where there is nothing, or no checkout."""
    done = subprocess.run(
        ["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=False
    )
    return done.stdout.strip() or None


def describe_malloc() -> dict[str, str]:
    """Returns the settings of the memory allocator that are set."""
    return {name: os.environ[name] for name in MALLOC_VARIABLES if name in os.environ}


def write_json(path: pathlib.Path, value: Any) -> None:
    """Writes a file aside and renames it, so that it is never half there."""
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_suffix(".partial")
    aside.write_text(json.dumps(value, indent=1) + "\n", "utf-8")
    aside.replace(path)
