"""The plan: exact shares, whole passes, windows that stand alone."""

import itertools
from collections import Counter

import numpy as np
import pytest

from flanjax.data.plan import Plan, Position, first_fit


def make_plan(seed=0, window=64, passes=2, capacities=(10,)):
    rng = np.random.default_rng(0)
    costs = [rng.integers(1, 6, (n * passes, len(capacities))) for n in (30, 50)]
    return Plan(
        seed=seed,
        names=["a", "b"],
        shares={"a": 0.25, "b": 0.75},
        num_records=[30, 50],
        costs=costs,
        capacities=capacities,
        window=window,
    )


def rows_from(plan, position, count):
    return [row for row, _ in itertools.islice(plan.walk(position), count)]


def window_pairs(plan, index):
    rows = plan.rows(index)
    return [pair for r in range(len(rows)) for pair in rows.row(r)]


def test_first_fit_takes_the_first_row_with_room():
    assert first_fit(np.array([[3], [3], [1], [2]]), (4,)).tolist() == [0, 1, 0, 2]


def test_first_fit_respects_both_lengths():
    costs = np.array([[3, 1], [1, 3], [1, 1], [1, 1]])
    assert first_fit(costs, (4, 4)).tolist() == [0, 0, 1, 1]


def test_windows_hold_exact_shares():
    plan = make_plan()
    for window in range(5):
        drawn = Counter(task for task, _ in window_pairs(plan, window))
        assert drawn == {0: 16, 1: 48}


def test_each_record_is_seen_once_a_pass():
    plan = make_plan()
    seen = [e for w in range(10) for t, e in window_pairs(plan, w) if t == 0]
    # 160 draws of 30 records: five whole passes, and ten records of a sixth.
    records = Counter(e % 30 for e in seen)
    assert set(records.values()) == {5, 6}
    assert sum(count == 6 for count in records.values()) == 10


def test_passes_alternate_between_prepared_wordings():
    plan = make_plan(window=120)  # 30 draws of task a in each window: one pass
    for window in range(4):
        examples = sorted(e for t, e in window_pairs(plan, window) if t == 0)
        start = 30 * (window % 2)
        assert examples == list(range(start, start + 30))


@pytest.mark.parametrize("capacities", [(10,), (10, 8)])
def test_no_row_overflows(capacities):
    plan = make_plan(capacities=capacities)
    for row in rows_from(plan, Position(), 60):
        total = sum(plan.costs[task][example] for task, example in row)
        assert (total <= np.asarray(capacities)).all()


def test_a_window_does_not_depend_on_those_before_it():
    walked = make_plan()
    list(itertools.islice(walked.walk(Position()), 200))
    fresh = make_plan()
    assert window_pairs(walked, 7) == window_pairs(fresh, 7)


def test_walking_on_from_a_saved_position_gives_the_same_rows():
    plan = make_plan()
    whole = list(itertools.islice(plan.walk(Position()), 80))
    for stop in (1, 17, 40):
        assert rows_from(plan, whole[stop - 1][1], 80 - stop) == [r for r, _ in whole[stop:]]


def test_another_seed_gives_another_order():
    assert window_pairs(make_plan(seed=0), 0) != window_pairs(make_plan(seed=1), 0)


def test_an_example_longer_than_a_row_is_refused():
    with pytest.raises(
        ValueError, match=r"task a: an example must fit a row of \(3,\), got \(5,\)"
    ):
        make_plan(capacities=(3,))
