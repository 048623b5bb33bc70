"""What the examples of a task of SeqIO come from: files, slices of them, code."""

from __future__ import annotations

import functools
import glob
import inspect
from collections.abc import Iterable, Mapping
from typing import Any

import seqio
import tensorflow as tf

from flanjax.data.local_files import file_identity
from flanjax.data.seqio_bridge.source import TaskSource


def splits(task: seqio.Task) -> set[str]:
    """Returns what a task can be read of: of SeqIO's cache, where it must be cached."""
    if not task.requires_caching:
        return set(task.splits)
    task.assert_cached()
    found = tf.io.gfile.glob(f"{task.cache_dir}/info.*.json")
    return {path.rpartition("/")[2].split(".")[1] for path in found}


def files(task: seqio.Task, split: str) -> dict[str, str]:
    """Returns the identities of the files that a split is read from.

    Nothing where it is read from something else, whose examples must then be
    compared one by one.
    """
    source = task._get_cached_source(split) if task.requires_caching else task.source
    if isinstance(source, seqio.TfdsDataSource):
        # What is read of a file: SeqIO's own list has the names alone.
        parts = source.tfds_dataset.files(split)
        read = [(part.filename, f", from {part.skip}, {part.take} of them") for part in parts]
    elif isinstance(source, seqio.FileDataSource):
        read = [(str(path), "") for path in source.list_shards(split)]
    else:
        return {}
    return {
        f"file {number} {path.rpartition('/')[2]}": _identity(path) + part
        for number, (path, part) in enumerate(read)
    }


def _identity(path: str) -> str:
    if "://" not in path:
        return file_identity(path)
    found = tf.io.gfile.stat(path)
    return f"{found.length} bytes, changed {found.mtime_nsec}"


def code(task: seqio.Task) -> str:
    """Returns a task's functions, what they are given, and the files they stand in.

    An edit anywhere in a file that holds one of them counts as another task.
    """
    source = task.source
    read = [getattr(source, name, None) for name in ("_dataset_fn", "_read_file_fn")]
    return described([type(source).__name__, *read, *task.preprocessors])


def described(value: Any) -> str:
    """Returns a value of a task's definition as text, the same in every process."""
    if value is None or isinstance(value, (str, bytes, bool, int, float)):
        return repr(value)
    if isinstance(value, functools.partial):
        given = described([*value.args, dict(sorted(value.keywords.items()))])
        return f"{described(value.func)} given {given}"
    if isinstance(value, Mapping):
        return described([(key, value[key]) for key in value])
    if isinstance(value, (set, frozenset)):
        return described(sorted(map(described, value)))
    if isinstance(value, Iterable) and not callable(value):
        return f"[{', '.join(map(described, value))}]"
    made_by = inspect.unwrap(value) if inspect.isfunction(value) else type(value)
    return f"{made_by.__module__}.{made_by.__qualname__} in {_code_file(made_by)}"


def _code_file(made_by: Any) -> str:
    try:
        path = inspect.getsourcefile(made_by)
    except TypeError:  # built into Python
        path = None
    return "no file" if path is None else _file_hash(path)


@functools.cache
def _file_hash(path: str) -> str:
    return file_identity(path)


def corpora(source: Any) -> tuple[str, ...]:
    """Returns what a source was built on, as far as SeqIO can tell.

    Sources of one TFDS dataset, of a file in common, or of the same function
    given the same have something in common; of a task of flanjax its own
    corpora are known.
    """
    inner = getattr(source, "_original_source", None)
    if inner is not None:  # exemplars and what they stand before
        return corpora(inner)
    if isinstance(source, TaskSource):
        return (f"task {source.task.name}", *source.task.corpora)
    if isinstance(source, seqio.TfdsDataSource):
        dataset = source.tfds_dataset
        names = [part.dataset for part in (dataset.tfds_splits or {}).values()] or [dataset.name]
        return tuple(sorted({f"TFDS {str(name).partition(':')[0]}" for name in names}))
    patterns = getattr(source, "_split_to_filepattern", None)
    if patterns is not None:
        found = (_matching(pattern) for each in patterns.values() for pattern in _listed(each))
        return tuple(sorted({f"file {path}" for paths in found for path in paths}))
    made_by = getattr(source, "_dataset_fn", None)
    if made_by is not None:
        return (f"function {described(made_by).partition(' in ')[0]} {_given(made_by)}".strip(),)
    return (f"source {type(source).__name__} {id(source):x}",)


def _given(made_by: Any) -> str:
    if isinstance(made_by, functools.partial):
        return described([*made_by.args, dict(sorted(made_by.keywords.items()))])
    return ""


def _listed(patterns: str | Iterable[str]) -> list[str]:
    return [patterns] if isinstance(patterns, str) else list(map(str, patterns))


def _matching(pattern: str) -> list[str]:
    """Returns the files of a pattern, itself where they cannot be looked up at once."""
    return ([] if "://" in pattern else glob.glob(pattern)) or [pattern]
