"""T5X checkpoints: what is read of them, and what is refused."""

from __future__ import annotations

import dataclasses
import json
import pathlib
from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import msgpack
import numpy as np
import pytest
import tensorstore

from flanjax import parts
from flanjax.data.tokenize import ByteTokenizer
from flanjax.experiment import Experiment
from flanjax.interop import t5x, t5x_format
from flanjax.models.decoder import DecoderConfig
from flanjax.models.t5 import T5Config
from flanjax.train.loop import TrainConfig

CONFIG = T5Config(
    vocab_size=264,
    d_model=4,
    d_ff=5,
    num_heads=2,
    d_head=3,
    num_encoder_layers=1,
    num_decoder_layers=2,
    num_buckets=8,
    max_distance=16,
)
ATTENTION = {
    "query/kernel": (4, 6),
    "key/kernel": (4, 6),
    "value/kernel": (4, 6),
    "out/kernel": (6, 4),
}
MLP = {"mlp/wi_0/kernel": (4, 5), "mlp/wi_1/kernel": (4, 5), "mlp/wo/kernel": (5, 4)}


def decoder_layer(number: int) -> dict[str, tuple[int, ...]]:
    modules = {
        **{f"self_attention/{name}": shape for name, shape in ATTENTION.items()},
        **{f"encoder_decoder_attention/{name}": shape for name, shape in ATTENTION.items()},
        **MLP,
        "pre_self_attention_layer_norm/scale": (4,),
        "pre_cross_attention_layer_norm/scale": (4,),
        "pre_mlp_layer_norm/scale": (4,),
    }
    return {f"decoder/layers_{number}/{name}": shape for name, shape in modules.items()}


SHAPES = {
    "token_embedder/embedding": (264, 4),
    "encoder/relpos_bias/rel_embedding": (2, 8),
    "encoder/encoder_norm/scale": (4,),
    **{f"encoder/layers_0/attention/{name}": shape for name, shape in ATTENTION.items()},
    **{f"encoder/layers_0/{name}": shape for name, shape in MLP.items()},
    "encoder/layers_0/pre_attention_layer_norm/scale": (4,),
    "encoder/layers_0/pre_mlp_layer_norm/scale": (4,),
    "decoder/relpos_bias/rel_embedding": (2, 8),
    "decoder/decoder_norm/scale": (4,),
    **decoder_layer(0),
    **decoder_layer(1),
    "decoder/logits_dense/kernel": (4, 264),
}
RNG = np.random.default_rng(0)
TENSORS = {name: RNG.normal(size=shape).astype(np.float32) for name, shape in SHAPES.items()}
EMBEDDING, NORM = "token_embedder/embedding", "decoder/decoder_norm/scale"


def inline(array: np.ndarray, code: int = 1) -> msgpack.ExtType:
    content = (array.shape, array.dtype.name, array.tobytes())
    return msgpack.ExtType(code, msgpack.packb(content))


def ext(*content: Any) -> msgpack.ExtType:
    return msgpack.ExtType(1, msgpack.packb(content))


def write_zarr(folder: pathlib.Path, array: np.ndarray) -> None:
    spec = {
        "driver": "zarr",
        "kvstore": {"driver": "file", "path": f"{folder}/"},
        "metadata": {"compressor": {"id": "gzip", "level": 1}},
    }
    store = tensorstore.open(spec, create=True, dtype=array.dtype, shape=array.shape).result()
    store.write(array).result()


def spec(path: str, /, **changes: Any) -> dict[str, Any]:
    return {"driver": "zarr", "kvstore": {"driver": "file", "path": path}, "metadata": {}} | changes


def nested(flat: Mapping[str, Any]) -> dict[str, Any]:
    tree: dict[str, Any] = {}
    for name, leaf in flat.items():
        *folders, last = name.split("/")
        place = tree
        for folder in folders:
            place = place.setdefault(folder, {})
        place[last] = leaf
    return tree


def write(folder: pathlib.Path, leaves: Mapping[str, Any], **changes: Any) -> str:
    """Writes a legacy checkpoint of leaves; arrays among them lie inline."""
    packed = {k: inline(v) if isinstance(v, np.ndarray) else v for k, v in leaves.items()}
    optimizer = {"state": {"step": inline(np.int32(7))}, "target": nested(packed)}
    folder.mkdir(exist_ok=True)
    content = {"version": 3, "optimizer": optimizer} | changes
    (folder / "checkpoint").write_bytes(msgpack.packb(content))
    return str(folder)


