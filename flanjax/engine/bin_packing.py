"""Which examples share a row: packing lengths into rows of a capacity.

One length a piece (causal rows) and two (encoder and decoder rows) are two
problems. With one length there is nearly always a pair of pieces that ends a
row exactly, and looking for it costs one operation on bit sets. With two, a
row is filled towards the proportions of what is left, so that neither side
runs out before the other.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

_LANE = 1024
"""Pieces that one lane of `pack_pairs` chooses among; lanes run side by side."""

_TARGET_WEIGHT = 0.3
"""Weight of the targets' distance in `pack_pairs`; chosen on P3 and FLAN-like lengths."""

_NOT_THERE = np.float32(1e9)


class Packed(NamedTuple):
    """Rows of pieces.

    Attributes:
      order: int64 [n], every piece once, row after row.
      offsets: int64 [rows + 1], where each row starts in `order`.
    """

    order: np.ndarray
    offsets: np.ndarray


def pack_rows(costs: np.ndarray, capacities: tuple[int, ...]) -> Packed:
    """Packs pieces of one or two lengths each.

    Args:
      costs: int64 [n, axes], each at least 1 and at most its capacity.
      capacities: Room of a row, per axis; one or two.
    """
    if len(capacities) == 1:
        return pack_lengths(costs[:, 0], capacities[0])
    return pack_pairs(costs, (capacities[0], capacities[1]))


def pack_lengths(lengths: np.ndarray, capacity: int) -> Packed:
    """Packs pieces of one length, nearly every row full to the last token.

    Each row starts with the longest piece left and takes pieces in the given
    order until two pieces can end it exactly. Those two are taken near half
    the rest each, so that long and short pieces run out together.

    Args:
      lengths: int64 [n], each in [1, capacity]; pieces in random order.
      capacity: Room of a row.

    Example:
      lengths [3, 1, 2, 2], capacity 4 -> rows {3, 1}, {2, 2}
    """
    pool = _LengthPool(lengths, capacity)
    taken: list[int] = []
    ends: list[int] = []
    while pool.lengths:
        pool.fill_row(taken)
        ends.append(len(taken))
    order = np.empty(len(taken), np.int64)
    by_length = np.argsort(np.asarray(taken, np.int64), kind="stable")
    order[by_length] = np.argsort(lengths, kind="stable")
    return Packed(order, np.asarray([0, *ends], np.int64))


