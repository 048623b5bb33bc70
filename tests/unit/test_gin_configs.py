"""The gin files that come with the package."""

from __future__ import annotations

import dataclasses
import pathlib
import re

import pytest

from flanjax import gin_bridge, gin_statements, gin_values
from flanjax.data.tokenize import ByteTokenizer
from flanjax.experiment import DataConfig, Experiment
from flanjax.train.loop import TrainConfig

FOLDER = gin_statements.config_dir()
OTHERS = ("t5x",)
"""Folders of files that another program reads; each has tests of its own (test_t5x_gin.py)."""
ALL_FILES = {str(path.relative_to(FOLDER)): path for path in sorted(FOLDER.rglob("*.gin"))}
FILES = {name: path for name, path in ALL_FILES.items() if name.split("/")[0] not in OTHERS}
RUNS = [name for name in FILES if name.startswith("runs/")]
PATHS = {
    "TOKENIZER_PATH": "'sentencepiece.model'",
    "INITIAL_CHECKPOINT_PATH": "'checkpoint'",
}


def resolve(*names: str, paths: tuple[str, ...] = ()) -> Experiment:
    """Resolves gin files with a MODEL_DIR and the named paths given."""
    bindings = ["MODEL_DIR='out'", *(f"{name}={PATHS[name]}" for name in paths)]
    return gin_bridge.load(names, bindings).experiment


def resolve_with(*names: str) -> Experiment:
    """Resolves building blocks on top of the base."""
    bindings = ["MODEL_DIR='out'", "TRAIN_STEPS=1"]
    if not {"models/t5_tiny.gin", "models/decoder_tiny.gin"} & set(names):
        bindings.append(f"TOKENIZER_PATH={PATHS['TOKENIZER_PATH']}")
    return gin_bridge.load(["base.gin", *names], bindings).experiment


def test_mini_t5_is_the_self_test_of_an_encoder_decoder() -> None:
    run = resolve("runs/mini_t5.gin")
    assert run.is_encoder_decoder
    assert (run.data.catalogue, run.data.hold_out) == ("flanjax.tasks.mini:CATALOGUE", "entailment")
    assert run.ablation.clusters == ("reading_comprehension", "sentiment", "struct_to_text")
    assert run.objective.name == "instruction"
    assert run.optimizer.name == "adamw"
    assert (run.tokenizer.kind, run.tokenizer.path) == ("bytes", None)


def test_mini_decoder_is_mini_t5_with_another_model() -> None:
    run, other = resolve("runs/mini_decoder.gin"), resolve("runs/mini_t5.gin")
    assert not run.is_encoder_decoder
    assert dataclasses.replace(run, model=other.model) == other


def test_flan2021_t5_small_has_the_published_settings() -> None:
    run = resolve("runs/flan2021_t5_small.gin", paths=tuple(PATHS))
    assert (run.train.steps, run.train.batch_size) == (98_000, 64)
    assert run.data.task_feature_lengths == {"inputs": 1024, "targets": 256}
    assert (run.data.max_examples, run.data.rate_cap) == (30_000, 3_000)
    assert (run.data.catalogue, run.data.hold_out) == (
        "flanjax.tasks.flan2021:CATALOGUE",
        "nli",
    )
    schedule = run.optimizer.schedule
    assert (run.optimizer.name, schedule.name, schedule.peak) == ("adafactor", "constant", 5e-4)
    assert (run.model.dropout_rate, run.model.d_model) == (0.05, 512)
    assert (run.tokenizer.path, run.initial_checkpoint_path) == (
        "sentencepiece.model",
        "checkpoint",
    )


def test_flan2021_llama_1b_is_a_causal_model_in_eight_shards() -> None:
    run = resolve("runs/flan2021_llama_1b.gin", paths=tuple(PATHS))
    assert (type(run.model).__name__, run.model.d_model, run.mesh.fsdp) == (
        "DecoderConfig",
        2048,
        8,
    )
    assert (run.train.steps, run.data.hold_out) == (30_000, "nli")


