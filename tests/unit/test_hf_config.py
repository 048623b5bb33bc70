"""config.json of transformers: every key is known, ignored or refused."""

from __future__ import annotations

import dataclasses
import json
import pathlib
from collections.abc import Mapping
from typing import Any

import pytest

from flanjax import start
from flanjax.interop.hf.checkpoint import open_checkpoint
from flanjax.interop.hf.families import FAMILIES, read_config, write_config
from flanjax.models.configs import AttentionConfig, EmbeddingConfig, RotaryConfig
from tests.unit.hf_checkpoints import CONFIGS, LLAMA, edit_json, write

PLAIN = {
    "model_type": "llama",
    "vocab_size": 11,
    "hidden_size": 6,
    "intermediate_size": 5,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 2,
    "num_hidden_layers": 3,
}
QWEN = {**PLAIN, "model_type": "qwen2", "use_sliding_window": True, "sliding_window": 4}
GEMMA = {**PLAIN, "model_type": "gemma2"}
GEMMA3 = {**PLAIN, "model_type": "gemma3_text", "sliding_window": 4}
T5 = {"model_type": "t5", "vocab_size": 11, "d_model": 6, "d_ff": 5, "num_heads": 2, "d_kv": 3,
      "num_layers": 2}  # fmt: skip
SIDE = {name: value for name, value in GEMMA.items() if name != "model_type"}
T5GEMMA = {"model_type": "t5gemma", "encoder": SIDE, "decoder": SIDE}


def read(raw: Mapping[str, Any], **changes: Any) -> Any:
    """Returns the config of a config.json with other keys; None takes one out."""
    kept = {name: value for name, value in {**raw, **changes}.items() if value is not None}
    return read_config(kept, "x/config.json")[1]


@pytest.mark.parametrize("model_type", FAMILIES)
def test_what_is_written_is_read_as_the_same_model(model_type: str) -> None:
    family, config = FAMILIES[model_type], CONFIGS[model_type]
    raw = json.loads(json.dumps(write_config(family, config)))
    names = () if config.embedding.is_tied else ("lm_head.weight",)
    assert read_config(raw, "config.json", names=names) == (family, config)
    assert raw["model_type"] == model_type
    assert raw["architectures"] == [family.architecture]


def test_keys_that_are_absent_have_the_published_values() -> None:
    assert read(PLAIN) == LLAMA
    gemma = read(GEMMA)
    assert gemma.embedding == EmbeddingConfig(is_tied=True, scales_inputs=True, cap=30.0)
    assert gemma.block.attention == AttentionConfig(
        scale=256**-0.5, cap=50.0, window=4096, layer_pattern="lg"
    )
    assert read(T5).positions.num_buckets == 32
    assert read(PLAIN, num_key_value_heads=None).num_kv_heads == 4
    assert read(PLAIN, hidden_size=8, head_dim=None).d_head == 2


def test_null_is_another_thing_than_a_key_that_is_absent() -> None:
    def of(raw: Mapping[str, Any], *names: str) -> Any:
        return read_config({**raw, **dict.fromkeys(names)}, "config.json")[1]

    gemma = of(GEMMA, "attn_logit_softcapping", "final_logit_softcapping", "sliding_window")
    assert (gemma.embedding.cap, gemma.block.attention) == (0.0, AttentionConfig(scale=256**-0.5))
    assert of({**PLAIN, "model_type": "mistral"}, "sliding_window").block.attention.window == 0
    assert of({**PLAIN, "model_type": "mistral"}, "num_key_value_heads").num_kv_heads == 4


PHI4 = {
    "attention_bias": False, "auto_map": {"AutoConfig": "configuration_phi3.Phi3Config"},
    "full_attn_mod": 1, "interpolate_factor": 1, "lm_head_bias": False, "mlp_bias": False,
}  # fmt: skip


