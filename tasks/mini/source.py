"""Records from seeded grammars, dealt to the splits by what they say."""

from __future__ import annotations

import dataclasses
import functools
import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
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
          ValueError: There is no such split, or the grammar has fewer distinct
            records than are asked for.
        """
        if split not in SPLITS:
            raise ValueError(
                f"grammar {self.name}: split must be one of {', '.join(SPLITS)}, got {split!r}; "
                f"{nearest(split, SPLITS)}"
            )
        return map(dict, _dealt(self)[split])

    def split_of(self, record: Record) -> str:
        """Returns the split that a record's topic belongs to."""
        sizes = self.sizes()
        topic = (str(record[name]) for name in self.topic)
        place = stable_hash("split", self.name, *topic) % sum(sizes.values())
        for split, size in sizes.items():
            if place < size:
                return split
            place -= size
        raise AssertionError("unreachable")

    def sizes(self) -> dict[str, int]:
        """Returns how many records each split has."""
        return dict(zip(SPLITS, (self.num_train, self.num_validation, self.num_test), strict=True))


@functools.lru_cache(maxsize=64)  # a run reads each split of each task several times
def _dealt(source: GrammarSource) -> Mapping[str, Sequence[Record]]:
    """Returns the records of all splits, written in one go."""
    sizes = source.sizes()
    dealt: dict[str, list[Record]] = {split: [] for split in sizes}
    seen: set[int] = set()
    last_found = 0
    for index in itertools.count():
        missing = [split for split, size in sizes.items() if len(dealt[split]) < size]
        if not missing:
            return dealt
        if index - last_found > _MAX_REPEATS:
            (split, *_), size = missing, sizes[missing[0]]
            raise ValueError(
                f"grammar {source.name}: num_{split} must not exceed its distinct records, "
                f"got {size} where {len(dealt[split])} were found; lower it or widen the grammar."
            )
        record = source.make(Draw(source.name, source.seed, index, world=source.seed))
        split, uid = source.split_of(record), record_uid(record)
        if split in missing and uid not in seen:
            seen.add(uid)
            dealt[split].append(record)
            last_found = index
    raise AssertionError("unreachable")
