"""`flanjax import`, `export`, `convert verify`, and runs that start from them."""

from __future__ import annotations

import json
import pathlib
from typing import Any

import jax
import ml_dtypes
import numpy as np
import pytest

from flanjax import opened
from flanjax.base import path_name
from flanjax.interop.hf import checkpoint
from flanjax.interop.places import StoredArray, everything
from flanjax.models.configs import EmbeddingConfig, RelativeConfig
from flanjax.models.decoder import DecoderConfig
from flanjax.models.families import make_model
from flanjax.models.t5 import T5Config
from tests.e2e.verbs import SMALL, flanjax, values
from tests.unit import hf_checkpoints

T5 = T5Config(
    vocab_size=384,
    d_model=16,
    d_ff=24,
    num_heads=2,
    d_head=6,
    num_encoder_layers=1,
    num_decoder_layers=2,
    positions=RelativeConfig(num_buckets=8, max_distance=20),
    dropout_rate=0.0,
    scan_layers=False,
)
LLAMA = DecoderConfig(
    vocab_size=390,
    d_model=16,
    d_ff=24,
    num_heads=4,
    num_kv_heads=2,
    d_head=6,
    num_layers=2,
    embedding=EmbeddingConfig(),
)
BYTES = {"tokenizer_class": "ByT5Tokenizer", "extra_ids": 125}
LENGTHS = next(f"--gin.{binding}" for binding in SMALL if "LENGTHS" in binding)
TRAIN = ["--gin.TRAIN_STEPS=1", *(f"--gin.{binding}" for binding in SMALL)]


def random_arrays(config: Any, *, seed: int = 0) -> dict[str, StoredArray]:
    """Returns random parameters of a model, under our names."""
    params = make_model(config).init(jax.random.key(seed))
    leaves = jax.tree_util.tree_leaves_with_path(params)
    values = {path_name(path): np.asarray(leaf) for path, leaf in leaves}
    return {k: StoredArray(v.shape, v.dtype, v.__getitem__) for k, v in values.items()}


def write_hf(folder: pathlib.Path, model_type: str, config: Any, *, seed: int = 0) -> pathlib.Path:
    """Writes a checkpoint of transformers with a byte tokenizer."""
    arrays = random_arrays(config, seed=seed)
    checkpoint.write_checkpoint(
        folder, model_type, config, arrays, dtype=np.dtype(np.float32),
        base={"max_position_embeddings": 77},
    )  # fmt: skip
    (folder / "tokenizer_config.json").write_text(json.dumps(BYTES), "utf-8")
    return folder


@pytest.fixture
def t5(tmp_path: pathlib.Path) -> pathlib.Path:
    return write_hf(tmp_path / "t5", "t5", T5)


def test_import_and_export_give_the_very_tensors_back(tmp_path, t5):
    said = flanjax("import", "hf", t5, tmp_path / "own").output
    assert "from a Hugging Face checkpoint" in said
    flanjax("export", "hf", tmp_path / "own", tmp_path / "back")
    before, after = (checkpoint.open_checkpoint(f) for f in (t5, tmp_path / "back"))
    assert set(before.arrays) == set(after.arrays)
    for name, array in before.arrays.items():
        index = everything(array.shape)
        assert array.read(index).tobytes() == after.arrays[name].read(index).tobytes()
    assert after.raw["max_position_embeddings"] == 77
    assert json.loads((tmp_path / "back/tokenizer_config.json").read_text()) == BYTES


def test_verify_tells_the_same_model_from_another(tmp_path, t5):
    flanjax("import", "hf", t5, tmp_path / "own")
    found = json.loads(flanjax("convert", "verify", t5, tmp_path / "own", "--json").output)
    assert found["agrees"] and found["logits"] == 0
    assert len(found["tensors"]) == len(random_arrays(T5))
    other = write_hf(tmp_path / "other", "t5", T5, seed=1)
    said = flanjax("convert", "verify", t5, other, code=1).output
    assert "not the same model within 0.0001" in said


def test_padding_of_the_vocabulary_is_undone_on_export(tmp_path):
    source = write_hf(tmp_path / "llama", "llama", LLAMA)
    flanjax("import", "hf", source, tmp_path / "own", "--pad_vocab_to=128")
    own = opened.open_any(str(tmp_path / "own"))
    assert (own.config.vocab_size, own.config.embedding.num_unused) == (512, 122)
    own = values(tmp_path / "own")
    np.testing.assert_array_equal(own["embed"][:390], values(source)["embed"])
    assert not own["embed"][390:].any()
    assert not own["head"][:, 390:].any()
    flanjax("convert", "verify", source, tmp_path / "own", "--tolerance=0")
    flanjax("export", "hf", tmp_path / "own", tmp_path / "back")
    assert checkpoint.open_checkpoint(tmp_path / "back").config == LLAMA