def test_what_published_files_say_beside_the_network_is_read() -> None:
    phi = {**PLAIN, "model_type": "phi3"}
    assert read(phi, **PHI4) == read(phi)
    with pytest.raises(ValueError, match="mlp_bias must be False, got True"):
        read(phi, mlp_bias=True)
    assert read({**PLAIN, "model_type": "qwen2"}, use_mrope=False).num_layers == 3
    assert read(GEMMA, cache_implementation="hybrid") == read(GEMMA)


def test_global_layers_of_gemma_3_keep_all_of_their_scaling() -> None:
    full = {"rope_type": "llama3", "rope_theta": 7.0, **LLAMA3, "low_freq_factor": 2.0}
    positions = read(GEMMA3, rope_parameters={"full_attention": full}).positions
    wanted = read(PLAIN, rope_parameters=full).positions
    assert positions == dataclasses.replace(wanted, local_theta=10_000.0)


def test_keys_that_change_nothing_are_ignored() -> None:
    ignored = {
        "initializer_range": 0.1, "use_cache": False, "transformers_version": "9",
        "bos_token_id": 3, "max_position_embeddings": 99, "torch_dtype": "float16",
        "id2label": {"0": "x"},
    }  # fmt: skip
    assert read(PLAIN, **ignored) == LLAMA


def scaled(raw: Mapping[str, Any], **fields: Any) -> RotaryConfig:
    return read(raw, rope_scaling=fields).positions


LLAMA3 = {
    "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
    "original_max_position_embeddings": 64,
}  # fmt: skip


def test_positions_of_both_ages_are_read() -> None:
    wanted = RotaryConfig(theta=7.0, scaling="llama3", factor=8.0, original_length=64)
    old = read(PLAIN, rope_theta=7, rope_scaling={"type": "llama3", **LLAMA3})
    new = read(PLAIN, rope_parameters={"rope_type": "llama3", "rope_theta": 7.0, **LLAMA3})
    assert old.positions == new.positions == wanted
    newer = {"rope_type": "default", "rope_theta": 7.0}
    older = {"rope_type": "linear", "factor": 2.0}
    both = read(PLAIN, rope_theta=5.0, rope_scaling=older, rope_parameters=newer)
    assert both.positions == RotaryConfig(theta=7.0)
    assert scaled(PLAIN, type="linear", factor=2) == RotaryConfig(scaling="linear", factor=2.0)
    full = {"rope_type": "linear", "rope_theta": 7.0, "factor": 2.0}
    local = {"rope_type": "default", "rope_theta": 5.0}
    gemma = read(GEMMA3, rope_parameters={"full_attention": full, "sliding_attention": local})
    assert gemma.positions == RotaryConfig(theta=7.0, local_theta=5.0, scaling="linear", factor=2.0)


def test_long_positions_divide_by_the_lengths_of_the_file() -> None:
    phi = {**PLAIN, "model_type": "phi3", "max_position_embeddings": 512,
           "original_max_position_embeddings": 64}  # fmt: skip
    for kind in ("longrope", "su"):
        positions = scaled(phi, type=kind, short_factor=[1], long_factor=[4.5])
        assert positions == RotaryConfig(
            scaling="longrope",
            factor=8.0,
            original_length=64,
            short_factors=(1.0,),
            long_factors=(4.5,),
        )


S, F = "sliding_attention", "full_attention"
PATTERNS: dict[str, tuple[Any, tuple[int, str]]] = {
    "mistral": ({**PLAIN, "model_type": "mistral", "sliding_window": 9}, (9, "l")),
    "mistral, as published": ({**PLAIN, "model_type": "mistral"}, (4096, "l")),
    "kinds": ({**QWEN, "layer_types": [S, F, S]}, (4, "lg")),
    "all full": ({**QWEN, "layer_types": [F, F, F]}, (0, "g")),
    "later layers": ({**QWEN, "max_window_layers": 1}, (4, "gll")),
    "not used": ({**QWEN, "use_sliding_window": False, "layer_types": [S] * 3}, (0, "g")),
    "gemma 2": ({**GEMMA, "sliding_window": 4}, (4, "lg")),
    "gemma 3": ({**GEMMA3, "num_hidden_layers": 7}, (4, "lllllg")),
    "gemma 3, newer key": ({**GEMMA3, "_sliding_window_pattern": 2}, (4, "lg")),
    "gemma 3, kinds": ({**GEMMA3, "layer_types": [S, S, F]}, (4, "llg")),
}


