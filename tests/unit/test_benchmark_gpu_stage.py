"""A stage of GPU benchmarks: what becomes of its jobs and their results."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import math
import os
import pathlib
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest

from benchmarks.gpu import __main__ as gpu
from benchmarks.gpu.jobs import Job
from benchmarks.peers.work import Work

ROOT = pathlib.Path(__file__).parents[2]
TRAIN = Work(task="train", batch_size=8, target_length=16)


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


@pytest.mark.parametrize(("is_dry", "key"), [(False, "absent"), (True, "error")])
def test_a_peer_that_is_not_here_is_an_error_of_a_dry_run_alone(
    is_dry: bool, key: str, tmp_path: pathlib.Path
) -> None:
    place = gpu.Place("ours", "", "cpu", tmp_path, is_dry)
    ((_, theirs),) = run(job_of(work=TRAIN, side="theirs"), place)
    assert theirs == {key: "no Python with torch and transformers; name it by --theirs"}


def test_a_module_that_is_not_here_or_says_nothing_is_an_error(tmp_path: pathlib.Path) -> None:
    place = gpu.Place(sys.executable, "", "cpu", tmp_path, True)
    ((_, absent),) = run(job_of(module="benchmarks.nothing"), place)
    assert "No module named benchmarks.nothing" in absent["error"]
    ((_, silent),) = run(job_of(work=TRAIN), place_of("", tmp_path))
    assert silent == {"error": "it printed no result"}


def test_a_stage_may_run_jobs_by_name_and_refuses_others(
    capsys: pytest.CaptureFixture[str],
) -> None:
    given = ["decode", "--out", "out", "--only"]
    assert gpu.parse_arguments([*given, "scanned"]).only == ["scanned"]
    with pytest.raises(SystemExit):
        gpu.parse_arguments([*given, "packed"])
    assert "jobs of the stage, weights; scanned; unrolled" in capsys.readouterr().err


def test_weights_that_another_stage_left_are_not_made_again(tmp_path: pathlib.Path) -> None:
    weights = job_of(side="weights", size="llama_1b")
    log = gpu.Log(tmp_path / "log.jsonl")
    place = place_of('print("{\\"seconds\\": 1}")', tmp_path)
    for _ in range(2):
        gpu.run_stage([weights], place, log, time.monotonic() + 60)
        (tmp_path / "llama_1b").mkdir(exist_ok=True)
        (tmp_path / "llama_1b" / "config.json").touch()
    log.close()
    first, second = map(json.loads, (tmp_path / "log.jsonl").read_text().splitlines())
    assert (first["seconds"], "skipped" in first) == (1, False)
    assert (second.get("seconds"), second["skipped"]) == (None, "they are there already")


def test_a_dry_run_adds_quick_compilation_to_the_flags_of_a_job(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XLA_FLAGS", "--of_the_mesh")
    place = gpu.Place("ours", "", "cpu", tmp_path, True)
    own = job_of(flags="--own")
    told = "source launch/environment.sh && echo $QUICK_COMPILATION"  # what tests compile with
    quick = subprocess.check_output(["bash", "-c", told], cwd=ROOT, text=True).strip()
    assert gpu.environment(own, place)["XLA_FLAGS"] == f"--own {quick}"
    assert gpu.environment(job_of(), place)["XLA_FLAGS"] == f"--of_the_mesh {quick}"
    assert gpu.environment(own, place._replace(is_dry=False))["XLA_FLAGS"] == "--own"


def until(claim: Callable[[], bool], what: str) -> None:
    """Waits half a minute for a claim to become true."""
    for _ in range(600):
        if claim():
            return
        time.sleep(0.05)
    pytest.fail(f"not within half a minute: {what}")


def numbers_in(path: pathlib.Path) -> list[int]:
    text = path.read_text() if path.exists() else ""
    return [int(word) for word in text.split()] if text.endswith("\n") else []


@contextlib.contextmanager
def ended_soon(path: pathlib.Path) -> Iterator[None]:
    """Checks at its end that processes are gone whose numbers a file has."""
    try:
        yield
        for process in numbers_in(path):
            until(lambda: not os.path.exists(f"/proc/{process}"), f"process {process} ends")  # noqa: B023
    finally:
        for process in numbers_in(path):
            with contextlib.suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)


def test_a_job_ends_with_all_that_it_began_when_it_is_interrupted(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    numbers = tmp_path / "numbers"
    program = f"""import os, subprocess
