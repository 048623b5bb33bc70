"""The plan: exact shares, whole passes, windows that stand alone."""

import itertools
from collections import Counter

import numpy as np
import pytest

from flanjax.engine.plan import MAX_WINDOW, MIN_WINDOW, Plan, PlannedTask, Position, Stage
from flanjax.engine.plan import fitting_window as fitting


def make_plan(seed=0, window=64, passes=2, capacities=(10,), stages=None, group=1):
    rng = np.random.default_rng(0)
    tasks = []
    for name, size in (("a", 30), ("b", 50)):
        costs = rng.integers(1, 6, (size * passes, len(capacities)))
        sizes = (size // group,) * passes
        tasks.append(PlannedTask(name, sizes, costs.__getitem__, group))
    return Plan(
        seed=seed,
        tasks=tasks,
        stages=stages or [Stage(0, {"a": 0.25, "b": 0.75})],
        capacities=capacities,
        window=window,
    )


def rows_from(plan, position, count):
    return [row for row, _ in itertools.islice(plan.walk(position), count)]


def window_pairs(plan, index):
    rows = plan.rows(index)
    return [pair for r in range(len(rows)) for pair in rows.row(r)]


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


def test_passes_come_in_turn_and_then_again():
    plan = make_plan(window=120)  # 30 draws of task a in each window: one pass
    for window in range(4):
        examples = sorted(e for t, e in window_pairs(plan, window) if t == 0)
        start = 30 * (window % 2)
        assert examples == list(range(start, start + 30))


def test_passes_may_keep_different_numbers_of_examples():
    costs = np.ones((7, 1), np.int64)
    task = PlannedTask("a", (4, 3), costs.__getitem__)
    plan = Plan(seed=0, tasks=[task], stages=[Stage(0, {"a": 1.0})], capacities=(9,), window=7)
    for window in range(3):
        assert sorted(e for _, e in window_pairs(plan, window)) == list(range(7))


def test_a_pass_comes_again_in_another_order():
    plan = make_plan(window=40, passes=1)
    whole = [e for w in range(12) for t, e in window_pairs(plan, w) if t == 0]
    assert sorted(whole[:30]) == sorted(whole[30:60]) == list(range(30))
    assert whole[:30] != whole[30:60]


def test_a_window_does_not_depend_on_what_was_planned_before():
    plan, other = make_plan(), make_plan()
    expected = [window_pairs(plan, w) for w in range(6)]
    assert [window_pairs(other, w) for w in reversed(range(6))] == expected[::-1]


def test_walking_goes_on_from_any_position():
    plan = make_plan()
    whole = list(itertools.islice(plan.walk(Position()), 60))
    for taken in (1, 17, 40):
        _, position = whole[taken - 1]
        rest = rows_from(plan, position, 60 - taken)
        assert rest == [row for row, _ in whole[taken:]]


def test_rows_fit_both_capacities():
    plan = make_plan(capacities=(9, 7))
    for window in range(3):
        rows = plan.rows(window)
        for r in range(len(rows)):
            costs = sum(plan.tasks[t].costs(np.array([e]))[0] for t, e in rows.row(r))
            assert (costs <= (9, 7)).all()


def test_another_seed_gives_another_order():
    assert window_pairs(make_plan(seed=0), 0) != window_pairs(make_plan(seed=1), 0)


def test_shares_change_at_the_draw_that_a_stage_names():
    stages = [Stage(0, {"a": 0.25, "b": 0.75}), Stage(96, {"a": 1.0})]
    plan = make_plan(stages=stages)
    drawn = [Counter(task for task, _ in window_pairs(plan, w)) for w in range(3)]
    # Window 1 holds draws 64 to 127: half under each stage.
    assert drawn == [{0: 16, 1: 48}, {0: 8 + 32, 1: 24}, {0: 64}]
    assert plan.shares_until(128) == pytest.approx([56 / 128, 72 / 128])
    assert plan.identity() != make_plan().identity()


def test_pairs_that_belong_together_stand_side_by_side_in_one_row():
    plan = make_plan(group=2, capacities=(12,))
    seen = Counter()
    for window in range(3):
        rows = plan.rows(window)
        for r in range(len(rows)):
            row = rows.row(r)
            assert len(row) % 2 == 0
            for (task, first), (other, second) in zip(row[::2], row[1::2], strict=True):
                assert (task, first % 2, second) == (other, 0, first + 1)
                seen[task, first] += 1
            costs = sum(plan.tasks[t].costs(np.array([e]))[0] for t, e in row)
            assert costs <= 12
    assert sum(seen.values()) == 3 * 64  # a unit is one draw


def test_a_pair_too_long_for_a_row_is_refused():
    with pytest.raises(ValueError, match="task a: 2 examples of one unit must fit a row"):
        make_plan(group=2, capacities=(6,)).rows(0)


def test_an_example_too_long_for_a_row_is_refused():
    with pytest.raises(
        ValueError, match=r"task a: an example must fit a row of \(4,\), got \(5,\)"
    ):
        make_plan(capacities=(4,)).rows(0)


def test_a_task_without_examples_is_refused():
    task = PlannedTask("empty", (0,), np.zeros((0, 1)).__getitem__)
    with pytest.raises(ValueError, match=r"task empty: every pass must have examples, got"):
        Plan(seed=0, tasks=[task], stages=[Stage(0, {"empty": 1.0})], capacities=(4,))


@pytest.mark.parametrize("starts", [[], [5], [0, 0], [0, 9, 3]])
def test_stages_out_of_order_are_refused(starts):
    stages = [Stage(start, {"a": 1.0}) for start in starts]
    task = PlannedTask("a", (4,), np.ones((4, 1), np.int64).__getitem__)
    with pytest.raises(ValueError, match="stages must start at draw 0 and go on in order"):
        Plan(seed=0, tasks=[task], stages=stages, capacities=(4,))


def test_a_window_is_one_pass_within_limits():
    assert (fitting(10), fitting(9_000), fitting(10**7)) == (MIN_WINDOW, 9_000, MAX_WINDOW)
