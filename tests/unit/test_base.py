"""What every layer shares."""

from __future__ import annotations

import pytest

from flanjax.base import listed


@pytest.mark.parametrize(
    ("items", "most", "expected"),
    [
        ([], 3, ""),
        (["a"], 3, "a"),
        (["a", "b", "c"], 3, "a, b, c"),
        (["a", "b", "c", "d"], 3, "a, b, c and 1 more"),
        (["a"] * 1003, 1, "a and 1,002 more"),
    ],
)
def test_many_items_are_told_by_the_first_and_their_number(items, most, expected) -> None:
    assert listed(items, most) == expected


def test_items_may_stand_apart_otherwise() -> None:
    assert listed(["a, b", "c"], 2, separator="; ") == "a, b; c"
