"""safetensors files: what is read and written, and what is refused."""

from __future__ import annotations

import json
import math
import pathlib
import struct
from collections.abc import Mapping
from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest

from flanjax.interop import safetensors_format
from flanjax.interop.places import Index, StoredArray, everything
from flanjax.interop.safetensors_format import open_file, write_file

TYPES = {"F64": np.float64, "F32": np.float32, "F16": np.float16, "BF16": jnp.bfloat16}


def random_array(shape: tuple[int, ...], dtype: Any = np.float32, *, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape).astype(dtype)


def stored(array: np.ndarray) -> StoredArray:
    return StoredArray(array.shape, array.dtype, lambda index: array[index])


def whole(array: StoredArray) -> np.ndarray:
    return array.read(everything(array.shape))


def about(dtype: str, shape: Any, first: Any, last: Any) -> dict[str, Any]:
    return {"dtype": dtype, "shape": shape, "data_offsets": [first, last]}


def write_bytes(path: pathlib.Path, header: Any, data: bytes) -> pathlib.Path:
    """Writes a file as the format's description says; a header may be bytes already."""
    content = header if isinstance(header, bytes) else json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(content)) + content + data)
    return path


def parse_bytes(path: pathlib.Path) -> tuple[dict[str, Any], bytes]:
    content = path.read_bytes()
    (length,) = struct.unpack_from("<Q", content)
    return json.loads(content[8 : 8 + length]), content[8 + length :]


@pytest.mark.parametrize("dtype", TYPES.values())
@pytest.mark.parametrize("shape", [(), (1,), (5,), (0,), (3, 4), (0, 3), (3, 0), (2, 3, 4)])
def test_arrays_come_back_bit_for_bit(
    tmp_path: pathlib.Path, dtype: Any, shape: tuple[int, ...]
) -> None:
    array = np.asarray(random_array(shape, dtype))
    write_file(tmp_path / "x", {"a": stored(array)}, metadata={})
    read = open_file(tmp_path / "x")["a"]
    value = whole(read)
    assert read.shape == value.shape == shape
    assert read.dtype == value.dtype == array.dtype
    assert value.tobytes() == array.tobytes()


def test_bits_that_are_no_numbers_survive(tmp_path: pathlib.Path) -> None:
    array = np.array([0x7FC1, 0xFF80, 0x8000, 0x0001], np.uint16).view(jnp.bfloat16)
    write_file(tmp_path / "x", {"a": stored(array)}, metadata={})
    assert whole(open_file(tmp_path / "x")["a"]).tobytes() == array.tobytes()


@pytest.mark.parametrize("read_bytes", [1, 9, 100, 1 << 26])
@pytest.mark.parametrize("shape", [(9,), (7, 5), (6, 3, 4), (3, 0, 2)])
def test_a_part_is_a_slice_of_the_whole(
    tmp_path: pathlib.Path,
    monkeypatch: pytest.MonkeyPatch,
    shape: tuple[int, ...],
    read_bytes: int,
) -> None:
    monkeypatch.setattr(safetensors_format, "_READ_BYTES", read_bytes)
    before, array = random_array((2, 3)), random_array(shape, np.float16, seed=1)
    write_file(tmp_path / "x", {"a": stored(before), "b": stored(array)}, metadata={})
    read = open_file(tmp_path / "x")["b"].read
    rng = np.random.default_rng(2)
    for _ in range(50):
        bounds = [sorted(rng.integers(0, size + 1, 2)) for size in shape]
        index = tuple(slice(int(start), int(stop)) for start, stop in bounds)
        np.testing.assert_array_equal(read(index), array[index], strict=True)
    everywhere = (slice(None),) * len(shape)
    np.testing.assert_array_equal(read(everywhere), array, strict=True)
    backwards = (slice(2, 1), *everywhere[1:])
    np.testing.assert_array_equal(read(backwards), array[backwards], strict=True)