@pytest.mark.parametrize("kind", PATTERNS)
def test_local_layers_are_those_of_the_file(kind: str) -> None:
    raw, wanted = PATTERNS[kind]
    attention = read(raw).block.attention
    assert (attention.window, attention.layer_pattern) == wanted


def test_an_output_matrix_beside_a_tied_t5_says_how_it_ends() -> None:
    def ends(raw: Any, *names: str) -> EmbeddingConfig:
        return read_config(raw, "config.json", names=names)[1].embedding

    head, mt5 = "lm_head.weight", {**T5, "model_type": "mt5"}
    tied = EmbeddingConfig(is_tied=True, scales_outputs=True)
    assert ends(T5) == ends(T5, head) == tied
    assert ends({**T5, "scale_decoder_outputs": False}, head) == EmbeddingConfig()
    assert ends({**T5, "tie_word_embeddings": False}, head) == EmbeddingConfig()
    assert ends(mt5) == EmbeddingConfig(is_tied=True)
    assert ends({**mt5, "tie_word_embeddings": True}, head) == EmbeddingConfig()


KNOWN = "x/config.json must have keys that are known, got "
YARN = {"rope_type": "yarn", "factor": 2.0}
LONG = {"rope_type": "longrope", "short_factor": [1.0], "long_factor": [1.0]}
CONFIG_FAULTS: dict[str, tuple[Any, dict[str, Any], str]] = {
    "no family": (PLAIN, {"model_type": None}, "model_type must be one of t5, .*, got 'None'; use"),
    "unknown family": (PLAIN, {"model_type": "bloom"}, "model_type must be one of .*, got 'bloom'"),
    "family of a list": (PLAIN, {"model_type": ["llama"]}, r"must be one of .*, got \"\['llama'\]"),
    "quantized": (
        PLAIN,
        {"quantization_config": {}},
        "quantization_config must be absent, got a q",
    ),
    "unknown key": (PLAIN, {"head_gain": 2.0}, KNOWN + "head_gain = 2.0; remove those that do not"),
    "two": (PLAIN, {"b": "x" * 99, "a": 1}, KNOWN + "a = 1, b = 'x{39}; remove"),
    "rotated in part": (
        PLAIN,
        {"partial_rotary_factor": 0.5},
        "x/config.json: partial_rotary_factor must be 1 or 1.0 or None, got 0.5; this model",
    ),
    "rotated in part, newer": (
        {**PLAIN, "model_type": "mistral"},
        {"rope_parameters": {"rope_type": "default", "partial_rotary_factor": 0.5}},
        "x/config.json, rope_parameters: partial_rotary_factor must be 1 or 1.0 or None, got 0.5",
    ),
    "capped as no Gemma 3 is": (
        GEMMA3,
        {"attn_logit_softcapping": 50.0},
        "attn_logit_softcapping must be None, got 50.0; this model",
    ),
    "another family's": (PLAIN, {"rotary_pct": 0.5}, KNOWN + "rotary_pct = 0.5; remove those"),
    "unknown in a part": (
        PLAIN,
        {"rope_scaling": {"rope_type": "linear", "factor": 2.0, "mscale": 1.0}},
        "x/config.json, rope_scaling must have keys that are known, got mscale = 1.0; remove",
    ),
    "unknown in a side": (
        T5GEMMA,
        {"encoder": {**SIDE, "head_gain": 2.0}},
        "config.json, encoder must have keys that are known, got head_gain = 2.0; remove",
    ),
    "yarn": (PLAIN, {"rope_scaling": YARN}, "rope scaling must be linear, llama3 or .*got 'yarn'"),
    "dynamic": (
        PLAIN,
        {"rope_scaling": {"type": "dynamic", "factor": 2.0}},
        "got 'dynamic'; remov",
    ),
    "yarn, newer": (PLAIN, {"rope_parameters": YARN}, "x/config.json: rope scaling must be linear"),
    "no factor": (
        PLAIN,
        {"rope_scaling": {"type": "linear"}},
        "rope_scaling must have factor, got",
    ),
    "few factors": (
        PLAIN,
        {"rope_scaling": {**LONG, "long_factor": [1.0, 2.0]}},
        "x/config.json: RotaryConfig long_factors must give 1 factors, one a frequency, got 2",
    ),
    "factors of text": (
        PLAIN,
        {"rope_scaling": {**LONG, "long_factor": [[]]}},
        "x/config.json must have values that a model can have, got float.. argument must be",
    ),
    "no length": (
        PLAIN,
        {"rope_scaling": {**LONG, "original_max_position_embeddings": 0}},
        "x/config.json must have values that a model can have, got division by zero; copy the",
    ),
    "scaling of text": (PLAIN, {"rope_scaling": "yarn"}, "rope_scaling must be dict, got 'yarn'; "),
    "size of text": (
        PLAIN,
        {"hidden_size": "6"},
        "x/config.json: hidden_size must be int, got '6'",
    ),
    "size true": (PLAIN, {"vocab_size": True}, "vocab_size must be int, got True; copy the file"),
    "size of a fraction": (PLAIN, {"vocab_size": 11.0}, "vocab_size must be int, got 11.0; copy"),
    "rate of text": (PLAIN, {"rms_norm_eps": "1e-6"}, "rms_norm_eps must be float, got '1e-6'; co"),
    "rate true": (PLAIN, {"rms_norm_eps": True}, "rms_norm_eps must be float, got True; copy the"),
    "rate too large": (
        PLAIN,
        {"rms_norm_eps": 10**400},
        "that a model can have, got int too large",
    ),
    "flag of a number": (PLAIN, {"attention_bias": 1}, "attention_bias must be bool, got 1; copy "),
    "no width": (
        PLAIN,
        {"hidden_size": None},
        "x/config.json must have hidden_size, got none; cop",
    ),
    "no layers": (T5, {"num_layers": None}, "x/config.json must have num_layers, got none; copy "),
    "no side": (
        T5GEMMA,
        {"decoder": None},
        "must have encoder and decoder, got one; copy it again",
    ),
    "no heads": (PLAIN, {"num_attention_heads": 0}, "that a model can have, got .* by zero; copy"),
    "fewer layers than none": (
        PLAIN,
        {"num_hidden_layers": -1},
        "num_layers must be positive, got",
    ),
    "odd heads": (
        PLAIN,
        {"num_key_value_heads": 3},
        "x/config.json: .* must divide num_heads, got 3",
    ),
    "scalar": (GEMMA, {"query_pre_attn_scalar": 0}, "values that a model can have, got .*power"),
    "negative scalar": (GEMMA, {"query_pre_attn_scalar": -4}, "values that a model can have, got "),
    "activation": (
        PLAIN,
        {"hidden_act": "mish"},
        "hidden_act must be one of silu, .*, got 'mish'; ",
    ),
    "feed forward": (T5, {"feed_forward_proj": "glu"}, "forward_proj must be one of .*, got 'glu'"),
    "gate": (T5, {"is_gated_act": True}, "is_gated_act must be False, got True; this model needs"),
    "start": (
        T5,
        {"decoder_start_token_id": 3},
        "decoder_start_token_id must be 0, got 3; this mod",
    ),
    "slices": (
        PLAIN,
        {"pretraining_tp": 2},
        "x/config.json: pretraining_tp must be 1, got 2; this",
    ),
    "both ways": (
        GEMMA,
        {"use_bidirectional_attention": True},
        "bidirectional_attention must be F",
    ),
    "chunks": (
        QWEN,
        {"layer_types": [F, "chunked_attention", F]},
        r"layer_types must be sliding_attention or full_attention for each of 3 layers, got \[",
    ),
    "a kind of no text": (
        QWEN,
        {"layer_types": [F, {}, F]},
        "layer_types must be sliding_attention",
    ),
    "few kinds": (
        QWEN,
        {"layer_types": [F]},
        r"for each of 3 layers, got \['full_attention'\]; this",
    ),
    "chunks without a window": (
        {**PLAIN, "model_type": "mistral"},
        {"layer_types": ["chunked_attention"] * 3},
        "x/config.json: layer_types must be sliding_attention or full_attention for each of 3",
    ),
    "unequal sides": (
        T5GEMMA,
        {"decoder": {**SIDE, "hidden_size": 8}},
        "x/config.json: a t5gemma config must have encoder and decoder alike, got different d_m",
    ),
}


