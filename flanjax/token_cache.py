"""An experiment's cached tokens: what it needs of them, and where they are."""

from __future__ import annotations

import dataclasses
import pathlib
from collections.abc import Sequence

from flanjax import foreign, model_dir
from flanjax.data.catalogue import Mixture
from flanjax.data.records import RecordSet, place_of, read_records
from flanjax.data.task import Task, UnavailableError
from flanjax.data.tokenize import Tokenizer
from flanjax.engine import build, cache, cache_key, shard, staging
from flanjax.engine.build import Wanted
from flanjax.engine.cache import TokenStore
from flanjax.engine.tokenized import TokenSettings
from flanjax.experiment import Experiment


def token_settings(experiment: Experiment, tokenizer: Tokenizer) -> TokenSettings:
    """Returns what an experiment asks of every example it trains on."""
    data = experiment.data
    lengths = data.task_feature_lengths
    return TokenSettings(
        tokenizer,
        experiment.objective,
        # A causal row's first token is predicted from nothing, which leaves room for an end id.
        max_inputs=lengths["inputs"] + (not experiment.is_encoder_decoder),
        max_targets=lengths["targets"],
        over_long=data.over_long,
        seed=experiment.train.seed,
        num_shots=data.num_shots,
    )


def local_root(experiment: Experiment) -> pathlib.Path:
    """Returns the local directory of an experiment's cache."""
    config = experiment.cache
    own = pathlib.Path(experiment.model_dir) / "cache"
    if config.cache_dir is None or staging.is_remote(config.cache_dir):
        return pathlib.Path(config.local_dir) if config.local_dir else own
    return pathlib.Path(config.cache_dir)


def check_root(experiment: Experiment) -> None:
    """Checks that the cache's local directory is there or can be made.

    Raises:
      ValueError: It cannot; the message names the field.
    """
    config = experiment.cache
    is_staged = config.cache_dir is not None and staging.is_remote(config.cache_dir)
    key = "CacheConfig.local_dir" if is_staged else "CACHE_DIR"
    model_dir.check_directory(key, local_root(experiment), is_written=is_staged)


def wanted_of(
    experiment: Experiment,
    mixture: Mixture,
    settings: TokenSettings,
    root: pathlib.Path,
    missing: dict[str, str],
) -> tuple[list[Wanted], staging.StageCounts | None]:
    """Returns what a run needs of each task, after copying what a remote cache has.

    Args:
      experiment: The run.
      mixture: What it trains on.
      settings: What it asks of every example.
      root: The local directory of the cache.
      missing: Gets the tasks whose data is nowhere, and why.

    Returns:
      One pass of each task that is there, and what was copied.
    """
    foreign.check_tasks(experiment, mixture.tasks(), settings.tokenizer)
    data = experiment.data
    wants = []
    for task in mixture.tasks():
        key = cache_key.task_key(
            task, settings, data_dir=data.data_dir, max_examples=mixture.max_examples
        )
        reader = _Reader(experiment, task, mixture.max_examples)
        place = place_of(task, "train", data.data_dir)
        wants.append(Wanted(task, key, 1, reader, place))
    staged = _stage(experiment, wants, root)
    found = []
    for want in wants:
        if want.key[cache_key.SOURCE] is None and cache.find_entry(root, want.key) is None:
            try:
                want.read()
            except UnavailableError as error:
                missing[want.task.name] = missing_reason(experiment, error)
                continue
        found.append(want)
    return found, staged


@dataclasses.dataclass(frozen=True)
class _Reader:
    """Reads a task's training records when called."""

    experiment: Experiment
    task: Task
    limit: int

    def __call__(self) -> RecordSet:
        data = self.experiment.data
        return read_records(
            self.task,
            "train",
            data_dir=data.data_dir,
            limit=self.limit,
            bad_record_limit=data.bad_record_limit,
            seed=self.experiment.train.seed,
        )


