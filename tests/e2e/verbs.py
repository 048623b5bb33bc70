"""The verbs of the command, called in the test's own process, and small runs."""

from __future__ import annotations

import pathlib
from collections.abc import Mapping
from typing import Any

import numpy as np
from click.testing import CliRunner, Result

from flanjax import opened
from flanjax.cli.main import main
from flanjax.interop.places import everything

SMALL = (
    "BATCH_SIZE=2",
    "MIXTURE_OR_TASK_NAME='struct_to_text'",
    "TASK_FEATURE_LENGTHS={'inputs': 160, 'targets': 64}",
    "DataConfig.max_examples=20",
    "DataConfig.passes=1",
    "EvalConfig.before_and_after=False",
)
"""Bindings of a run that is over in seconds, whatever its model."""


def call(*arguments: Any, env: Mapping[str, str] | None = None) -> Result:
    """Returns what `flanjax` with these arguments gave, however it ended."""
    return CliRunner().invoke(main, [str(a) for a in arguments], prog_name="flanjax", env=env)


def flanjax(*arguments: Any, code: int = 0) -> Result:
    """Returns what `flanjax` with these arguments gave; it must end with the code."""
    ended = call(*arguments)
    assert ended.exit_code == code, (ended.output, ended.exception)
    return ended


def train(
    gin_file: pathlib.Path, run: pathlib.Path, steps: int, *bindings: str, code: int = 0
) -> Result:
    """Trains as the gin file says, in a directory, up to a step."""
    named = [f"TRAIN_STEPS={steps}", f"MODEL_DIR='{run}'", *bindings]
    gin = [f"--gin.{binding}" for binding in named]
    return flanjax("train", f"--gin_file={gin_file}", *gin, code=code)


def values(path: Any, **options: Any) -> dict[str, np.ndarray]:
    """Returns the parameters of a checkpoint of any make, under our names."""
    arrays = opened.open_any(str(path), **options).arrays
    return {name: array.read(everything(array.shape)) for name, array in arrays.items()}
