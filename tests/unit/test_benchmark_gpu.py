"""Stages of GPU benchmarks: what they would run, and what becomes of its results."""

from __future__ import annotations

import dataclasses
import importlib
import json
import os
import pathlib
import subprocess
import sys
import time
from collections.abc import Mapping
from typing import Any

import jax
import pytest

from benchmarks.gpu import __main__ as gpu
from benchmarks.gpu import jobs, loss_kernels
from benchmarks.gpu.jobs import STAGES, Job
from benchmarks.peers import flanjax_side, sizes
from benchmarks.peers import work as work_module
from benchmarks.peers.work import Work
from flanjax.losses.tokens import LossConfig
from flanjax.models import families

ROOT = pathlib.Path(__file__).parents[2]
ALL_JOBS = [job for stage in STAGES.values() for job in stage]
TRAIN = Work(task="train", batch_size=8, target_length=16)


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
        if job.side != "ours":
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


def test_every_target_belongs_to_a_group_and_rises() -> None:
    assert set(jobs.TARGETS) <= {job.group for job in ALL_JOBS}
    for targets in jobs.TARGETS.values():
        for target in targets.values():
            assert target.floor < target.goal < (target.stretch or float("inf"))


def place_of(program: str, folder: pathlib.Path) -> gpu.Place:
    """Returns a place whose Python is a script, given the work and what to print."""
    script = folder / "python"
    script.write_text(f"#!{sys.executable}\nimport sys, json, time\n{program}\n")
    script.chmod(0o755)
    return gpu.Place(str(script), "", "cpu", folder, False)


def job_of(**changes: Any) -> Job:
    return Job(**{"name": "n", "group": "g", "side": "ours", "size": "llama_60m", **changes})


def run(job: Job, place: gpu.Place, *, seconds: float = 60.0) -> list[Any]:
    return gpu.attempts(job, place, time.monotonic() + seconds)


def test_a_job_without_memory_is_tried_again_with_half_the_rows(tmp_path: pathlib.Path) -> None:
    program = """rows = int(sys.argv[sys.argv.index("--batch-size") + 1])
if rows > 2:
    sys.exit("RESOURCE_EXHAUSTED: Out of memory while trying to allocate")
print(json.dumps({"rows": rows}))"""
    found = run(job_of(work=TRAIN), place_of(program, tmp_path))
    assert [(work.batch_size, line) for work, line in found] == [
        (8, {"error": "out of memory"}),
        (4, {"error": "out of memory"}),
        (2, {"rows": 2}),
    ]


def test_a_job_that_fails_or_takes_too_long_keeps_its_lines(tmp_path: pathlib.Path) -> None:
    place = place_of('print("{\\"a\\": 1}", flush=True); time.sleep(60)', tmp_path)
    (_, first), (_, second) = run(job_of(work=TRAIN, limit_s=1.5), place)
    assert (first, second) == ({"a": 1}, {"error": "ended after 2 s"})
    place = place_of('sys.exit("the last words")', tmp_path)
    assert [line for _, line in run(job_of(work=TRAIN), place)] == [{"error": "the last words"}]


def test_what_is_not_here_is_said_and_no_error(tmp_path: pathlib.Path) -> None:
    place = gpu.Place("ours", "", "cpu", tmp_path, True)
    ((_, theirs),) = run(job_of(work=TRAIN, side="theirs"), place)
    ((_, module),) = run(job_of(module="benchmarks.nothing"), place)
    assert theirs == {"absent": "no Python with torch and transformers; name it by --theirs"}
    assert module == {"absent": "there is no benchmarks.nothing here"}


