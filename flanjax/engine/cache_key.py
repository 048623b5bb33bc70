"""What a task's tokens were made from: equal keys, equal tokens."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Mapping
from typing import Any

from flanjax.data.render import render
from flanjax.data.task import Task
from flanjax.engine.shard import FORMAT
from flanjax.engine.source_identity import source_identity
from flanjax.engine.tokenized import TokenSettings

SOURCE = "source"
_SPANS = 2
"""Raised whenever spans are masked otherwise."""


def task_key(
    task: Task, settings: TokenSettings, *, data_dir: str | None, max_examples: int
) -> dict[str, Any]:
    """Returns everything that decides a task's tokens, as JSON values.

    Code cannot be compared, so the records written by hand are rendered and
    stand for `to_fields`; where it changes what they do not show, the task's
    `version` must be raised.

    Args:
      task: The task.
      settings: What the run asks of every example.
      data_dir: Where local files lie.
      max_examples: Records used of the task at most.
    """
    tokenizer = settings.tokenizer
    key = {
        "format": FORMAT,
        "task": task.name,
        "version": task.version,
        "templates": _hash([dataclasses.astuple(template) for template in task.templates]),
        "handwritten": _hash(_handwritten(task)),
        "vocabulary": tokenizer.fingerprint,
        "objective": dataclasses.asdict(settings.objective),
        "lengths": {"inputs": settings.max_inputs, "targets": settings.max_targets},
        "over_long": settings.over_long,
        "seed": settings.seed,
        "num_shots": settings.num_shots,
        "max_examples": max_examples,
        SOURCE: source_identity(task.source, "train", data_dir=data_dir),
    }
    if settings.objective.name == "span_corruption":
        key["spans"] = _SPANS
    return key if tokenizer.bos_id is None else key | {"begins_with": tokenizer.bos_id}


def fingerprint(key: Mapping[str, Any]) -> str:
    """Returns a short hash of a key; its folder's name."""
    return _hash(key)


def _handwritten(task: Task) -> list[Any]:
    rendered = [
        render(task, record, template=number)
        for record in task.examples
        for number in range(len(task.templates))
    ]
    return [None if example is None else list(example) for example in rendered]


def _hash(value: Any) -> str:
    text = json.dumps(value, sort_keys=True, ensure_ascii=False)
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()
