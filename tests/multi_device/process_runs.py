"""`flanjax train` as one process or as several, for tests that compare them."""

from __future__ import annotations

import json
import socket
import subprocess

from tests.faults import tiny_run

FIRST, LAST = 4, 6
ON_FOUR_DEVICES = "MeshConfig.fsdp=2"
BINDINGS = (
    "HOLD_OUT='entailment'",
    "DROPOUT_RATE=0.0",
    "TASK_FEATURE_LENGTHS={'inputs': 48, 'targets': 64}",
    "ScheduleConfig.name='constant'",
    "ScheduleConfig.warmup_steps=2",
    "EvalConfig.before_and_after=True",
    "EvalConfig.score_seen_clusters=False",
    "EvalConfig.max_examples=4",
    "EvalConfig.batch_size=80",
    "DataConfig.max_examples=60",
    "T5Config.num_encoder_layers=1",
    "T5Config.num_decoder_layers=1",
)
_FLAGS = "--xla_backend_optimization_level=0"  # compiling is most of such a run

# The command, each of whose processes keeps its own position at every checkpoint, and the first
# the report that goes with it. Programs of several processes start together: Gloo gives a process
# 30 s to meet the others, and one may compile that much longer, or find its program in the cache.
_PROGRAM = """
import itertools, json
import jax
from jax._src import compiler, distributed
from flanjax import run
from flanjax.cli.main import main

plain_compile, plain_at_checkpoint = compiler.compile_or_get_cached, run._DataLog.at_checkpoint
numbers = itertools.count()

def compile_or_get_cached(backend, computation, devices, *arguments, **named):
    executable = plain_compile(backend, computation, devices, *arguments, **named)
    if len({device.process_index for device in devices.flat}) > 1:
        client = distributed.global_state.client
        client.wait_at_barrier(f"compiled {next(numbers)}", 240_000)
    return executable

def at_checkpoint(self, step, position):
    plain_at_checkpoint(self, step, position)
    name = f"{step}.{jax.process_index()}-of-{jax.process_count()}.json"
    (self.folder / f"position.{name}").write_text(json.dumps(position))
    if jax.process_index() == 0:
        report = (self.folder / "data_report.json").read_text()
        (self.folder / f"report.{name}").write_text(report)

compiler.compile_or_get_cached, run._DataLog.at_checkpoint = compile_or_get_cached, at_checkpoint
main()
"""


def run(folder, cache, *bindings, steps, num_processes, num_devices):
    """Runs `flanjax train --json` to its end; returns what each process printed."""
    command = tiny_run.command(folder, *BINDINGS, f"TRAIN_STEPS={steps}", *bindings)
    command[2] = _PROGRAM
    devices = f"--xla_force_host_platform_device_count={num_devices}"
    environment = tiny_run.environment(cache, XLA_FLAGS=f"{devices} {_FLAGS}")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        address = f"--coordinator_address=127.0.0.1:{probe.getsockname()[1]}"
    number = f"--num_processes={num_processes}"
    alone = num_processes == 1
    places = [[] if alone else [address, number, f"--process_id={i}"] for i in range(num_processes)]
    processes = [
        subprocess.Popen(
            [*command, "--json", *place],
            env={name: v for name, v in environment.items() if not name.lower().endswith("_proxy")},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for place in places
    ]
    try:
        outputs = [process.communicate(timeout=240) for process in processes]
    finally:
        for process in processes:
            process.kill()
    for process, (_, errors) in zip(processes, outputs, strict=True):
        assert process.returncode == 0, errors[-3000:]
    return [printed for printed, _ in outputs]


def outcome_of(printed):
    """Returns the JSON on stdout; the library of collectives writes there before it."""
    return json.loads(printed[printed.index("{\n") :])


def files(folder):
    """Returns the files of a run, less checkpoints, cache and what _PROGRAM adds."""
    found = (path.relative_to(folder) for path in folder.rglob("*") if path.is_file())
    kept = (path for path in found if path.parts[0] not in ("checkpoints", "cache"))
    return sorted(str(path) for path in kept if not path.match("*-of-*"))


def curve(folder, steps):
    """Returns the losses of steps."""
    return [tiny_run.logged(folder)[step] for step in steps]


def positions(folder, step, num_processes):
    """Returns the position of each process at a checkpoint, its account included."""
    names = (f"position.{step}.{i}-of-{num_processes}.json" for i in range(num_processes))
    return [json.loads((folder / name).read_text("utf-8")) for name in names]


def report(folder, step, num_processes):
    """Returns the data report as it was at a checkpoint."""
    return json.loads((folder / f"report.{step}.0-of-{num_processes}.json").read_text("utf-8"))


def data_metrics(folder):
    """Returns step -> what the log says of the data."""
    lines = (folder / "metrics.jsonl").read_text("utf-8").splitlines()
    rows = (json.loads(line) for line in lines)
    return {
        row["step"]: {k: v for k, v in row["metrics"].items() if k.startswith("data/")}
        for row in rows
    }