@pytest.mark.parametrize("family", ["t5", "decoder"])
def test_flan2021_tiny_holds_nli_out_and_goes_on_without_what_is_missing(family: str) -> None:
    paths = ("TOKENIZER_PATH",)
    run = resolve(f"runs/flan2021_tiny_{family}.gin", paths=paths)
    assert run.is_encoder_decoder == (family == "t5")
    assert (run.data.hold_out, run.evaluation.split) == ("nli", "test")
    assert run.data.missing_tasks == "drop"
    assert run.data.catalogue == "flanjax.tasks.flan2021:CATALOGUE"
    assert run.initial_checkpoint_path is None


@pytest.mark.parametrize("family", ["t5", "decoder"])
def test_the_miniature_reads_text_and_then_learns_instructions(family: str) -> None:
    paths = ("TOKENIZER_PATH",)
    text = resolve(f"runs/miniature_{family}_text.gin", paths=paths)
    tuned = resolve(f"runs/miniature_{family}_tuned.gin", paths=paths)
    assert text.is_encoder_decoder == (family == "t5")
    assert text.model == tuned.model
    assert text.data.catalogue == "flanjax.tasks.mini.developed:TEXT"
    assert tuned.data.catalogue == "flanjax.tasks.mini.developed:CATALOGUE"
    assert (text.loss.average, tuned.loss.average) == ("tokens", "examples")
    assert text.objective.name == ("instruction" if family == "t5" else "causal_lm")
    assert (tuned.data.hold_out, tuned.objective.name) == ("entailment", "instruction")
    assert not (text.evaluation.before_and_after or tuned.evaluation.before_and_after)


@pytest.mark.parametrize("family", ["t5", "decoder"])
def test_the_miniatures_sizes_are_a_model_file_each(family: str) -> None:
    run = f"runs/miniature_{family}_tuned.gin"
    widths = [
        resolve(run, f"models/miniature_{family}_{size}.gin", paths=("TOKENIZER_PATH",)).model
        for size in ("small", "base", "large")
    ]
    assert [model.d_model for model in widths] == [64, 128, 192]
    assert widths[1] == resolve(run, paths=("TOKENIZER_PATH",)).model


def test_every_run_has_a_test_above() -> None:
    assert RUNS == [
        "runs/flan2021_llama_1b.gin",
        "runs/flan2021_t5_small.gin",
        "runs/flan2021_tiny_decoder.gin",
        "runs/flan2021_tiny_t5.gin",
        "runs/mini_decoder.gin",
        "runs/mini_t5.gin",
        "runs/miniature_clusters.gin",
        "runs/miniature_decoder_text.gin",
        "runs/miniature_decoder_tuned.gin",
        "runs/miniature_size.gin",
        "runs/miniature_t5_text.gin",
        "runs/miniature_t5_tuned.gin",
        "runs/miniature_templates.gin",
        "runs/miniature_wording.gin",
    ]


@pytest.mark.parametrize("name", sorted(ALL_FILES.keys() - FILES.keys()))
def test_a_file_of_another_program_is_refused_with_its_place(name: str) -> None:
    with pytest.raises(gin_values.GinError, match=f"{name}:[0-9]+: |include must be a file"):
        gin_bridge.load([name], [])


@pytest.mark.parametrize("name", RUNS)
def test_a_run_opens_with_what_its_reader_wants_to_know(name: str) -> None:
    text = FILES[name].read_text("utf-8")
    comment = text[: text.index("\n\n") + 1]
    titles = re.findall(r"^# (Wall time|\w+) +\S", comment, re.MULTILINE)
    known = ["Purpose", "Command", "Hardware", "Wall time", "Expected", "Arithmetic"]
    assert titles[: len(known)] == known
    assert f"flanjax train --gin_file={name} " in comment


@pytest.mark.parametrize("name", RUNS)
def test_the_positions_in_a_runs_comment_are_those_it_trains_on(name: str) -> None:
    run = resolve(name, paths=() if "mini_" in name else tuple(PATHS))
    found = re.search(
        r"([\d,]+) steps x (\d+) rows x \(([\d,]+) \+ (\d+)\) \w+ = ([\d.]+) ([MG]) positions",
        FILES[name].read_text("utf-8"),
    )
    assert found is not None
    steps, rows, inputs, targets = (int(number.replace(",", "")) for number in found.groups()[:4])
    assert (steps, rows) == (run.train.steps, run.train.batch_size)
    assert {"inputs": inputs, "targets": targets} == run.data.task_feature_lengths
    unit = {"M": 1e6, "G": 1e9}[found[6]]
    assert f"{steps * rows * (inputs + targets) / unit:.1f}" == found[5]


