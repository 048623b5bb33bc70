"""Checkpoints of transformers: their files, read and written."""

from __future__ import annotations

import json
import os
import pathlib
import subprocess
import sys
from collections.abc import Callable, Mapping
from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest

from flanjax.interop.hf import checkpoint
from flanjax.interop.hf.checkpoint import open_checkpoint, our_arrays
from flanjax.interop.hf.families import FAMILIES
from flanjax.interop.places import Index, StoredArray
from flanjax.interop.safetensors_format import open_file, write_file
from tests.unit.hf_checkpoints import (
    CONFIGS,
    edit_json,
    read,
    rewrite,
    shapes,
    stored,
    values,
    whole,
    write,
)

FLOAT32 = np.dtype(np.float32)
INDEX, WEIGHTS = "model.safetensors.index.json", "model.safetensors"


def test_every_family_is_tested() -> None:
    assert set(CONFIGS) == set(FAMILIES)


@pytest.mark.parametrize("dtype", [np.float32, np.float16, jnp.bfloat16])
@pytest.mark.parametrize("model_type", CONFIGS)
def test_a_model_comes_back_bit_for_bit(
    tmp_path: pathlib.Path, model_type: str, dtype: Any
) -> None:
    folder = write(tmp_path / "c", model_type, dtype=np.dtype(dtype))
    opened, wanted = open_checkpoint(folder), values(CONFIGS[model_type])
    assert opened.config == CONFIGS[model_type]
    assert opened.raw["torch_dtype"] == np.dtype(dtype).name
    found = our_arrays(opened, shapes(opened.config))
    assert set(found) == set(wanted)
    for name, array in whole(found).items():
        assert array.dtype == found[name].dtype == dtype
        np.testing.assert_array_equal(array.astype(np.float32), wanted[name], name)


@pytest.mark.parametrize("model_type", CONFIGS)
def test_a_part_of_a_parameter_is_a_slice_of_the_whole(
    tmp_path: pathlib.Path, model_type: str
) -> None:
    found, rng = read(write(tmp_path / "c", model_type)), np.random.default_rng(1)
    for name, value in values(CONFIGS[model_type]).items():
        for _ in range(4):
            starts = [int(rng.integers(0, size)) for size in value.shape]
            index = tuple(
                slice(start, int(rng.integers(start + 1, size + 1)))
                for start, size in zip(starts, value.shape, strict=True)
            )
            np.testing.assert_array_equal(found[name].read(index), value[index], name, strict=True)


def test_a_part_is_read_without_the_rest() -> None:
    """Queries 2 to 4 of the second layer's fused matrix, and two of six inputs."""
    asked = []
    table = np.arange(16 * 6, dtype=np.float32).reshape(16, 6)

    def fused(index: Index) -> np.ndarray:
        asked.append(index)
        return table[index]

    config = CONFIGS["phi3"]
    where = checkpoint.places(FAMILIES["phi3"], config, shapes(config))
    name = "model.layers.1.self_attn.qkv_proj.weight"
    theirs = {name: StoredArray((16, 6), FLOAT32, fused)}
    for part, first in (("q", 0), ("k", 8), ("v", 12)):
        path = f"layers/attention/{part}"
        index = (slice(1, 2), slice(3, 5), slice(2, 4))
        value = where[path].read(theirs, shapes(config)[path], index)
        rows, columns = slice(first + 2, first + 4), slice(3, 5)
        assert asked.pop() == (rows, columns)
        np.testing.assert_array_equal(value, table[rows, columns].T[None])


def layer(model_type: str, name: str) -> np.ndarray:
    return values(CONFIGS[model_type])[f"layers/{name}"][1]


def interleaved(suffix: str) -> np.ndarray:
    """[H, 3, C, ...], as GPT-NeoX has heads."""
    parts = [layer("gpt_neox", f"attention/{part}{suffix}").T for part in "qkv"]
    heads = [part.reshape(4, 4, *part.shape[1:]) for part in parts]
    return np.stack(heads, axis=1).reshape(48, *parts[0].shape[1:])


