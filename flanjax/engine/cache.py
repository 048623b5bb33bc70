"""Tokenized tasks on disk, and as what a run draws from.

```
CACHE_DIR/TASK/FINGERPRINT/entry.json     what it was made from, and what was read
                           pass-00.*      one shard for each pass (see shard.py)
                           pass-01.parts/ a pass being built
                           .lock          held by who builds
```
"""

from __future__ import annotations

import dataclasses
import pathlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from flanjax.base import stable_hash
from flanjax.data.batch import Example
from flanjax.engine import arena, cache_key, shard
from flanjax.engine.arena import Arena
from flanjax.engine.plan import Rows
from flanjax.engine.shard import Shard

ENTRY = "entry.json"


@dataclasses.dataclass(frozen=True, kw_only=True)
class CacheConfig:
    """Where tokenized tasks are kept.

    Attributes:
      cache_dir: A directory, shared by any number of runs, or a remote one
        (gs://, s3://, http://) whose files are copied to this machine first;
        None is MODEL_DIR/cache.
      local_dir: Where a remote directory's files are put, and what it lacks
        is built; None is MODEL_DIR/cache.
      build_missing: Whether a run builds what is not there; False refuses, and
        names what the cache holds instead.
    """

    cache_dir: str | None = None
    local_dir: str | None = None
    build_missing: bool = True


