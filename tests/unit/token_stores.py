"""Stores of tokens made by hand or at random, for tests of what reads them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from flanjax.engine import shard
from flanjax.engine.cache import TokenStore
from flanjax.engine.pack import Layout
from flanjax.engine.plan import Plan, PlannedTask, Stage

EOS = 1
VOCAB = 99

Pair = tuple[Sequence[int], Sequence[int]]
"""Prompt and target ids, each without its end id."""


def make_part(pairs: Sequence[Pair], *, first_row: int = 1, template: int = 0) -> shard.Part:
    """Returns a part that holds pairs, each side with its end id."""
    examples = np.zeros(len(pairs), shard.EXAMPLE)
    tokens: list[int] = []
    for number, (inputs, targets) in enumerate(pairs):
        examples[number] = (
            len(tokens), len(inputs) + 1, len(targets) + 1, first_row + number, template, 0
        )  # fmt: skip
        tokens += [*inputs, EOS, *targets, EOS]
    return shard.Part(np.asarray(tokens, "<u2"), examples, {})


def make_store(name: str, *passes: Sequence[Pair], group: int = 1) -> TokenStore:
    """Returns a store in memory with the given passes."""
    shards = [
        shard.in_memory(make_part(pairs, template=number)) for number, pairs in enumerate(passes)
    ]
    return TokenStore(name, tuple(shards), {}, group)


def random_pairs(count: int, *, seed: int, longest: tuple[int, int] = (11, 5)) -> list[Pair]:
    """Returns pairs of 1 to `longest` tokens a side."""
    rng = np.random.default_rng(seed)
    return [
        tuple(rng.integers(3, VOCAB, rng.integers(1, most + 1)).tolist() for most in longest)  # type: ignore[misc]
        for _ in range(count)
    ]


def make_plan(
    stores: Sequence[TokenStore], layout: Layout, *, seed: int = 3, window: int | None = 100
) -> Plan:
    """Returns a plan that draws from all stores alike."""

    def costs_of(store: TokenStore):
        return lambda examples: layout.costs(store.lengths(examples))

    tasks = [
        PlannedTask(store.task, store.pass_sizes, costs_of(store), store.group) for store in stores
    ]
    shares = {store.task: 1 / len(stores) for store in stores}
    return Plan(
        seed=seed,
        tasks=tasks,
        stages=[Stage(0, shares)],
        capacities=layout.capacities,
        window=window,
    )