LAID: dict[str, tuple[str, str, Callable[[], np.ndarray]]] = {
    "llama, transposed": (
        "llama",
        "model.layers.1.self_attn.q_proj.weight",
        lambda: layer("llama", "attention/q").T,
    ),
    "llama, output": ("llama", "lm_head.weight", lambda: values(CONFIGS["llama"])["head"].T),
    "t5, layer of the decoder": (
        "t5",
        "decoder.block.1.layer.1.EncDecAttention.o.weight",
        lambda: values(CONFIGS["t5"])["decoder/layers/cross_attention/o"][1].T,
    ),
    "phi3, fused": (
        "phi3",
        "model.layers.1.self_attn.qkv_proj.weight",
        lambda: np.concatenate([layer("phi3", f"attention/{part}").T for part in "qkv"]),
    ),
    "phi3, gate and up": (
        "phi3",
        "model.layers.1.mlp.gate_up_proj.weight",
        lambda: np.concatenate([layer("phi3", f"mlp/{part}").T for part in ("gate", "up")]),
    ),
    "gpt_neox, interleaved": (
        "gpt_neox",
        "gpt_neox.layers.1.attention.query_key_value.weight",
        lambda: interleaved(""),
    ),
    "gpt_neox, biases": (
        "gpt_neox",
        "gpt_neox.layers.1.attention.query_key_value.bias",
        lambda: interleaved("_bias"),
    ),
    "gpt2, not transposed": (
        "gpt2",
        "transformer.h.1.attn.c_attn.weight",
        lambda: np.concatenate([layer("gpt2", f"attention/{part}") for part in "qkv"], axis=1),
    ),
    "gpt2, up": ("gpt2", "transformer.h.1.mlp.c_fc.weight", lambda: layer("gpt2", "mlp/up")),
}


@pytest.mark.parametrize("kind", LAID)
def test_an_array_lies_as_transformers_lays_it(tmp_path: pathlib.Path, kind: str) -> None:
    model_type, name, wanted = LAID[kind]
    array = whole(open_file(write(tmp_path / "c", model_type) / WEIGHTS))[name]
    np.testing.assert_array_equal(array, wanted(), strict=True)


@pytest.mark.parametrize("max_bytes", [1, 300, 1000])
def test_shards_stay_below_the_bound_and_are_all_named(
    tmp_path: pathlib.Path, max_bytes: int
) -> None:
    folder = write(tmp_path / "c", "phi3", max_shard_bytes=max_bytes)
    index = json.loads((folder / INDEX).read_text("utf-8"))
    wanted = values(CONFIGS["phi3"])
    assert index["metadata"]["total_size"] == sum(array.nbytes for array in wanted.values())
    files = sorted(path.name for path in folder.glob("*.safetensors"))
    assert files == [
        f"model-{n + 1:05d}-of-{len(files):05d}.safetensors" for n in range(len(files))
    ]
    assert len(files) > 1
    lies = {}
    for file in files:
        arrays = whole(open_file(folder / file))
        lies |= dict.fromkeys(arrays, file)
        assert len(arrays) == 1 or sum(a.nbytes for a in arrays.values()) <= max_bytes
    assert index["weight_map"] == lies
    for name, array in whole(read(folder)).items():
        np.testing.assert_array_equal(array, wanted[name], name, strict=True)


def test_all_wrong_arrays_are_named_at_once(tmp_path: pathlib.Path) -> None:
    folder = write(tmp_path / "c", "llama")
    lost = {f"model.layers.{n}.mlp.{p}_proj.weight": None for n in range(3) for p in ("up", "down")}
    more = {f"more.{n}": np.zeros(1, np.float32) for n in range(10)}
    turned = {"lm_head.weight": np.zeros((6, 11), np.float32)}
    rewrite(folder, {**lost, **more, **turned})
    opened = open_checkpoint(folder)
    with pytest.raises(ValueError, match=r"c must hold the arrays of its model, got") as caught:
        our_arrays(opened, shapes(opened.config))
    assert str(caught.value).partition(", got ")[2] == (
        f"missing: {', '.join(sorted(lost))}; "
        f"unexpected: {', '.join(f'more.{n}' for n in range(8))} and 2 more; "
        "misshapen: lm_head.weight (6, 11), not (11, 6); compare them with its config.json."
    )


BUFFERS = {
    "llama": ("model.layers.1.self_attn.rotary_emb.inv_freq", ""),
    **dict.fromkeys(
        ("t5", "mt5"),
        ("decoder.block.0.layer.1.EncDecAttention.relative_attention_bias.weight",),
    ),
    "gpt_neox": ("gpt_neox.layers.1.attention.bias", "gpt_neox.layers.0.attention.masked_bias"),
    "gpt2": ("transformer.h.1.attn.bias", "transformer.h.0.attn.masked_bias"),
}


