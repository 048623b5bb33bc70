"""Examples in the verbs' help name files that are there."""

from __future__ import annotations

import pathlib
import re

import pytest

ROOT = pathlib.Path(__file__).parents[2]
VERBS = sorted((ROOT / "flanjax" / "cli").rglob("*.py"))
PLACEHOLDERS = {"runs/x.gin", "models/NAME.gin"}
"""What a reader is to put a name into."""
NAMED = re.compile(r"\b(?:runs|models|meshes|mixtures|objectives|t5x)/\w+\.gin")


@pytest.mark.parametrize("path", VERBS, ids=lambda path: path.stem)
def test_gin_files_of_examples_are_there(path: pathlib.Path) -> None:
    named = set(NAMED.findall(path.read_text("utf-8"))) - PLACEHOLDERS
    assert [name for name in named if not (ROOT / "gin_configs" / name).exists()] == []
