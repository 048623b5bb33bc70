"""What the stages of GPU benchmarks run: jobs, commands and what they need."""

from __future__ import annotations

import dataclasses
import importlib
import json
import os
import pathlib
import subprocess
import sys

import jax
import pytest

from benchmarks.gpu import __main__ as gpu
from benchmarks.gpu import checkpoint_speed, jobs, loss_kernels, weights
from benchmarks.gpu.jobs import STAGES
from benchmarks.peers import flanjax_side, sizes
from benchmarks.peers import work as work_module
from flanjax.losses.tokens import LossConfig
from flanjax.models import families

ROOT = pathlib.Path(__file__).parents[2]
ALL_JOBS = [job for stage in STAGES.values() for job in stage]


@pytest.mark.parametrize(
    ("name", "num_parameters"),
    [("t5_xl", 2_849_757_184), ("llama_3b", 3_212_749_824)],  # both published
)
def test_the_larger_sizes_have_their_parameters(name: str, num_parameters: int) -> None:
    shapes = jax.eval_shape(families.make_model(sizes.CONFIGS[name]).init, jax.random.key(0))
    assert sum(leaf.size for leaf in jax.tree.leaves(shapes)) == num_parameters


@pytest.mark.parametrize("stage", STAGES)
def test_every_job_of_a_stage_has_a_name_of_its_own_and_a_command_that_ours_reads(
    stage: str, tmp_path: pathlib.Path
) -> None:
    place = gpu.Place("ours", "theirs", "cpu", tmp_path, True)
    names = [(job.group, job.name) for job in STAGES[stage]]
    assert len(set(names)) == len(names)
    for job in STAGES[stage]:
        if job.side == "theirs":
            continue
        if job.side == "weights":
            words = gpu.command(job, None, place)
            assert words[:3] == ["ours", "-m", "benchmarks.gpu.weights"]
            read = weights.parse_arguments(words[3:])
            assert (read.size, read.folder, read.tiny) == (job.size, tmp_path / job.size, True)
            continue
        if job.module:
            python, flag, module, *words = gpu.command(job, None, place)
            assert (python, flag) == ("ours", "-m")
            assert importlib.import_module(module).parse_arguments(words).tiny
            continue
        assert job.work is not None
        work = gpu.shortened(job.work)
        words = gpu.command(job, work, place)
        assert words[:3] == ["ours", "-m", "benchmarks.peers.flanjax_side"]
        read = flanjax_side.parse_arguments(words[3:])
        assert work_module.from_arguments(read) == work
        dataclasses.replace(sizes.find(job.size, is_tiny=True), **dict(read.config))
        LossConfig(**dict(read.loss))


@pytest.mark.parametrize(
    ("stage", "names"),
    [
        ("kernels", ["attention", "token loss"]),
        (
            "causal",
            [
                "weights",
                "dots, chunk 512",
                "transformers, compiled",
                "none, chunk 512, unrolled",
                "packed, dots, chunk 512",
                "dots, chunk 512, flash",
                "transformers, eager",  # of random weights
            ],
        ),
        (
            "t5",
            [
                "weights",
                "dots, chunk 32",
                "transformers, eager",
                "dots, chunk 32, flash",
                "none, chunk 32, unrolled",
                "packed, dots, chunk 32",
            ],
        ),
        (
            "decode",
            [
                "weights",
                "scanned",
                "unrolled",
                "transformers, dynamic cache",
                "transformers, static cache",
                "shared prompts",
                "transformers, a row an option",
                "Orbax, AdamW's state",
            ],
        ),
    ],
)
def test_a_brief_stage_has_one_job_of_each_kind(stage: str, names: list[str]) -> None:
    assert [job.name for job in jobs.one_of_each_kind(STAGES[stage])] == names


def test_weights_are_read_by_our_first_variant_and_by_peers_of_their_size() -> None:
    readers = [job.name for job in STAGES["causal"] if job.reads_weights]
    assert readers == ["dots, chunk 512", "transformers, compiled"]


