"""Batches from the plan: seekable, and the same for any number of hosts."""

import jax
import numpy as np
import pytest

from flanjax.data.cache import TokenStore, flat
from flanjax.data.pack import Layout
from flanjax.data.pipeline import PackedBatches, prefetched
from flanjax.data.plan import Plan

LAYOUT = Layout(24, 12, 1)


def make_store(name, num_records, seed):
    rng = np.random.default_rng(seed)
    inputs = [rng.integers(3, 99, rng.integers(1, 12)) for _ in range(num_records)]
    targets = [np.append(rng.integers(3, 99, rng.integers(1, 6)), 1) for _ in range(num_records)]
    return TokenStore(name, *flat(inputs), *flat(targets), num_records, 0, 0, False, False)


STORES = [make_store("a", 40, 0), make_store("b", 70, 1)]


def make_batches(**hosts):
    plan = Plan(
        seed=3,
        names=["a", "b"],
        shares={"a": 0.5, "b": 0.5},
        num_records=[40, 70],
        costs=[LAYOUT.costs(store.lengths()) for store in STORES],
        capacities=LAYOUT.capacities,
        window=100,
    )
    return PackedBatches(plan, STORES, LAYOUT, batch_size=8, **hosts)


def take(iterator, count):
    return [next(iterator) for _ in range(count)]


def assert_same(left, right):
    for a, b in zip(jax.tree.leaves(left), jax.tree.leaves(right), strict=True):
        np.testing.assert_array_equal(a, b)


def test_hosts_together_read_the_global_batches():
    whole = take(iter(make_batches()), 6)
    parts = [take(iter(make_batches(host=h, num_hosts=4)), 6) for h in range(4)]
    for step, batch in enumerate(whole):
        joined = jax.tree.map(lambda *x: np.concatenate(x), *[part[step] for part in parts])
        assert_same(batch, joined)


def test_seeking_goes_on_where_the_state_was_taken():
    reader = prefetched(make_batches())
    take(reader, 3)
    state = reader.get_state()
    rest = take(reader, 5)
    again = prefetched(make_batches())
    again.set_state(state)
    assert_same(rest, take(again, 5))


def test_a_resumed_run_may_change_its_number_of_hosts():
    one = iter(make_batches())
    take(one, 2)
    state = one.get_state()
    expected = next(one)
    halves = []
    for host in range(2):
        reader = iter(make_batches(host=host, num_hosts=2))
        reader.set_state(state)
        halves.append(next(reader))
    assert_same(expected, jax.tree.map(lambda *x: np.concatenate(x), *halves))


def test_hosts_must_divide_the_batch():
    with pytest.raises(ValueError, match="batch_size must be a multiple of the 3 hosts, got 8"):
        make_batches(num_hosts=3)