def load(path: str, config: Any = CONFIG, *, extra_ids: int = 5) -> Any:
    experiment = Experiment(model_dir="unused", model=config, train=TrainConfig(steps=1))
    made = parts.assemble_for_reading(experiment, ByteTokenizer(extra_ids=extra_ids))
    return parts.load_params(path, made, parts.param_shardings(made))


def read_whole(path: str, name: str) -> np.ndarray:
    array = t5x_format.open_arrays(pathlib.Path(path))[name]
    return array.read((slice(None),) * len(array.shape))


def test_every_tensor_lands_where_the_model_reads_it(tmp_path: pathlib.Path) -> None:
    params = jax.device_get(load(write(tmp_path / "c", TENSORS)))
    own = {"attention": "attention", "cross_attention": "encoder_decoder_attention"}
    seen = []

    def same(value: np.ndarray, *names: str, is_stacked: bool = True) -> None:
        wanted = [TENSORS[name] for name in names]
        np.testing.assert_array_equal(value, np.stack(wanted) if is_stacked else wanted[0])
        seen.extend(names)

    same(params["embed"], EMBEDDING, is_stacked=False)
    same(params["head"], "decoder/logits_dense/kernel", is_stacked=False)
    for side, numbers in (("encoder", [0]), ("decoder", [0, 1])):
        at = [f"{side}/layers_{number}" for number in numbers]
        stack, tree = params[side], params[side]["layers"]
        attention = {"encoder": "attention", "decoder": "self_attention"}[side]
        same(stack["relative_bias"].T, f"{side}/relpos_bias/rel_embedding", is_stacked=False)
        same(stack["norm"], f"{side}/{side}_norm/scale", is_stacked=False)
        same(tree["attention_norm"], *(f"{a}/pre_{attention}_layer_norm/scale" for a in at))
        same(tree["mlp_norm"], *(f"{a}/pre_mlp_layer_norm/scale" for a in at))
        for ours, theirs in (("gate", "wi_0"), ("up", "wi_1"), ("down", "wo")):
            same(tree["mlp"][ours], *(f"{a}/mlp/{theirs}/kernel" for a in at))
        for module in ("attention", "cross_attention")[: len(numbers)]:
            name = attention if module == "attention" else own[module]
            for ours, theirs in (("q", "query"), ("k", "key"), ("v", "value"), ("o", "out")):
                same(tree[module][ours], *(f"{a}/{name}/{theirs}/kernel" for a in at))
    same(
        params["decoder"]["layers"]["cross_attention_norm"],
        "decoder/layers_0/pre_cross_attention_layer_norm/scale",
        "decoder/layers_1/pre_cross_attention_layer_norm/scale",
    )
    assert sorted(seen) == sorted(SHAPES)


def test_a_tied_model_has_no_output_matrix(tmp_path: pathlib.Path) -> None:
    tensors = {k: v for k, v in TENSORS.items() if "logits_dense" not in k}
    params = load(write(tmp_path / "c", tensors), dataclasses.replace(CONFIG, is_tied=True))
    assert "head" not in params


def test_a_checkpoint_may_be_named_by_its_file(tmp_path: pathlib.Path) -> None:
    params = load(write(tmp_path / "c", TENSORS) + "/checkpoint")
    np.testing.assert_array_equal(params["embed"], TENSORS[EMBEDDING])


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "float64"])
@pytest.mark.parametrize("is_inline", [True, False])
def test_floats_of_every_width_become_float32(
    tmp_path: pathlib.Path, dtype: str, is_inline: bool
) -> None:
    array = np.array([1.0, -2.5, 0.15625], np.float32).astype(jnp.dtype(dtype))
    write_zarr(tmp_path / "c/target.x", array)
    path = write(tmp_path / "c", {"x": array if is_inline else spec("target.x")})
    value = read_whole(path, "x")
    assert value.dtype == np.float32
    assert value.tolist() == [1.0, -2.5, 0.15625]


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


def test_a_shard_reads_its_own_layers_rows_and_columns_alone() -> None:
    table = np.arange(24, dtype=np.float32).reshape(4, 6)
    asked = []

    def stored(name: str) -> t5x_format.StoredArray:
        return t5x_format.StoredArray((4, 6), lambda i: asked.append((name, i)) or table[i])

    arrays = {name: stored(name) for name in "abc"}
    rows, columns = slice(1, 3, None), slice(4, 6, None)
    stacked = t5x.Origin(("a", "b", "c"), is_stacked=True)
    part = stacked.read(arrays, (slice(1, 3, None), rows, columns))
    assert asked == [("b", (rows, columns)), ("c", (rows, columns))]
    assert part.tolist() == [[[10, 11], [16, 17]]] * 2
    asked.clear()
    turned = t5x.Origin(("a",), is_transposed=True).read(arrays, (columns, rows))
    assert asked == [("a", (rows, columns))]
    assert turned.tolist() == [[10, 16], [11, 17]]


