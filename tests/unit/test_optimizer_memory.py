"""Bytes that a choice of optimizer keeps for each parameter, and their table."""

from __future__ import annotations

import math
import pathlib
import re

import jax
import pytest

from flanjax.models import families
from flanjax.models.decoder import DecoderConfig
from flanjax.train import rounding
from flanjax.train.ema import EmaConfig
from flanjax.train.optim import OptimizerConfig, make_optimizer
from flanjax.train.state import init_state

PAGE = pathlib.Path(__file__).parents[2] / "docs" / "optimizers.md"
CHOICES = {
    "adamw": {"name": "adamw"},
    "adamw, ema": {"name": "adamw", "ema": EmaConfig(decay=0.999)},
    "adamw, moments bfloat16": {"name": "adamw", "moment_dtype": "bfloat16"},
    "adamw, moments int8": {"name": "adamw", "moment_dtype": "int8"},
    "adamw, moments int8, weights bfloat16": {
        "name": "adamw",
        "moment_dtype": "int8",
        "weight_dtype": "bfloat16",
    },
    "muon": {"name": "muon"},
    "muon, moments int8": {"name": "muon", "moment_dtype": "int8"},
    "lion": {"name": "lion"},
    "lion, moments int8": {"name": "lion", "moment_dtype": "int8"},
    "lion, moments int8, weights bfloat16": {
        "name": "lion",
        "moment_dtype": "int8",
        "weight_dtype": "bfloat16",
    },
    "sgd": {"name": "sgd"},
    "sgd, moments int8": {"name": "sgd", "moment_dtype": "int8"},
    "adafactor": {"name": "adafactor"},
    "adafactor, weights bfloat16": {"name": "adafactor", "weight_dtype": "bfloat16"},
}


def bytes_per_parameter(choice: str) -> tuple[str, str]:
    """Returns what weights and optimizer keep of each parameter of Llama 3.2 1B."""
    config = OptimizerConfig(**CHOICES[choice])
    model = rounding.stored_in(families.make_model(DecoderConfig()), config.weight_dtype)
    tx = make_optimizer(config, model.axes, num_steps=10)
    state = jax.eval_shape(lambda key: init_state(model, tx, key), jax.random.key(0))
    count = sum(math.prod(leaf.shape) for leaf in jax.tree.leaves(state.params))

    def of(tree: object) -> str:
        total = sum(math.prod(x.shape) * x.dtype.itemsize for x in jax.tree.leaves(tree))
        return f"{total / count:.2f}"

    return of(state.params), of(state.opt_state)


@pytest.fixture(scope="module")
def table() -> dict[str, tuple[str, ...]]:
    rows = re.findall(
        r"^\| ([a-z][a-z0-9, ]+) \| ([\d.]+) \| ([\d.]+) \| ([\d.]+) \|$",
        PAGE.read_text("utf-8"),
        re.MULTILINE,
    )
    return {name: tuple(numbers) for name, *numbers in rows}


def test_every_choice_is_a_row(table: dict[str, tuple[str, ...]]) -> None:
    assert list(table) == list(CHOICES)


@pytest.mark.parametrize("choice", CHOICES)
def test_the_page_tells_the_bytes_that_are_kept(
    table: dict[str, tuple[str, ...]], choice: str
) -> None:
    weights, optimizer = bytes_per_parameter(choice)
    assert table[choice][:2] == (weights, optimizer)
    assert float(table[choice][2]) == pytest.approx(float(weights) + float(optimizer), abs=0.011)