@pytest.mark.parametrize("kind", CONFIG_FAULTS)
def test_a_config_that_cannot_be_read_is_named(kind: str) -> None:
    raw, changes, message = CONFIG_FAULTS[kind]
    with pytest.raises(ValueError, match=message) as caught:
        read(raw, **changes)
    assert str(caught.value).count("x/config.json") == 1
    assert str(caught.value).endswith(".")


def test_the_configs_that_faults_are_put_in_are_right() -> None:
    for raw in (PLAIN, QWEN, GEMMA, GEMMA3, T5, T5GEMMA):
        read(raw)


TEXTS = {
    "cut": ("{", r"config\.json must be JSON, got Expecting property name .*; copy the file again"),
    "list": ("[]", r"config\.json must be a JSON object, got \[\]; copy it again"),
    "deep": ("[" * 200_000, r"config\.json must be JSON, got maximum recursion depth"),
    "long number": (
        '{"a": ' + "9" * 5000 + "}",
        r"config\.json must be JSON, got Exceeds the limit",
    ),
}


@pytest.mark.parametrize("kind", TEXTS)
def test_a_damaged_file_is_named(tmp_path: pathlib.Path, kind: str) -> None:
    text, message = TEXTS[kind]
    folder = write(tmp_path / "c", "llama")
    (folder / "config.json").write_text(text, "utf-8")
    with pytest.raises(ValueError, match=message):
        open_checkpoint(folder)


