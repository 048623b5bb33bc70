"""A task of SeqIO as one of ours: its records are the ids that SeqIO makes.

```
  seqio.Task   source -> its own preprocessors -> {"inputs": ids, "targets": ids}, in its own order
  Task         each is a record; the cache, the plan and the rows are those of any task
```

SeqIO cuts and ends sequences; what it gives is trained on as it is.
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import seqio
import tensorflow as tf
import tensorflow_datasets as tfds

from flanjax.data.seqio_bridge import origins
from flanjax.data.seqio_bridge.stateful import check_stateless
from flanjax.data.task import SPLITS, BadRecord, Record, Task, Template, UnavailableError

SIDES = ("inputs", "targets")
_NUM_COMPARED = 200
"""Examples that stand for a task's code: they are made twice and must be equal."""


@dataclasses.dataclass(frozen=True)
class ForeignTask:
    """A task of SeqIO, and what it is asked for; gives ids (`task.Pretokenized`).

    Attributes:
      task: The task.
      lengths: "inputs" and "targets" -> ids at most, ends included.
      seed: Seeds preprocessors that draw.
    """

    task: seqio.Task
    lengths: Mapping[str, int]
    seed: int

    def ids(self, record: Record) -> tuple[np.ndarray, np.ndarray]:
        """Returns the ids of prompt and target; a task for LMs has no prompt."""
        return record["inputs"], record["targets"]

    @property
    def given_lengths(self) -> dict[str, int]:
        """The lengths of the features that the task has, as SeqIO takes them."""
        return {side: self.lengths[side] for side in SIDES if side in self.task.output_features}

    def fields(self, record: Record) -> dict[str, str]:
        """Returns prompt and target as text, as far as its vocabularies decode them."""
        texts = {side: self.text(side, record[side]) for side in SIDES}
        return {"inputs": texts["inputs"], "answer": texts["targets"]}

    def text(self, side: str, ids: np.ndarray) -> str:
        """Returns ids as text; ids that mean no text are written as numbers."""
        numbers = [int(number) for number in ids]
        feature = self.task.output_features.get(side)
        decoded = "" if feature is None else feature.vocabulary.decode(numbers)
        return decoded if isinstance(decoded, str) else " ".join(map(str, numbers))

    def dataset(self, split: str) -> tf.data.Dataset:
        """Returns a split's examples in their own order, once.

        Raises:
          UnavailableError: Its data is not on this machine.
          ValueError: SeqIO cannot make it, or it would not come out twice.
        """
        with named(self.task.name, f"make its {split} split"):
            dataset = self.task.get_dataset(
                sequence_length=self.given_lengths,
                split=split,
                shuffle=False,
                seed=self.seed,
                num_epochs=1,
                use_cached=self.task.requires_caching,
                try_in_mem_cache=False,
            )
        check_stateless(dataset, task=self.task.name, split=split)
        return dataset


_ABSENT = (FileNotFoundError, tf.errors.NotFoundError, tfds.core.DatasetNotFoundError)
_SAID_OF_ABSENT = ("could not find data in", "No file is found for", "any of the task cache")
"""What is raised, or said by TFDS and SeqIO in other errors, where data is not there."""


@contextlib.contextmanager
def named(task: str, doing: str) -> Iterator[None]:
    """Says of SeqIO's and TensorFlow's errors which task they are of.

    Raises:
      UnavailableError: A file or dataset is not there.
      ValueError: Anything else went wrong.
    """
    try:
        yield
    except Exception as error:  # whatever a user's functions may raise
        text = " ".join(str(error).split())
        told = f"task {task}: SeqIO must {doing}, got {type(error).__name__}: {text:.200}"
        if isinstance(error, _ABSENT) or any(words in text for words in _SAID_OF_ABSENT):
            raise UnavailableError(f"{told}; prepare its data.") from error
        raise ValueError(f"{told}; mend the task.") from error


