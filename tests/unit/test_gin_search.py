"""Where gin files are looked for, and what is said of those that are not there."""

from __future__ import annotations

import pathlib
import re

import pytest

from flanjax import gin_bridge
from flanjax.gin_values import GinError


@pytest.mark.parametrize(
    ("name", "remedy"),
    [
        ("gin_configs/runs/mini_t5.gin", "; did you mean runs/mini_t5.gin?"),
        ("runs/mini_t6.gin", "; did you mean runs/mini_t5.gin?"),
        ("mini_t5.gin", "; did you mean runs/mini_t5.gin?"),
        ("gin_configs/t5x/finetune_flan2021_base.gin", "gin_configs."),
        ("t5x/examples/t5/t5_1_1/small.gin", "not: `python -m t5x.train` finds them."),
    ],
)
def test_a_missing_gin_file_is_told_where_it_may_be(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch, name: str, remedy: str
) -> None:
    monkeypatch.chdir(tmp_path)  # in the clone the first is found
    with pytest.raises(GinError, match=re.escape(remedy) + "$"):
        gin_bridge.load([name], [])
