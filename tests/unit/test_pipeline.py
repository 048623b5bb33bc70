"""Batches from the plan: seekable, counted, and the same for any number of hosts."""

import itertools
from collections import Counter

import jax
import numpy as np
import pytest

from flanjax.engine.account import Account
from flanjax.engine.cache import Tokens
from flanjax.engine.pack import Layout
from flanjax.engine.pipeline import PackedBatches, prefetched
from flanjax.engine.plan import Position
from tests.unit.token_stores import EOS, make_plan, make_store, random_pairs

LAYOUTS = {"encoder-decoder": Layout(24, 12, EOS), "causal": Layout(None, 30, EOS)}
STORES = [make_store("a", random_pairs(40, seed=0)), make_store("b", random_pairs(70, seed=1))]


def make_batches(layout=LAYOUTS["encoder-decoder"], *, batch_size=8, seed=3, **hosts):
    plan = make_plan(STORES, layout, seed=seed)
    plan_id = f"plan of seed {seed}"
    return PackedBatches(
        plan, Tokens(STORES), layout, batch_size=batch_size, plan_id=plan_id, **hosts
    )


def take(iterator, count):
    return [next(iterator) for _ in range(count)]


def joined(parts):
    return jax.tree.map(lambda *x: np.concatenate(x), *parts)


def assert_same(left, right):
    for a, b in zip(jax.tree.leaves(left), jax.tree.leaves(right), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("num_hosts", [2, 4, 8])
@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS)
def test_hosts_together_read_the_global_batches(layout, num_hosts):
    whole = take(iter(make_batches(layout)), 6)
    parts = [
        take(iter(make_batches(layout, host=h, num_hosts=num_hosts)), 6) for h in range(num_hosts)
    ]
    for step, batch in enumerate(whole):
        assert_same(batch, joined([part[step] for part in parts]))


def test_batches_follow_the_rows_of_the_plan():
    data = make_batches()
    batches = joined(take(iter(data), 12))
    walked = itertools.islice(data.plan.walk(Position()), 96)
    for number, (row, _) in enumerate(walked):
        expected = [data.tokens.example(task, example).inputs.tolist() for task, example in row]
        found = batches.encoder.tokens[number][batches.encoder.segments[number] > 0]
        assert found.tolist() == list(itertools.chain(*expected))


def test_seeking_goes_on_where_the_state_was_taken():
    reader = prefetched(make_batches())
    take(reader, 3)
    state = reader.get_state()
    rest = take(reader, 5)
    again = prefetched(make_batches())
    again.set_state(state)
    for left, right in zip(rest, take(again, 5), strict=True):
        assert_same(left, right)
    assert again.get_state() == reader.get_state()


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
    assert_same(expected, joined(halves))
    assert reader.get_state() == one.get_state()


def test_a_resumed_run_may_cut_the_same_rows_into_other_batches():
    small, large = iter(make_batches()), iter(make_batches(batch_size=24))
    take(small, 3)
    large.set_state(small.get_state())
    assert_same(joined(take(small, 3)), next(large))


def test_a_state_of_another_plan_is_refused():
    state = iter(make_batches(seed=4)).get_state()
    with pytest.raises(ValueError, match="must be of plan plan of seed 3, got one of plan of seed"):
        iter(make_batches()).set_state(state)


@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS)
def test_the_account_is_what_the_batches_hold(layout):
    data = make_batches(layout)
    reader = iter(data)
    batches = joined(take(reader, 12))
    account = Account.from_json(reader.get_state()["account"])
    rows = [row for row, _ in itertools.islice(data.plan.walk(Position()), 96)]
    drawn = Counter(task for row in rows for task, _ in row)
    lengths = np.zeros((2, 2), int)
    for task, example in itertools.chain(*rows):
        lengths[task] += STORES[task].lengths(np.array([example]))[0]
    assert account.rows == 96
    assert account.tasks[:, 0].tolist() == [drawn[0], drawn[1]]
    assert account.tasks[:, 1:3].tolist() == lengths.tolist()
    filled = int((batches.segments > 0).sum())
    if batches.encoder is not None:
        filled += int((batches.encoder.segments > 0).sum())
    assert account.tokens == filled
    seen = account.seen(data.plan)
    assert seen["a"]["share"] == drawn[0] / (drawn[0] + drawn[1])
    assert seen["a"]["passes"] == drawn[0] / 40
    assert account.fill(layout.capacities) == filled / (96 * sum(layout.capacities))


def test_the_account_counts_what_was_cut():
    plan_stores = [make_store("a", random_pairs(40, seed=0))]
    plan_stores[0].shards[0].examples["flags"][:10] = 1
    plan_stores[0].shards[0].examples["flags"][5:15] |= 2
    layout = LAYOUTS["causal"]
    tokens = Tokens(plan_stores)
    rows = make_plan(plan_stores, layout, window=40).rows(0)  # one whole pass
    account = Account.empty(1).plus(tokens.place(rows), 0, len(rows), is_causal=True)
    assert account.tasks[0, [0, 3, 4]].tolist() == [40, 10, 10]


def test_hosts_must_divide_the_batch():
    with pytest.raises(ValueError, match="batch_size must be a multiple of the 3 hosts, got 8"):
        make_batches(num_hosts=3)
