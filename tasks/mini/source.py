"""Records from seeded grammars, dealt to the splits by what they say."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

from flanjax.base import stable_hash
from flanjax.data.render import record_uid
from flanjax.data.task import SPLITS, Record, nearest

Item = TypeVar("Item")

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
        self._key = key
        self._num_drawn = 0

    def below(self, limit: int) -> int:
        """Returns an integer from 0 to limit - 1."""
        self._num_drawn += 1
        return stable_hash(*self._key, self._num_drawn) % limit

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
    split: what the test asks about was never read in training.

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
        for split, size in self._sizes().items():
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
        sizes = ", ".join(f"{size} {split}" for split, size in self._sizes().items())
        return f"written by the grammar {self.name}, seed {self.seed}: {sizes}"

    def records(self, split: str, *, data_dir: str | None = None) -> Iterator[Record]:
        """Returns the records of a split; `data_dir` is not read.

        Raises:
          ValueError: There is no such split, or, on the way, the grammar has
            fewer distinct records than are asked for.
        """
        if split not in SPLITS:
            raise ValueError(
                f"grammar {self.name}: split must be one of {', '.join(SPLITS)}, got {split!r}; "
                f"{nearest(split, SPLITS)}"
            )
        return self._distinct(split)

    def _distinct(self, split: str) -> Iterator[Record]:
        size = self._sizes()[split]
        seen: set[int] = set()
        last_found = 0
        for index in itertools.count():
            if len(seen) == size:
                return
            if index - last_found > _MAX_REPEATS:
                raise ValueError(
                    f"grammar {self.name}: num_{split} must not exceed its distinct records, "
                    f"got {size} where {len(seen)} were found; lower it or widen the grammar."
                )
            record = self.make(Draw(self.name, self.seed, index, world=self.seed))
            uid = record_uid(record)
            if uid not in seen and self._split_of(record) == split:
                seen.add(uid)
                last_found = index
                yield record

    def _split_of(self, record: Record) -> str:
        sizes = self._sizes()
        topic = (str(record[name]) for name in self.topic)
        place = stable_hash("split", self.name, *topic) % sum(sizes.values())
        for split, size in sizes.items():
            if place < size:
                return split
            place -= size
        raise AssertionError("unreachable")

    def _sizes(self) -> dict[str, int]:
        return dict(zip(SPLITS, (self.num_train, self.num_validation, self.num_test), strict=True))
