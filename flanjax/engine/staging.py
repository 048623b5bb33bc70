"""Copies of remote files on this machine, made before any of them is read."""

from __future__ import annotations

import collections
import dataclasses
import functools
import os
import pathlib
import time
import uuid
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import tensorstore

READ_BYTES = 8 * 2**20
"""The most that one read asks for: so large that its latency hardly counts."""

NUM_IN_FLIGHT = 16
"""Reads under way at once; times READ_BYTES the memory that they take, 128 MiB."""

RETRIES = {"max_retries": 6, "initial_delay": "500ms", "max_delay": "8s"}
"""Of one read; TensorStore's own 32 go on for a quarter of an hour without a network."""

READ_TIMEOUT_S = 300.0

_DRIVERS = ("gcs", "http", "s3")
_FAULTS = (ValueError, NotImplementedError, OSError, RuntimeError)
_PAST_END = "OUT_OF_RANGE"
"""How TensorStore's message begins where a range is not within the value."""


class StageCounts(NamedTuple):
    """What was copied; files that were there already are in none of these.

    Attributes:
      num_files: Files.
      num_bytes: Their bytes.
      num_reads: Reads of content; a file takes one or more.
      seconds: From the first look to the last rename.
    """

    num_files: int
    num_bytes: int
    num_reads: int
    seconds: float

    @property
    def reads_per_s(self) -> float:
        """Reads a second, 0.0 where it took no time."""
        return self.num_reads / self.seconds if self.seconds else 0.0

    @property
    def mib_per_s(self) -> float:
        """MiB a second, 0.0 where it took no time."""
        return self.num_bytes / 2**20 / self.seconds if self.seconds else 0.0


def is_remote(path: str) -> bool:
    """Returns whether a path is the URL of files that are not on this machine.

    Raises:
      ValueError: It is a URL of this machine's files.
    """
    if path.startswith("file://"):
        raise ValueError(
            f"a directory on this machine must be a plain path, got {path}; "
            f"write {path.removeprefix('file://')}."
        )
    return "://" in path


def open_store(url: str) -> tensorstore.KvStore:
    """Returns the keys and values below a URL.

    Within a process, `memory://` is always the same store.

    Raises:
      ValueError: The URL is none that TensorStore reads.
    """
    store = _result(
        lambda: tensorstore.KvStore.open(url, context=_context()),
        f"{url} must be a URL that TensorStore reads",
        "write gs://BUCKET/PATH, s3://BUCKET/PATH or https://HOST/PATH",
    )
    is_folder = not store.path or store.path.endswith("/")
    return store if is_folder else store + "/"


def listing(url: str, prefix: str = "") -> list[str]:
    """Returns the names below a URL that begin with a prefix, sorted.

    Raises:
      ValueError: The store cannot be read or, as any of http, gives no lists.
    """
    store = open_store(url)
    keys = _result(
        (store + prefix).list,
        f"{url} must list its files",
        "check the address, the network and the credentials; http has no lists",
    )
    return sorted(prefix + key.decode("utf-8", "surrogateescape") for key in keys)


def fetch(url: str, name: str) -> bytes | None:
    """Returns the content of one small file as it is now, None where there is none.

    Raises:
      ValueError: The name is no relative path, or the store cannot be read.
    """
    _check_name(name)
    remote = _Remote(url, open_store(url), {})
    return remote.content_if_there(_Read(name), remote.start(_Read(name)))


def stage(
    url: str,
    names: Sequence[str],
    folder: pathlib.Path,
    *,
    sizes: Mapping[str, int] | None = None,
    on_progress: Callable[[int, int], None] | None = None,
) -> StageCounts:
    """Copies files from below a URL into a folder.

    A file is written aside and renamed: it is never half there, and several
    processes may stage into one folder. A file that is there in the right
    size is kept. What the bytes say is for the caller to check.

    Args:
      url: A URL, as `is_remote` knows them.
      names: Relative paths, below the URL as below the folder.
      folder: A directory of this machine, made where there is none.
      sizes: Name -> bytes, where known. Without it, the size of a file is
        found by reads of single bytes, one after the other.
      on_progress: Called after each read with the number of files and of
        bytes that were copied so far.

    Raises:
      ValueError: A name is no relative path, a file is missing or too short,
        or the store cannot be read.

    Example:
      stage("gs://bucket/cache", ["rte/0.tokens"], pathlib.Path("/tmp/cache"))
    """
    start_s = time.monotonic()
    for name in names:
        _check_name(name)
    remote = _Remote(url, open_store(url), sizes or {})
    reads = (read for name in dict.fromkeys(names) for read in remote.reads(name, folder / name))
    arrived = _arrived(remote, reads)
    num_files = num_bytes = num_reads = 0
    aside: pathlib.Path | None = None
    try:
        for read, content in arrived:
            aside = aside or _new_aside(folder / read.name)
            with aside.open("ab") as file:
                file.write(content)
            num_bytes, num_reads = num_bytes + len(content), num_reads + 1
            if read.is_last:
                os.replace(aside, folder / read.name)
                aside, num_files = None, num_files + 1
            if on_progress is not None:
                on_progress(num_files, num_bytes)
    finally:
        arrived.close()
        if aside is not None:
            aside.unlink(missing_ok=True)
    return StageCounts(num_files, num_bytes, num_reads, time.monotonic() - start_s)


