"""Builds the token cache: reads, renders and tokenizes what is not there yet.

A pass is built in parts, each a file of its own until all are there, so a
build that was cut short goes on where it stopped, and several processes can
work on one task. Parts, passes and entries are renamed into place; an entry
is locked while it is built, so two builders never write the same one.
"""

from __future__ import annotations

import concurrent.futures
import contextlib
import ctypes
import errno
import fcntl
import math
import multiprocessing
import os
import pathlib
import shutil
import signal
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from flanjax.data.records import RecordSet
from flanjax.data.task import Task
from flanjax.engine import cache, shard
from flanjax.engine.tokenized import Batch, TokenSettings, batch_of, tokenize_batch

PART_RECORDS = 4096
_FULL_DISK = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_NO_ENTRY = (
    errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.EEXIST, errno.ENOENT
)  # fmt: skip
_TRIES = 100  # of making an entry that others remove
_PR_SET_PDEATHSIG = 1  # of <sys/prctl.h>
_LOCK = ".lock"
_PARTS_AHEAD = 2  # for each worker, so that none waits for the reader

OnProgress = Callable[[str, int, int], None]
"""(task, records done, records in all), over the passes being built."""


class Wanted(NamedTuple):
    """One task's tokens that a run needs.

    Attributes:
      task: The task.
      key: What its tokens are made from.
      num_passes: Passes needed, from the first.
      read: Reads its records; called only where something must be built.
      place: Where they are read from, for the entry.
    """

    task: Task
    key: Mapping[str, Any]
    num_passes: int
    read: Callable[[], RecordSet]
    place: str


class _Work(NamedTuple):
    """One part of a pass, as a worker gets it."""

    task: str
    folder: pathlib.Path
    pass_index: int
    part: int
    batch: Batch


def build(
    root: pathlib.Path,
    wanted: Sequence[Wanted],
    settings: TokenSettings,
    *,
    workers: int = 1,
    on_progress: OnProgress | None = None,
) -> None:
    """Builds every pass that is wanted and not there.

    Args:
      root: The cache's directory.
      wanted: What is needed.
      settings: What the run asks of every example.
      workers: Processes that render and tokenize; 1 works in this one. More
        are forked, so no thread may run in this process yet.
      on_progress: Told after each part.

    Raises:
      UnavailableError: A task must be built and its data is not here.
      ValueError: A task cannot be read, or the disk is full.
    """
    missing = [want for want in wanted if missing_passes(folder_of(root, want), want.num_passes)]
    if not missing:
        return
    with _executor(workers, missing, settings) as executor:
        builder = _Builder(root, settings, executor, workers, on_progress)
        try:
            busy = [want for want in missing if not builder.add(want, wait=False)]
            builder.collect(until=0)
            for want in busy:  # another builder has them; by now it may be done
                builder.unlock()  # it may wait for ours in turn
                builder.add(want, wait=True)
                builder.collect(until=0)
        finally:
            builder.unlock()


def folder_of(root: pathlib.Path, want: Wanted) -> pathlib.Path:
    """Returns where a task's tokens lie or are to lie."""
    return cache.find_entry(root, want.key) or cache.entry_folder(root, want.key)


def missing_passes(folder: pathlib.Path, num_passes: int) -> list[int]:
    """Returns the passes of an entry that have not been built."""
    if not (folder / cache.ENTRY).is_file():
        return list(range(num_passes))
    names = [cache.shard_name(number) for number in range(num_passes)]
    return [n for n, name in enumerate(names) if not (folder / f"{name}.json").is_file()]


