"""Which window holds row number n of a plan: a small file that grows by use."""

from __future__ import annotations

import os
import pathlib
from collections.abc import Callable

import numpy as np

from flanjax.base import nearest_existing
from flanjax.engine.plan import Plan, Position

_DTYPE = np.dtype("<i4")


class RowIndex:
    """The number of rows of each window of one plan, as far as it is known.

    Args:
      plan: The plan.
      path: The file that keeps it, a little-endian int32 per window; None
        keeps nothing. It must be of this very plan: name it after the plan's
        fingerprint.
      is_writer: Whether this process adds to the file, where it may: a cache
        that others share may be closed to it.
    """

    def __init__(self, plan: Plan, path: pathlib.Path | None = None, *, is_writer: bool = True):
        self._plan = plan
        self._path = path
        self._is_writer = (
            is_writer and path is not None and os.access(nearest_existing(path), os.W_OK)
        )
        self._counts = _read(path) if path is not None and path.is_file() else []

    def __len__(self) -> int:
        return len(self._counts)

    def record(self, window: int, num_rows: int) -> None:
        """Adds the window after the last known; any other is passed over."""
        if window != len(self._counts):
            return
        self._counts.append(num_rows)
        if self._is_writer:
            assert self._path is not None
            self._path.parent.mkdir(parents=True, exist_ok=True)
            # In its place: runs that share the plan write the same file, and the same counts.
            descriptor = os.open(self._path, os.O_WRONLY | os.O_CREAT, 0o644)
            try:
                count = np.asarray([num_rows], _DTYPE).tobytes()
                os.pwrite(descriptor, count, _DTYPE.itemsize * window)
            finally:
                os.close(descriptor)

    def locate(self, row: int, *, on_window: Callable[[int, int], None] | None = None) -> Position:
        """Returns the position of the plan's row number `row`, from 0.

        Windows that are not in the index yet are planned, and added to it.

        Args:
          row: Rows that stand before the position.
          on_window: Called with (rows known, row) for each window planned.
        """
        ends = np.cumsum(np.asarray(self._counts, np.int64))
        known = int(ends[-1]) if len(ends) else 0
        while known <= row:
            window = len(self._counts)
            num_rows = len(self._plan.rows(window))
            self.record(window, num_rows)
            known += num_rows
            if on_window is not None:
                on_window(known, row)
        if len(ends) < len(self._counts):
            ends = np.cumsum(np.asarray(self._counts, np.int64))
        window = int(np.searchsorted(ends, row, side="right"))
        before = int(ends[window - 1]) if window else 0
        return Position(window, row - before)


def _read(path: pathlib.Path) -> list[int]:
    """Returns the counts of a file; a last one cut short is left out."""
    content = path.read_bytes()
    whole = len(content) // _DTYPE.itemsize * _DTYPE.itemsize
    counts: list[int] = np.frombuffer(content[:whole], _DTYPE).tolist()
    if any(count < 1 for count in counts):
        raise ValueError(
            f"{path} must hold the rows of each window, got {min(counts)}; remove the file, it is "
            "made again."
        )
    return counts
