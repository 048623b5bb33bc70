"""Runs that start from a checkpoint: optimizer kept, parameters mapped or frozen."""

from __future__ import annotations

import json
import pathlib
import shutil
from typing import Any

import numpy as np
import pytest
import tokenizers
from click.testing import Result

from flanjax import opened
from flanjax.interop import t5x_format
from flanjax.interop.places import StoredArray, everything
from tests.e2e import verbs
from tests.e2e.verbs import flanjax, values

SAMPLE = "reference/t5x_checkpoints/t5_1_1_legacy/checkpoint_6"
MODEL = """
include 'base.gin'
include 'objectives/instruction.gin'
MODEL = @T5Config()
T5Config.vocab_size = 264
T5Config.d_model = 128
T5Config.d_ff = 160
T5Config.num_heads = 4
T5Config.d_head = 8
T5Config.num_encoder_layers = 2
T5Config.num_decoder_layers = 1
T5Config.dropout_rate = 0.0
T5Config.scan_layers = False
T5Config.embedding = @EmbeddingConfig()
TokenizerConfig.extra_ids = 5
TrainConfig.log_period = 1
"""
KEEP = "RestoreConfig.optimizer_state='keep'"


@pytest.fixture(scope="module")
def sample(test_data: pathlib.Path) -> str:
    return str(test_data / SAMPLE)


@pytest.fixture
def model(tmp_path: pathlib.Path) -> pathlib.Path:
    file = tmp_path / "model.gin"
    file.write_text(MODEL + "\n".join(verbs.SMALL), "utf-8")
    return file


def train(model: pathlib.Path, steps: int, start: Any, *bindings: str, code: int = 0) -> Result:
    """Trains in a directory beside the model's file, named by the steps."""
    begin = [f"INITIAL_CHECKPOINT_PATH='{start}'"] if start else []
    return verbs.train(model, run_of(model, steps), steps, *bindings, *begin, code=code)


def run_of(model: pathlib.Path, steps: int) -> pathlib.Path:
    return model.parent / f"run_{steps}"


def test_a_t5x_run_goes_on_here_and_back(model, sample):
    said = train(model, 8, sample, KEEP).output
    assert f"parameters of T5X checkpoint {sample}; optimizer kept, from step 6" in said
    log = (run_of(model, 8) / "metrics.jsonl").read_text("utf-8").splitlines()
    assert [json.loads(line)["step"] for line in log] == [7, 8]
    back = model.parent / "checkpoint_8"
    said = flanjax("export", "t5x", run_of(model, 8), back).output
    assert "at step 8 in float32, with its optimizer's slots" in said
    assert t5x_format.open_step(back) == 8
    before, after = (t5x_format.open_slots(pathlib.Path(path)) for path in (sample, back))
    assert {n: a.shape for n, a in after.items()} == {n: a.shape for n, a in before.items()}
    for name in ("decoder/decoder_norm/scale/v", "token_embedder/embedding/v_row"):
        old, new = (slots[name].read(everything(slots[name].shape)) for slots in (before, after))
        # Two steps at decay 1 - t ** -0.8 leave (1 - 7 ** -0.8) (1 - 8 ** -0.8) of what was there.
        kept = (1 - 7**-0.8) * (1 - 8**-0.8)
        assert (new >= kept * old * (1 - 1e-5)).all()
        assert (new > kept * old * (1 + 1e-5)).any()
    # And the run that was exported goes on from there, as the one in MODEL_DIR does.
    once = "TrainConfig.checkpoint_period=1"
    for number, start in enumerate((back, run_of(model, 8))):
        assert "optimizer kept, from step 8" in train(model, 9 + number, start, KEEP, once).output
    one, other = (values(run_of(model, steps) / "checkpoints/9") for steps in (9, 10))
    for name, array in one.items():
        np.testing.assert_allclose(array, other[name], rtol=1e-5, atol=1e-7, err_msg=name)


def test_an_import_brings_the_optimizer_along(model, sample):
    own = model.parent / "own"
    said = flanjax("import", "t5x", sample, own, f"--gin_file={model}").output
    assert "from a T5X checkpoint, optimizer at step 6" in said
    assert "optimizer kept, from step 6" in train(model, 7, own, KEEP).output
    again = flanjax("export", "t5x", own, model.parent / "checkpoint_6").output
    assert "with its optimizer's slots" in again
    without = model.parent / "without"
    options = [f"--gin_file={model}", "--optimizer_state=reset"]
    assert "optimizer" not in flanjax("import", "t5x", sample, without, *options).output
    ended = train(model, 8, without, KEEP, code=1)
    assert "optimizer_state 'keep' must have a checkpoint with the state of" in ended.stderr