def missing_reason(experiment: Experiment, error: UnavailableError) -> str:
    """Returns why a task is dropped.

    Raises:
      UnavailableError: The experiment does not go on without it.
    """
    if experiment.data.missing_tasks == "fail":
        remedy = "or set DataConfig.missing_tasks = 'drop' to go on without it"
        raise UnavailableError(f"{str(error).rstrip('.')}, {remedy}.") from None
    return f"its data is not here: {error}"


def _stage(
    experiment: Experiment, wants: Sequence[Wanted], root: pathlib.Path
) -> staging.StageCounts | None:
    """Copies from a remote cache what it has of the wanted tasks.

    Manifests say how large the files must be, so they are read first; they
    make the files whole, so they are written last.
    """
    url = experiment.cache.cache_dir
    if url is None or not staging.is_remote(url):
        return None
    manifests: dict[pathlib.Path, bytes] = {}
    sizes: dict[str, int] = {}
    for want in wants:
        found = _remote_entry(url, root, want)
        if found is None:
            continue
        folder, entry = found
        for number in range(experiment.data.passes):
            path = folder / f"{cache.shard_name(number)}.json"
            content = staging.fetch(url, _name(root, path))
            if content is None:
                break
            manifests[path] = content
            for suffix, size in shard.file_sizes(shard.parsed_json(path, content)).items():
                sizes[_name(root, path.with_suffix(f".{suffix}"))] = size
        manifests[folder / cache.ENTRY] = entry
    counts = staging.stage(url, list(sizes), root, sizes=sizes)
    for path, content in manifests.items():
        shard.write_bytes(path, content)
    return counts


def _name(root: pathlib.Path, path: pathlib.Path) -> str:
    return path.relative_to(root).as_posix()


def _remote_entry(url: str, root: pathlib.Path, want: Wanted) -> tuple[pathlib.Path, bytes] | None:
    """Returns the local folder and entry of a task's tokens, None without any.

    Where the source is not on this machine, the entry that agrees in all else
    is taken.

    Raises:
      ValueError: Several do.
    """
    path = cache.entry_folder(root, want.key) / cache.ENTRY
    content = staging.fetch(url, _name(root, path))
    if content is not None or want.key[cache_key.SOURCE] is not None:
        return None if content is None else (path.parent, content)
    found = []
    for name in staging.listing(url, f"{want.task.name}/"):
        path = root / name
        if path.name != cache.ENTRY or (content := staging.fetch(url, name)) is None:
            continue
        if cache.agrees(shard.parsed_json(path, content)["key"], want.key):
            found.append((path.parent, content))
    cache.check_one(want.task.name, [f"{url}/{_name(root, path)}" for path, _ in found])
    return found[0] if found else None


def check_may_build(experiment: Experiment, root: pathlib.Path, wanted: Sequence[Wanted]) -> None:
    """Refuses a cache that lacks something where the run may not add to it."""
    if experiment.cache.build_missing:
        return
    for want in wanted:
        if build.missing_passes(build.folder_of(root, want), want.num_passes):
            differs = cache.mismatch(root, want.key)
            got = f"one that differs in {differs}" if differs else "nothing of it"
            raise ValueError(
                f"cache {root} must hold task {want.task.name} as the run wants it, got {got}; "
                "build it with `flanjax cache`, or set CacheConfig.build_missing = True."
            )


def open_stores(
    root: pathlib.Path, wanted: Sequence[Wanted], before: Sequence[TokenStore]
) -> list[TokenStore]:
    """Opens every pass wanted; those of `before` are open already."""
    stores = []
    for number, want in enumerate(wanted):
        folder = build.folder_of(root, want)
        held = before[number].shards if before else ()
        shards = held + cache.open_passes(folder, range(len(held), want.num_passes))
        stores.append(TokenStore(want.task.name, shards, cache.read_entry(folder)["records"]))
    return stores