def test_another_family_is_told_where_answers_end(tmp_path):
    source = write_hf(tmp_path / "llama", "llama", LLAMA)
    flanjax("import", "hf", source, tmp_path / "own")
    flanjax("export", "hf", tmp_path / "own", tmp_path / "mistral", "--family=mistral")
    config = json.loads((tmp_path / "mistral/config.json").read_text("utf-8"))
    assert (config["model_type"], config["eos_token_id"]) == ("mistral", 1)
    assert "bos_token_id" not in config


@pytest.mark.parametrize("name", ["bfloat16", "float16"])
def test_parameters_are_kept_in_the_type_that_was_asked_for(tmp_path, t5, name):
    dtype = np.dtype({"bfloat16": ml_dtypes.bfloat16, "float16": np.float16}[name])
    flanjax("import", "hf", t5, tmp_path / "own", f"--dtype={name}")
    source = opened.open_any(str(tmp_path / "own"))
    assert {array.dtype for array in source.arrays.values()} == {dtype}
    wanted = values(t5)["decoder/layers/mlp/up"].astype(dtype)
    np.testing.assert_array_equal(values(tmp_path / "own")["decoder/layers/mlp/up"], wanted)
    flanjax("export", "hf", tmp_path / "own", tmp_path / "back", f"--dtype={name}")
    arrays = checkpoint.open_checkpoint(tmp_path / "back").arrays
    assert {array.dtype for array in arrays.values()} == {dtype}


def test_a_run_starts_from_an_import_or_from_transformers_itself(tmp_path, t5):
    flanjax("import", "hf", t5, tmp_path / "own")
    slow = "--gin.ScheduleConfig.peak=1e-12"
    for number, start in enumerate((t5, tmp_path / "own")):
        run = tmp_path / f"run{number}"
        said = flanjax(
            "train", "--gin_file=base.gin", f"--gin_file={tmp_path}/own/model.gin",
            "--gin_file=objectives/instruction.gin", *TRAIN, slow,
            f"--gin.MODEL_DIR='{run}'", f"--gin.INITIAL_CHECKPOINT_PATH='{start}'",
        )  # fmt: skip
        kind = "flanjax" if number else "Hugging Face"
        assert f"parameters of {kind} checkpoint {start}" in said.output
        flanjax("export", "hf", run, tmp_path / f"back{number}")
        card = (tmp_path / f"back{number}/README.md").read_text("utf-8")
        about = (tmp_path / f"back{number}/tokenizer_config.json").read_text("utf-8")
        assert json.loads(about) == BYTES
        assert f"| started from | {start.name} |" in card
        assert "| steps | 1 of 2 rows |" in card
        assert "| held out | nothing (no task) |" in card
        assert "| tasks trained on | 3 |" in card
        flanjax("convert", "verify", t5, tmp_path / f"back{number}", "--tolerance=1e-6")


def test_prompts_are_answered_by_any_checkpoint_that_tells_its_model(tmp_path, t5, test_data):
    flanjax("import", "hf", t5, tmp_path / "own")
    asked = ["--prompt=Is 7 odd?", "--prompt=Name a fish.", "--max_length=9", "--json"]
    answers = [
        flanjax("generate", f"--checkpoint={path}", *asked).stdout
        for path in (t5, tmp_path / "own")
    ]
    assert answers[0] == answers[1]
    assert len(json.loads(answers[0])) == 2
    t5x = test_data / "reference/t5x_checkpoints/t5_1_1_legacy/checkpoint_6"
    ended = flanjax("generate", f"--checkpoint={t5x}", *asked, code=1)
    assert "must tell its model and tokenizer, got " in ended.stderr
    assert "`flanjax import t5x`" in ended.stderr
    (t5 / "tokenizer_config.json").unlink()
    ended = flanjax("generate", f"--checkpoint={t5}", *asked, code=1)
    assert f"checkpoint must have a tokenizer, got none in {t5}; copy its files" in ended.stderr


def test_nobody_certifies_what_another_s_checkpoint_has_seen(tmp_path, t5):
    flanjax("import", "hf", t5, tmp_path / "own")
    said = flanjax(
        "eval", "--gin_file=base.gin", f"--gin_file={tmp_path}/own/model.gin",
        "--gin_file=objectives/instruction.gin", f"--gin.MODEL_DIR='{tmp_path}/run'",
        "--gin.TRAIN_STEPS=1", "--gin.HOLD_OUT='struct_to_text'", LENGTHS,
        "--gin.EvalConfig.max_examples=2", f"--checkpoint={t5}", "--cluster=struct_to_text",
        f"--output={tmp_path}/out",
    )  # fmt: skip
    report = json.loads((tmp_path / "out/report/report.json").read_text("utf-8"))
    assert report["certificate"] is None
    assert "held out" not in said.stdout


