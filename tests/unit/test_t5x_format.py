"""The arrays of a T5X checkpoint: what is read, and what is refused."""

from __future__ import annotations

import json
import pathlib
from typing import Any

import jax.numpy as jnp
import msgpack
import numpy as np
import pytest
from t5x_files import ext, inline, spec, write, write_zarr

from flanjax.interop import t5x_format


def read_whole(path: str, name: str) -> np.ndarray:
    array = t5x_format.open_arrays(pathlib.Path(path))[name]
    return array.read((slice(None),) * len(array.shape))


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "float64"])
@pytest.mark.parametrize("is_inline", [True, False])
def test_floats_of_every_width_are_read_as_they_are(
    tmp_path: pathlib.Path, dtype: str, is_inline: bool
) -> None:
    array = np.array([1.0, -2.5, 0.15625], np.float32).astype(jnp.dtype(dtype))
    write_zarr(tmp_path / "c/target.x", array)
    path = write(tmp_path / "c", {"x": array if is_inline else spec("target.x")})
    value = read_whole(path, "x")
    assert value.dtype == jnp.dtype(dtype)
    assert value.astype(np.float32).tolist() == [1.0, -2.5, 0.15625]


@pytest.mark.parametrize("is_inline", [True, False])
def test_version_2_keeps_the_bits_of_bfloat16_as_uint16(
    tmp_path: pathlib.Path, is_inline: bool
) -> None:
    array = np.array([1.0, -2.5, 0.15625], jnp.bfloat16)
    write_zarr(tmp_path / "c/target.x", array.view(np.uint16))
    leaf = inline(array.view(np.uint16)) if is_inline else spec("target.x")
    value = read_whole(write(tmp_path / "c", {"x": leaf}, version=2), "x")
    assert value.dtype == jnp.bfloat16
    assert value.tolist() == array.tolist()


def test_a_numpy_scalar_is_an_array_without_axes(tmp_path: pathlib.Path) -> None:
    path = write(tmp_path / "c", {"x": inline(np.float32(2.5), code=3)})
    assert read_whole(path, "x").tolist() == 2.5


@pytest.mark.parametrize(
    "leaf",
    [
        spec("target.x/"),
        spec("", kvstore={"driver": "gfile", "path": "target.x"}),
        spec("", kvstore={"driver": "gcs", "bucket": "b", "path": "target.x"}),
        spec("", kvstore={"driver": "gfile"}, path="target.x"),
    ],
)
def test_specs_of_every_age_name_a_local_array(tmp_path: pathlib.Path, leaf: Any) -> None:
    write_zarr(tmp_path / "c/target.x", np.array([3.0, 4.0], np.float32))
    assert read_whole(write(tmp_path / "c", {"x": leaf}), "x").tolist() == [3.0, 4.0]


BAD_LEAVES: dict[str, tuple[Any, str]] = {
    "above": (spec("a/../../x"), r"target/x must name a path inside .*, got 'a/\.\./\.\./x'"),
    "absolute": (spec("/etc/x"), "target/x must name a path inside the checkpoint, got '/etc/x'"),
    "empty": (spec(""), "target/x must name a path inside the checkpoint, got ''"),
    "no path": (spec("", kvstore={"driver": "file"}), "path inside the checkpoint, got None"),
    "driver": (spec("x", driver="n5"), "target/x must be a zarr array in .*, got 'n5' in 'file'"),
    "kvstore": (spec("", kvstore={"driver": "http"}), "zarr array in .*, got 'zarr' in 'http'"),
    "url": (spec("", kvstore="http://x/"), "must be a zarr array in .*, got 'zarr' in None"),
    "absent": (spec("x"), "target/x must be readable, got NOT_FOUND.*; copy the checkpoint again"),
    "text": ("weights", "target/x must be an array, got str"),
    "complex": (msgpack.ExtType(2, msgpack.packb((1.0, 2.0))), "an array, got ext type 2"),
    "integers": (inline(np.arange(3)), "target/x must be of float16, .*, got 'int64'"),
    "no type": (ext((3,), ["x"], b""), "target/x must hold shape, type and bytes, got unhash"),
    "two parts": (ext((3,), "float32"), "must hold shape, type and bytes, got not enough values"),
    "cut": (ext((3,), "float32", b"\0" * 8), "must hold shape, type and bytes, got cannot reshape"),
    "odd": (ext((3,), "float32", b"\0" * 11), "must hold shape, type and bytes, got buffer size"),
    "inferred": (ext((-1,), "float32", b"\0" * 8), r"shape, type and bytes, got shape \[-1\]; "),
    "one axis": (ext(2, "float32", b"\0" * 8), "must hold shape, type and bytes, got 'int' object"),
    "vast": (ext((2**63,), "float32", b"\0" * 8), "must hold shape, type and bytes, got "),
    "trailing": (msgpack.ExtType(1, b"\1\1"), "must hold shape, type and bytes, got unpack"),
}


