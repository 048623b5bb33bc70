"""The launch scripts say what they do, do it, and refuse what they do not know."""

from __future__ import annotations

import os
import pathlib
import shlex
import stat
import subprocess

import pytest

ROOT = pathlib.Path(__file__).parents[2]
LAUNCH = ROOT / "launch"
SCRIPTS = sorted([*LAUNCH.glob("*.sh"), *LAUNCH.glob("*.sbatch"), ROOT / ".ci" / "run"])
TPU = ("gcloud", "compute", "tpus", "tpu-vm")


def _run(script: str, *arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["bash", str(LAUNCH / script), *arguments],
        env={k: v for k, v in os.environ.items() if not k.startswith("SLURM_")} | environ,
        capture_output=True,
        text=True,
        check=False,
    )


def _dry_run(script: str, *arguments: str, **environ: str) -> list[list[str]]:
    done = _run(script, *arguments, **environ)
    assert (done.returncode, done.stderr) == (0, "")
    return _commands(done.stdout)


def _commands(text: str) -> list[list[str]]:
    """Splits lines of shell words, with Bash's own rules for $'...'."""
    lines = [line for line in text.splitlines() if line.strip()]
    split = [["bash", "-c", f"printf '%s\\0' {line}"] for line in lines]
    outputs = [subprocess.run(c, capture_output=True, text=True, check=True).stdout for c in split]
    return [output.split("\0")[:-1] for output in outputs]


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_script_parses(script: pathlib.Path) -> None:
    done = subprocess.run(["bash", "-n", script], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("script", ["quickstart.sh", "test.sh", "tpu_vm.sh"])
def test_help_goes_to_stdout_and_names_the_script(script: str) -> None:
    done = _run(script, "--help")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith(f"Usage: bash launch/{script} ")


@pytest.mark.parametrize(
    ("script", "arguments", "message"),
    [
        ("quickstart.sh", ("--shrot",), "unknown argument: --shrot"),
        ("quickstart.sh", ("--short", "more"), "unknown argument: more"),
        ("test.sh", ("--pers",), "unknown argument: --pers"),
        ("tpu_vm.sh", (), "the verb must be create, install, start, logs or delete, got ''"),
        ("tpu_vm.sh", ("stop",), "got 'stop'"),
        ("tpu_vm.sh", ("logs", "--zone=z", "--dry-run"), "logs must have --name"),
        ("tpu_vm.sh", ("logs", "--name=n", "--dry-run"), "logs must have --zone"),
        ("tpu_vm.sh", ("logs", "--name=n", "--zone"), "--zone must have a value"),
        ("tpu_vm.sh", ("logs", "--name=n", "--zone=z", "--fast"), "unknown argument: --fast"),
        ("tpu_vm.sh", ("create", "--name=n", "--zone=z", "--dry-run"), "create must have --type"),
        (
            "tpu_vm.sh",
            ("create", "--name=n", "--zone=z", "--type=v6e-8", "--dry-run"),
            "create must have --version",
        ),
        ("tpu_vm.sh", ("start", "--name=n", "--zone=z", "--dry-run"), "start must have the argum"),
        ("slurm.sbatch", (), "must have the arguments of flanjax train"),
        ("slurm.sbatch", ("--gin_file=a.gin",), "must run under Slurm"),
    ],
)
def test_bad_usage_exits_with_2_and_says_why(
    script: str, arguments: tuple[str, ...], message: str
) -> None:
    done = _run(script, *arguments)
    assert done.returncode == 2
    assert message in done.stderr
    assert "gcloud" not in done.stdout


def test_no_python_that_is_new_enough_is_one_clear_line(tmp_path: pathlib.Path) -> None:
    old = tmp_path / "python"
    old.write_text("#!/bin/sh\nexit 1\n")
    old.chmod(old.stat().st_mode | stat.S_IXUSR)
    done = _run("quickstart.sh", FLANJAX_PYTHON=str(old))
    assert done.returncode == 1
    assert done.stderr == (
        "Python must be 3.11, 3.12 or 3.13, got none of them; install one or set FLANJAX_PYTHON.\n"
    )


@pytest.mark.parametrize(
    ("verb", "flags", "words"),
    [
        (
            "create",
            ("--type", "v6e-16", "--version", "v2-alpha-tpuv6e"),
            ("create", "t5", "--accelerator-type=v6e-16", "--version=v2-alpha-tpuv6e"),
        ),
        (
            "logs",
            (),
            ("ssh", "t5", "--worker=0", "--command=tail --lines=200 --follow flanjax/train.log"),
        ),
        ("delete", (), ("delete", "t5")),
    ],
)
def test_tpu_vm_prints_one_command(
    verb: str, flags: tuple[str, ...], words: tuple[str, ...]
) -> None:
    printed = _dry_run("tpu_vm.sh", verb, "--name=t5", "--zone", "us-east5-b", *flags, "--dry-run")
    assert printed == [[*TPU, *words, "--zone=us-east5-b"]]


def test_tpu_vm_installs_the_last_commit_on_all_workers() -> None:
    done = _run("tpu_vm.sh", "install", "--name=t5", "--zone=us-east5-b", "--dry-run")
    folder, archive, copy, install = _commands(done.stdout)
    assert folder == ["mkdir", "-p", "build"]
    assert archive == [
        "git", "archive", "--format=tar.gz", "--output=build/flanjax.tar.gz", "HEAD",
    ]  # fmt: skip
    assert copy == [
        *TPU, "scp", "build/flanjax.tar.gz", "t5:flanjax.tar.gz", "--worker=all",
        "--zone=us-east5-b",
    ]  # fmt: skip
    assert install[:7] == [*TPU, "ssh", "t5", "--worker=all"]
    assert "tar -xzf flanjax.tar.gz -C flanjax && cd flanjax\n" in install[7]
    assert '--constraint constraints/py312.txt -e ".[tpu]"' in install[7]


def test_tpu_vm_starts_the_same_run_on_all_workers_and_returns() -> None:
    flags = ("--gin_file=gin_configs/runs/mini_t5.gin", "--gin.MODEL_DIR='/mnt/runs/a run'")
    ((*words, command, zone),) = _dry_run(
        "tpu_vm.sh", "start", "--name=t5", "--zone=us-east5-b", "--dry-run", "--", *flags
    )
    assert words == [*TPU, "ssh", "t5", "--worker=all"]
    assert zone == "--zone=us-east5-b"
    assert command.startswith("--command=cd flanjax && { nohup .venv/bin/flanjax train --gin_file=")
    assert command.endswith(" >train.log 2>&1 </dev/null & }")
    remote = shlex.split(command.removeprefix("--command=cd flanjax && { nohup "))
    assert remote[: 2 + len(flags) + 1] == [
        ".venv/bin/flanjax", "train", *flags, "--coordinator_address=auto",
    ]  # fmt: skip


def test_slurm_prints_one_process_per_node() -> None:
    (command,) = _dry_run("slurm.sbatch", "--dry-run", "--gin_file=a.gin")
    assert command == [
        "srun", "--kill-on-bad-exit=1", "--nodes=NUM_NODES", "--ntasks=NUM_NODES",
        "--ntasks-per-node=1",
        "bash", "-c", 'JAX_PROCESS_ID=$SLURM_PROCID exec .venv/bin/flanjax train "$@"', "flanjax",
        "--gin_file=a.gin", "--coordinator_address=FIRST_NODE:20000", "--num_processes=NUM_NODES",
    ]  # fmt: skip


def test_slurm_gives_each_process_its_number_and_the_first_node(tmp_path: pathlib.Path) -> None:
    programs = {
        "scontrol": 'test "$*" = "show hostnames node[3-4]" && printf "node3\\nnode4\\n"',
        "srun": 'shift 4; for SLURM_PROCID in 0 1; do export SLURM_PROCID; "$@"; done',
        ".venv/bin/flanjax": 'echo "$JAX_PROCESS_ID: $*"',
    }
    for name, body in programs.items():
        program = tmp_path / name
        program.parent.mkdir(parents=True, exist_ok=True)
        program.write_text(f"#!/bin/bash\n{body}\n")
        program.chmod(program.stat().st_mode | stat.S_IXUSR)
    environ = {
        "PATH": f"{tmp_path}:{os.environ['PATH']}",
        "SLURM_JOB_ID": "1234567",
        "SLURM_JOB_NODELIST": "node[3-4]",
        "SLURM_JOB_NUM_NODES": "2",
    }
    done = subprocess.run(
        ["bash", str(LAUNCH / "slurm.sbatch"), "--gin_file=a.gin", "--gin.MODEL_DIR='a b'"],
        cwd=tmp_path,
        env=os.environ | environ,
        capture_output=True,
        text=True,
        check=True,
    )
    train = "train --gin_file=a.gin --gin.MODEL_DIR='a b'"
    place = "--coordinator_address=node3:24567 --num_processes=2"
    assert done.stdout.splitlines()[1:] == [f"0: {train} {place}", f"1: {train} {place}"]