def test_a_file_of_another_writer_is_read(tmp_path: pathlib.Path) -> None:
    header = {
        "__metadata__": {"format": "pt"},
        "two": about("BF16", [2, 2], 12, 20),
        "one": about("F32", [3], 0, 12),
        "none": about("F16", [4, 0], 20, 20),
        "scalar": about("F64", [], 20, 28),
    }
    data = struct.pack("<3f", 1.0, -2.5, 3.25)
    data += struct.pack("<4H", 0x3F80, 0xBF80, 0x4000, 0x3E20)  # 1, -1, 2 and 0.15625
    data += struct.pack("<d", 0.1)
    arrays = open_file(write_bytes(tmp_path / "x", header, data))
    assert sorted(arrays) == ["none", "one", "scalar", "two"]
    assert whole(arrays["one"]).tolist() == [1.0, -2.5, 3.25]
    assert whole(arrays["two"]).astype(float).tolist() == [[1.0, -1.0], [2.0, 0.15625]]
    assert whole(arrays["none"]).shape == (4, 0)
    assert whole(arrays["scalar"]).tolist() == 0.1


def test_a_header_may_be_padded_and_a_file_hold_nothing(tmp_path: pathlib.Path) -> None:
    assert open_file(write_bytes(tmp_path / "x", b"{}      ", b"")) == {}


def test_the_written_bytes_are_those_of_the_format(tmp_path: pathlib.Path) -> None:
    arrays = {
        "b/half": np.array([[1.0, 2.0]], np.float16),
        "z": np.array([1.0, -2.5], np.float32),
        "c": np.array(0.5, np.float32),
        "a": np.array([2.0], jnp.bfloat16),
    }
    metadata = {"format": "pt"}
    write_file(
        tmp_path / "x", {name: stored(array) for name, array in arrays.items()}, metadata=metadata
    )
    header, data = parse_bytes(tmp_path / "x")
    assert header == {
        "__metadata__": metadata,
        "c": about("F32", [], 0, 4),
        "z": about("F32", [2], 4, 12),
        "a": about("BF16", [1], 12, 14),
        "b/half": about("F16", [1, 2], 14, 18),
    }
    assert data == struct.pack("<3fH2e", 0.5, 1.0, -2.5, 0x4000, 1.0, 2.0)


@pytest.mark.parametrize("length", range(1, 9))
def test_arrays_begin_at_a_multiple_of_eight_bytes(tmp_path: pathlib.Path, length: int) -> None:
    write_file(tmp_path / "x", {"a" * length: stored(np.ones(1, np.float32))}, metadata={})
    assert ((tmp_path / "x").stat().st_size - 4) % 8 == 0


def test_no_metadata_leaves_no_key(tmp_path: pathlib.Path) -> None:
    write_file(tmp_path / "x", {"a": stored(np.ones(1, np.float32))}, metadata={})
    assert list(parse_bytes(tmp_path / "x")[0]) == ["a"]


def test_one_array_is_in_memory_at_a_time(tmp_path: pathlib.Path) -> None:
    """Sizes of what had been written when each array was asked for."""
    seen = []

    def read(index: Index) -> np.ndarray:
        (aside,) = tmp_path.iterdir()
        seen.append(aside.stat().st_size)
        return np.ones(1 << 20, np.float32)

    array = StoredArray((1 << 20,), np.dtype(np.float32), read)
    write_file(tmp_path / "x", {"a": array, "b": array}, metadata={})
    assert seen[1] - seen[0] >= 1 << 22


class UnreadableError(Exception):
    """What a failing read raises."""


def test_a_write_that_fails_leaves_nothing(tmp_path: pathlib.Path) -> None:
    def fail(index: Index) -> np.ndarray:
        assert list(tmp_path.glob("*.partial"))
        raise UnreadableError

    good, bad = stored(np.ones(3, np.float32)), StoredArray((3,), np.dtype(np.float32), fail)
    with pytest.raises(UnreadableError):
        write_file(tmp_path / "x", {"a": good, "b": bad}, metadata={})
    assert list(tmp_path.iterdir()) == []


def test_a_write_that_fails_leaves_the_file_that_was_there(tmp_path: pathlib.Path) -> None:
    def fail(index: Index) -> np.ndarray:
        raise UnreadableError

    (tmp_path / "x").write_bytes(b"before")
    with pytest.raises(UnreadableError):
        write_file(
            tmp_path / "x", {"a": StoredArray((3,), np.dtype(np.float32), fail)}, metadata={}
        )
    assert [path.name for path in tmp_path.iterdir()] == ["x"]
    assert (tmp_path / "x").read_bytes() == b"before"