def test_a_checkpoint_that_is_quantized_says_so_whatever_it_holds(tmp_path: pathlib.Path) -> None:
    folder = write(tmp_path / "c", "llama")
    edit_json(folder / "config.json", quantization_config={"quant_method": "gptq"})
    content = (folder / "model.safetensors").read_bytes()
    (folder / "model.safetensors").write_bytes(content.replace(b'"F32"', b'"I32"'))
    with pytest.raises(
        ValueError, match=r"c/config\.json: quantization_config must be absent, got"
    ):
        open_checkpoint(folder)


def test_rotary_factors_of_long_inputs_are_a_run_s_to_choose() -> None:
    """transformers chooses them by the length of an input: they are no other model."""
    config = CONFIGS["phi3"]
    num = config.d_head // 2
    factors = {"long_factors": (2.0,) * num, "short_factors": (1.0,) * num, "original_length": 16}
    positions = dataclasses.replace(config.positions, scaling="longrope", factor=4.0, **factors)
    short = dataclasses.replace(config, positions=positions)
    long = dataclasses.replace(short, positions=dataclasses.replace(positions, uses_long=True))
    assert start.differing(long, short) == []
    other = dataclasses.replace(positions, long_factors=(3.0,) * num, uses_long=True)
    assert start.differing(dataclasses.replace(long, positions=other), short) != []
    family = FAMILIES["phi3"]
    assert write_config(family, long) == write_config(family, short)
