"""Building the cache: once, from where it stopped, by one builder at a time."""

import concurrent.futures
import dataclasses
import errno
import os
import pathlib
import signal
import threading
import time

import numpy as np
import pytest

from flanjax.data.objective import ObjectiveConfig
from flanjax.data.records import place_of, read_records
from flanjax.data.task import Task, Template
from flanjax.data.tokenize import ByteTokenizer
from flanjax.engine import build, cache, cache_key, shard
from flanjax.engine.build import Wanted
from flanjax.engine.tokenized import TokenSettings
from flanjax.tasks.mini.sentiment.reviews import TASK as REVIEWS
from flanjax.tasks.mini.struct_to_text.people import TASK as PEOPLE
from tests.unit.beginning_tokenizer import BeginningTokenizer

SETTINGS = TokenSettings(ByteTokenizer(), ObjectiveConfig(), max_inputs=200, max_targets=64)


@pytest.fixture(autouse=True)
def _small_parts(monkeypatch):
    monkeypatch.setattr(build, "PART_RECORDS", 16)


def want(task: Task = REVIEWS, *, passes: int = 1, settings=SETTINGS, limit: int = 40) -> Wanted:
    key = cache_key.task_key(task, settings, data_dir=None, max_examples=limit)
    return Wanted(
        task,
        key,
        passes,
        lambda: read_records(task, "train", limit=limit, seed=settings.seed),
        place_of(task, "train", None),
    )


def contents(root: pathlib.Path) -> dict[str, bytes]:
    files = [path for path in root.rglob("*") if path.is_file() and path.name != ".lock"]
    return {str(path.relative_to(root)): path.read_bytes() for path in files}


def count_parts(monkeypatch) -> list[tuple[int, int]]:
    """Returns a list that grows by (pass, part) of each part made."""
    made = []
    plain = build._make_part

    def make(work):
        made.append((work.pass_index, work.part))
        plain(work)

    monkeypatch.setattr(build, "_make_part", make)
    return made


def test_an_entry_holds_every_record_once_a_pass(tmp_path):
    needed = want(passes=2)
    build.build(tmp_path, [needed], SETTINGS)
    folder = cache.entry_folder(tmp_path, needed.key)
    first, second = cache.open_passes(folder, range(2))
    assert first.examples["row"].tolist() == second.examples["row"].tolist()
    assert len(first.examples) == 40
    assert (first.examples["template"] != second.examples["template"]).all()
    entry = cache.read_entry(folder)
    assert entry["key"] == needed.key
    assert (entry["records"]["kept"], entry["records"]["over_limit"]) == (40, 1960)
    assert not list(folder.glob("*.parts"))


def test_what_is_there_is_not_built_again(tmp_path, monkeypatch):
    build.build(tmp_path, [want()], SETTINGS)
    made = count_parts(monkeypatch)
    build.build(tmp_path, [want(passes=2), want(PEOPLE)], SETTINGS)
    assert made == [(1, 0), (1, 1), (1, 2), (0, 0), (0, 1), (0, 2)]


def test_a_build_that_was_cut_short_goes_on(tmp_path, monkeypatch):
    build.build(tmp_path / "whole", [want()], SETTINGS)
    plain = build._make_part

    def dying(work):
        if work.part == 2:
            raise KeyboardInterrupt
        plain(work)

    with monkeypatch.context() as patch:
        patch.setattr(build, "_make_part", dying)
        with pytest.raises(KeyboardInterrupt):
            build.build(tmp_path / "cut", [want()], SETTINGS)
    made = count_parts(monkeypatch)
    build.build(tmp_path / "cut", [want()], SETTINGS)
    assert made == [(0, 2)]
    assert contents(tmp_path / "cut") == contents(tmp_path / "whole")


def test_a_damaged_part_is_made_again(tmp_path, monkeypatch):
    needed = want()
    folder = build.parts_folder(cache.entry_folder(tmp_path, needed.key), 0)
    shard.write_part(
        folder, "00001", shard.Part(np.zeros(1, "<u2"), np.zeros(0, shard.EXAMPLE), {})
    )
    (folder / "00001.tokens").write_bytes(b"\xff\xff")
    made = count_parts(monkeypatch)
    build.build(tmp_path, [needed], SETTINGS)
    assert made == [(0, 0), (0, 1), (0, 2)]


