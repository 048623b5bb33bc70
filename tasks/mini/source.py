"""Records from seeded grammars, dealt to the splits by what they say."""

from __future__ import annotations

import dataclasses
import functools
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

from flanjax.base import StableHash, stable_hash
from flanjax.data.render import record_uid
from flanjax.data.task import SPLITS, Record, nearest

Item = TypeVar("Item")

SHARES = dict(zip(SPLITS, (2000, 300, 300), strict=True))
"""Split -> its share of what a grammar can ask about."""

_MAX_REPEATS = 10_000


class Draw:
    """A stream of choices that is the same for the same key, everywhere.

    Args:
      *key: What tells this stream from others.
      world: Seed of the world that is spoken of, for `facts.of`.

    Example:
      Draw("coins", 7).choice(["heads", "tails"])
    """

    def __init__(self, *key: str | int, world: int = 0):
        self.world = world
        self._hash = StableHash(*key)
        self._num_drawn = 0

    def below(self, limit: int) -> int:
        """Returns an integer from 0 to limit - 1."""
        self._num_drawn += 1
        return self._hash.of(self._num_drawn) % limit

    def choice(self, items: Sequence[Item]) -> Item:
        """Returns one of the items."""
        return items[self.below(len(items))]

    def sample(self, items: Sequence[Item], count: int) -> list[Item]:
        """Returns `count` of the items, each place at most once, in any order."""
        rest = list(items)
        return [rest.pop(self.below(len(rest))) for _ in range(count)]

    def shuffled(self, items: Sequence[Item]) -> list[Item]:
        """Returns all the items in any order."""
        return self.sample(items, len(items))


@dataclasses.dataclass(frozen=True, kw_only=True)
class GrammarSource:
    """A task's records, written by a grammar as they are asked for.

    No record comes twice, and records that agree on `topic` stand in the same
    split: what the test asks about was never read in training. Splits share the
    topics as SHARES says, however many records are asked of each.

    Attributes:
      name: Separates this grammar's choices from every other's.
      make: Turns choices into a record; it must depend on nothing else but the
        facts of their world.
      topic: The record's fields that decide its split.
      seed: Of the world: another seed tells of other people and things.
      num_train: Records in the training split.
      num_validation: Records in the validation split.
      num_test: Records in the test split.
    """

    name: str
    make: Callable[[Draw], Record]
    topic: tuple[str, ...]
    seed: int = 0
    num_train: int = 2000
    num_validation: int = 300
    num_test: int = 300

    def __post_init__(self) -> None:
        for split, size in self.sizes().items():
            if size < 1:
                raise ValueError(
                    f"grammar {self.name}: num_{split} must be positive, got {size}; raise it."
                )
        if not self.topic:
            raise ValueError(
                f"grammar {self.name}: topic must name a field of its records, got none; add one."
            )

    def splits(self) -> tuple[str, ...]:
        """Returns all three names."""
        return SPLITS

    def describe(self) -> str:
        """Returns the grammar's name, seed and sizes."""
        sizes = ", ".join(f"{size} {split}" for split, size in self.sizes().items())
        return f"written by the grammar {self.name}, seed {self.seed}: {sizes}"

    def records(self, split: str, *, data_dir: str | None = None) -> Iterator[Record]:
        """Returns the records of a split; `data_dir` is not read.

        Raises:
          ValueError: There is no such split; once read that far, the grammar
            has fewer distinct records than are asked for.
        """
        if split not in SPLITS:
            raise ValueError(
                f"grammar {self.name}: split must be one of {', '.join(SPLITS)}, got {split!r}; "
                f"{nearest(split, SPLITS)}"
            )
        return dealing(self).split(split)

    def split_of(self, record: Record) -> str:
        """Returns the split that a record's topic belongs to."""
        topic = (str(record[name]) for name in self.topic)
        place = stable_hash("split", self.name, *topic) % sum(SHARES.values())
        for split, share in SHARES.items():
            if place < share:
                return split
            place -= share
        raise AssertionError("unreachable")

    def sizes(self) -> dict[str, int]:
        """Returns how many records each split has."""
        return dict(zip(SPLITS, (self.num_train, self.num_validation, self.num_test), strict=True))


class _Dealing:
    """A grammar's records, written as far as they were asked for.

    What a split holds does not depend on which splits were read before it, nor how far.
    """

    def __init__(self, source: GrammarSource):
        self._source = source
        self._sizes = source.sizes()
        self._dealt: dict[str, list[Record]] = {split: [] for split in self._sizes}
        self._seen: set[int] = set()
        self._index = self._last_found = 0
        self._lock = threading.Lock()

    def split(self, name: str) -> Iterator[Record]:
        """Yields copies of the records of a split."""
        for place in range(self._sizes[name]):
            with self._lock:
                while len(self._dealt[name]) <= place:
                    self._write(name)
            yield dict(self._dealt[name][place])

    def _write(self, wanted: str) -> None:
        """Writes one record and keeps it, if it is new and its split has room."""
        source, index = self._source, self._index
        if index - self._last_found > _MAX_REPEATS:
            raise ValueError(
                f"grammar {source.name}: num_{wanted} must not exceed its distinct records, got "
                f"{self._sizes[wanted]} where {len(self._dealt[wanted])} were found; lower it or "
                "widen the grammar."
            )
        self._index += 1
        record = source.make(Draw(source.name, source.seed, index, world=source.seed))
        split, uid = source.split_of(record), record_uid(record)
        if len(self._dealt[split]) < self._sizes[split] and uid not in self._seen:
            self._seen.add(uid)
            self._dealt[split].append(record)
            self._last_found = index


@functools.lru_cache(maxsize=64)  # a run reads each split several times
def dealing(source: GrammarSource) -> _Dealing:
    """Returns what was written of a grammar so far, one for equal grammars."""
    return _Dealing(source)