def test_optimizer_slots_are_not_looked_at(tmp_path: pathlib.Path) -> None:
    target = nested({name: inline(array) for name, array in TENSORS.items()})
    state = {"v": msgpack.ExtType(99, b"?"), "m": spec("/absent")}
    path = write(tmp_path / "c", {}, optimizer={"state": state, "target": target})
    np.testing.assert_array_equal(load(path)["embed"], TENSORS[EMBEDDING])


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
    "list": (msgpack.packb([3]), "must be a T5X checkpoint of version 3, got None"),
    "version": (msgpack.packb({"version": 2}), "checkpoint of version 3, got 2; load and save"),
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


def test_all_wrong_tensors_are_named_at_once(tmp_path: pathlib.Path) -> None:
    tensors = {k: v for k, v in TENSORS.items() if "layers_1/mlp" not in k}
    tensors["decoder/layers_0/mlp/wi_0/kernel"] = np.ones((4, 9), np.float32)
    tensors["encoder/relpos_bias/rel_embedding"] = np.ones((8, 2), np.float32)
    tensors |= {f"extra/{number}": np.ones(1, np.float32) for number in range(10)}
    path = write(tmp_path / "c", tensors)
    with pytest.raises(ValueError, match=r"must hold a T5 1\.1 model of the config's") as caught:
        load(path)
    message = str(caught.value)
    missing, unknown, misshapen = message.split(" with ")[1].split("; ")[:3]
    names = ("wi_0", "wi_1", "wo")
    assert missing == "missing: " + ", ".join(f"decoder/layers_1/mlp/{n}/kernel" for n in names)
    assert unknown == "unknown: " + ", ".join(f"extra/{n}" for n in range(8)) + " and 2 more"
    assert "encoder/relpos_bias/rel_embedding (8, 2), not (2, 8)" in misshapen
    assert "decoder/layers_0/mlp/wi_0/kernel (4, 9), not (4, 5)" in misshapen


LOADS: dict[str, tuple[Callable[[str], Any], str]] = {
    "another vocabulary": (
        lambda path: load(path, dataclasses.replace(CONFIG, vocab_size=387), extra_ids=0),
        r"T5Config vocab_size must be the T5X checkpoint's 264 \(.*/c\), got 387; set it\.",
    ),
    "another family": (
        lambda path: load(path, DecoderConfig(vocab_size=264)),
        "T5X checkpoint .*/c must be loaded into a T5Config, got DecoderConfig",
    ),
    "another tokenizer": (
        lambda path: load(path, dataclasses.replace(CONFIG, vocab_size=388), extra_ids=0),
        "T5X checkpoint .*/c was trained with, of 388 ids or up to 128 fewer, got bytes-0 of 259; ",
    ),
    "no checkpoint": (
        lambda path: load(path + "ouds"),
        "checkpoint must be a local MODEL_DIR of flanjax or checkpoint_N directory of T5X, got ",
    ),
    "no T5X checkpoint": (
        lambda path: t5x.load_params(path + "ouds", CONFIG, {}, {}),
        "T5X checkpoint must be a local checkpoint_N directory with the file `checkpoint` or ",
    ),
}


@pytest.mark.parametrize("kind", LOADS)
def test_a_checkpoint_of_something_else_is_one_clear_line(
    tmp_path: pathlib.Path, kind: str
) -> None:
    action, message = LOADS[kind]
    with pytest.raises(ValueError, match=message):
        action(write(tmp_path / "c", TENSORS))


def test_a_run_directory_is_flanjax_although_orbax_wrote_it(tmp_path: pathlib.Path) -> None:
    step = tmp_path / "checkpoints/7"
    (step / "state").mkdir(parents=True)
    (step / "state/_METADATA").write_text("{}", "utf-8")
    ByteTokenizer().save(tmp_path / "tokenizer")
    assert parts.checkpoint_kind(str(step)) == parts.checkpoint_kind(str(tmp_path)) == "flanjax"
    assert parts.checkpoint_kind(write(tmp_path / "c", {})) == "T5X"