def test_nothing_is_left_of_a_task_that_cannot_be_read(tmp_path):
    def read():
        raise ValueError("unreadable")

    with pytest.raises(ValueError, match="unreadable"):
        build.build(tmp_path / "new" / "cache", [want()._replace(read=read)], SETTINGS)
    assert list(tmp_path.iterdir()) == []


def test_two_builders_at_once_build_each_entry_once(tmp_path, monkeypatch):
    wants = [want(passes=2), want(PEOPLE)]
    build.build(tmp_path / "alone", wants, SETTINGS)
    made = count_parts(monkeypatch)
    together = threading.Barrier(2)

    def run(order):
        together.wait()
        build.build(tmp_path / "both", order, SETTINGS)

    with concurrent.futures.ThreadPoolExecutor(2) as threads:
        list(threads.map(run, [wants, wants[::-1]]))
    assert len(made) == len(set(made)) + 3  # pass 0 of two tasks, pass 1 of one
    assert contents(tmp_path / "both") == contents(tmp_path / "alone")


def test_a_full_disk_keeps_the_parts_that_are_whole(tmp_path, monkeypatch):
    plain = shard.write_part

    def full(folder, name, part):
        if name == "00001":
            raise OSError(errno.ENOSPC, "No space left on device")
        plain(folder, name, part)

    with monkeypatch.context() as patch:
        patch.setattr(shard, "write_part", full)
        expected = "must have room for the tokens of mini_reviews, got 'No space left on device'"
        with pytest.raises(ValueError, match=expected):
            build.build(tmp_path, [want()], SETTINGS)
    made = count_parts(monkeypatch)
    build.build(tmp_path, [want()], SETTINGS)
    assert (0, 0) not in made
    assert (0, 1) in made


def test_a_cache_that_takes_no_more_is_named(tmp_path, monkeypatch):
    def closed(*_: object) -> int:
        raise PermissionError(errno.EACCES, "no")

    monkeypatch.setattr(build.os, "open", closed)
    with pytest.raises(ValueError, match=r"cache .* must take the tokens that it lacks, got 'Perm"):
        build._lock(tmp_path / "a", wait=True)


def test_a_cache_that_is_a_file_or_can_never_be_made_is_named(tmp_path, monkeypatch):
    """Waiting for the latter would never end, without a word."""
    (tmp_path / "file").write_text("")
    with pytest.raises(ValueError, match=r"got 'Not a directory'; name another CACHE_DIR"):
        build._lock(tmp_path / "file" / "a", wait=True)
    tried = []

    def vanished(self: object, **_: object) -> None:
        tried.append(self)
        raise FileNotFoundError(errno.ENOENT, "no")

    monkeypatch.setattr(build.pathlib.Path, "mkdir", vanished)
    with pytest.raises(ValueError, match=r"got 'No such file or directory'; name another CACHE"):
        build._lock(tmp_path / "a", wait=True)
    assert len(tried) == build._TRIES


def test_who_waits_for_a_lock_that_is_removed_locks_its_successor(tmp_path):
    folder = tmp_path / "a"
    first = build._lock(folder, wait=True)
    found = []
    waiting = threading.Thread(target=lambda: found.append(build._lock(folder, wait=True)))
    waiting.start()
    time.sleep(0.3)
    assert not found
    build._remove_empty(folder, [folder])
    assert not folder.exists()
    os.close(first)
    waiting.join(10)
    assert os.path.samestat(os.fstat(found[0]), (folder / build._LOCK).stat())
    assert build._lock(folder, wait=False) is None
    os.close(found[0])


def test_a_worker_is_born_deaf_to_an_interrupt(monkeypatch):
    """What it printed of one would stand beside the builder's own line."""
    seen = []

    def submit(self, fn):
        seen.append(signal.SIGINT in signal.pthread_sigmask(signal.SIG_BLOCK, set()))

    monkeypatch.setattr(concurrent.futures.ProcessPoolExecutor, "submit", submit)
    monkeypatch.setattr(build._Forked, "__init__", lambda self: None)
    build._Forked().submit(len)
    assert seen == [True]
    assert signal.SIGINT not in signal.pthread_sigmask(signal.SIG_BLOCK, set())


