"""Permutations that are computed where they are asked for."""

import numpy as np
import pytest

from flanjax.engine.permutation import mixed, permuted, shuffled


@pytest.mark.parametrize("size", [1, 2, 3, 15, 16, 17, 255, 257, 5000])
def test_every_index_is_sent_to_another_of_the_range(size):
    for seed in (0, 1, 2**64 - 1):
        assert sorted(permuted(np.arange(size), size, seed)) == list(range(size))


def test_a_part_is_computed_as_in_the_whole():
    whole = permuted(np.arange(1000), 1000, 7)
    some = np.array([999, 0, 500, 3])
    assert permuted(some, 1000, 7).tolist() == whole[some].tolist()


def test_seeds_give_orders_of_their_own():
    orders = {tuple(permuted(np.arange(50), 50, seed)) for seed in range(40)}
    assert len(orders) == 40


def test_each_place_is_about_as_likely_as_any_other():
    places = np.arange(64)
    counts = np.zeros((64, 64))
    for seed in range(3000):
        counts[places, permuted(places, 64, seed)] += 1
    expected = 3000 / 64
    chi_square = ((counts - expected) ** 2 / expected).sum()
    assert chi_square < 4249  # 63 * 63 degrees of freedom, one in a thousand


def test_the_finalizer_is_splitmix64():
    # The first outputs of SplitMix64 from state 0: Vigna's splitmix64.c gives these.
    found = mixed(np.arange(1, 4), 0)
    assert [hex(value) for value in found.tolist()] == [
        "0xe220a8397b1dcdaf", "0x6e789e6aa1b965f4", "0x6c45d188009454f",
    ]  # fmt: skip


def test_shuffled_is_a_permutation():
    assert sorted(shuffled(100, 5)) == list(range(100))
    assert shuffled(100, 5).tolist() != shuffled(100, 6).tolist()