def test_another_model_than_the_checkpoint_s_is_refused(tmp_path, t5):
    flanjax("import", "hf", t5, tmp_path / "own")
    ended = flanjax(
        "train", "--gin_file=base.gin", f"--gin_file={tmp_path}/own/model.gin",
        "--gin_file=objectives/instruction.gin", *TRAIN, f"--gin.MODEL_DIR='{tmp_path}/run'",
        f"--gin.INITIAL_CHECKPOINT_PATH='{t5}'", "--gin.BlockConfig.norm_eps=1e-5", code=1,
    )  # fmt: skip
    assert "model must be that of checkpoint" in ended.stderr
    assert "block.norm_eps: 1e-06 -> 1e-05" in ended.stderr
    assert not (tmp_path / "run").exists()


def test_t5x_checkpoints_are_imported(tmp_path, test_data):
    sample = test_data / "reference/t5x_checkpoints/scalable_t5_legacy"
    model = tmp_path / "model.gin"
    model.write_text(
        "MODEL = @T5Config()\nT5Config.vocab_size = 264\nT5Config.d_model = 128\n"
        "T5Config.d_ff = 160\nT5Config.num_heads = 4\nT5Config.d_head = 8\n"
        "T5Config.num_encoder_layers = 2\nT5Config.num_decoder_layers = 2\n"
        "T5Config.positions = @RelativeConfig()\nRelativeConfig.is_shared = False\n"
        "TokenizerConfig.extra_ids = 5\n"
    )
    path = sample / "checkpoint_6"
    flanjax("import", "t5x", path, tmp_path / "own", f"--gin_file={model}")
    flanjax("convert", "verify", path, tmp_path / "own", "--tolerance=0")
    said = flanjax("export", "t5x", tmp_path / "own", tmp_path / "checkpoint_7").output
    assert "at step 7 in float32" in said
    flanjax("convert", "verify", path, tmp_path / "checkpoint_7", f"--gin_file={model}")
    ended = flanjax("export", "hf", tmp_path / "own", tmp_path / "hf", code=1)
    assert "must be of a family of transformers" in ended.stderr


def test_what_is_no_number_is_never_the_same_model(tmp_path, t5):
    damaged = write_hf(tmp_path / "damaged", "t5", T5)
    name = "encoder.block.0.layer.1.DenseReluDense.wo.weight"
    hf_checkpoints.rewrite(damaged, {name: np.full((T5.d_model, T5.d_ff), np.nan, np.float32)})
    for first, second in ((t5, damaged), (damaged, t5)):
        told = json.loads(flanjax("convert", "verify", first, second, "--json", code=1).stdout)
        assert not told["agrees"]
        assert "nan" in told["tensors"].values()
        table = flanjax("convert", "verify", first, second, code=1).stdout
        assert "not the same model" in table
        assert "nan" in table


def test_a_checkpoint_of_another_make_is_not_what_the_verb_imports(tmp_path, t5, test_data):
    flanjax("import", "hf", t5, tmp_path / "own")
    t5x = test_data / "reference/t5x_checkpoints/t5_1_1_legacy/checkpoint_6"
    gin = f"--gin_file={tmp_path}/own/model.gin"
    for verb, source, wanted, got in (
        (("hf",), t5x, "Hugging Face", "T5X"),
        (("hf",), tmp_path / "own", "Hugging Face", "flanjax"),
        (("t5x", gin), t5, "T5X", "Hugging Face"),
    ):
        name, *flags = verb
        ended = flanjax("import", name, source, tmp_path / "new", *flags, code=1)
        assert f"SRC must be a {wanted} checkpoint, got a {got} one at {source};" in ended.stderr
        assert not (tmp_path / "new").exists()


def test_prompts_must_fit_learned_positions(tmp_path):
    hf_checkpoints.write(tmp_path / "gpt2", "gpt2")
    (tmp_path / "gpt2/tokenizer_config.json").write_text(json.dumps(BYTES), "utf-8")
    asked = [f"--checkpoint={tmp_path}/gpt2", "--prompt=a"]
    ended = flanjax("generate", *asked, "--max_length=3", code=1)
    assert "max_length must leave room for 5 tokens of a prompt among the model's 7 positions" in (
        ended.stderr
    )
    assert "got 3; write 2 at most." in ended.stderr


def test_what_cannot_be_imported_is_one_line(tmp_path, t5):
    (tmp_path / "there").mkdir()
    ended = flanjax("import", "hf", t5, tmp_path / "there", code=1)
    assert "import must go to a new directory" in ended.stderr
    (t5 / "tokenizer_config.json").unlink()
    ended = flanjax("import", "hf", t5, tmp_path / "own", code=1)
    assert "must have a tokenizer to travel with, got none" in ended.stderr
    assert not (tmp_path / "own").exists()
    ended = flanjax("export", "hf", t5, tmp_path / "out", "--family=llama", code=1)
    assert "llama" in ended.stderr and not (tmp_path / "out").exists()
