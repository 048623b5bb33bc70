"""Export for transformers: whole or not at all, and never another network."""

from __future__ import annotations

import dataclasses
import pathlib
from typing import Any

import numpy as np
import pytest

from flanjax.interop.hf.checkpoint import TRAVELLING, open_checkpoint, write_checkpoint
from flanjax.interop.hf.families import FAMILIES, write_config
from flanjax.interop.places import Index, StoredArray
from flanjax.models.configs import RelativeConfig, RotaryConfig
from tests.unit.hf_checkpoints import (
    CONFIGS,
    GPT,
    LLAMA,
    T5,
    edit_attention,
    edit_block,
    edit_embedding,
    shapes,
    stored,
    values,
    write,
)

FLOAT32 = np.dtype(np.float32)


def test_a_folder_that_is_there_is_left_alone(tmp_path: pathlib.Path) -> None:
    folder = tmp_path / "c"
    folder.mkdir()
    with pytest.raises(ValueError, match=r"must go to a new directory, got .*/c; name another"):
        write(folder, "llama")
    assert list(tmp_path.rglob("*")) == [folder]


class UnreadableError(Exception):
    """What a failing read raises."""


@pytest.mark.parametrize("max_bytes", [1, 1 << 20])
def test_an_export_that_fails_leaves_nothing(tmp_path: pathlib.Path, max_bytes: int) -> None:
    """The array is the last of all, so that files of others lie there by then."""

    def fail(index: Index) -> np.ndarray:
        assert list(tmp_path.rglob("*.partial"))
        assert max_bytes > 1 or list(tmp_path.rglob("*.safetensors"))
        raise UnreadableError

    ours = stored(values(LLAMA))
    ours["norm/scale"] = StoredArray((6,), FLOAT32, fail)
    with pytest.raises(UnreadableError):
        write_checkpoint(
            tmp_path / "c", "llama", LLAMA, ours, dtype=FLOAT32, max_shard_bytes=max_bytes
        )
    assert list(tmp_path.iterdir()) == []


def test_folders_above_are_made(tmp_path: pathlib.Path) -> None:
    assert open_checkpoint(write(tmp_path / "a/b/c", "llama")).family.model_type == "llama"
    assert [path.name for path in (tmp_path / "a/b").iterdir()] == ["c"]