def test_optimizer_starts_anew_unless_it_is_kept(model, sample):
    said = train(model, 1, sample).output
    assert f"parameters of T5X checkpoint {sample}\n" in said
    said = flanjax("export", "t5x", run_of(model, 1), model.parent / "checkpoint_1").output
    assert "at step 1 in float32, with its optimizer's slots" in said


def test_frozen_parameters_stay_bit_for_bit(model, sample):
    freeze = r"OptimizerConfig.freeze=('encoder/.*', 'embed')"
    train(model, 2, sample, freeze)
    after = values(run_of(model, 2))
    config = opened.open_any(str(run_of(model, 2))).config
    for name, before in values(sample, config=config).items():
        is_frozen = name.startswith("encoder/") or name == "embed"
        assert np.array_equal(after[name], before) == is_frozen, name
    flanjax("export", "hf", run_of(model, 2), model.parent / "hf", "--family=t5")
    flanjax("convert", "verify", run_of(model, 2), model.parent / "hf", "--tolerance=0")
    ended = train(model, 3, run_of(model, 2), KEEP, code=1)  # all of it trained: another optimizer
    assert "optimizer_state 'keep' must have the run's own optimizer, got flanjax" in ended.stderr
    assert "mlp_norm/scale (2, 128) from none" in ended.stderr
    assert "optimizer kept, from step 2" in train(model, 3, run_of(model, 2), KEEP, freeze).output


def test_a_map_says_what_is_read_and_what_is_new(model, sample):
    shallow = (
        "RestoreConfig.assignment_map=(('head', None), ('decoder/norm/.*', 'encoder/norm/scale'))"
    )
    said = train(model, 1, sample, shallow, "ScheduleConfig.peak=1e-12").output
    assert "; 1 new (head); 2 not read (decoder/decoder_norm/scale, " in said.replace("\n", " ")
    after = values(run_of(model, 1))
    before = values(sample, config=opened.open_any(str(run_of(model, 1))).config)
    assert np.abs(after["head"] - before["head"]).max() > 1e-2
    for name in ("embed", "encoder/norm/scale"):
        np.testing.assert_allclose(after[name], before[name], rtol=0, atol=1e-9)
    np.testing.assert_allclose(
        after["decoder/norm/scale"], before["encoder/norm/scale"], rtol=0, atol=1e-9
    )


def test_a_map_starts_from_another_model(model, sample):
    train(model, 1, sample)
    tied = [
        "EmbeddingConfig.is_tied=True", "RestoreConfig.assignment_map=(('(.*)', '\\\\1'),)",
    ]  # fmt: skip
    said = train(model, 2, run_of(model, 1), *tied).output.replace("\n", " ")
    assert "of another model: embedding.is_tied: False -> True; 1 not read (head)" in said


@pytest.mark.parametrize(
    ("bindings", "message"),
    [
        ([KEEP], "TRAIN_STEPS must be above the 6 steps of "),
        ([KEEP, "OptimizerConfig.name='adamw'"], "a checkpoint with the state of the run's optim"),
        (["RestoreConfig.assignment_map=(('hea', None),)"], "must match the whole path of a param"),
        (["RestoreConfig.assignment_map=(('head', 'embed'),)"], "head (128, 264) from embed (264,"),
        (["OptimizerConfig.freeze=('encoder',)"], "freeze pattern must match the whole path of"),
        (["TokenizerConfig.extra_ids=0", "T5Config.vocab_size=388"], "tokenizer must be the one "),
    ],
)
def test_a_start_is_refused_and_leaves_nothing_behind(model, sample, bindings, message):
    ended = train(model, 5, sample, *bindings, code=1)
    assert message in ended.stderr
    assert ended.stdout == ""
    assert not run_of(model, 5).exists()


def test_the_state_of_an_optimizer_that_keeps_more_is_refused(model, sample):
    """Lion's momentum has AdamW's name; the second moments would be lost in silence."""
    train(model, 1, sample, "OptimizerConfig.name='adamw'")
    lion = [KEEP, "OptimizerConfig.name='lion'"]
    ended = train(model, 5, run_of(model, 1), *lion, code=1)
    said = ended.stderr.replace("\n", " ")
    assert "must have the run's own optimizer" in said
    assert "nu/decoder/layers/attention/k for nothing" in said


def test_a_restore_without_a_checkpoint_is_refused(model):
    ended = train(model, 5, None, KEEP, code=1)
    assert "RestoreConfig must go with a checkpoint to start from, got no INITIAL" in ended.stderr


