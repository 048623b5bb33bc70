"""How long a task's prompts and targets are, in words and in bytes."""

from __future__ import annotations

import bisect
import math
from collections.abc import Iterable, Sequence
from typing import Any

from flanjax.data.render import Rendered, render
from flanjax.data.task import Record, Task

EDGES = tuple(sorted([2**power for power in range(21)] + [3 * 2**power for power in range(20)]))
"""Where bins begin: 1, 2, 3, 4, 6, 8, 12, 16, ...; each ends where the next begins."""


def num_words(text: str) -> int:
    """Returns how many pieces white space cuts a text into."""
    return len(text.split())


def num_bytes(text: str) -> int:
    """Returns the length of a text in UTF-8."""
    return len(text.encode("utf-8", "surrogatepass"))


UNITS = {"words": num_words, "bytes": num_bytes}


def histogram(lengths: Sequence[int]) -> dict[str, Any]:
    """Returns counts by bin from the first that holds something, and quantiles.

    A quantile is the shortest length that so many are at most.

    Example:
      histogram([2, 3, 3, 9]) == {
          "first": 1, "counts": [1, 2, 0, 0, 1], "median": 3, "p90": 9, "max": 9}
    """
    ordered = sorted(lengths)
    bins = [max(bisect.bisect_right(EDGES, length) - 1, 0) for length in ordered]
    first, last = bins[0], bins[-1]
    return {
        "first": first,
        "counts": [bins.count(place) for place in range(first, last + 1)],
        "median": _quantile(ordered, 0.5),
        "p90": _quantile(ordered, 0.9),
        "max": ordered[-1],
    }


def lengths(task: Task, records: Iterable[Record], *, origin: str) -> dict[str, Any] | None:
    """Returns the lengths of records in every wording, None without a record.

    Args:
      task: The task.
      records: Records that the task keeps.
      origin: What they are, as `Sampled.origin`.
    """
    kept = list(records)
    examples = [
        example
        for record in kept
        for number in range(len(task.templates))
        if (example := render(task, record, template=number)) is not None
    ]
    if not examples:
        return None
    sides = {unit: _sides(examples, unit) for unit in UNITS}
    return {"origin": origin, "records": len(kept), "renders": len(examples), **sides}


def _sides(examples: Sequence[Rendered], unit: str) -> dict[str, Any]:
    measure = UNITS[unit]
    return {
        "inputs": histogram([measure(example.inputs) for example in examples]),
        "targets": histogram([measure(example.targets) for example in examples]),
    }


def _quantile(ordered: Sequence[int], share: float) -> int:
    return ordered[math.ceil(share * len(ordered)) - 1]
