"""Reads a task's records: everything is counted, nothing lost in silence."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple, cast

from flanjax.base import stable_hash
from flanjax.data.local_files import LocalFiles
from flanjax.data.published import Published
from flanjax.data.render import RecordError, checked_fields, record_uid
from flanjax.data.task import BadRecord, Fields, Record, Task, UnavailableError

NUM_BAD_EXAMPLES = 5


class ReadCounts(NamedTuple):
    """What became of each row; `read` is the sum of the next four.

    Attributes:
      read: Rows of the split.
      kept: Records returned.
      left_out_by_rule: Records for which to_fields gave None.
      bad: Rows that could not be read, and records that break the task's
        promise.
      over_limit: Good records not chosen under `limit`.
      duplicates: Good records whose content an earlier one had; they are
        kept as any other.
      bad_examples: Place and reason of the first few bad ones.
    """

    read: int
    kept: int
    left_out_by_rule: int
    bad: int
    over_limit: int
    duplicates: int
    bad_examples: tuple[str, ...]


class RecordSet(NamedTuple):
    """The records of a split that render in every template, in source order.

    Attributes:
      records: The raw records.
      uids: Their identities, from `record_uid`.
      rows: Where each stood among the rows of the split, from one: the number
        that messages name as "record N".
      counts: What became of every row.
    """

    records: tuple[Record, ...]
    uids: tuple[int, ...]
    rows: tuple[int, ...]
    counts: ReadCounts


class _Good(NamedTuple):
    row: int
    uid: int
    record: Record


def sampling_order(uids: Sequence[int], *, seed: int) -> list[int]:
    """Returns indices in the order in which a limited sample takes records."""
    return sorted(range(len(uids)), key=lambda i: (stable_hash("limit", uids[i], seed), i))


def read_records(
    task: Task,
    split: str,
    *,
    data_dir: str | None = None,
    limit: int | None = None,
    bad_record_limit: float = 0.01,
    seed: int = 0,
) -> RecordSet:
    """Reads and checks the records of one split of a task.

    Args:
      task: The task.
      split: One of `task.source.splits()`.
      data_dir: The directory under which local files lie.
      limit: At most so many records are kept, chosen by a stable hash of
        content and seed rather than from the head; None keeps all.
      bad_record_limit: Share of bad rows above which the split is an error.
      seed: Chooses records under `limit`.

    Raises:
      UnavailableError: The data is not on this machine.
      ValueError: The source cannot be read, too many of its rows are bad, or
        none is left.

    Example:
      rows           {"text": "fine", "label": 1}  {"text": "?", "label": -1}  not JSON
      to_fields      {"answer": "good", ...}       None                        -
      counts.        kept 1                        left_out_by_rule 1          bad 1
    """
    if limit is not None and limit < 1:
        raise ValueError(
            f"task {task.name}: limit must be positive, got {limit}; use None for all records."
        )
    good: list[_Good] = []
    bad: list[BadRecord] = []
    num_left_out = 0
    for number, row in enumerate(_rows(task, split, data_dir), start=1):
        checked = _checked_uid(task, number, row)
        if isinstance(checked, int):
            good.append(_Good(number, checked, cast(Record, row)))
        elif checked is None:
            num_left_out += 1
        else:
            bad.append(checked)
    kept = _chosen(good, limit, seed)
    counts = ReadCounts(
        read=len(good) + len(bad) + num_left_out,
        kept=len(kept),
        left_out_by_rule=num_left_out,
        bad=len(bad),
        over_limit=len(good) - len(kept),
        duplicates=len(good) - len({entry.uid for entry in good}),
        bad_examples=tuple(f"{place}: {reason}" for place, reason in bad[:NUM_BAD_EXAMPLES]),
    )
    _check_counts(task, split, counts, bad_record_limit, place_of(task, split, data_dir))
    rows, uids, records = zip(*kept, strict=True)
    return RecordSet(records, uids, rows, counts)


def _chosen(good: list[_Good], limit: int | None, seed: int) -> list[_Good]:
    if limit is None or len(good) <= limit:
        return good
    order = sampling_order([entry.uid for entry in good], seed=seed)
    return [good[i] for i in sorted(order[:limit])]


def _rows(task: Task, split: str, data_dir: str | None) -> Iterator[Record | BadRecord]:
    try:
        yield from task.source.records(split, data_dir=data_dir)
    except UnavailableError as error:
        raise UnavailableError(_of_task(task, error)) from error
    except ValueError as error:
        raise ValueError(_of_task(task, error)) from error


def _of_task(task: Task, error: ValueError) -> str:
    where = f"task {task.name}: "
    return where + str(error).removeprefix(where)


def _checked_uid(task: Task, number: int, row: Record | BadRecord) -> int | BadRecord | None:
    """Returns a good record's uid, None for one left out by rule, or the fault."""
    if isinstance(row, BadRecord):
        return row
    if task.pretokenized is not None:  # its texts are only to be shown
        return record_uid(row)
    try:
        fields = checked_fields(task, row)
        if fields is None:
            return None
        _check_inverted_targets(task, fields)
        return record_uid(row)
    except (RecordError, TypeError) as error:
        return BadRecord(f"record {number}", str(error))


def _check_inverted_targets(task: Task, fields: Fields) -> None:
    inverted = [(index, t) for index, t in enumerate(task.templates) if t.inverted]
    values = {name: v for name, v in fields.items() if isinstance(v, str)} if inverted else {}
    for index, template in inverted:
        if not template.parsed_targets.substitute(values).strip():
            raise RecordError(
                f"task {task.name}, template {index}: targets must not be empty, got none from "
                f"{template.targets!r}; return None from to_fields to leave the record out."
            )


def place_of(task: Task, split: str, data_dir: str | None) -> str:
    """Returns where a split's rows are read from, as far as its source can tell."""
    source = task.source
    if isinstance(source, (LocalFiles, Published)):
        return source.place(split, data_dir=data_dir)
    return source.describe()


def check_bad(what: str, counts: Mapping[str, Any], bad_record_limit: float) -> None:
    """Checks that not too many rows of a split are bad.

    Args:
      what: The task and split, for the message.
      counts: A `ReadCounts`, perhaps one that a cache has kept.
      bad_record_limit: Their share at most.

    Raises:
      ValueError: More are.
    """
    num, bad = counts["read"], counts["bad"]
    if not num or bad / num <= bad_record_limit:
        return
    first = next(iter(counts.get("bad_examples", ())), "not known")
    raise ValueError(
        f"{what}: at most {bad_record_limit:.2%} of records may be bad, got {bad} of {num} "
        f"({bad / num:.2%}), first {first.rstrip('.')}; mend the records or raise "
        "DataConfig.bad_record_limit."
    )


def _check_counts(
    task: Task, split: str, counts: ReadCounts, bad_record_limit: float, place: str
) -> None:
    check_bad(f"task {task.name}, split {split}", counts._asdict(), bad_record_limit)
    if not counts.read:
        raise ValueError(
            f"task {task.name}, split {split}: a split must have rows, got none in {place}; test "
            "takes its rows first, then validation, and train gets the rest: add rows."
        )
    if not counts.kept:
        raise ValueError(
            f"task {task.name}, split {split}: a record must be left to use, got {counts.read} "
            f"read, {counts.left_out_by_rule} left out by rule, {counts.bad} bad; "
            f"check {place}."
        )
