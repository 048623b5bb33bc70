"""Mapped files read as the copy of them in memory does."""

import gc

import numpy as np
import pytest

from flanjax.engine import arena

DTYPES = [np.dtype("<u2"), np.dtype("<u4")]


@pytest.fixture(params=DTYPES, ids=str)
def arrays(request):
    rng = np.random.default_rng(0)
    return [rng.integers(1, 60_000, size).astype(request.param) for size in (5, 4096, 0, 70_001)]


@pytest.fixture
def paths(arrays, tmp_path):
    found = []
    for number, array in enumerate(arrays):
        found.append(tmp_path / f"{number}.tokens")
        array.tofile(found[-1])
    return found


def test_mapped_files_hold_what_their_copies_hold(arrays, paths):
    dtype = arrays[0].dtype
    for found in (arena.mapped(paths, dtype), arena.joined(arrays, dtype)):
        assert found.tokens[0] == 0
        for start, array in zip(found.starts, arrays, strict=True):
            assert found.tokens[start : start + array.size].tolist() == array.tolist()


def test_tokens_are_taken_at_addresses_of_several_files(arrays, paths):
    dtype = arrays[0].dtype
    found = arena.mapped(paths, dtype)
    out = np.empty(3, dtype)
    found.take(np.array([found.starts[3] + 70_000, 0, found.starts[0] + 4]), out)
    assert out.tolist() == [arrays[3][-1], 0, arrays[0][4]]


def test_released_pages_are_read_again(arrays, paths):
    found = arena.mapped(paths, arrays[0].dtype)
    before = found.tokens[found.starts[3] :][:70_001].copy()
    found.release()
    assert (found.tokens[found.starts[3] :][:70_001] == before).all()


def test_the_map_lives_as_long_as_an_array_that_reads_it(arrays, paths):
    tokens = arena.mapped(paths, arrays[0].dtype).tokens
    gc.collect()
    assert tokens[1 : tokens.size : 1000].sum() > 0


def test_mapped_memory_cannot_be_written(arrays, paths):
    with pytest.raises(ValueError, match="read-only"):
        arena.mapped(paths, arrays[0].dtype).tokens[0] = 1


def test_a_file_that_is_not_there_is_an_error(tmp_path):
    with pytest.raises(FileNotFoundError):
        arena.mapped([tmp_path / "none.tokens"], DTYPES[0])


@pytest.mark.parametrize("resident_bytes", [1 << 10, 1 << 28])
def test_a_copy_of_some_examples_holds_their_tokens(arrays, paths, monkeypatch, resident_bytes):
    monkeypatch.setattr(arena, "RESIDENT_BYTES", resident_bytes)
    found = arena.mapped(paths, arrays[0].dtype)
    addresses = np.array([70_000, 7, 0, 30_000]) + found.starts[3]
    sizes = np.array([1, 0, 12, 3_000])
    copy, places = found.copied(addresses, sizes)
    assert copy.tokens.size == arena.NUM_ZEROS + sizes.sum()
    assert not copy.tokens[: arena.NUM_ZEROS].any()
    for address, place, size in zip(addresses, places, sizes, strict=True):
        expected = found.tokens[address : address + size].tolist()
        assert copy.tokens[place : place + size].tolist() == expected
