"""Rows of pieces: none lost, none too long, nearly none of the room wasted."""

import json
import pathlib

import numpy as np
import pytest
import sentencepiece
from hypothesis import given, settings
from hypothesis import strategies as st

from flanjax.engine.bin_packing import Packed, least_rows, pack_lengths, pack_pairs, pack_rows


def rows_of(packed: Packed, costs: np.ndarray) -> list[list]:
    """Returns the rows as sorted lists of costs, sorted."""
    ends = packed.offsets[1:-1]
    return sorted(sorted(row.tolist()) for row in np.split(costs[packed.order], ends))


def fill(packed: Packed, costs: np.ndarray, capacities: tuple[int, ...]) -> float:
    return costs.sum() / ((len(packed.offsets) - 1) * sum(capacities))


def check(packed: Packed, costs: np.ndarray, capacities: tuple[int, ...]) -> None:
    assert sorted(packed.order.tolist()) == list(range(len(costs)))
    used = np.add.reduceat(costs[packed.order], packed.offsets[:-1])
    assert (used <= capacities).all()
    assert (np.diff(packed.offsets) > 0).all()
    assert len(packed.offsets) - 1 >= least_rows(costs, capacities)


def test_two_pieces_end_a_row_exactly():
    lengths = np.array([3, 1, 2, 2])
    assert rows_of(pack_lengths(lengths, 4), lengths) == [[1, 3], [2, 2]]


def test_a_piece_is_not_its_own_partner():
    lengths = np.array([6, 2, 1, 1, 1])  # 4 are left: 2 and 2 would end the row
    assert rows_of(pack_lengths(lengths, 10), lengths) == [[1], [1, 1, 2, 6]]


def test_pieces_as_long_as_the_row_stand_alone():
    lengths = np.array([5, 5, 5])
    assert rows_of(pack_lengths(lengths, 5), lengths) == [[5], [5], [5]]


def test_two_sides_are_filled_together():
    costs = np.array([[3, 1], [1, 3], [2, 2], [2, 2]])
    packed = pack_pairs(costs, (4, 4))
    assert rows_of(packed, costs) == [[[1, 3], [3, 1]], [[2, 2], [2, 2]]]


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(1, 40), min_size=1, max_size=200), st.integers(40, 90))
def test_lengths_are_packed_once_each_and_fit(lengths, capacity):
    costs = np.array(lengths)[:, None]
    check(pack_rows(costs, (capacity,)), costs, (capacity,))


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.integers(1, 40), st.integers(1, 20)), min_size=1, max_size=200),
    st.integers(40, 90),
    st.integers(20, 50),
)
def test_pairs_are_packed_once_each_and_fit(pairs, inputs, targets):
    costs = np.array(pairs)
    check(pack_rows(costs, (inputs, targets)), costs, (inputs, targets))


def test_several_lanes_lose_nothing():
    rng = np.random.default_rng(0)
    costs = np.stack([rng.integers(1, 400, 5000), rng.integers(1, 60, 5000)], axis=1)
    check(pack_pairs(costs, (512, 64)), costs, (512, 64))


def test_the_same_pieces_give_the_same_rows():
    rng = np.random.default_rng(0)
    costs = np.stack([rng.integers(1, 400, 3000), rng.integers(1, 60, 3000)], axis=1)
    for packed, again in (
        (pack_pairs(costs, (512, 64)), pack_pairs(costs, (512, 64))),
        (pack_lengths(costs[:, 0], 512), pack_lengths(costs[:, 0], 512)),
    ):
        assert packed.order.tolist() == again.order.tolist()
        assert packed.offsets.tolist() == again.offsets.tolist()


def test_least_rows_counts_pieces_that_nothing_fits_beside():
    # The first two leave no side for any other; the rest need 6 / 4 of a row.
    costs = np.array([[4, 1], [1, 4], [2, 2], [2, 2], [2, 2]])
    assert least_rows(costs, (4, 4)) == 2 + 2
    assert least_rows(np.array([[3], [3], [2]]), (4,)) == 3  # 3 leaves 1, and 2 is the shortest
    assert least_rows(np.array([[3], [3], [1]]), (4,)) == 2


def lengths_of(test_data: pathlib.Path) -> np.ndarray:
    """Returns the lengths of P3 in T5's vocabulary, int64 [n, 2]."""
    model = test_data / "reference/t5_vocab/sentencepiece.model"
    tokenizer = sentencepiece.SentencePieceProcessor(model_file=str(model))
    rows = [
        json.loads(line)
        for file in sorted((test_data / "p3").rglob("*.jsonl"))
        for line in file.read_text("utf-8").splitlines()
    ]
    sides = (
        [row["prompt"] for row in rows],
        [row["completion"].removesuffix("<|endoftext|>") for row in rows],
    )
    lengths = [[len(ids) + 1 for ids in tokenizer.encode(side)] for side in sides]
    order = np.random.default_rng(0).permutation(len(rows))
    return np.array(lengths).T[order]


@pytest.fixture(scope="module")
def p3(test_data):
    return lengths_of(test_data)


@pytest.mark.parametrize("capacity", [1024, 2048, 4096])
def test_causal_rows_of_p3_are_full(p3, capacity):
    costs = np.minimum(p3.sum(axis=1) - 1, capacity)[:, None]
    costs = np.concatenate([costs] * 3)  # at 4096 P3 alone has only 730 rows
    packed = pack_rows(costs, (capacity,))
    used = np.add.reduceat(costs[packed.order, 0], packed.offsets[:-1])
    aside = (used.sum() - used.min()) / ((len(used) - 1) * capacity)
    assert aside >= 0.9995


@pytest.mark.parametrize(
    "capacities",
    [(512, 128), (512, 512), (1024, 128), (1024, 256), (2048, 256), (2048, 512)],
)
def test_encoder_decoder_rows_of_p3_are_near_what_its_lengths_allow(p3, capacities):
    costs = np.minimum(p3, capacities)
    packed = pack_rows(costs, capacities)
    bound = costs.sum() / (least_rows(costs, capacities) * sum(capacities))
    assert fill(packed, costs, capacities) >= bound - 0.01


def test_encoder_decoder_rows_of_p3_are_well_filled_at_fitting_capacities(p3):
    capacities = (1024, 128)
    assert (p3 > capacities).mean(axis=0).max() < 0.01
    costs = np.minimum(p3, capacities)
    assert fill(pack_rows(costs, capacities), costs, capacities) >= 0.90
