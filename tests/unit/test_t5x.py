"""T5X checkpoints: what is read of them, and what is refused."""

from __future__ import annotations

import dataclasses
import pathlib
from collections.abc import Callable
from typing import Any

import jax
import msgpack
import numpy as np
import pytest
from t5x_files import inline, nested, spec, write

from flanjax import model_dir, parts, start
from flanjax.data.tokenize import ByteTokenizer
from flanjax.experiment import Experiment
from flanjax.interop import t5x
from flanjax.interop.places import Place, StoredArray, everything, named_shapes
from flanjax.models.configs import (
    AttentionConfig,
    EmbeddingConfig,
    RelativeConfig,
    RotaryConfig,
)
from flanjax.models.decoder import DecoderConfig
from flanjax.models.families import make_model
from flanjax.models.t5 import T5Config
from flanjax.train.loop import TrainConfig

POSITIONS = RelativeConfig(num_buckets=8, max_distance=16)
CONFIG = T5Config(
    vocab_size=264,
    d_model=4,
    d_ff=5,
    num_heads=2,
    d_head=3,
    num_encoder_layers=1,
    num_decoder_layers=2,
    positions=POSITIONS,
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


def load(path: str, config: Any = CONFIG, *, extra_ids: int = 5) -> Any:
    experiment = Experiment(model_dir="unused", model=config, train=TrainConfig(steps=1))
    made = parts.assemble_for_reading(experiment, ByteTokenizer(extra_ids=extra_ids))
    return start.load_params(path, made, parts.param_shardings(made))


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
        same(stack["norm"]["scale"], f"{side}/{side}_norm/scale", is_stacked=False)
        same(
            tree["attention_norm"]["scale"], *(f"{a}/pre_{attention}_layer_norm/scale" for a in at)
        )
        same(tree["mlp_norm"]["scale"], *(f"{a}/pre_mlp_layer_norm/scale" for a in at))
        for ours, theirs in (("gate", "wi_0"), ("up", "wi_1"), ("down", "wo")):
            same(tree["mlp"][ours], *(f"{a}/mlp/{theirs}/kernel" for a in at))
        for module in ("attention", "cross_attention")[: len(numbers)]:
            name = attention if module == "attention" else own[module]
            for ours, theirs in (("q", "query"), ("k", "key"), ("v", "value"), ("o", "out")):
                same(tree[module][ours], *(f"{a}/{name}/{theirs}/kernel" for a in at))
    same(
        params["decoder"]["layers"]["cross_attention_norm"]["scale"],
        "decoder/layers_0/pre_cross_attention_layer_norm/scale",
        "decoder/layers_1/pre_cross_attention_layer_norm/scale",
    )
    assert sorted(seen) == sorted(SHAPES)


def test_a_tied_model_has_no_output_matrix(tmp_path: pathlib.Path) -> None:
    tensors = {k: v for k, v in TENSORS.items() if "logits_dense" not in k}
    params = load(
        write(tmp_path / "c", tensors),
        dataclasses.replace(CONFIG, embedding=EmbeddingConfig(is_tied=True)),
    )
    assert "head" not in params


def test_a_checkpoint_may_be_named_by_its_file(tmp_path: pathlib.Path) -> None:
    params = load(write(tmp_path / "c", TENSORS) + "/checkpoint")
    np.testing.assert_array_equal(params["embed"], TENSORS[EMBEDDING])


def test_scanned_layers_are_one_array(tmp_path: pathlib.Path) -> None:
    """Layers are the second axis, and heads an axis of their own."""
    config = dataclasses.replace(CONFIG, positions=dataclasses.replace(POSITIONS, is_shared=False))
    shapes = named_shapes(jax.eval_shape(make_model(config).init, jax.random.key(0)))
    where = t5x.places(config, shapes, is_scanned=True)
    rng = np.random.default_rng(0)
    names = {place.names[0]: place.shape for place in where.values()}
    stored = {name: rng.normal(size=shape).astype(np.float32) for name, shape in names.items()}
    arrays = {k: StoredArray(v.shape, v.dtype, v.__getitem__) for k, v in stored.items()}

    def read(path: str) -> np.ndarray:
        return where[path].read(arrays, shapes[path], everything(shapes[path]))

    layer, num_heads, width = 1, config.num_heads, config.d_head
    query = stored["decoder/decoder/self_attention/query/kernel"]
    assert query.shape == (4, 2, num_heads, width)
    np.testing.assert_array_equal(
        read("decoder/layers/attention/q")[layer], query[:, layer].reshape(4, -1)
    )
    out = stored["decoder/decoder/self_attention/out/kernel"]
    assert out.shape == (num_heads, 2, width, 4)
    np.testing.assert_array_equal(
        read("decoder/layers/attention/o")[layer], out[:, layer].reshape(-1, 4)
    )
    table = stored["decoder/decoder/relpos_bias/rel_embedding"]
    np.testing.assert_array_equal(
        read("decoder/layers/attention/relative_bias")[layer], table[:, layer].T
    )
    part = (slice(1, 2), slice(1, 3), slice(0, 2))
    np.testing.assert_array_equal(
        where["decoder/layers/mlp/up"].read(arrays, shapes["decoder/layers/mlp/up"], part),
        read("decoder/layers/mlp/up")[part],
    )


def test_a_shard_reads_its_own_layers_rows_and_columns_alone() -> None:
    table = np.arange(24, dtype=np.float32).reshape(4, 6)
    asked = []

    def stored(name: str) -> StoredArray:
        def read(index: Any) -> np.ndarray:
            asked.append((name, index))
            return table[index]

        return StoredArray((4, 6), table.dtype, read)

    arrays = {name: stored(name) for name in "abc"}
    rows, columns = slice(1, 3, None), slice(4, 6, None)
    stacked = Place(names=("a", "b", "c"), is_stacked=True, shape=(4, 6))
    part = stacked.read(arrays, (3, 4, 6), (slice(1, 3, None), rows, columns))
    assert asked == [("b", (rows, columns)), ("c", (rows, columns))]
    assert part.tolist() == [[[10, 11], [16, 17]]] * 2
    asked.clear()
    place = Place(names=("a",), shape=(4, 6), order=((1,), (0,)))
    turned = place.read(arrays, (6, 4), (columns, rows))
    assert asked == [("a", (rows, columns))]
    assert turned.tolist() == [[10, 16], [11, 17]]


def test_optimizer_slots_are_not_looked_at(tmp_path: pathlib.Path) -> None:
    target = nested({name: inline(array) for name, array in TENSORS.items()})
    state = {"v": msgpack.ExtType(99, b"?"), "m": spec("/absent")}
    path = write(tmp_path / "c", {}, optimizer={"state": state, "target": target})
    np.testing.assert_array_equal(load(path)["embed"], TENSORS[EMBEDDING])


def test_all_wrong_tensors_are_named_at_once(tmp_path: pathlib.Path) -> None:
    tensors = {k: v for k, v in TENSORS.items() if "layers_1/mlp" not in k}
    tensors["decoder/layers_0/mlp/wi_0/kernel"] = np.ones((4, 9), np.float32)
    tensors["encoder/relpos_bias/rel_embedding"] = np.ones((8, 2), np.float32)
    tensors |= {f"extra/{number}": np.ones(1, np.float32) for number in range(10)}
    path = write(tmp_path / "c", tensors)
    with pytest.raises(ValueError, match="must hold the arrays of its model, got") as caught:
        load(path)
    message = str(caught.value)
    missing, unexpected, misshapen = message.split(", got ", 1)[1].split("; ")[:3]
    names = ("wi_0", "wi_1", "wo")
    assert missing == "missing: " + ", ".join(f"decoder/layers_1/mlp/{n}/kernel" for n in names)
    extra = ", ".join(f"extra/{n}" for n in range(8))
    assert unexpected == f"unexpected: {extra} and 2 more"
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
        "checkpoint must be a local MODEL_DIR of flanjax, checkpoint_N directory of T5X or ",
    ),
    "no T5X checkpoint": (
        lambda path: t5x.our_arrays(path + "ouds", CONFIG, {}),
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
    for path in (step, tmp_path):
        assert model_dir.checkpoint_kind(str(path)) == "flanjax"
    assert model_dir.checkpoint_kind(write(tmp_path / "c", {})) == "T5X"


T5X_HAS_NOT: dict[str, tuple[dict[str, Any], str]] = {
    "rotary": ({"positions": RotaryConfig(), "d_head": 4}, "positions RotaryConfig; it knows"),
    "fewer keys": ({"num_kv_heads": 1}, "num_kv_heads 1; it knows"),
    "norms after": (
        {"block": dataclasses.replace(CONFIG.block, norm_at="both")},
        "block.norm_at 'both'; it knows",
    ),
    "scaled logits": (
        {"block": dataclasses.replace(CONFIG.block, attention=AttentionConfig())},
        "block.attention.scale None; it knows",
    ),
    "exact gelu": (
        {"block": dataclasses.replace(CONFIG.block, activation="gelu")},
        "block.activation 'gelu'; it knows",
    ),
    "tied, not scaled": (
        {"embedding": EmbeddingConfig(is_tied=True)},
        "embedding.scales_outputs False; it knows",
    ),
    "scaled, not tied": (
        {"embedding": EmbeddingConfig(scales_outputs=True)},
        "embedding.scales_outputs True; it knows",
    ),
    "two tables": (
        {"embedding": EmbeddingConfig(has_encoder_table=True, start_id=2)},
        "embedding.has_encoder_table True, embedding.start_id 2; it knows",
    ),
}


@pytest.mark.parametrize("kind", T5X_HAS_NOT)
def test_a_network_that_t5x_lacks_is_refused(kind: str) -> None:
    """Names alone do not tell: T5X would load it and compute otherwise."""
    fields, told = T5X_HAS_NOT[kind]
    with pytest.raises(ValueError, match=f"must be of a network that T5X has, got {told} T5 1.0"):
        t5x.check_network(dataclasses.replace(CONFIG, **fields))


def test_networks_that_t5x_has_are_let_through() -> None:
    t5x.check_network(CONFIG)
    block = dataclasses.replace(CONFIG.block, activation="relu", is_gated=False)
    tied = EmbeddingConfig(is_tied=True, scales_outputs=True)
    t5x.check_network(dataclasses.replace(CONFIG, block=block, embedding=tied, num_kv_heads=2))


def test_a_decoders_distances_are_t5xs() -> None:
    """No array's shape tells how far the last bucket reaches."""
    config = DecoderConfig(
        vocab_size=264, d_model=4, d_ff=5, num_heads=2, num_kv_heads=2, d_head=3, num_layers=1,
        positions=RelativeConfig(max_distance=64), block=CONFIG.block,
        embedding=EmbeddingConfig(),
    )  # fmt: skip
    with pytest.raises(ValueError, match=r"got positions\.max_distance 64; it knows T5 1\.0"):
        t5x.check_network(config)
    t5x.check_network(dataclasses.replace(config, positions=RelativeConfig()))
