"""Tiny checkpoints of transformers, one a family, of random numbers."""

from __future__ import annotations

import dataclasses
import functools
import json
import pathlib
from collections.abc import Mapping
from typing import Any

import jax
import numpy as np

from flanjax.base import path_name
from flanjax.interop.hf import checkpoint
from flanjax.interop.places import Arrays, StoredArray, everything
from flanjax.interop.safetensors_format import open_file, write_file
from flanjax.models import families
from flanjax.models.configs import (
    AttentionConfig,
    BlockConfig,
    EmbeddingConfig,
    LearnedConfig,
    RelativeConfig,
    RotaryConfig,
)
from flanjax.models.decoder import DecoderConfig
from flanjax.models.t5 import T5Config

LLAMA = DecoderConfig(
    vocab_size=11,
    d_model=6,
    d_ff=5,
    num_heads=4,
    num_kv_heads=2,
    d_head=2,
    num_layers=3,
    positions=RotaryConfig(),
    block=BlockConfig(norm_eps=1e-6),
    embedding=EmbeddingConfig(),
)
GPT = dataclasses.replace(
    LLAMA,
    d_model=16,
    d_head=4,
    num_kv_heads=4,
    positions=RotaryConfig(fraction=0.5, theta=500.0),
    block=BlockConfig(
        norm="layer",
        has_norm_bias=True,
        is_gated=False,
        has_mlp_bias=True,
        activation="gelu",
        attention=AttentionConfig(has_qkv_bias=True, has_out_bias=True),
    ),
)
T5 = T5Config(
    vocab_size=11,
    d_model=6,
    d_ff=5,
    num_heads=2,
    d_head=3,
    num_encoder_layers=2,
    num_decoder_layers=3,
    positions=RelativeConfig(num_buckets=8, max_distance=16),
)
GEMMA_BLOCK = BlockConfig(
    norm_eps=1e-6,
    is_norm_offset=True,
    norm_at="both",
    activation="gelu_tanh",
    attention=AttentionConfig(scale=0.25, cap=50.0, window=4, layer_pattern="lg"),
)
GEMMA_ENDS = EmbeddingConfig(is_tied=True, scales_inputs=True, cap=30.0)


def edit_block(config: Any, **fields: Any) -> Any:
    """Returns a config with other fields of its blocks."""
    return dataclasses.replace(config, block=dataclasses.replace(config.block, **fields))


def edit_attention(config: Any, **fields: Any) -> Any:
    """Returns a config with other fields of its attention."""
    return edit_block(config, attention=dataclasses.replace(config.block.attention, **fields))


def edit_embedding(config: Any, **fields: Any) -> Any:
    """Returns a config whose tokens enter and leave otherwise."""
    return dataclasses.replace(config, embedding=dataclasses.replace(config.embedding, **fields))


CONFIGS: Mapping[str, Any] = {
    "t5": T5,
    "mt5": edit_block(T5, activation="relu", is_gated=False),
    "t5gemma": T5Config(
        vocab_size=11,
        d_model=6,
        d_ff=5,
        num_heads=4,
        num_kv_heads=2,
        d_head=2,
        num_encoder_layers=2,
        num_decoder_layers=2,
        positions=RotaryConfig(),
        block=GEMMA_BLOCK,
        embedding=dataclasses.replace(GEMMA_ENDS, has_encoder_table=True, start_id=2),
        dropout_rate=0.0,
    ),
    "llama": dataclasses.replace(LLAMA, positions=RotaryConfig(scaling="llama3", factor=8.0)),
    "mistral": edit_attention(LLAMA, window=4, layer_pattern="l"),
    "qwen2": edit_attention(LLAMA, has_qkv_bias=True, window=4, layer_pattern="gl"),
    "qwen3": edit_attention(LLAMA, qk_norm="head"),
    "gemma2": dataclasses.replace(LLAMA, block=GEMMA_BLOCK, embedding=GEMMA_ENDS),
    "gemma3_text": dataclasses.replace(
        edit_attention(dataclasses.replace(LLAMA, block=GEMMA_BLOCK), qk_norm="head", cap=0.0),
        positions=RotaryConfig(theta=1e6, local_theta=1e4, scaling="linear", factor=8.0),
        embedding=dataclasses.replace(GEMMA_ENDS, cap=0.0),
    ),
    "olmo2": edit_attention(edit_block(LLAMA, norm_eps=1e-5, norm_at="post"), qk_norm="all"),
    "phi3": edit_block(LLAMA, norm_eps=1e-5),
    "gpt_neox": edit_block(GPT, is_parallel=True),
    "gpt2": dataclasses.replace(
        GPT, positions=LearnedConfig(max_length=7), embedding=EmbeddingConfig(is_tied=True)
    ),
}


@functools.cache
def shapes(config: Any) -> Mapping[str, tuple[int, ...]]:
    """Returns path -> shape of a model's parameters."""
    params = jax.eval_shape(families.make_model(config).init, jax.random.key(0))
    leaves = jax.tree_util.tree_leaves_with_path(params)
    return {path_name(path): leaf.shape for path, leaf in leaves}


@functools.cache
def values(config: Any) -> Mapping[str, np.ndarray]:
    """Returns path -> random numbers that every type of float can have."""
    rng = np.random.default_rng(0)
    return {
        name: (rng.integers(-128, 129, shape) / 64).astype(np.float32)
        for name, shape in shapes(config).items()
    }


def stored(arrays: Mapping[str, np.ndarray]) -> dict[str, StoredArray]:
    def one(array: np.ndarray) -> StoredArray:
        return StoredArray(array.shape, array.dtype, lambda index: array[index])

    return {name: one(array) for name, array in arrays.items()}


def whole(arrays: Arrays) -> dict[str, np.ndarray]:
    return {name: array.read(everything(array.shape)) for name, array in arrays.items()}


def write(folder: pathlib.Path, model_type: str, **options: Any) -> pathlib.Path:
    """Writes a family's checkpoint of float32, if nothing else is said."""
    config = CONFIGS[model_type]
    options = {"dtype": np.dtype(np.float32)} | options
    checkpoint.write_checkpoint(folder, model_type, config, stored(values(config)), **options)
    return folder


def read(folder: pathlib.Path) -> Arrays:
    """Returns a checkpoint's parameters under our names."""
    opened = checkpoint.open_checkpoint(folder)
    return checkpoint.our_arrays(opened, shapes(opened.config))


def rewrite(folder: pathlib.Path, change: Mapping[str, np.ndarray | None]) -> None:
    """Puts arrays in a checkpoint's only file, and takes those out that are None."""
    file = folder / "model.safetensors"
    arrays = {**whole(open_file(file)), **change}
    kept = {name: array for name, array in arrays.items() if array is not None}
    write_file(file, stored(kept), metadata={})


def edit_json(file: pathlib.Path, **changes: Any) -> None:
    """Sets keys of a JSON file."""
    file.write_text(json.dumps(json.loads(file.read_text("utf-8")) | changes), "utf-8")
