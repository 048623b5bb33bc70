"""What the rows of a source follow from: other rows, another identity."""

from __future__ import annotations

import hashlib
from typing import Protocol, runtime_checkable

from flanjax.data.render import record_uid
from flanjax.data.task import BadRecord, Record, Source, UnavailableError


@runtime_checkable
class IdentifiedSource(Protocol):
    """A source that can tell its identity without reading every row."""

    def identity(self, split: str, *, data_dir: str | None = None) -> dict[str, str]:
        """Returns names and values that change whenever the rows of `split` could.

        Raises:
          UnavailableError: The data is not on this machine.
        """
        ...


def source_identity(source: Source, split: str, *, data_dir: str | None) -> dict[str, str] | None:
    """Returns what tells the rows of a split from any others.

    Files are hashed, TFDS is asked about its prepared dataset, and every row
    of a source that has no method `identity` is read. The code that turns
    rows into records is not in it: the task's version stands for that.

    Args:
      source: Where a task's records come from.
      split: One of `source.splits()`.
      data_dir: The directory under which local files lie.

    Returns:
      The identity; None where the data is not on this machine.

    Raises:
      ValueError: The source cannot be read, or its own `identity` is no dict
        of text.
    """
    try:
        if isinstance(source, IdentifiedSource):
            return _checked(source, source.identity(split, data_dir=data_dir))
        return _of_rows(source, split, data_dir)
    except UnavailableError:
        return None


def _checked(source: Source, identity: object) -> dict[str, str]:
    if isinstance(identity, dict) and all(
        isinstance(part, str) for entry in identity.items() for part in entry
    ):
        return identity
    raise ValueError(
        f"source {source.describe()}: identity must be a dict of text, got {str(identity)!r:.80}; "
        "write each value as text."
    )


def _of_rows(source: Source, split: str, data_dir: str | None) -> dict[str, str]:
    digest = hashlib.blake2b(digest_size=16)
    num_rows = 0
    for number, row in enumerate(source.records(split, data_dir=data_dir), start=1):
        digest.update(f"{_row_identity(number, row)}\n".encode("utf-8", "surrogatepass"))
        num_rows = number
    return {"num_rows": str(num_rows), "rows": f"blake2b {digest.hexdigest()}"}


def _row_identity(number: int, row: Record | BadRecord) -> str:
    """Returns one line that stands for a row, in a form of its own for a bad one."""
    if isinstance(row, BadRecord):
        return f"bad {row.place!r} {row.reason!r}"
    try:
        return f"{record_uid(row):016x}"
    except TypeError as error:  # read_records counts such a row as bad, too
        return f"bad {number} {str(error)!r}"