@pytest.mark.parametrize("model_type", BUFFERS)
@pytest.mark.parametrize("is_sharded", [True, False])
def test_buffers_of_any_type_are_left_out(
    tmp_path: pathlib.Path, model_type: str, is_sharded: bool
) -> None:
    folder = write(tmp_path / "c", model_type, max_shard_bytes=1 if is_sharded else 1 << 20)
    names = [name for name in BUFFERS[model_type] if name]
    file = sorted(folder.glob("*.safetensors"))[0]
    content = file.read_bytes()
    length = int.from_bytes(content[:8], "little")
    header, data = json.loads(content[8 : 8 + length]), content[8 + length :]
    for name in names:
        header[name] = {"dtype": "BOOL", "shape": [3], "data_offsets": [len(data), len(data) + 3]}
        data += b"\1\0\0"
    text = json.dumps(header).encode()
    file.write_bytes(len(text).to_bytes(8, "little") + text + data)
    if is_sharded:
        weight_map = json.loads((folder / INDEX).read_text("utf-8"))["weight_map"]
        edit_json(folder / INDEX, weight_map=weight_map | dict.fromkeys(names, file.name))
    wanted = values(CONFIGS[model_type])
    for name, array in whole(read(folder)).items():
        np.testing.assert_array_equal(array, wanted[name], name, strict=True)


def test_gpt2_of_a_bare_model_is_read(tmp_path: pathlib.Path) -> None:
    folder = write(tmp_path / "c", "gpt2")
    arrays = whole(open_file(folder / WEIGHTS))
    bare = {name.removeprefix("transformer."): array for name, array in arrays.items()}
    bare["h.0.attn.bias"] = np.ones((1, 1, 7, 7), np.float32)
    write_file(folder / WEIGHTS, stored(bare), metadata={})
    wanted = values(CONFIGS["gpt2"])
    for name, array in whole(read(folder)).items():
        np.testing.assert_array_equal(array, wanted[name], name, strict=True)


TIED = {
    "gemma2": ("lm_head.weight", "embed"),
    "gpt2": ("lm_head.weight", "embed"),
    "t5gemma": ("lm_head.out_proj.weight", "embed"),
    "t5": ("encoder.embed_tokens.weight", "embed"),
    "mt5": ("decoder.embed_tokens.weight", "embed"),
}


@pytest.mark.parametrize("model_type", TIED)
def test_a_copy_of_the_embedding_is_left_out(tmp_path: pathlib.Path, model_type: str) -> None:
    folder = write(tmp_path / "c", model_type)
    name, ours = TIED[model_type]
    rewrite(folder, {name: values(CONFIGS[model_type])[ours]})
    assert name in open_file(folder / WEIGHTS)
    assert name not in open_checkpoint(folder).arrays
    assert set(read(folder)) == set(values(CONFIGS[model_type]))


@pytest.mark.parametrize("model_type", TIED)
@pytest.mark.parametrize("fault", ["value", "type", "shape"])
def test_what_should_be_a_copy_and_is_not_is_refused(
    tmp_path: pathlib.Path, model_type: str, fault: str
) -> None:
    folder = write(tmp_path / "c", model_type)
    name, ours = TIED[model_type]
    array = values(CONFIGS[model_type])[ours].copy()
    array[3, 2] += fault == "value"
    array = {"type": array.astype(np.float16), "shape": array[:-1]}.get(fault, array)
    rewrite(folder, {name: array})
    with pytest.raises(ValueError, match=rf"c: {name} must repeat .* in a tied model, got another"):
        open_checkpoint(folder)


def test_a_copy_without_its_original_is_listed(tmp_path: pathlib.Path) -> None:
    folder = write(tmp_path / "c", "gemma2")
    embedding = values(CONFIGS["gemma2"])["embed"]
    rewrite(folder, {"lm_head.weight": embedding, "model.embed_tokens.weight": None})
    with pytest.raises(
        ValueError, match=r"missing: model\.embed_tokens\.weight; unexpected: lm_head"
    ):
        read(folder)


@pytest.mark.parametrize("name", ["pytorch_model.bin", "model.pt", "model.pth", "model.ckpt"])
def test_a_pickle_is_refused_and_never_opened(tmp_path: pathlib.Path, name: str) -> None:
    folder = write(tmp_path / "c", "llama")
    (folder / WEIGHTS).unlink()
    # What a pickle that makes a folder when it is loaded is, in protocol 0.
    bomb = f"cos\nmkdir\n(S'{tmp_path / 'exploded'}'\ntR."
    (folder / name).write_bytes(bomb.encode())
    with pytest.raises(
        ValueError,
        match=rf"c must have model\.safetensors or .*, got {name}, a pickle, which may run code; "
        r"load it with transformers where you trust it, and save it again: it then writes safet",
    ):
        open_checkpoint(folder)
    assert not (tmp_path / "exploded").exists()
    load = "import pickle, sys; pickle.load(open(sys.argv[1], 'rb'))"  # it would have run
    subprocess.run([sys.executable, "-c", load, folder / name], check=True)
    assert (tmp_path / "exploded").exists()


