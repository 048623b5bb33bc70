"""A run's training data from its cache alone: no source is read."""

from __future__ import annotations

import dataclasses
import os
import pathlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from flanjax import model_dir, start, token_cache
from flanjax.certificate import split_catalogue
from flanjax.data.catalogue import Catalogue, Mixture
from flanjax.data.holdout import restricted
from flanjax.data.task import BadRecord, Record, Source, Task, UnavailableError
from flanjax.data.tokenize import Tokenizer
from flanjax.engine import cache, cache_key, shard, staging
from flanjax.experiment import Experiment
from flanjax.train_data import TrainData, check_resumable, prepare_train_data


def cached_train_data(
    experiment: Experiment, catalogue: Catalogue, tokenizer: Tokenizer
) -> TrainData:
    """Returns what a run reads, or has read, as its cache holds it.

    Where MODEL_DIR holds a run, it must be what that run has read.

    Args:
      experiment: The run.
      catalogue: Its tasks.
      tokenizer: Text to ids.

    Raises:
      ValueError: The cache lacks something of it, or holds other tokens than
        the run has read.
    """
    folder = pathlib.Path(experiment.model_dir)
    report = model_dir.read_data_report(folder)
    mixture = split_catalogue(experiment, catalogue).train
    tasks = [_from_cache(experiment, task, mixture, tokenizer, report) for task in mixture.tasks()]
    data_dir = experiment.data.data_dir
    data = prepare_train_data(
        dataclasses.replace(
            experiment,
            cache=dataclasses.replace(experiment.cache, build_missing=False),
            data=dataclasses.replace(
                experiment.data, data_dir=data_dir if os.path.isdir(data_dir or "") else None
            ),
        ),
        restricted(mixture, tasks, name=mixture.name),
        tokenizer,
        first_step=start.first_step(experiment),
    )
    if report is not None:
        check_resumable(folder / model_dir.DATA_REPORT, report, data)
    return data


def _from_cache(
    experiment: Experiment,
    task: Task,
    mixture: Mixture,
    tokenizer: Tokenizer,
    report: Mapping[str, Any] | None,
) -> Task:
    """Returns a task whose source is known by what the cache tells of it.

    Where the cache tells nothing, or of several sources, the task stays: it
    may be missing, or in a remote cache alone, and its source tells which.
    """
    root = token_cache.local_root(experiment)
    settings = token_cache.token_settings(experiment, tokenizer)
    key = cache_key.task_key(
        _standing(task, None), settings, data_dir=None, max_examples=mixture.max_examples
    )
    seen = (report or {}).get("tasks", {}).get(task.name, {}).get("fingerprints", [])
    found = _identities(root, key, seen)
    is_remote = staging.is_remote(experiment.cache.cache_dir or "")
    if not found and experiment.data.missing_tasks == "fail" and not is_remote:
        rest = {name: value for name, value in key.items() if name != cache_key.SOURCE}
        differs = cache.mismatch(root, rest)
        got = "nothing of it" if differs is None else f"one that differs in {differs}"
        got = "one of other records" if differs == "" else got
        raise ValueError(
            f"cache {root} must hold task {task.name} as the run reads it, got {got}; build it "
            "with `flanjax cache`."
        )
    return _standing(task, found[0]) if len(found) == 1 else task


def _identities(
    root: pathlib.Path, key: Mapping[str, Any], seen: Sequence[str]
) -> list[dict[str, str]]:
    """Returns the sources of entries that agree with a key in all else.

    Args:
      root: The cache's directory.
      key: A key without its source.
      seen: Hashes of the passes that a run has read, where one has: only the
        entry that holds them counts.
    """
    found = []
    for file in sorted((root / key["task"]).glob(f"*/{cache.ENTRY}")):
        made_from = shard.read_json(file)["key"]
        first = file.parent / f"{cache.shard_name(0)}.json"
        if {**made_from, cache_key.SOURCE: None} != dict(key) or not first.is_file():
            continue
        if not seen or f"{shard.read_json(first)['sum']:08x}" == seen[0]:
            found.append(made_from[cache_key.SOURCE])
    return found


def _standing(task: Task, identity: dict[str, str] | None) -> Task:
    return dataclasses.replace(task, source=_Known(task.source, identity))


@dataclasses.dataclass(frozen=True)
class _Known:
    """Stands for a source whose rows are in the cache.

    Attributes:
      source: The source.
      known: Its identity when it was read; None hides it.
    """

    source: Source
    known: dict[str, str] | None

    def splits(self) -> tuple[str, ...]:
        return self.source.splits()

    def records(self, split: str, *, data_dir: str | None = None) -> Iterator[Record | BadRecord]:
        raise UnavailableError(
            f"{self.describe()} is not read here; build it with `flanjax cache`."
        )

    def describe(self) -> str:
        return self.source.describe()

    def identity(self, split: str, *, data_dir: str | None = None) -> dict[str, str]:
        if self.known is None:
            raise UnavailableError(f"{self.describe()} is not read here.")
        return self.known