def test_the_tokenizer_that_lies_with_transformers_files_must_be_the_run_s(model, sample):
    train(model, 1, sample)
    hf = model.parent / "hf"
    flanjax("export", "hf", run_of(model, 1), hf, "--family=t5")
    about = {"tokenizer_class": "ByT5Tokenizer", "extra_ids": 4}
    (hf / "tokenizer_config.json").write_text(json.dumps(about), "utf-8")
    ended = train(model, 2, hf, code=1)
    assert f"tokenizer must be the checkpoint's bytes-4 ({hf}), got bytes-5; name" in ended.stderr


def test_the_tokenizer_of_an_import_travels_on_to_transformers(model, sample):
    own, hf, again = (model.parent / name for name in ("own", "hf", "again"))
    flanjax("import", "t5x", sample, own, f"--gin_file={model}")
    flanjax("export", "hf", own, hf, "--family=t5")
    about = json.loads((hf / "tokenizer_config.json").read_text("utf-8"))
    assert (about["tokenizer_class"], about["extra_ids"]) == ("ByT5Tokenizer", 5)
    flanjax("import", "hf", hf, again)
    fingerprints = [
        opened.open_any(str(folder)).tokenizers[0].fingerprint for folder in (own, hf, again)
    ]
    assert fingerprints == ["bytes-5"] * 3


def test_an_import_says_which_special_tokens_have_no_row(model, sample):
    train(model, 1, sample)
    hf, own = model.parent / "hf", model.parent / "own"
    flanjax("export", "hf", run_of(model, 1), hf, "--family=t5")
    letters = sorted(tokenizers.pre_tokenizers.ByteLevel.alphabet())
    made = tokenizers.Tokenizer(tokenizers.models.BPE({x: i for i, x in enumerate(letters)}, []))
    made.add_special_tokens(["</s>", *(f"<extra_id_{i}>" for i in range(7)), "<image>"])
    made.save(str(hf / "tokenizer.json"))  # 265 ids; the model has 264 rows
    (hf / "tokenizer_config.json").write_text(json.dumps({"eos_token": "</s>"}), "utf-8")
    ended = flanjax("import", "hf", hf, own)
    assert "left out of the tokenizer, without a row: <image>" in ended.stdout
    assert opened.open_any(str(own)).tokenizers[0].vocab_size == 264


def test_values_that_a_type_cannot_hold_are_named(model, sample):
    train(model, 1, sample, "ScheduleConfig.peak=1e9", "LossConfig.z_loss=0.0")
    out = model.parent / "hf"
    ended = flanjax("export", "hf", run_of(model, 1), out, "--family=t5", "--dtype=float16", code=1)
    assert "must fit float16, got " in ended.stderr
    assert not out.exists()


def test_a_run_knows_where_it_began_though_its_start_goes_on(model, sample):
    train(model, 8, sample, KEEP)
    begun = run_of(model, 8)
    train(model, 10, begun, KEEP, "TrainConfig.checkpoint_period=1")
    peeked = flanjax("data", "peek", f"--checkpoint={run_of(model, 10)}", "--step=9").output
    assert "step 9 of 10" in peeked
    ended = flanjax("data", "peek", f"--checkpoint={run_of(model, 10)}", "--step=8", code=1)
    assert "step must be one of the run's steps 9 to 10, got 8" in ended.stderr
    # What it started from trains on; the run is resumed, and still began at step 8.
    (begun / "checkpoints/8").rename(begun / "checkpoints/9")
    said = train(model, 10, begun, KEEP, "TrainConfig.checkpoint_period=1").output
    assert "resumed from step 10" in said
    report = json.loads((run_of(model, 10) / "data_report.json").read_text("utf-8"))
    assert report["first_step"] == 8
    # So it is of one that was cut before its first checkpoint was whole.
    for path in (run_of(model, 10) / "checkpoints").iterdir():
        shutil.rmtree(path)
    ended = train(model, 10, begun, KEEP, "TrainConfig.checkpoint_period=1", code=1)
    assert "must be at step 8, from which the run in" in ended.stderr


def test_slots_of_another_optimizer_are_no_hindrance(model, sample, monkeypatch):
    array = StoredArray((2,), np.dtype(np.float32), lambda index: np.zeros(2, np.float32)[index])
    monkeypatch.setattr(t5x_format, "open_slots", lambda path: {"0/mu/decoder/norm": array})
    own = model.parent / "own"
    said = flanjax("import", "t5x", sample, own, f"--gin_file={model}").output
    assert "optimizer" not in said
    ended = train(model, 8, sample, KEEP, code=1)
    assert "which has none of it; set RestoreConfig.optimizer_state = 'reset'" in ended.stderr


def test_an_import_does_not_mind_the_schedule(model, sample):
    warm = "--gin.ScheduleConfig.warmup_steps=5000"
    said = flanjax(
        "import", "t5x", sample, model.parent / "own", f"--gin_file={model}", warm
    ).output
    assert "optimizer at step 6" in said
