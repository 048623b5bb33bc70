"""Exemplars for few-shot prompts, drawn by a stable hash."""

from __future__ import annotations

from collections.abc import Sequence

from flanjax.base import stable_hash
from flanjax.data.render import record_uid
from flanjax.data.task import Record, Task


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
