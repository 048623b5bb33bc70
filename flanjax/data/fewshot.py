"""Exemplars for few-shot prompts, drawn by a stable hash."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from flanjax.base import stable_hash
from flanjax.data.render import Rendered, record_uid, render
from flanjax.data.task import Record, Task


class Fitted(NamedTuple):
    """A rendered example and how many of its exemplars had no room.

    Attributes:
      example: The example, with the exemplars that fit.
      num_dropped: Exemplars left out.
    """

    example: Rendered
    num_dropped: int


def choose_shots(
    task: Task, query: Record, pool: Sequence[Record], *, num_shots: int, seed: int
) -> tuple[Record, ...]:
    """Chooses exemplars for a query, never the query itself.

    The pool must be the task's training split: exemplars are never taken
    from validation or test. A record that repeats the query's content counts
    as the query.

    Args:
      task: The task.
      query: The record that the prompt will ask about.
      pool: Training records that the task keeps.
      num_shots: How many exemplars; fewer come back only if the pool is
        smaller.
      seed: The run's seed.
    """
    query_uid = record_uid(query)
    chosen: dict[int, Record] = {}
    draws = 0
    limit = 8 * num_shots + 64
    while pool and len(chosen) < num_shots and draws < limit:
        index = stable_hash("shot", task.name, query_uid, seed, draws) % len(pool)
        uid = record_uid(pool[index])
        if uid != query_uid:
            chosen.setdefault(uid, pool[index])
        draws += 1
    if len(chosen) < num_shots:  # a small pool: fill up in order
        for record in pool:
            uid = record_uid(record)
            if uid != query_uid and len(chosen) < num_shots:
                chosen.setdefault(uid, record)
    return tuple(chosen.values())


def render_fitted(
    task: Task,
    record: Record,
    *,
    template: int,
    shots: Sequence[Record],
    fits: Callable[[str], bool],
) -> Fitted | None:
    """Renders a record after as many of its exemplars as fit the input.

    The query is never cut for an exemplar: exemplars are left out one by one,
    the first, which stands farthest from the query, before the others (FLAN
    2021, section 4.4, prunes them too).

    Args:
      task: The task.
      record: The record that the prompt asks about.
      template: Index into the task's templates.
      shots: Its exemplars.
      fits: Whether a prompt fits the input length.

    Returns:
      The example, or None where the task leaves the record out.
    """
    for num_dropped in range(len(shots) + 1):
        example = render(task, record, template=template, shots=shots[num_dropped:])
        if example is None:
            return None
        if num_dropped == len(shots) or fits(example.inputs):
            return Fitted(example, num_dropped)
    raise AssertionError("unreachable")