def test_every_target_belongs_to_a_group_and_rises() -> None:
    assert set(jobs.TARGETS) <= {job.group for job in ALL_JOBS}
    for targets in jobs.TARGETS.values():
        for target in targets.values():
            assert target.floor < target.goal < (target.stretch or float("inf"))


def test_the_weights_are_where_our_command_finds_them(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    place = gpu.Place("ours", "theirs", "cpu", tmp_path, True)
    make, first, *_ = STAGES["decode"]
    assert "--weights" not in gpu.command(first, first.work, place)
    monkeypatch.setattr(sys, "argv", gpu.command(make, None, place)[2:])
    weights.main()
    assert json.loads(capsys.readouterr().out)["seconds"] >= 0
    words = gpu.command(first, first.work, place)
    assert words[words.index("--weights") + 1] == str(tmp_path / "llama_1b")


def test_checkpoints_are_left_out_without_orbax_alone(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = sizes.find("llama_1b", is_tiny=True)
    monkeypatch.delitem(sys.modules, "flanjax.train.checkpoint", raising=False)
    monkeypatch.setitem(sys.modules, "orbax.checkpoint", None)
    assert "orbax.checkpoint" in checkpoint_speed.measure(config, tmp_path)["absent"]
    monkeypatch.setitem(sys.modules, "flanjax.train.checkpoint", None)
    with pytest.raises(ModuleNotFoundError, match=r"flanjax\.train\.checkpoint"):
        checkpoint_speed.measure(config, tmp_path)


def test_the_loss_kernels_print_each_form_with_its_error(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(loss_kernels, "_CHUNKS", (0, 16))
    loss_kernels.measure("tiny", loss_kernels.Shape(40, 16, 24), num_steps=1)
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["form"] for line in lines[:2]] == ["whole", "chunk 16"]
    for line in lines:
        assert line["errors"]["loss"] < 1e-3
        assert 0 < line["errors"]["head"] < 1e-2  # bfloat16 has 8 bits
        assert 0 < line["errors"]["hidden"] < 1e-2


def test_the_flags_that_meshes_recommend_are_known_to_this_xla() -> None:
    flags = set()
    for mesh in ("one_device", "fsdp", "tensor2"):
        command = ["bash", "-c", f"source launch/environment.sh; mesh_flags {mesh}"]
        found = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
        assert "--xla_gpu_enable_latency_hiding_scheduler=true" in found.stdout.split()
        flags |= set(found.stdout.split())

    # Of flags that it does not know XLA names every one, and ends.
    given = " ".join([*sorted(flags), "--xla_gpu_unheard_of=1"])
    program = [sys.executable, "-c", "import jax; jax.devices()"]
    environment = {**os.environ, "XLA_FLAGS": given, "JAX_PLATFORMS": "cpu"}
    done = subprocess.run(program, env=environment, capture_output=True, text=True, check=False)
    assert "Unknown flag in XLA_FLAGS: --xla_gpu_unheard_of=1" in done.stderr
    assert not [flag for flag in flags if flag in done.stderr]


_IMPORT_BARE = """
import importlib, sys

class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in sys.argv[1].split():
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Absent())
for name in sys.argv[2:]:
    importlib.import_module(name)
"""


def test_they_need_nothing_that_reads_data_configs_or_checkpoints() -> None:
    absent = (
        "tensorflow grain gin array_record tensorboardX orbax sentencepiece tokenizers "
        "pyarrow click torch transformers safetensors"
    )
    modules = [
        "benchmarks.gpu.__main__",
        "benchmarks.gpu.attention_kernels",
        "benchmarks.gpu.loss_kernels",
        "benchmarks.gpu.checkpoint_speed",
        "benchmarks.gpu.weights",
        "benchmarks.peers.flanjax_side",
    ]
    command = [sys.executable, "-c", _IMPORT_BARE, absent, *modules]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    command[3] += " optax"
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert "No module named 'optax'" in done.stderr


def test_the_script_wants_a_stage() -> None:
    script = ["bash", "benchmarks/gpu.sh"]
    done = subprocess.run(script, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 2 and "Usage: " in done.stderr