@pytest.mark.parametrize("name", ["t5_tiny", "decoder_tiny"])
def test_tiny_models_have_a_row_for_each_byte_token(name: str) -> None:
    run = resolve_with(f"models/{name}.gin")
    assert run.tokenizer.kind == "bytes"
    tokenizer = ByteTokenizer(extra_ids=run.tokenizer.extra_ids)
    assert run.model.vocab_size == tokenizer.vocab_size == 384


OBJECTIVES = {
    "instruction": ("t5_tiny", "decoder_tiny"),
    "causal_lm": ("decoder_tiny",),
    "prefix_lm": ("decoder_tiny",),
    "span_corruption": ("t5_tiny", "decoder_tiny"),
}


@pytest.mark.parametrize(
    ("objective", "model"),
    [(name, model) for name, models in OBJECTIVES.items() for model in models],
)
def test_an_objective_goes_with_its_models(objective: str, model: str) -> None:
    write_over = [f"models/{model}.gin", f"objectives/{objective}.gin"]
    assert resolve_with(*write_over).objective.name == objective


@pytest.mark.parametrize(
    ("name", "axes"),
    [
        ("one_device", (1, 1, 1, 1, 1)),
        ("fsdp", (-1, 8, 1, 1, 1)),
        ("tensor2", (-1, 1, 1, 2, 1)),
        ("context2", (-1, 1, 2, 1, 1)),
        ("two_slices", (2, 256, 1, 1, 2)),
    ],
)
def test_a_mesh_file_gives_its_axes(name: str, axes: tuple[int, ...]) -> None:
    mesh = resolve_with("models/t5_tiny.gin", f"meshes/{name}.gin").mesh
    assert dataclasses.astuple(mesh) == axes


def test_the_base_changes_no_default() -> None:
    run = resolve_with("models/t5_tiny.gin")
    assert run.data == DataConfig()
    assert run.train == TrainConfig(steps=1)
    plain = Experiment(
        model_dir="out", model=run.model, tokenizer=run.tokenizer, train=TrainConfig(steps=1)
    )
    assert run == plain


def test_what_an_optimizer_keeps_is_set_by_name() -> None:
    bindings = [
        "MODEL_DIR='out'", "TRAIN_STEPS=1", "OptimizerConfig.name='adamw'", "EmaConfig.decay=0.9",
        "EmaConfig.start=7", "OptimizerConfig.moment_dtype='int8'", "T5Config.matmul='fp8'",
        "OptimizerConfig.weight_dtype='bfloat16'", "RestoreConfig.weights='averaged'",
        "INITIAL_CHECKPOINT_PATH='run'",
    ]  # fmt: skip
    run = gin_bridge.load(["base.gin", "models/t5_tiny.gin"], bindings).experiment
    optimizer = run.optimizer
    assert (optimizer.ema.decay, optimizer.ema.start, optimizer.ema.is_scored) == (0.9, 7, True)
    assert (optimizer.moment_dtype, optimizer.weight_dtype) == ("int8", "bfloat16")
    assert (run.model.matmul, run.restore.weights) == ("fp8", "averaged")


@pytest.mark.parametrize("name", FILES)
def test_a_gin_file_is_short_and_says_what_it_is_for(name: str) -> None:
    lines = FILES[name].read_text("utf-8").splitlines()
    assert len(lines) <= 40
    assert max(map(len, lines)) <= 100
    assert lines[0].startswith("# ")


def test_the_folder_is_found_in_a_clone_and_in_an_installed_package(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "site" / "flanjax"
    (package / "gin_configs").mkdir(parents=True)
    monkeypatch.setattr(gin_statements, "__file__", str(package / "gin_statements.py"))
    assert gin_statements.config_dir() == package / "gin_configs"
    (package / "gin_configs").rmdir()
    assert gin_statements.config_dir() == tmp_path / "site" / "gin_configs"