def test_files_that_travel_are_copied_as_they_are(tmp_path: pathlib.Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    for name in (*TRAVELLING, "README.md", "pytorch_model.bin", "config.json"):
        (source / name).write_bytes(name.encode() + b"\0\xff")
    folder = write(tmp_path / "c", "llama", travelling=[source])
    assert {path.name for path in folder.iterdir()} == {
        *TRAVELLING, "config.json", "model.safetensors",
    }  # fmt: skip
    for name in TRAVELLING:
        assert (folder / name).read_bytes() == name.encode() + b"\0\xff"
    open_checkpoint(folder)


BASE = {
    "max_position_embeddings": 77,
    "bos_token_id": 5,
    "eos_token_id": [6, 7],
    "initializer_range": 0.5,
    "transformers_version": "5.0.0",
}


def test_lengths_and_token_ids_of_a_base_are_kept(tmp_path: pathlib.Path) -> None:
    base = {**BASE, "hidden_size": 99, "torch_dtype": "float16", "dtype": "float16"}
    raw = open_checkpoint(write(tmp_path / "c", "mistral", base=base)).raw
    assert {name: raw[name] for name in BASE} == BASE
    assert raw["hidden_size"] == 6
    assert raw["torch_dtype"] == "float32"
    assert "dtype" not in raw


@pytest.mark.parametrize(
    "other",
    [
        {"rope_parameters": {"rope_type": "default", "rope_theta": 7.0}},
        {"rope_scaling": {"rope_type": "linear", "factor": 2.0}},
        {"partial_rotary_factor": 0.5},
        {"layer_types": ["full_attention"] * 3},
    ],
)
def test_a_base_does_not_change_the_network(tmp_path: pathlib.Path, other: Any) -> None:
    folder = write(tmp_path / "c", "mistral", base=BASE | other)
    assert open_checkpoint(folder).config == CONFIGS["mistral"]


RELATIVE = RelativeConfig(num_buckets=8, max_distance=16)
EXPORTS: dict[str, tuple[str, Any, str]] = {
    "normed queries": ("llama", CONFIGS["qwen3"], "llama must have .* got another block when read"),
    "layer norm": (
        "llama",
        GPT,  # of GPT-NeoX, which rotates half of the channels too
        "must have all that the model has, got another positions, block when read",
    ),
    "window": ("llama", CONFIGS["mistral"], "llama must have .* got another block when read again"),
    "bias alone": (
        "qwen3",
        edit_attention(LLAMA, has_out_bias=True),
        "qwen3 must .* another block",
    ),
    "scaled inputs": ("llama", edit_embedding(LLAMA, scales_inputs=True), "got another embedding "),
    "unused rows": (
        "llama",
        edit_embedding(LLAMA, num_unused=2),
        "got another embedding when read",
    ),
    "local base": (
        "mistral",
        dataclasses.replace(CONFIGS["mistral"], positions=RotaryConfig(local_theta=5.0)),
        "mistral must have all that the model has, got another positions when read again; export",
    ),
    "rotated in part": (
        "llama",
        dataclasses.replace(LLAMA, d_head=4, positions=RotaryConfig(fraction=0.5)),
        "llama must have all that the model has, got another positions when read again; export",
    ),
    "capped": (
        "gemma3_text",
        edit_attention(CONFIGS["gemma3_text"], cap=50.0),
        "attn_logit_softcapping must be None, got 50.0",
    ),
    "fewer keys": (
        "gpt_neox",
        dataclasses.replace(CONFIGS["gpt_neox"], num_kv_heads=2),
        "gpt_neox must have .* got another num_kv_heads when read again",
    ),
    "narrow heads": (
        "gpt_neox",
        dataclasses.replace(CONFIGS["gpt_neox"], num_heads=2, num_kv_heads=2),
        "gpt_neox must have .* got another d_head when read again",
    ),
    "both ways": (
        "llama",
        dataclasses.replace(LLAMA, prefix_lm=True),
        "llama must have all that the model has, got another prefix_lm when read again",
    ),
    "relative": (
        "llama",
        dataclasses.replace(LLAMA, positions=RELATIVE),
        "positions must be a RotaryConfig in this family, got RelativeConfig; export it as another",
    ),
    "learned": (
        "gpt_neox",
        CONFIGS["gpt2"],
        "must be a RotaryConfig in this family, got LearnedCo",
    ),
    "rotary": (
        "gpt2",
        CONFIGS["gpt_neox"],
        "must be a LearnedConfig in this family, got RotaryCon",
    ),
    "tied, not scaled": (
        "t5",
        edit_embedding(T5, is_tied=True),
        "t5 must have .* another embedding",
    ),
    "a table a layer": (
        "t5",
        dataclasses.replace(T5, positions=dataclasses.replace(RELATIVE, is_shared=False)),
        "t5 must have all that the model has, got another positions when read again",
    ),
    "gated exact gelu": (
        "t5",
        edit_block(T5, activation="gelu"),
        "activation must be one of relu, .* in this family, got gated gelu; export it as another",
    ),
    "scale of the width": (
        "gemma2",
        edit_attention(CONFIGS["gemma2"], scale=None),
        "gemma2 must have all that the model has, got another block when read again",
    ),
    "encoder-decoder": ("llama", T5, "llama must be the family of a DecoderConfig, got T5Config; "),
    "causal": (
        "t5",
        dataclasses.replace(LLAMA, positions=RELATIVE),
        "t5 must be the family of a T5Config, got DecoderConfig; export it as another family",
    ),
    "rotary encoder-decoder": (
        "qwen2",
        CONFIGS["t5gemma"],
        "family of a DecoderConfig, got T5Config",
    ),
}


@pytest.mark.parametrize("kind", EXPORTS)
def test_a_network_that_the_family_lacks_is_refused(tmp_path: pathlib.Path, kind: str) -> None:
    model_type, config, message = EXPORTS[kind]
    with pytest.raises(ValueError, match=message):
        write_checkpoint(tmp_path / "c", model_type, config, {}, dtype=FLOAT32)
    assert list(tmp_path.iterdir()) == []


def test_parameters_without_a_place_are_named(tmp_path: pathlib.Path) -> None:
    ours = stored({"embed": np.ones((11, 6)), "layers/extra": np.ones((3, 1))})
    with pytest.raises(
        ValueError, match=r"llama checkpoint must have room for .* layers/extra with"
    ):
        write_checkpoint(tmp_path / "c", "llama", LLAMA, ours, dtype=FLOAT32)


def test_key_heads_that_are_not_given_are_as_many_as_heads(tmp_path: pathlib.Path) -> None:
    for num in (None, 4):
        config = dataclasses.replace(CONFIGS["t5gemma"], num_kv_heads=num)
        assert write_config(FAMILIES["t5gemma"], config)["decoder"]["num_key_value_heads"] == 4
    assert shapes(dataclasses.replace(T5, num_kv_heads=2)) == shapes(T5)
    write_config(FAMILIES["t5"], dataclasses.replace(T5, num_kv_heads=2))


def test_what_a_decoder_reads_first_is_written_for_both_ages() -> None:
    config = edit_embedding(CONFIGS["t5gemma"], start_id=5)
    written = write_config(FAMILIES["t5gemma"], config)
    assert written["decoder"]["bos_token_id"] == written["bos_token_id"] == 5
