"""What a reader of a report needs to run it again."""

from __future__ import annotations

import importlib.metadata
import pathlib
import subprocess

import jax

from flanjax.experiment import Experiment, fingerprint


def run_facts(experiment: Experiment, command: str, wall_s: float) -> dict[str, str]:
    """Returns name -> fact: command, config, commit, versions, device, time."""
    return {
        "command": command,
        "config": fingerprint(experiment),
        "commit": _commit(),
        "family": "encoder-decoder" if experiment.is_encoder_decoder else "causal",
        "seed": str(experiment.train.seed),
        "steps": str(experiment.train.steps),
        "flanjax": _version(),
        "jax": jax.__version__,
        "device": f"{jax.device_count()} x {jax.devices()[0].device_kind}",
        "wall time": f"{wall_s:.0f} s",
    }


def _version() -> str:
    try:
        return importlib.metadata.version("flanjax")
    except importlib.metadata.PackageNotFoundError:
        return "not installed"


def _commit() -> str:
    """Returns the commit of the checkout that this file lies in, if it is one."""
    here = pathlib.Path(__file__).resolve().parent
    try:
        found = subprocess.run(
            ["git", "rev-parse", "--short=12", "HEAD"],
            cwd=here, capture_output=True, text=True, timeout=5, check=True,
        )  # fmt: skip
    except (OSError, subprocess.SubprocessError):
        return "unknown"
    return found.stdout.strip()