class _Job:
    """One entry while it is built."""

    def __init__(self, want: Wanted, folder: pathlib.Path, settings: TokenSettings):
        self.want, self.folder = want, folder
        self._settings = settings
        self._dtype = shard.token_dtype(settings.tokenizer.vocab_size)
        self.passes = missing_passes(folder, want.num_passes)
        self._read = want.read() if self.passes else None
        num_records = len(self._read.records) if self._read else 0
        self.num_parts = math.ceil(num_records / PART_RECORDS)
        self.num_left = len(self.passes) * self.num_parts
        self.total = len(self.passes) * num_records

    def works(self) -> Iterator[_Work]:
        """Yields the parts that are not there yet."""
        read = self._read
        if read is None:
            return
        for pass_index in self.passes:
            for part in range(self.num_parts):
                folder = parts_folder(self.folder, pass_index)
                if shard.read_part(folder, _part_name(part), self._dtype) is not None:
                    self.num_left -= 1
                    continue
                chosen = slice(part * PART_RECORDS, (part + 1) * PART_RECORDS)
                batch = batch_of(
                    self.want.task, read.records, read.uids, read.rows, chosen, self._settings
                )
                yield _Work(self.want.task.name, self.folder, pass_index, part, batch)

    def finish(self) -> None:
        """Puts the parts together and writes the entry."""
        for pass_index in self.passes:
            folder = parts_folder(self.folder, pass_index)
            parts = (
                shard.whole_part(folder, _part_name(part), self._dtype)
                for part in range(self.num_parts)
            )
            shard.write_shard(self.folder, cache.shard_name(pass_index), parts, self._dtype)
            shutil.rmtree(folder, ignore_errors=True)
        if self._read is not None:
            records = {**self._read.counts._asdict(), "source": self.want.place}
            entry = {"key": dict(self.want.key), "records": records}
            shard.write_json(self.folder / cache.ENTRY, entry)

    @contextlib.contextmanager
    def full_disk_told(self) -> Iterator[None]:
        """Says of a disk without room what to do; other errors keep their traceback."""
        try:
            yield
        except OSError as error:
            if error.errno not in _FULL_DISK:
                raise
            raise ValueError(
                f"cache {self.folder} must have room for the tokens of {self.want.task.name}, got "
                f"{os.strerror(error.errno or 0)!r}; free some and run it again: whole parts are "
                "kept."
            ) from None


class _Builder:
    """Keeps the workers busy while it reads, and finishes what they made."""

    def __init__(
        self,
        root: pathlib.Path,
        settings: TokenSettings,
        executor: concurrent.futures.Executor,
        workers: int,
        on_progress: OnProgress | None,
    ):
        self._root, self._settings, self._executor = root, settings, executor
        self._limit = _PARTS_AHEAD * workers
        self._on_progress = on_progress
        self._jobs: dict[concurrent.futures.Future[None], _Job] = {}
        self._locks: list[int] = []

    def add(self, want: Wanted, *, wait: bool) -> bool:
        """Hands out a task's parts; False where another builder holds its lock."""
        folder = folder_of(self._root, want)
        made = [path for path in (folder, *folder.parents) if not path.exists()]
        lock = _lock(folder, wait=wait)
        if lock is None:
            return False
        self._locks.append(lock)
        try:
            job = _Job(want, folder, self._settings)
        except ValueError:  # it cannot be read, so nothing is left of it
            _remove_empty(folder, made)
            raise
        job.num_left += 1  # until all parts are handed out
        for work in job.works():
            self._jobs[self._executor.submit(_make_part, work)] = job
            self.collect(until=self._limit)
        self._told(job)
        return True

    def unlock(self) -> None:
        """Lets other builders have the entries."""
        for lock in self._locks:
            fcntl.flock(lock, fcntl.LOCK_UN)  # workers hold the descriptor, too
            os.close(lock)
        self._locks.clear()

    def collect(self, *, until: int) -> None:
        """Takes in finished parts until no more than so many are in work."""
        while len(self._jobs) > until:
            done, _ = concurrent.futures.wait(
                self._jobs, return_when=concurrent.futures.FIRST_COMPLETED
            )
            for future in done:
                job = self._jobs.pop(future)
                with job.full_disk_told():
                    future.result()
                self._told(job)

    def _told(self, job: _Job) -> None:
        """Counts one part of a job, finishes it after its last, and says so."""
        job.num_left -= 1
        if not job.num_left:
            with job.full_disk_told():
                job.finish()
        if self._on_progress is not None and job.total:
            done = max(job.total - job.num_left * PART_RECORDS, 0)
            self._on_progress(job.want.task.name, done, job.total)