def test_another_error_of_the_system_keeps_what_caused_it(tmp_path, monkeypatch):
    cause = RuntimeError("the traceback of a worker")

    def denied(folder, name, part):
        raise OSError(errno.EACCES, "Permission denied") from cause

    monkeypatch.setattr(shard, "write_part", denied)
    with pytest.raises(OSError, match="Permission denied") as found:
        build.build(tmp_path, [want()], SETTINGS)
    assert found.value.__cause__ is cause


def test_progress_ends_with_all_records(tmp_path):
    told = []
    build.build(tmp_path, [want(passes=2)], SETTINGS, on_progress=lambda *seen: told.append(seen))
    assert told[-1] == ("mini_reviews", 80, 80)
    assert [done for _, done, _ in told] == sorted(done for _, done, _ in told)


DIFFERENT = {
    "version": dataclasses.replace(REVIEWS, version=99),
    "templates": dataclasses.replace(
        REVIEWS, templates=(*REVIEWS.templates[:-1], Template("{review}\nWell?\n{options}"))
    ),
    "handwritten": dataclasses.replace(
        REVIEWS, examples=(next(iter(REVIEWS.source.records("train"))),)
    ),
}


@pytest.mark.parametrize("part", DIFFERENT)
def test_a_changed_task_has_another_key(part):
    before, after = want().key, want(DIFFERENT[part]).key
    assert [name for name in before if before[name] != after[name]] == [part]
    assert cache_key.fingerprint(before) != cache_key.fingerprint(after)


@pytest.mark.parametrize(
    ("part", "change"),
    [
        ("vocabulary", {"tokenizer": ByteTokenizer(extra_ids=7)}),
        ("objective", {"objective": ObjectiveConfig(name="causal_lm")}),
        ("lengths", {"max_inputs": 100}),
        ("over_long", {"over_long": "drop"}),
        ("seed", {"seed": 1}),
        ("num_shots", {"num_shots": 2}),
    ],
)
def test_another_setting_has_another_key_and_is_named(tmp_path, part, change):
    build.build(tmp_path, [want()], SETTINGS)
    other = want(settings=SETTINGS._replace(**change))
    assert cache.find_entry(tmp_path, other.key) is None
    assert cache.mismatch(tmp_path, other.key).startswith(f"{part}: ")
    assert ";" not in cache.mismatch(tmp_path, other.key)


@pytest.mark.parametrize("is_built", [True, False])
def test_what_begins_a_prompt_is_part_of_the_key_and_named(tmp_path, is_built):
    with_bos = SETTINGS._replace(tokenizer=BeginningTokenizer())
    built, wanted = (with_bos, SETTINGS) if is_built else (SETTINGS, with_bos)
    build.build(tmp_path, [want(settings=built)], built)
    key = want(settings=wanted).key
    assert cache.find_entry(tmp_path, key) is None
    id = BeginningTokenizer.bos_id
    change = f"{id} -> None" if is_built else f"None -> {id}"
    assert cache.mismatch(tmp_path, key) == f"begins_with: {change}"
    without = {name: value for name, value in key.items() if name != cache_key.SOURCE}
    assert cache.mismatch(tmp_path, without) == cache.mismatch(tmp_path, key)


def test_an_entry_is_found_without_its_source(tmp_path):
    needed = want()
    build.build(tmp_path, [needed], SETTINGS)
    gone = {**needed.key, cache_key.SOURCE: None}
    assert cache.find_entry(tmp_path, gone) == cache.entry_folder(tmp_path, needed.key)
    assert cache.find_entry(tmp_path, {**gone, "seed": 5}) is None


def test_a_pass_of_which_nothing_is_left_is_refused(tmp_path):
    settings = SETTINGS._replace(over_long="drop", max_inputs=3)
    needed = want(settings=settings)
    build.build(tmp_path, [needed], settings)
    expected = "pass 0 must keep an example, got 40 inputs_too_long; raise TASK_FEATURE_LENGTHS"
    with pytest.raises(ValueError, match=expected):
        cache.open_passes(cache.entry_folder(tmp_path, needed.key), [0])


def test_a_pass_that_was_not_built_is_refused(tmp_path):
    build.build(tmp_path, [want()], SETTINGS)
    with pytest.raises(ValueError, match="must hold pass 1, got none; build it with"):
        cache.open_passes(cache.entry_folder(tmp_path, want().key), [0, 1])
