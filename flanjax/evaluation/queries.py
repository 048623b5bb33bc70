"""What an evaluation asks: which records, in which wordings."""

from __future__ import annotations

import collections
import contextlib
from collections.abc import Callable, Sequence
from typing import NamedTuple

from flanjax.base import stable_hash
from flanjax.data.fewshot import choose_shots, render_fitted
from flanjax.data.records import sampling_order
from flanjax.data.render import RecordError, Rendered, checked_fields, record_uid
from flanjax.data.task import Record, Task

LEFT_OUT_BY_RULE = "the task's rule leaves it out"
UNREADABLE = "it could not be read, or broke the task's promise"


class Sample(NamedTuple):
    """The records of a task that are scored, and why others are not.

    Attributes:
      records: The records, in the order of the data.
      uids: Their identities.
      left_out: Reason -> records left out for it.
      num_unsampled: Records not looked at because enough were found.
    """

    records: tuple[Record, ...]
    uids: tuple[int, ...]
    left_out: dict[str, int]
    num_unsampled: int


class Query(NamedTuple):
    """One record in one wording.

    Attributes:
      uid: The record's identity.
      template: Index into the task's templates.
      example: The rendered text.
    """

    uid: int
    template: int
    example: Rendered


def draw_sample(
    task: Task,
    records: Sequence[Record],
    *,
    max_examples: int,
    seed: int,
    bad_record_limit: float,
) -> Sample:
    """Draws records in the order of a stable hash until enough are usable.

    Records that are judged together (`group`) are drawn together: the last
    group is taken whole, so a few more than `max_examples` may come back.

    Args:
      task: The task.
      records: Its raw records.
      max_examples: How many to draw; 0 takes all.
      seed: Seeds the order.
      bad_record_limit: Share of the records looked at that may break the
        task's promise; they are counted and left out.

    Raises:
      ValueError: More records are bad, or none is left.
    """
    uids = [record_uid(record) for record in records]
    is_grouped = "group" in task.fields
    keys = (
        [_group_key(task, *pair) for pair in zip(records, uids, strict=True)]
        if is_grouped
        else uids
    )
    chosen: list[int] = []
    bad: collections.Counter[str] = collections.Counter()
    num_ruled_out = 0
    for index in sampling_order(keys, seed=seed):
        is_enough = len(chosen) >= (max_examples or len(records))
        if is_enough and not (is_grouped and keys[index] == keys[chosen[-1]]):
            break
        try:
            fields = checked_fields(task, records[index])
        except RecordError as error:
            bad[str(error)] += 1
            continue
        if fields is None:
            num_ruled_out += 1
        else:
            chosen.append(index)
    num_seen = len(chosen) + num_ruled_out + bad.total()
    _check_sample(task, chosen, bad, num_seen, len(records), bad_record_limit)
    chosen.sort()
    return Sample(
        tuple(records[index] for index in chosen),
        tuple(uids[index] for index in chosen),
        dict(bad) | ({LEFT_OUT_BY_RULE: num_ruled_out} if num_ruled_out else {}),
        len(records) - num_seen,
    )


def _check_sample(
    task: Task,
    chosen: Sequence[int],
    bad: collections.Counter[str],
    num_seen: int,
    num_records: int,
    bad_record_limit: float,
) -> None:
    if bad.total() > bad_record_limit * num_seen:
        raise ValueError(
            f"task {task.name}: at most {bad_record_limit:.2%} of its records may be bad, "
            f"got {bad.total()} of {num_seen}; first: {next(iter(bad))}"
        )
    if not chosen:
        raise ValueError(
            f"task {task.name}: an evaluation must have a record to score, got none that the task "
            f"keeps among {num_records}; check its source and split."
        )


def _group_key(task: Task, record: Record, uid: int) -> int:
    """Returns what records of a group share; a record without one stands alone."""
    with contextlib.suppress(RecordError):
        fields = checked_fields(task, record)
        if fields is not None and fields["group"]:
            return stable_hash("group", fields["group"])
    return uid


def make_queries(
    task: Task,
    sample: Sample,
    templates: Sequence[int],
    *,
    pool: Sequence[Record],
    num_shots: int,
    seed: int,
    fits: Callable[[str], bool] = lambda _: True,
) -> tuple[list[Query], int]:
    """Renders every record in every template, record by record.

    A record has the same exemplars in all its templates, but those that do
    not fit are left out.

    Args:
      task: The task.
      sample: The records.
      templates: Indices into the task's templates.
      pool: Raw training records, from which exemplars are drawn.
      num_shots: Exemplars in each prompt.
      seed: Chooses the exemplars.
      fits: Whether a prompt fits the model's input.

    Returns:
      The queries, and how many exemplars were left out of them.

    Raises:
      ValueError: The pool is too small.
    """
    usable = _usable(task, pool) if num_shots else []
    queries = []
    num_dropped = 0
    for record, uid in zip(sample.records, sample.uids, strict=True):
        shots = choose_shots(task, record, usable, num_shots=num_shots, seed=seed)
        if len(shots) < num_shots:
            raise ValueError(
                f"task {task.name}: its training split must give num_shots = {num_shots} exemplars "
                f"besides the query, got {len(shots)}; lower num_shots."
            )
        for template in templates:
            fitted = render_fitted(task, record, template=template, shots=shots, fits=fits)
            if fitted is None:
                raise AssertionError("a sample holds only records that the task keeps")
            queries.append(Query(uid, template, fitted.example))
            num_dropped += fitted.num_dropped
    return queries, num_dropped


def _usable(task: Task, pool: Sequence[Record]) -> list[Record]:
    """Returns what the task keeps; a broken record is no exemplar."""
    usable = []
    for record in pool:
        with contextlib.suppress(RecordError):
            if checked_fields(task, record) is not None:
                usable.append(record)
    return usable