def parts_folder(folder: pathlib.Path, pass_index: int) -> pathlib.Path:
    """Returns where the parts of a pass lie until it is whole."""
    return folder / f"{cache.shard_name(pass_index)}.parts"


def _part_name(part: int) -> str:
    return f"{part:05d}"


def _remove_empty(folder: pathlib.Path, made: Sequence[pathlib.Path]) -> None:
    """Removes an entry that holds its lock alone, and the empty folders made for it."""
    if made:
        (folder / _LOCK).unlink(missing_ok=True)
    for path in made:
        with contextlib.suppress(OSError):
            path.rmdir()


def _lock(folder: pathlib.Path, *, wait: bool) -> int | None:
    """Locks an entry; None where another process holds it and `wait` is False."""
    while True:
        descriptor = _open_lock(folder)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError:
            os.close(descriptor)
            return None
        with contextlib.suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(descriptor), os.stat(folder / _LOCK)):
                return descriptor
        os.close(descriptor)  # its last holder has removed it: another would lock another file


def _open_lock(folder: pathlib.Path, tries: int = _TRIES) -> int:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        return os.open(folder / _LOCK, os.O_RDWR | os.O_CREAT, 0o644)
    except OSError as error:
        if error.errno == errno.ENOENT and tries > 1:  # removed since it was made
            return _open_lock(folder, tries - 1)
        if error.errno not in _NO_ENTRY:
            raise
        raise ValueError(
            f"cache {folder} must take the tokens that it lacks, got "
            f"{os.strerror(error.errno or 0)!r}; name another CACHE_DIR, or have its owner build "
            "them by `flanjax cache`."
        ) from None


_context: dict[str, tuple[Task, TokenSettings]] = {}
"""What workers know before their first part: tasks hold functions, which do not travel."""


def _executor(
    workers: int, wanted: Sequence[Wanted], settings: TokenSettings
) -> concurrent.futures.Executor:
    tasks = {want.task.name: (want.task, settings) for want in wanted}
    if workers == 1:
        _set_context(tasks)
        return _Here()
    return _Forked(
        workers,
        mp_context=multiprocessing.get_context("fork"),
        initializer=_start_worker,
        initargs=(tasks, os.getpid()),
    )


def _start_worker(tasks: Mapping[str, tuple[Task, TokenSettings]], builder: int) -> None:
    """Leaves Ctrl-C to the builder, and ends when the builder does, however."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != builder:  # it ended before it was watched
        os._exit(1)
    _set_context(tasks)


def _set_context(tasks: Mapping[str, tuple[Task, TokenSettings]]) -> None:
    _context.update(tasks)


def _make_part(work: _Work) -> None:
    task, settings = _context[work.task]
    part = tokenize_batch(task, work.batch, settings, pass_index=work.pass_index)
    shard.write_part(parts_folder(work.folder, work.pass_index), _part_name(work.part), part)


class _Forked(concurrent.futures.ProcessPoolExecutor):
    """Workers that hear of no Ctrl-C from their fork on."""

    def submit(self, fn, /, *args, **kwargs):  # type: ignore[no-untyped-def]
        before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:
            return super().submit(fn, *args, **kwargs)
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)


class _Here(concurrent.futures.Executor):
    """Runs what is submitted at once, in this process."""

    def submit(self, fn, /, *args, **kwargs):  # type: ignore[no-untyped-def]
        future: concurrent.futures.Future[Any] = concurrent.futures.Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except Exception as error:
            future.set_exception(error)
        return future