@pytest.mark.parametrize("kind", BAD_LEAVES)
def test_a_bad_leaf_is_named(tmp_path: pathlib.Path, kind: str) -> None:
    leaf, message = BAD_LEAVES[kind]
    path = write(tmp_path / "c", {"x": leaf})
    with pytest.raises(ValueError, match=message) as caught:
        t5x_format.open_arrays(pathlib.Path(path))
    assert "\n" not in str(caught.value)


def test_a_zarr_array_of_integers_is_refused(tmp_path: pathlib.Path) -> None:
    write_zarr(tmp_path / "c/x", np.arange(3, dtype=np.uint16))
    path = write(tmp_path / "c", {"x": spec("x")})
    with pytest.raises(
        ValueError, match=r"target/x must be of .*, got 'uint16'; save it as floats"
    ):
        t5x_format.open_arrays(pathlib.Path(path))


def test_a_chunk_that_was_not_copied_is_an_error_not_zeros(tmp_path: pathlib.Path) -> None:
    write_zarr(tmp_path / "c/x", np.ones(3, np.float32))
    (tmp_path / "c/x/0").unlink()
    path = write(tmp_path / "c", {"x": spec("x")})
    with pytest.raises(ValueError, match="target/x must be readable, got NOT_FOUND: chunk"):
        read_whole(path, "x")


FILES: dict[str, tuple[bytes, str]] = {
    "text": (b"model_checkpoint_path: 'x'", "checkpoint must be a T5X msgpack file, got bytes"),
    "cut": (msgpack.packb({"version": 3})[:-1], "checkpoint must be a T5X msgpack file, got "),
    "list": (msgpack.packb([3]), "must be a T5X checkpoint of version 2 or 3, got None"),
    "version": (msgpack.packb({"version": 1}), "of version 2 or 3, got 1; load and save"),
    "bare": (msgpack.packb({"version": 3}), "checkpoint must hold optimizer/target, got none"),
    "target": (msgpack.packb({"version": 3, "optimizer": {"target": 1}}), "hold optimizer/target"),
}


@pytest.mark.parametrize("kind", FILES)
def test_a_file_that_is_no_checkpoint_is_refused(tmp_path: pathlib.Path, kind: str) -> None:
    content, message = FILES[kind]
    (tmp_path / "checkpoint").write_bytes(content)
    with pytest.raises(ValueError, match=message):
        t5x_format.open_arrays(tmp_path)


def orbax(**changes: Any) -> str:
    return json.dumps({"tree_metadata": {}, "use_ocdbt": True, "use_zarr3": False} | changes)


WRITES = "_METADATA must be the JSON that Orbax writes, got "
METADATA: dict[str, tuple[str, str]] = {
    "cut": ("{", WRITES + "JSONDecodeError"),
    "list": ("[]", WRITES + "TypeError"),
    "empty": ("{}", WRITES + "KeyError: 'use_ocdbt'"),
    "no keys": (orbax(tree_metadata={"a": {}}), WRITES + "KeyError: 'key_metadata'"),
    "files": (orbax(use_ocdbt=False), "must tell of zarr 2 arrays in OCDBT"),
    "zarr 3": (orbax(use_zarr3=True), "must tell of zarr 2 arrays in OCDBT"),
    "absent": (
        orbax(tree_metadata={"a": {"key_metadata": [{"key": "target"}, {"key": "x"}]}}),
        "target/x must be readable, got ",
    ),
}


@pytest.mark.parametrize("kind", METADATA)
def test_a_bad_orbax_checkpoint_is_refused(tmp_path: pathlib.Path, kind: str) -> None:
    text, message = METADATA[kind]
    (tmp_path / "state").mkdir()
    (tmp_path / "state/_METADATA").write_text(text, "utf-8")
    with pytest.raises(ValueError, match=message):
        t5x_format.open_arrays(tmp_path)