class ForeignSource:
    """The examples of a task of SeqIO as records: ids of "inputs" and "targets"."""

    def __init__(self, foreign: ForeignTask):
        self._foreign = foreign
        self._identities: dict[str, dict[str, str]] = {}

    def splits(self) -> tuple[str, ...]:
        """Returns the names among SPLITS that SeqIO's source has."""
        with named(self._foreign.task.name, "tell its splits"):
            known = origins.splits(self._foreign.task)
        return tuple(split for split in SPLITS if split in known)

    def describe(self) -> str:
        """Returns the task's name and what kind of source it has."""
        return f"SeqIO {self._foreign.task.name} ({type(self._foreign.task.source).__name__})"

    def records(self, split: str, *, data_dir: str | None = None) -> Iterator[Record | BadRecord]:
        """Yields a split's examples in SeqIO's order.

        Args:
          split: One of `splits()`.
          data_dir: Not read: SeqIO's sources name their own files.

        Raises:
          UnavailableError: The data is not on this machine.
          ValueError: SeqIO cannot make an example, or makes others than when
            the split was identified.
        """
        known = self._identities.get(split)
        digest = _Digest(None if known is None else int(known["num_compared"]))
        for record in self._examples(split, None):
            digest.add(record)
            yield record
        if known is not None and digest.text() != known["examples"]:
            raise ValueError(
                f"task {self._foreign.task.name}: its {split} split must give the same examples "
                "each time, got others the second time; draw with the seeds of "
                "seqio.map_over_dataset, from nothing else."
            )

    def identity(self, split: str, *, data_dir: str | None = None) -> dict[str, str]:
        """Returns what a split's examples follow from.

        Files, the slices taken of them, and the code that makes examples of
        them, which the first examples try; where the source is no files, all
        examples.

        Raises:
          UnavailableError: The data is not on this machine.
          ValueError: SeqIO cannot make an example.
        """
        if split not in self._identities:
            task = self._foreign.task
            with named(task.name, f"make its {split} split"):
                files, code = origins.files(task, split), origins.code(task)
            digest = _Digest(_NUM_COMPARED if files else None)
            for record in self._examples(split, digest.limit):
                digest.add(record)
            told = {"format": "SeqIO", "num_compared": str(digest.num), "examples": digest.text()}
            self._identities[split] = told | files | {"code": code}
        return dict(self._identities[split])

    def _examples(self, split: str, limit: int | None) -> Iterator[dict[str, np.ndarray]]:
        dataset = self._foreign.dataset(split)
        dataset = dataset if limit is None else dataset.take(limit)
        rows = iter(dataset.as_numpy_iterator())
        while True:
            with named(self._foreign.task.name, f"make its {split} split"):
                row = next(rows, None)
            if row is None:
                return
            yield {side: _ids(row.get(side)) for side in SIDES}


class _Digest:
    """A hash of the first examples of a split."""

    def __init__(self, limit: int | None):
        self.limit = limit
        self.num = 0
        self._hash = hashlib.blake2b(digest_size=16)

    def add(self, record: Mapping[str, np.ndarray]) -> None:
        if self.limit is not None and self.num >= self.limit:
            return
        self.num += 1
        for side in SIDES:
            self._hash.update(record[side].size.to_bytes(8, "little") + record[side].tobytes())

    def text(self) -> str:
        return f"blake2b {self._hash.hexdigest()}"


def _ids(value: Any) -> np.ndarray:
    """Returns ids as int32, wider ones as they are: to be refused, not to wrap."""
    if value is None:
        return np.zeros(0, np.int32)
    ids = np.asarray(value)
    is_small = ids.size == 0 or abs(ids).max() <= np.iinfo(np.int32).max
    return ids.astype(np.int32) if is_small else ids


def foreign_of(task: Task) -> ForeignTask:
    """Returns what `as_task` made a task of."""
    assert isinstance(task.pretokenized, ForeignTask), f"task {task.name} is not of SeqIO"
    return task.pretokenized


def as_task(task: seqio.Task, *, lengths: Mapping[str, int], seed: int) -> Task:
    """Returns a task of SeqIO as one that a run can train on; nothing is read.

    Args:
      task: The task.
      lengths: "inputs" and "targets" -> ids at most, ends included.
      seed: Seeds preprocessors that draw.
    """
    foreign = ForeignTask(task, dict(lengths), seed)
    return Task(
        name=task.name,
        version=1,
        source=ForeignSource(foreign),
        to_fields=foreign.fields,
        fields=("inputs", "answer"),
        templates=(Template("{inputs}"),),
        mode="generate",
        metrics=(),
        corpora=origins.corpora(task.source),
        license="not told by SeqIO",
        citation="not told by SeqIO",
        pretokenized=foreign,
    )
