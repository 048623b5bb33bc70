"""The plan as a Grain dataset: packed batches, seekable, prefetched."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import grain

from flanjax.data.batch import SeqBatch
from flanjax.data.cache import TokenStore
from flanjax.data.pack import Layout, pack
from flanjax.data.plan import Plan, Position

_PREFETCH = 4


class PackedBatches(grain.IterDataset[SeqBatch]):
    """Batches of packed rows, this host's share of every global batch.

    Any number of hosts reads the same global sequence: of the batch's rows,
    host h of H takes the h-th of H equal parts.

    Args:
      plan: The order of rows.
      stores: One per task of the plan, in its order.
      layout: How rows are laid out.
      batch_size: Rows of the global batch.
      host: This host's index.
      num_hosts: The number of hosts.
    """

    def __init__(
        self,
        plan: Plan,
        stores: Sequence[TokenStore],
        layout: Layout,
        *,
        batch_size: int,
        host: int = 0,
        num_hosts: int = 1,
    ):
        super().__init__()
        if batch_size % num_hosts:
            raise ValueError(
                f"batch_size must be a multiple of the {num_hosts} hosts, got {batch_size}; "
                "change it."
            )
        self.plan = plan
        self.stores = tuple(stores)
        self.layout = layout
        self.batch_size = batch_size
        share = batch_size // num_hosts
        self.part = slice(host * share, (host + 1) * share)

    def __iter__(self) -> "PackedIterator":
        return PackedIterator(self)


class PackedIterator(grain.DatasetIterator[SeqBatch]):
    """Reads a PackedBatches; its state is a Position."""

    def __init__(self, data: PackedBatches):
        super().__init__()
        self._data = data
        self._seek(Position())

    def _seek(self, position: Position) -> None:
        self._position = position
        self._rows = self._data.plan.walk(position)

    def __next__(self) -> SeqBatch:
        rows = []
        for _ in range(self._data.batch_size):
            row, self._position = next(self._rows)
            rows.append(row)
        mine = rows[self._data.part]
        examples = [[self._data.stores[task].example(e) for task, e in row] for row in mine]
        return pack(examples, self._data.layout)

    def get_state(self) -> dict[str, Any]:
        return self._position._asdict()

    def set_state(self, state: dict[str, Any]) -> None:
        self._seek(Position(**state))


def prefetched(data: PackedBatches) -> grain.DatasetIterator[SeqBatch]:
    """Returns an iterator that packs a few batches ahead in a thread."""
    ahead = grain.experimental.ThreadPrefetchIterDataset(data, prefetch_buffer_size=_PREFETCH)
    return iter(ahead)