class _PastEndError(ValueError):
    """A file ends before the bytes that were asked for."""


class _Read(NamedTuple):
    """One read of a file; the whole of it where there is no `byte_range`."""

    name: str
    byte_range: slice | None = None
    is_last: bool = True


@dataclasses.dataclass(frozen=True)
class _Remote:
    """A store, and what is known of its files."""

    url: str
    store: tensorstore.KvStore
    sizes: Mapping[str, int]

    def reads(self, name: str, path: pathlib.Path) -> list[_Read]:
        """Returns the reads that a file takes in order, none where it is kept."""
        if path.is_file() and self._has_size(name, path.stat().st_size):
            return []
        ranges = self._ranges(name)
        return [_Read(name, part, part is ranges[-1]) for part in ranges]

    def start(self, read: _Read) -> Any:
        """Returns the future of a read that is under way."""
        future = self.store.read(read.name, byte_range=read.byte_range)
        future.force()
        return future

    def content(self, read: _Read, future: Any) -> bytes:
        """Returns what a read gave of a file that must be there."""
        content = self.content_if_there(read, future)
        if content is None:
            raise ValueError(
                f"{self.url} must hold {read.name}, got no such file; upload it, or check the "
                "address."
            )
        return content

    def content_if_there(self, read: _Read, future: Any) -> bytes | None:
        """Returns what a read gave, None where there is no such file."""
        what = f"{self.url} must hold {read.name}"
        result = _result(lambda: future, what, "check the address, the network and the credentials")
        return result.value if result.state == "value" else None

    def _ranges(self, name: str) -> list[slice | None]:
        size = self.sizes.get(name)
        if size is not None:
            starts = range(0, size, READ_BYTES)
            return [slice(start, min(start + READ_BYTES, size)) for start in starts] or [None]
        ranges: list[slice | None] = []
        start = 0
        while self._has_byte(name, start + READ_BYTES - 1):
            ranges.append(slice(start, start + READ_BYTES))
            start += READ_BYTES
        if not ranges:
            return [None]
        return ranges + [slice(start, None)] * self._has_byte(name, start)

    def _has_size(self, name: str, size: int) -> bool:
        if name in self.sizes:
            return size == self.sizes[name]
        return not self._has_byte(name, size) and (size == 0 or self._has_byte(name, size - 1))

    def _has_byte(self, name: str, place: int) -> bool:
        read = _Read(name, slice(place, place + 1))
        try:
            self.content(read, self.start(read))
        except _PastEndError:
            return False
        return True


def _arrived(remote: _Remote, reads: Iterable[_Read]) -> Generator[tuple[_Read, bytes], None, None]:
    """Yields each read with its content in order, the next ones under way."""
    window: collections.deque[tuple[_Read, Any]] = collections.deque()
    try:
        for read in reads:
            window.append((read, remote.start(read)))
            if len(window) == NUM_IN_FLIGHT:
                yield _first(remote, window)
        while window:
            yield _first(remote, window)
    finally:
        for _, future in window:
            future.cancel()


def _first(remote: _Remote, window: collections.deque[tuple[_Read, Any]]) -> tuple[_Read, bytes]:
    read, future = window.popleft()
    return read, remote.content(read, future)


def _result(start: Callable[[], Any], what: str, remedy: str) -> Any:
    """Returns the result of the future that is started; a fault becomes one line."""
    try:
        return start().result(timeout=READ_TIMEOUT_S)
    except TimeoutError:
        reason = f"no answer in {READ_TIMEOUT_S:g} s"
    except _FAULTS as error:
        reason = " ".join(str(error).split())[:300].rstrip(".") or type(error).__name__
    if reason.startswith(_PAST_END):
        raise _PastEndError(f"{what} whole, got fewer bytes; upload it again.")
    raise ValueError(f"{what}, got {reason}; {remedy}.")


@functools.cache
def _context() -> tensorstore.Context:
    return tensorstore.Context({f"{driver}_request_retries": RETRIES for driver in _DRIVERS})


def _check_name(name: str) -> None:
    path = pathlib.PurePosixPath(name)
    is_plain = bool(path.parts) and str(path) == name and "\0" not in name
    if not is_plain or path.is_absolute() or ".." in path.parts:
        raise ValueError(
            f"a file to stage must be a relative path without '..', got {name!r:.80}; "
            "name it from the URL."
        )


def _new_aside(path: pathlib.Path) -> pathlib.Path:
    """Returns a path beside a file that no other process writes to."""
    path.parent.mkdir(parents=True, exist_ok=True)
    return path.with_name(f"{path.name}.{uuid.uuid4().hex}.partial")