def test_jobs_that_there_is_no_time_for_are_named(
    tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
    log = gpu.Log(tmp_path / "out" / "stage.jsonl")
    place = gpu.Place("ours", "", "cpu", tmp_path, True)
    assert gpu.run_stage([job_of(name="late")], place, log, time.monotonic() + 1)
    lines = [
        {"group": "g", "name": "late", "side": "ours", "skipped": "no time is left"},
        {"left_out": 1, "of": 1},
    ]
    printed = capsys.readouterr().out
    assert [json.loads(line) for line in printed.splitlines()] == lines
    assert (tmp_path / "out" / "stage.jsonl").read_text() == printed
    log.close()


def test_a_dry_run_ends_in_failure_where_a_job_did(tmp_path: pathlib.Path) -> None:
    """So does the pipe that CI reads it through."""
    python = tmp_path / "python"
    broken = 'case "$*" in *benchmarks.gpu.*) exit 3;; esac'
    python.write_text(f'#!/bin/sh\n{broken}\nexec {sys.executable} "$@"\n')
    python.chmod(0o755)
    script = "set -o pipefail; bash benchmarks/gpu.sh kernels --dry-run | cut -c 1-200"
    environment = {**os.environ, "FLANJAX_PYTHON": str(python), "OUT": str(tmp_path)}
    done = subprocess.run(
        ["bash", "-c", script],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "a dry run must end without an error" in done.stderr


def rated(job: Job, line: Mapping[str, Any], work: Work, folder: pathlib.Path) -> dict[str, Any]:
    return gpu.with_rates(dict(line), job, work, gpu.Place("", "", "cuda", folder, False))


def test_utilization_is_that_of_the_step_benchmark(tmp_path: pathlib.Path) -> None:
    """Llama 3.2 1B: 6 flops a parameter and token, 12 a pair and channel."""
    work = Work(task="train", batch_size=8, target_length=2048)
    job = job_of(size="llama_1b", work=work)
    line = {"median_s": 0.5, "device": "NVIDIA H200"}
    found = rated(job, line, work, tmp_path)
    attention = 12 * 8 * (2048**2 // 2) * 16 * 2048
    parameters = 1_235_814_400 - 33 * 2048
    assert found["model_flops_per_step"] == 6 * parameters * 16_384 + attention
    assert found["mfu"] == round(found["model_flops_per_step"] / 0.5 / 989e12, 4)
    assert found["rows_per_s"] == 16
    packed = rated(dataclasses.replace(job, options=("--segments", "4")), line, work, tmp_path)
    assert found["model_flops_per_step"] - packed["model_flops_per_step"] == attention * 3 // 4


def test_the_first_token_is_left_out_of_the_rate_of_decoding(tmp_path: pathlib.Path) -> None:
    work = Work(task="generate", batch_size=8, input_length=16, target_length=101)
    job = job_of(work=work)
    line = {"median_s": 3.0, "first_token_s": 1.0, "tokens": [[1]]}
    assert rated(job, line, work, tmp_path)["decode_tokens_per_s"] == 8 * 100 / 2
    noisy = {**line, "first_token_s": 4.0}
    assert rated(job, noisy, work, tmp_path)["decode_tokens_per_s"] is None


def test_a_summary_is_the_best_of_ours_over_the_best_of_theirs() -> None:
    def line(side: str, name: str, tokens_per_s: float) -> dict[str, Any]:
        return {
            "group": "train llama_1b",
            "side": side,
            "name": name,
            "tokens_per_s": tokens_per_s,
            "mfu": 0.45,
        }

    results = [
        line("ours", "slow", 10_000.0),
        line("ours", "fast", 60_000.0),
        line("theirs", "eager", 20_000.0),
        line("theirs", "compiled", 40_000.0),
        {"group": "train llama_1b", "side": "ours", "name": "none", "error": "out of memory"},
    ]
    (summary,) = gpu.summaries(results)
    assert (summary["best"], summary["transformers"]) == ("fast", "compiled")
    assert summary["tokens_per_s"] == {
        "is": 60_000.0,
        "floor": 53_000,
        "goal": 63_000,
        "stretch": None,
    }
    assert summary["mfu"] == {"is": 0.45, "floor": 0.42, "goal": 0.50, "stretch": 0.60}
    assert summary["times_as_fast_as_transformers"]["is"] == 1.5


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