class _LengthPool:
    """Pieces not yet in a row, by length; bit l of a set stands for length l."""

    def __init__(self, lengths: np.ndarray, capacity: int):
        self.capacity = capacity
        self.counts = np.bincount(lengths, minlength=capacity + 1).tolist()
        present = np.flatnonzero(self.counts).tolist()
        self.lengths = sum(1 << length for length in present)
        self.reversed = sum(1 << (capacity - length) for length in present)
        self._queue = lengths.tolist()
        self._next = 0
        self._taken_ahead = [0] * (capacity + 1)  # of the queue, by length

    def fill_row(self, taken: list[int]) -> None:
        """Appends the lengths of one row to `taken`."""
        room = self.capacity - self._take_ahead(self.lengths.bit_length() - 1, taken)
        while room and self.lengths:
            if self.counts[room]:
                self._take_ahead(room, taken)
                return
            longest = self.lengths.bit_length() - 1
            if room <= 2 * longest and (first := self._first_of_pair(room)):
                self._take_ahead(first, taken)
                self._take_ahead(room - first, taken)
                return
            length = self._next_of_queue(room, taken) or self._longest(room, taken)
            if not length:
                return
            room -= length

    def _first_of_pair(self, total: int) -> int:
        """Returns the shorter of two lengths that sum to `total`, 0 if there is none."""
        pairs = self.lengths & (self.reversed >> (self.capacity - total))
        shorter = (pairs & ((2 << (total // 2)) - 1)).bit_length() - 1
        if 2 * shorter == total and self.counts[shorter] < 2:
            shorter = (pairs & ((1 << shorter) - 1)).bit_length() - 1
        return max(shorter, 0)

    def _next_of_queue(self, room: int, taken: list[int]) -> int:
        """Takes the next piece in the given order if it fits; 0 if it does not."""
        queue, ahead = self._queue, self._taken_ahead
        while self._next < len(queue) and ahead[queue[self._next]]:
            ahead[queue[self._next]] -= 1
            self._next += 1
        if self._next == len(queue) or queue[self._next] > room:
            return 0
        length: int = queue[self._next]
        self._next += 1
        self._take(length, taken)
        return length

    def _longest(self, room: int, taken: list[int]) -> int:
        """Takes the longest piece that fits; 0 if none does."""
        length = (self.lengths & ((2 << room) - 1)).bit_length() - 1
        return self._take_ahead(length, taken) if length > 0 else 0

    def _take_ahead(self, length: int, taken: list[int]) -> int:
        self._taken_ahead[length] += 1
        self._take(length, taken)
        return length

    def _take(self, length: int, taken: list[int]) -> None:
        taken.append(length)
        self.counts[length] -= 1
        if not self.counts[length]:
            self.lengths ^= 1 << length
            self.reversed ^= 1 << (self.capacity - length)


def pack_pairs(costs: np.ndarray, capacities: tuple[int, int]) -> Packed:
    """Packs pieces of two lengths, each with its own capacity.

    Pieces are dealt to lanes, longest first, so that all lanes are alike; a
    lane fills one row at a time. A row starts with the longest piece left
    and then takes the piece nearest to what the row still lacks, where the
    less demanded of the two sides is to be filled only as far as the lane's
    pieces can fill it. The last rows of all lanes are packed once more
    together.

    Args:
      costs: int64 [n, 2], each at least 1 and at most its capacity.
      capacities: Room of a row for each side, below 2 ** 24.

    Example:
      costs [[3, 1], [1, 3], [2, 2], [2, 2]], capacities (4, 4)
      -> rows {[3, 1], [1, 3]}, {[2, 2], [2, 2]}
    """
    num_lanes = max(1, len(costs) // _LANE)
    row_of, last_rows = _pack_lanes(costs, capacities, num_lanes)
    if num_lanes > 1:
        ragged = np.flatnonzero(np.isin(row_of, last_rows))
        again, _ = _pack_lanes(costs[ragged], capacities, 1)
        row_of[ragged] = row_of.max() + 1 + again
        row_of = np.unique(row_of, return_inverse=True)[1]
    order = np.argsort(row_of, kind="stable")
    offsets = np.concatenate([[0], np.cumsum(np.bincount(row_of))])
    return Packed(order, offsets)


def _pack_lanes(
    costs: np.ndarray, capacities: tuple[int, int], num_lanes: int
) -> tuple[np.ndarray, np.ndarray]:
    """Returns the row of each piece, and the last row of each lane."""
    lanes = _Lanes(costs, capacities, num_lanes)
    row_of = np.empty(len(costs), np.int64)
    while lanes.num_left.any():
        pieces, rows = lanes.place()
        row_of[pieces] = rows
    return row_of, lanes.row


class _Lanes:
    """Lanes that each fill one row at a time; every array is [lanes, ...]."""

    def __init__(self, costs: np.ndarray, capacities: tuple[int, int], num_lanes: int):
        self._capacity = np.asarray(capacities, np.float32)
        share = costs / self._capacity
        longest_first = np.argsort(-(share.max(axis=1) + 1e-3 * share.sum(axis=1)), kind="stable")
        width = -(-len(costs) // num_lanes)
        dealt = np.full(width * num_lanes, -1, np.int64)
        dealt[: len(costs)] = longest_first
        self._pieces = np.ascontiguousarray(dealt.reshape(width, num_lanes).T)
        is_there = self._pieces >= 0
        self._lengths = [
            np.where(is_there, costs[self._pieces, axis], _NOT_THERE).astype(np.float32)
            for axis in range(2)
        ]
        self._demand = np.stack(
            [np.where(is_there, share[self._pieces, axis], 0).sum(axis=1) for axis in range(2)],
            axis=1,
        )
        self._weight = np.asarray([1.0, _TARGET_WEIGHT], np.float32) / self._capacity**2
        self.num_left = is_there.sum(axis=1)
        self.row = np.full(num_lanes, -1, np.int64)
        self._num_rows = 0
        self._room = np.zeros((num_lanes, 2), np.float32)
        self._spare = np.zeros((num_lanes, 2), np.float32)  # room not meant to be used
        self._set_buffers()

    def _set_buffers(self) -> None:
        first, second = self._lengths
        self._squares = self._weight[0] * first * first + self._weight[1] * second * second
        self._distance, self._product = np.empty_like(first), np.empty_like(first)
        self._is_out, self._is_too_long = np.empty(first.shape, bool), np.empty(first.shape, bool)

    def place(self) -> tuple[np.ndarray, np.ndarray]:
        """Puts one more piece of each lane into its row; returns pieces and rows."""
        lane = np.flatnonzero(self.num_left)
        choice = self._nearest()
        is_closed = self._is_out[np.arange(len(choice)), choice] & (self.num_left > 0)
        if is_closed.any():
            choice[is_closed] = self._open_rows(np.flatnonzero(is_closed))
        choice = choice[lane]
        pieces = self._pieces[lane, choice]
        for axis, lengths in enumerate(self._lengths):
            used = lengths[lane, choice]
            self._room[lane, axis] -= used
            self._demand[lane, axis] -= used / self._capacity[axis]
            lengths[lane, choice] = _NOT_THERE
        self.num_left[lane] -= 1
        rows = self.row[lane]
        if self.num_left.max() < 0.75 * self._pieces.shape[1]:
            self._compact()
        return pieces, rows

    def _nearest(self) -> np.ndarray:
        """Returns the piece that fits and is nearest to what each row lacks.

        |lack - piece|^2, less |lack|^2, which is the same for all pieces.
        """
        pull = 2 * self._weight * (self._room - self._spare)
        np.multiply(self._lengths[0], pull[:, :1], out=self._distance)
        np.multiply(self._lengths[1], pull[:, 1:], out=self._product)
        self._distance += self._product
        np.subtract(self._squares, self._distance, out=self._distance)
        np.greater(self._lengths[0], self._room[:, :1], out=self._is_out)
        np.greater(self._lengths[1], self._room[:, 1:], out=self._is_too_long)
        self._is_out |= self._is_too_long
        np.copyto(self._distance, np.inf, where=self._is_out)
        return self._distance.argmin(axis=1)

    def _open_rows(self, lanes: np.ndarray) -> np.ndarray:
        """Opens a row in some lanes; returns the piece that each starts with."""
        self.row[lanes] = self._num_rows + np.arange(len(lanes))
        self._num_rows += len(lanes)
        self._room[lanes] = self._capacity
        demand = np.maximum(self._demand[lanes], 1e-6)
        fill = demand / demand.max(axis=1, keepdims=True)
        self._spare[lanes] = self._capacity * (1 - fill)
        return (self._lengths[0][lanes] < _NOT_THERE).argmax(axis=1)

    def _compact(self) -> None:
        """Drops the places of pieces that are gone."""
        width = int(self.num_left.max())
        if not width:
            return
        is_gone = self._lengths[0] >= _NOT_THERE
        kept = np.argsort(is_gone, axis=1, kind="stable")[:, :width]
        self._pieces = np.take_along_axis(self._pieces, kept, axis=1)
        self._lengths = [np.take_along_axis(side, kept, axis=1) for side in self._lengths]
        self._set_buffers()


def least_rows(costs: np.ndarray, capacities: tuple[int, ...]) -> int:
    """Returns a number of rows that no packing can beat.

    Pieces beside which no other piece fits need a row each; the rest need at
    least the rows that their longer side fills.

    Args:
      costs: int64 [n, axes], as for `pack_rows`.
      capacities: Room of a row, per axis.
    """
    costs = costs if len(capacities) == 2 else np.repeat(costs, 2, axis=1)
    first_room, second_room = capacities[0], capacities[-1]
    shortest = np.full(second_room + 1, first_room + 1, np.int64)
    np.minimum.at(shortest, costs[:, 1], costs[:, 0])
    shortest = np.minimum.accumulate(shortest)  # of first lengths, up to a second length
    is_alone = shortest[second_room - costs[:, 1]] > first_room - costs[:, 0]
    rest = costs[~is_alone].sum(axis=0) / (first_room, second_room)
    return int(is_alone.sum()) + int(np.ceil(rest.max(initial=0.0) - 1e-9))
