"""The plan as a Grain dataset: packed batches, seekable, prefetched."""

from __future__ import annotations

import concurrent.futures
from collections.abc import Mapping
from typing import Any

import grain

from flanjax.data.batch import SeqBatch
from flanjax.engine.account import Account
from flanjax.engine.arena import RESIDENT_BYTES
from flanjax.engine.cache import Tokens
from flanjax.engine.gather import Laid, gather, lay_out, stacked
from flanjax.engine.pack import Layout
from flanjax.engine.plan import Plan, Position
from flanjax.engine.row_index import RowIndex

_PREFETCH = 4


class PackedBatches(grain.IterDataset[SeqBatch]):
    """Batches of packed rows, this host's share of every global batch.

    Any number of hosts reads the same global sequence: of the batch's rows,
    host h of H takes the h-th of H equal parts.

    Args:
      plan: The order of rows.
      tokens: The tokens of the plan's tasks.
      layout: How rows are laid out.
      batch_size: Rows of the global batch.
      host: This host's index.
      num_hosts: The number of hosts.
      index: Learns the rows of each window as it is planned.
      plan_id: Names the order of rows; a state of another one is refused.
    """

    def __init__(
        self,
        plan: Plan,
        tokens: Tokens,
        layout: Layout,
        *,
        batch_size: int,
        host: int = 0,
        num_hosts: int = 1,
        index: RowIndex | None = None,
        plan_id: str = "",
    ):
        super().__init__()
        if batch_size % num_hosts:
            raise ValueError(
                f"batch_size must be a multiple of the {num_hosts} hosts, got {batch_size}; "
                "change it."
            )
        self.plan = plan
        self.tokens = tokens
        self.layout = layout
        self.batch_size = batch_size
        self.share = batch_size // num_hosts
        self.host = host
        self.index = index or RowIndex(plan)
        self.plan_id = plan_id

    def __iter__(self) -> "PackedIterator":
        return PackedIterator(self)


class PackedIterator(grain.DatasetIterator[SeqBatch]):
    """Reads a PackedBatches; its state is a Position and the account until there."""

    def __init__(self, data: PackedBatches):
        super().__init__()
        self._data = data
        self._position = Position()
        self._account = Account.empty(len(data.plan.tasks))
        self._windows = _Windows(data)

    def __next__(self) -> SeqBatch:
        data = self._data
        parts = []
        taken = 0
        mine = range(data.host * data.share, (data.host + 1) * data.share)
        while taken < data.batch_size:
            window, row = self._position
            laid = self._windows.get(window)
            placed = laid.placed
            stop = min(row + data.batch_size - taken, len(placed.rows))
            self._account = self._account.plus(
                placed, row, stop, is_causal=data.layout.input_length is None
            )
            first = row + min(max(mine.start - taken, 0), stop - row)
            last = row + min(max(mine.stop - taken, 0), stop - row)
            if first < last:
                parts.append(gather(laid, first, last))
            taken += stop - row
            at_end = stop == len(placed.rows)
            self._position = Position(window + 1, 0) if at_end else Position(window, stop)
        return stacked(parts)

    def get_state(self) -> dict[str, Any]:
        """Returns JSON values."""
        return {
            "plan": self._data.plan_id,
            **self._position._asdict(),
            "account": self._account.to_json(),
        }

    def set_state(self, state: Mapping[str, Any]) -> None:
        """Goes to where a state was taken.

        Raises:
          ValueError: The state is of another plan.
        """
        if state["plan"] != self._data.plan_id:
            raise ValueError(
                f"the data's position must be of plan {self._data.plan_id}, got one of "
                f"{state['plan']}; go on with the tasks, lengths and seed of the run's start."
            )
        self._position = Position(int(state["window"]), int(state["row"]))
        self._account = Account.from_json(state["account"])


class _Windows:
    """Windows laid out; the next one is planned in the background."""

    def __init__(self, data: PackedBatches):
        self._data = data
        self._thread = concurrent.futures.ThreadPoolExecutor(1, thread_name_prefix="plan")
        self._made: dict[int, concurrent.futures.Future[Laid]] = {}

    def get(self, window: int) -> Laid:
        """Returns a window, and starts on the one after it."""
        for number in (window, window + 1):
            if number not in self._made:
                self._made[number] = self._thread.submit(self._make, number)
        laid = self._made[window].result()
        for number in [n for n in self._made if n not in (window, window + 1)]:
            del self._made[number]
        return laid

    def _make(self, window: int) -> Laid:
        rows = self._data.plan.make_rows(window)
        self._data.index.record(window, len(rows))
        placed, arena = self._data.tokens.place(rows), self._data.tokens.arena
        if arena.tokens.nbytes > RESIDENT_BYTES:
            arena, addresses = arena.copied(placed.addresses, placed.inputs + placed.targets)
            placed = placed._replace(addresses=addresses)
        return lay_out(placed, self._data.layout, arena)


def prefetched(data: PackedBatches) -> grain.DatasetIterator[SeqBatch]:
    """Returns an iterator that packs a few batches ahead in a thread."""
    ahead = grain.experimental.ThreadPrefetchIterDataset(data, prefetch_buffer_size=_PREFETCH)
    return iter(ahead)