def test_arrays_that_are_left_out_may_be_of_any_type(tmp_path: pathlib.Path) -> None:
    header = {"mask": about("BOOL", [2], 0, 2), "a": about("F32", [1], 2, 6)}
    path = write_bytes(tmp_path / "x", header, b"\1\0" + struct.pack("<f", 1.5))
    arrays = open_file(path, is_extra=lambda name: name == "mask")
    assert {name: whole(array).tolist() for name, array in arrays.items()} == {"a": [1.5]}


SHORT: dict[str, tuple[bytes, str]] = {
    "empty": (b"", "x must have a header of at most 100,000,000 bytes within the file, got 0 in 0"),
    "seven bytes": (b"\2" + b"\0" * 6, "within the file, got 2 in 7; copy the file again"),
    "cut header": (struct.pack("<Q", 3) + b"{}", "bytes within the file, got 3 in 10; copy"),
    "vast": (struct.pack("<Q", 1 << 63) + b"{}", "within the file, got 9,223,372,036,854,775,808"),
}


@pytest.mark.parametrize("kind", SHORT)
def test_a_header_that_is_not_there_is_refused(tmp_path: pathlib.Path, kind: str) -> None:
    content, message = SHORT[kind]
    (tmp_path / "x").write_bytes(content)
    with pytest.raises(ValueError, match=message):
        open_file(tmp_path / "x")


def test_a_header_above_the_bound_is_refused_unread(tmp_path: pathlib.Path) -> None:
    with (tmp_path / "x").open("wb") as file:
        file.write(struct.pack("<Q", 100_000_001))
        file.truncate(200_000_000)  # a hole: it takes no room
    with pytest.raises(
        ValueError, match=r"at most 100,000,000 bytes .* got 100,000,001 in 200,000"
    ):
        open_file(tmp_path / "x")


TWICE = b'{"a": {"dtype": "F32", "shape": [], "data_offsets": [0, 4]}, "a": {}, "b": {}}'
PLAIN = about("F32", [2], 0, 8)
HEADERS: dict[str, tuple[Any, str]] = {
    "no JSON": (
        b"{'a': 1}",
        "x must have a header of JSON, each name once, got Expecting property name",
    ),
    "no UTF-8": (b'{"\xff": 1}', "x must have a header of JSON, each name once, got 'utf-8' codec"),
    "cut JSON": (b'{"a": ', "x must have a header of JSON, each name once, got Expecting value"),
    "deep": (
        b"[" * 200_000,
        "x must have a header of JSON, each name once, got maximum recursion depth",
    ),
    "long number": (
        b'{"a": ' + b"9" * 5000 + b"}",
        "x must have a header of JSON, each name once, got Exceeds",
    ),
    "list": ([], "x must have a header of names, got list"),
    "number": (3, "x must have a header of names, got int"),
    "twice": (TWICE, "a header of JSON, each name once, got a twice"),
    "shape twice": (b'{"a": {"shape": [], "shape": [1]}}', "each name once, got shape twice"),
    "about a number": ({"a": 3}, "must have dtype, shape and data_offsets of a, got 3"),
    "about a list": ({"a": []}, r"must have dtype, shape and data_offsets of a, got \[\]"),
    "no dtype": ({"a": {"shape": [2], "data_offsets": [0, 8]}}, "dtype, shape and data_offsets of"),
    "no shape": ({"a": {"dtype": "F32", "data_offsets": [0, 8]}}, "shape and data_offsets of a,"),
    "no offsets": ({"a": {"dtype": "F32", "shape": [2]}}, "shape and data_offsets of a, got"),
    "one offset": ({"a": PLAIN | {"data_offsets": [8]}}, "shape and data_offsets of a, got"),
    "three": ({"a": PLAIN | {"data_offsets": [0, 8, 8]}}, "shape and data_offsets of a, got"),
    "integers": ({"a": about("I64", [1], 0, 8)}, "a of F64, F32, F16, BF16, got 'I64'"),
    "eight bits": ({"a": about("F8_E4M3", [8], 0, 8)}, "a of F64, .*, BF16, got 'F8_E4M3'"),
    "type of a list": ({"a": PLAIN | {"dtype": ["F32"]}}, r"a of F64, .*, got \['F32'\]"),
    "no type": ({"a": PLAIN | {"dtype": None}}, "a of F64, .*, BF16, got None"),
    "negative": ({"a": about("F32", [-2], 0, 8)}, "must have bytes of a for its shape, got"),
    "two negatives": ({"a": about("F32", [-2, -1], 0, 8)}, "bytes of a for its shape, got"),
    "fraction": ({"a": about("F32", [2.0], 0, 8)}, "must have bytes of a for its shape, got"),
    "true": ({"a": about("F32", [2, True], 0, 8)}, "must have bytes of a for its shape, got"),
    "text": ({"a": about("F32", ["2"], 0, 8)}, "must have bytes of a for its shape, got"),
    "shape of text": ({"a": about("F32", "", 0, 4)}, "shape and data_offsets of a, got"),
    "shape of keys": ({"a": about("F32", {}, 0, 4)}, "shape and data_offsets of a, got"),
    "shape of a number": ({"a": about("F32", 2, 0, 8)}, "shape and data_offsets of a, got"),
    "negative offset": ({"a": about("F32", [2], -8, 0)}, "must have bytes of a for its shape"),
    "fraction of a byte": ({"a": about("F32", [2], 0, 8.0)}, "must have bytes of a for its shape"),
    "false": ({"a": about("F32", [2], False, 8)}, "must have bytes of a for its shape, got"),
    "offset of text": ({"a": about("F32", [2], "0", "8")}, "must have bytes of a for its shape"),
    "too few bytes": ({"a": about("F32", [2], 0, 7)}, "must have bytes of a for its shape, got"),
    "too many": ({"a": about("F32", [1], 0, 8)}, "must have bytes of a for its shape, got"),
    "backwards": ({"a": about("F32", [2], 8, 0)}, "must have bytes of a for its shape, got"),
    "overlap": (
        {"a": about("F16", [3], 0, 6), "b": about("F16", [2], 4, 8)},
        "must have arrays end to end, got b, which overlaps what is before it",
    ),
    "same bytes": ({"a": PLAIN, "b": PLAIN}, "arrays end to end, got b, which overlaps"),
    "hole": (
        {"a": about("F16", [1], 0, 2), "b": about("F16", [2], 4, 8)},
        "must have arrays end to end, got b, which leaves a hole before it",
    ),
    "hole at the start": ({"a": about("F16", [3], 2, 8)}, "got a, which leaves a hole before it"),
    "none in the middle": (
        {"a": PLAIN, "b": about("F32", [0], 4, 4)},
        "arrays end to end, got b, which overlaps",
    ),
    "beyond the file": ({"a": about("F32", [3], 0, 12)}, "must have 12 bytes of arrays, got 8"),
    "more behind": ({"a": about("F32", [1], 0, 4)}, "must have 4 bytes of arrays, got 8"),
    "no arrays": ({}, "must have 0 bytes of arrays, got 8"),
}


