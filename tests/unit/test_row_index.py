"""Which window holds a row: by the file, by planning, and after a cut."""

import pytest

from flanjax.engine import row_index
from flanjax.engine.pack import Layout
from flanjax.engine.plan import Position
from flanjax.engine.row_index import RowIndex
from tests.unit.token_stores import make_plan, make_store, random_pairs

PLAN = make_plan([make_store("a", random_pairs(40, seed=0))], Layout(24, 12, 1), window=30)


def walked(count):
    """Returns the position of each of the first rows."""
    positions = [Position()]
    for _, position in PLAN.walk(Position()):
        positions.append(position)
        if len(positions) == count:
            return positions


def test_rows_are_where_walking_comes_by_them():
    index = RowIndex(PLAN)
    expected = walked(40)
    assert [index.locate(row) for row in range(40)] == expected
    assert len({position.window for position in expected}) > 3


def test_the_file_is_used_again_without_planning(tmp_path, monkeypatch):
    path = tmp_path / "plans" / "some.rows"
    expected = RowIndex(PLAN, path).locate(35)
    monkeypatch.setattr(type(PLAN), "rows", lambda *_: pytest.fail("planned again"))
    assert RowIndex(PLAN, path).locate(35) == expected


def test_a_file_cut_short_is_gone_on_with(tmp_path):
    path = tmp_path / "some.rows"
    expected = RowIndex(PLAN, path).locate(39)
    content = path.read_bytes()
    path.write_bytes(content[:-3])
    assert RowIndex(PLAN, path).locate(39) == expected
    assert path.read_bytes() == content


def test_a_file_of_something_else_is_refused(tmp_path):
    path = tmp_path / "some.rows"
    path.write_bytes(bytes(8))
    with pytest.raises(ValueError, match=r"some\.rows must hold the rows of each window, got 0"):
        RowIndex(PLAN, path)


def test_windows_out_of_turn_are_not_taken_for_the_next():
    index = RowIndex(PLAN)
    index.record(3, 7)
    assert len(index) == 0


def test_two_runs_of_one_plan_may_write_the_file_at_once(tmp_path):
    path = tmp_path / "some.rows"
    first, second = RowIndex(PLAN, path), RowIndex(PLAN, path)
    sizes = [len(PLAN.rows(window)) for window in range(3)]
    for index, window in ((first, 0), (first, 1), (second, 0), (first, 2)):
        index.record(window, sizes[window])
    assert len(RowIndex(PLAN, path)) == 3
    assert RowIndex(PLAN, path).locate(sizes[0] + sizes[1]) == Position(2, 0)


def test_a_cache_that_is_closed_is_read_and_not_written(tmp_path, monkeypatch):
    monkeypatch.setattr(row_index.os, "access", lambda place, mode: place != tmp_path)
    path = tmp_path / "plans" / "a.rows"
    assert RowIndex(PLAN, path).locate(35) == RowIndex(PLAN).locate(35)
    assert not path.parent.exists()