class TokenStore(NamedTuple):
    """Every prepared example of one task.

    Example numbers go through the passes in order: pass 0 first.

    Attributes:
      task: The task's name.
      shards: One for each pass.
      records: What was read of the source: rows, kept, left out and why.
      group: Examples that belong together; see PlannedTask.
    """

    task: str
    shards: tuple[Shard, ...]
    records: Mapping[str, Any]
    group: int = 1

    @property
    def ends(self) -> np.ndarray:
        """Where each pass ends among the example numbers, int64 [passes]."""
        return np.cumsum([len(part.examples) for part in self.shards])

    @property
    def pass_sizes(self) -> tuple[int, ...]:
        """Units in each pass."""
        return tuple(len(part.examples) // self.group for part in self.shards)

    def about(self, examples: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Returns EXAMPLE [n] of some examples, and the pass of each."""
        ends = self.ends
        pass_of = np.searchsorted(ends, examples, side="right")
        found = np.empty(len(examples), shard.EXAMPLE)
        for number in np.unique(pass_of):
            here = np.flatnonzero(pass_of == number)
            index = self.shards[number].examples
            found[here] = index[examples[here] - (ends[number] - len(index))]
        return found, pass_of

    def lengths(self, examples: np.ndarray) -> np.ndarray:
        """Returns int64 [n, 2], tokens of prompt and target with their end ids."""
        about, _ = self.about(examples)
        return np.stack([about["inputs"], about["targets"]], axis=1).astype(np.int64)

    def fingerprints(self) -> list[str]:
        """Returns a hash of each pass."""
        return [part.fingerprint for part in self.shards]

    def counts(self) -> dict[str, int]:
        """Returns reason -> examples cut or dropped for it, over all passes."""
        total: dict[str, int] = {}
        for part in self.shards:
            for reason, count in part.counts.items():
                total[reason] = total.get(reason, 0) + count
        return total


class Placed(NamedTuple):
    """The rows of a window with where their tokens lie.

    Attributes:
      rows: Tasks and examples of each row.
      inputs: int64 [n], tokens of each prompt, its end id included.
      targets: int64 [n], tokens of each target, its end id included.
      addresses: int64 [n], each prompt's first token in the arena; the target
        follows it.
      flags: uint16 [n], as in EXAMPLE.
    """

    rows: Rows
    inputs: np.ndarray
    targets: np.ndarray
    addresses: np.ndarray
    flags: np.ndarray


class Tokens:
    """The tokens of all of a run's stores, in one address space.

    Args:
      stores: One per task of the plan, in its order.
    """

    def __init__(self, stores: Sequence[TokenStore]):
        self.stores = tuple(stores)
        self.arena = _arena([part for store in stores for part in store.shards])
        self._starts: list[np.ndarray] = []
        number = 0
        for store in stores:
            starts = self.arena.starts[number : number + len(store.shards)]
            self._starts.append(np.asarray(starts, np.int64))
            number += len(store.shards)

    def place(self, rows: Rows) -> Placed:
        """Looks up where the examples of some rows lie."""
        about = np.empty(len(rows.tasks), shard.EXAMPLE)
        addresses = np.empty(len(rows.tasks), np.int64)
        for task in np.unique(rows.tasks):
            here = np.flatnonzero(rows.tasks == task)
            about[here], pass_of = self.stores[task].about(rows.examples[here])
            addresses[here] = self._starts[task][pass_of] + about["start"][here].astype(np.int64)
        inputs, targets = about["inputs"].astype(np.int64), about["targets"].astype(np.int64)
        return Placed(rows, inputs, targets, addresses, about["flags"].copy())

    def example(self, task: int, number: int) -> Example:
        """Returns one example's ids, copied."""
        (about,), (pass_of,) = self.stores[task].about(np.asarray([number]))
        start = int(self._starts[task][pass_of]) + int(about["start"])
        middle = start + int(about["inputs"])
        tokens = self.arena.tokens
        return Example(
            tokens[start:middle].astype(np.int32),
            tokens[middle : middle + int(about["targets"])].astype(np.int32),
        )


def _arena(shards: Sequence[Shard]) -> Arena:
    """Maps shards that are files; joins those in memory."""
    dtypes = {part.dtype for part in shards}
    assert len(dtypes) == 1, "one run has one vocabulary"
    dtype = dtypes.pop()
    paths = [part.tokens for part in shards if isinstance(part.tokens, pathlib.Path)]
    if len(paths) == len(shards):
        return arena.mapped(paths, dtype)
    arrays = [part.tokens for part in shards if isinstance(part.tokens, np.ndarray)]
    assert len(arrays) == len(shards), "shards lie all in files or all in memory"
    return arena.joined(arrays, dtype)


def shard_name(pass_index: int) -> str:
    """Returns the name that the files of a pass share."""
    return f"pass-{pass_index:02d}"


def entry_folder(root: pathlib.Path, key: Mapping[str, Any]) -> pathlib.Path:
    """Returns where the tokens of a key lie."""
    return root / key["task"] / cache_key.fingerprint(key)


def find_entry(root: pathlib.Path, key: Mapping[str, Any]) -> pathlib.Path | None:
    """Returns the folder of a key's tokens, None where there is none.

    Where the source is not on this machine, the entry that agrees in all else
    is taken.

    Raises:
      ValueError: Several do.
    """
    folder = entry_folder(root, key)
    if (folder / ENTRY).is_file():
        return folder
    if key[cache_key.SOURCE] is not None:
        return None
    entries = sorted((root / key["task"]).glob(f"*/{ENTRY}"))
    found = [entry.parent for entry in entries if agrees(shard.read_json(entry)["key"], key)]
    check_one(key["task"], [str(folder) for folder in found])
    return found[0] if found else None


def check_one(task: str, folders: Sequence[str]) -> None:
    """Checks that what stands for an absent source is no choice between several.

    Raises:
      ValueError: It is.
    """
    if len(folders) > 1:
        raise ValueError(
            f"task {task} must have one cached copy where its data is not here, got "
            f"{len(folders)} of different data: {', '.join(folders[:3])}; remove the older, or "
            "name the data by DATA_DIR."
        )


def agrees(old: Mapping[str, Any], key: Mapping[str, Any]) -> bool:
    """Returns whether two keys are of the same tokens, the source aside."""
    return {**old, cache_key.SOURCE: None} == {**key, cache_key.SOURCE: None}


def open_passes(folder: pathlib.Path, passes: Iterable[int]) -> tuple[Shard, ...]:
    """Opens passes of an entry, each checked byte by byte.

    Raises:
      ValueError: A file is damaged, or a pass has not been built.
    """
    found = []
    for number in passes:
        part = shard.open_shard(folder, shard_name(number))
        if part is None:
            raise ValueError(
                f"cache {folder} must hold pass {number}, got none; build it with `flanjax cache`."
            )
        if not len(part.examples):
            dropped = ", ".join(f"{count} {reason}" for reason, count in part.counts.items())
            raise ValueError(
                f"cache {folder}: pass {number} must keep an example, got {dropped or 'none'}; "
                "raise TASK_FEATURE_LENGTHS, or let DataConfig.over_long cut."
            )
        found.append(part)
    return tuple(found)


def read_entry(folder: pathlib.Path) -> dict[str, Any]:
    """Returns an entry's "key", and its "records": what was read of the source."""
    return shard.read_json(folder / ENTRY)


def mismatch(root: pathlib.Path, key: Mapping[str, Any]) -> str | None:
    """Returns in what the task's nearest entry differs, None if there is none.

    Sources are compared only where the key has one.
    """
    nearest: list[str] | None = None
    for file in sorted((root / key["task"]).glob(f"*/{ENTRY}")):
        old = shard.read_json(file)["key"]
        found = [
            f"{name}: {old.get(name)!r} -> {key.get(name)!r}"
            for name in (*key, *(old.keys() - key.keys() - {cache_key.SOURCE}))
            if old.get(name) != key.get(name)
        ]
        if nearest is None or len(found) < len(nearest):
            nearest = found
    return None if nearest is None else "; ".join(nearest)


def stores_fingerprint(stores: Sequence[TokenStore]) -> str:
    """Returns a hash of every task's tokens."""
    return f"{stable_hash([(store.task, store.fingerprints()) for store in stores]):016x}"