def test_a_folder_without_weights_or_config_is_refused(tmp_path: pathlib.Path) -> None:
    folder = write(tmp_path / "c", "llama")
    (folder / WEIGHTS).unlink()
    with pytest.raises(ValueError, match=r"must have model\.safetensors or .*json, got none; "):
        open_checkpoint(folder)
    (folder / "config.json").unlink()
    assert not checkpoint.is_checkpoint(folder)
    with pytest.raises(ValueError, match=r"c/config\.json must be JSON, got .*No such file"):
        open_checkpoint(folder)


def test_a_file_that_is_a_link_is_refused(tmp_path: pathlib.Path) -> None:
    folder = write(tmp_path / "c", "llama")
    (folder / WEIGHTS).rename(tmp_path / "elsewhere")
    (folder / WEIGHTS).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(ValueError, match=r"model\.safetensors must be a file of its own, got a li"):
        open_checkpoint(folder)


FIRST = "model-00001-of-00030.safetensors"
NAMES: Mapping[str, Any] = {
    "above": "../x", "absolute": "/etc/passwd", "below": "a/b", "empty": "", "here": ".",
    "parent": "..", "slash": FIRST + "/", "nul": "a\0b", "number": 5, "none": None, "list": [FIRST],
}  # fmt: skip


@pytest.mark.parametrize("kind", NAMES)
def test_an_index_may_name_files_beside_it_alone(tmp_path: pathlib.Path, kind: str) -> None:
    folder = write(tmp_path / "c", "llama", max_shard_bytes=1)
    weight_map = json.loads((folder / INDEX).read_text("utf-8"))["weight_map"]
    edit_json(folder / INDEX, weight_map=weight_map | {"lm_head.weight": NAMES[kind]})
    with pytest.raises(ValueError, match=r"index\.json must name files beside it, got .*; do not"):
        open_checkpoint(folder)


def to_link(folder: pathlib.Path) -> None:
    (folder / FIRST).rename(folder.parent / "elsewhere")
    (folder / FIRST).symlink_to(folder.parent / "elsewhere")


def to_moved(folder: pathlib.Path) -> None:
    weight_map = json.loads((folder / INDEX).read_text("utf-8"))["weight_map"]
    first, second = sorted(weight_map, key=weight_map.get)[:2]
    swapped = {first: weight_map[second], second: weight_map[first]}
    edit_json(folder / INDEX, weight_map=weight_map | swapped)


def to_unnamed(folder: pathlib.Path) -> None:
    arrays = {**open_file(folder / FIRST), **stored({"more": np.zeros(1, np.float32)})}
    write_file(folder / FIRST, arrays, metadata={})


def to_lost(folder: pathlib.Path) -> None:
    weight_map = json.loads((folder / INDEX).read_text("utf-8"))["weight_map"]
    edit_json(folder / INDEX, weight_map=weight_map | {"more": FIRST})


DAMAGE: dict[str, tuple[Callable[[pathlib.Path], Any], str]] = {
    "link": (to_link, r"c/model-00001-of-00030\.safetensors must be a file of its own, got a link"),
    "absent": (lambda c: (c / FIRST).unlink(), r"00030\.safetensors must be there, got no file; "),
    "in another file": (to_moved, r"00001-of.* must hold the arrays .* lies in model-00002-of-000"),
    "not in the index": (
        to_unnamed,
        r"must hold the arrays .*, got more, which lies in none; copy",
    ),
    "in no file": (to_lost, r"index\.json must name arrays that its files hold, got more; copy"),
    "cut shard": (
        lambda c: os.truncate(c / FIRST, 100),
        "00030.safetensors must have a header of ",
    ),
    "list": (lambda c: edit_json(c / INDEX, weight_map=[]), "json must hold weight_map, got none"),
    "no map": (lambda c: (c / INDEX).write_text("{}"), r"index\.json must hold weight_map, got"),
    "a list": (lambda c: (c / INDEX).write_text("[3]"), r"index\.json must be a JSON object, got"),
    "cut": (lambda c: os.truncate(c / INDEX, 90), r"index\.json must be JSON, got Unterminated"),
    "deep": (
        lambda c: (c / INDEX).write_text("[" * 200_000),
        r"json must be JSON, got maximum rec",
    ),
    "no UTF-8": (lambda c: (c / INDEX).write_bytes(b'{"\xff'), r"index\.json must be JSON, got"),
}


@pytest.mark.parametrize("kind", DAMAGE)
def test_a_damaged_index_or_shard_is_named(tmp_path: pathlib.Path, kind: str) -> None:
    action, message = DAMAGE[kind]
    folder = write(tmp_path / "c", "llama", max_shard_bytes=1)
    assert len(list(folder.glob("*-of-00030.safetensors"))) == 30
    action(folder)
    with pytest.raises(ValueError, match=message):
        open_checkpoint(folder)