@pytest.mark.parametrize("kind", HEADERS)
def test_a_damaged_header_is_named(tmp_path: pathlib.Path, kind: str) -> None:
    header, message = HEADERS[kind]
    path = write_bytes(tmp_path / "x", header, b"\0" * 8)
    with pytest.raises(ValueError, match=message) as caught:
        open_file(path)
    assert str(caught.value).startswith(f"{path} must have ")
    assert str(caught.value).endswith("; copy the file again.")
    assert len(str(caught.value)) < 400


@pytest.mark.parametrize("kind", ["negative offset", "overlap", "one offset", "too many bytes"])
def test_arrays_that_are_left_out_must_lie_right(tmp_path: pathlib.Path, kind: str) -> None:
    spans: Mapping[str, Any] = {
        "negative offset": [-1, 2],
        "overlap": [1, 2],
        "one offset": [2],
        "too many bytes": [0, True],
    }
    header = {"mask": about("BOOL", [2], 0, 2) | {"data_offsets": spans[kind]}}
    path = write_bytes(tmp_path / "x", header, b"\0" * 2)
    with pytest.raises(ValueError, match=r"x must have .*mask"):
        open_file(path, is_extra=lambda name: True)


def test_a_file_cut_after_it_was_opened_is_an_error(tmp_path: pathlib.Path) -> None:
    array = random_array((4, 3))
    write_file(tmp_path / "x", {"a": stored(array)}, metadata={})
    read = open_file(tmp_path / "x")["a"].read
    content = (tmp_path / "x").read_bytes()
    (tmp_path / "x").write_bytes(content[: len(content) - 3 * math.prod((3, 4))])
    with pytest.raises(ValueError, match="cannot reshape"):
        read(everything((4, 3)))
