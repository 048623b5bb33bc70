"""What the scored records of each task ask about: many records may ask for few facts."""

from __future__ import annotations

import collections
from collections.abc import Iterable, Iterator
from typing import Any

from flanjax.data.catalogue import Catalogue
from flanjax.data.records import read_records
from flanjax.data.task import Record, Task
from flanjax.evaluation.queries import draw_sample

HEADS = ("task", "topics scored", "as of equally frequent", "topics trained on")


def rows(catalogue: Catalogue, max_examples: int) -> Iterator[tuple[str, ...]]:
    """Yields the cells below HEADS: each task, and what its scored records ask about.

    A record's topic decides its split.

    Args:
      catalogue: The world's tasks.
      max_examples: Records scored of each task.
    """
    for task in catalogue.tasks():
        validation = read_records(task, "validation").records
        scored = draw_sample(
            task, validation, max_examples=max_examples, seed=0, bad_record_limit=0.0
        )
        asked = _topics(task, scored.records)
        trained = _topics(task, read_records(task, "train").records)
        yield task.name, f"{len(asked):,}", f"{even(asked):,.1f}", f"{len(trained):,}"


def even(counts: collections.Counter[Any]) -> float:
    """Returns how many equally frequent topics two records would share as often as these."""
    return counts.total() ** 2 / sum(num**2 for num in counts.values())


def _topics(task: Task, records: Iterable[Record]) -> collections.Counter[tuple[str, ...]]:
    names = task.source.topic  # type: ignore[attr-defined]
    return collections.Counter(tuple(str(record[name]) for name in names) for record in records)