child = subprocess.Popen(["sleep", "600"])
open({str(numbers)!r}, "w").write(f"{{os.getpid()}} {{child.pid}}\\n")
time.sleep(600)"""

    def interrupted(*_: Any, **__: Any) -> None:
        until(lambda: len(numbers_in(numbers)) == 2, "the job begins")
        raise KeyboardInterrupt

    monkeypatch.setattr(subprocess.Popen, "communicate", interrupted)
    with ended_soon(numbers), pytest.raises(KeyboardInterrupt):
        run(job_of(work=TRAIN), place_of(program, tmp_path))


def test_a_script_that_is_told_to_end_ends_the_job_that_runs(tmp_path: pathlib.Path) -> None:
    python, numbers = tmp_path / "python", tmp_path / "numbers"
    waits = f'case "$*" in *benchmarks.gpu.*) echo $$ >"{numbers}"; exec sleep 600;; esac'
    python.write_text(f'#!/bin/sh\n{waits}\nexec {sys.executable} "$@"\n')
    python.chmod(0o755)
    environment = {**os.environ, "FLANJAX_PYTHON": str(python), "OUT": str(tmp_path)}
    command = ["bash", "benchmarks/gpu.sh", "kernels", "--dry-run"]
    with (
        ended_soon(numbers),
        subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL) as script,
    ):
        until(lambda: bool(numbers_in(numbers)), "the job begins")
        script.terminate()
        assert script.wait(timeout=30) == 128 + signal.SIGTERM


def test_jobs_that_there_is_no_time_for_are_named(
    tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
    log = gpu.Log(tmp_path / "out" / "stage.jsonl")
    place = gpu.Place("ours", "", "cpu", tmp_path, True)
    assert gpu.run_stage([job_of(name="late")], place, log, time.monotonic() + 1) == (0, 0)
    lines = [
        {"group": "g", "name": "late", "side": "ours", "skipped": "no time is left"},
        {"left_out": 1, "of": 1},
    ]
    printed = capsys.readouterr().out
    assert [json.loads(line) for line in printed.splitlines()] == lines
    assert (tmp_path / "out" / "stage.jsonl").read_text() == printed
    log.close()


def test_what_ran_with_fewer_rows_did_not_fail_and_others_follow_what_did(
    tmp_path: pathlib.Path,
) -> None:
    program = """if "benchmarks.gpu.weights" in sys.argv:
    sys.exit("No space left on device")
rows = int(sys.argv[sys.argv.index("--batch-size") + 1])
if rows > 2:
    sys.exit("RESOURCE_EXHAUSTED: Out of memory while trying to allocate")
print(json.dumps({"rows": rows}))"""
    path = tmp_path / "stage.jsonl"
    made, trained = job_of(name="made", side="weights"), job_of(work=TRAIN)
    place = place_of(program, tmp_path)
    with contextlib.closing(gpu.Log(path)) as log:
        found = gpu.run_stage([made, trained], place, log, time.monotonic() + 60)
    assert (found.num_begun, found.num_failed) == (2, 1)
    first, *_, last = [json.loads(line) for line in path.read_text().splitlines()]
    assert (first["name"], first["error"]) == ("made", "No space left on device")
    assert last["rows"] == 2


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ([], r"without an error, got 2 of 2 with one; see"),
        (["--dry-run"], r"without an error, got 2 of 2 with one; see"),
        (["--dry-run", "--brief"], r"without an error, got 1 of 1 with one; see"),
        (["--dry-run", "--seconds", "1"], r"must begin a job, got no time for one; give"),
    ],
)
def test_a_stage_ends_in_failure_where_a_job_does_or_none_begins(
    options: list[str], message: str, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    alike = [job_of(name=name, module="benchmarks.nothing") for name in ("one", "two")]
    monkeypatch.setattr(gpu, "STAGES", {"kernels": alike})
    monkeypatch.setattr(gpu, "end_in_order_when_told", lambda: None)
    monkeypatch.setattr(sys, "argv", ["gpu", "kernels", "--out", str(tmp_path), *options])
    with pytest.raises(SystemExit, match=message):
        gpu.main()


def test_a_stage_has_eight_minutes_and_a_dry_run_has_no_end(
    capsys: pytest.CaptureFixture[str],
) -> None:
    stage = ["causal", "--out", "out"]
    assert gpu.parse_arguments(stage).seconds == 470
    assert gpu.parse_arguments([*stage, "--dry-run"]).seconds == math.inf
    for text in ("0", "-1", "nan"):
        with pytest.raises(SystemExit, match="2"):
            gpu.parse_arguments([*stage, f"--seconds={text}"])
        told = f"--seconds must be above 0, got {text}; leave it out for a whole stage."
        assert told in capsys.readouterr().err


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
    assert "every job of a stage must end without an error, got 2 of 2" in done.stderr


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
