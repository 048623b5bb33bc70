"""`flanjax train` as two processes on loopback is the run of one process."""

from __future__ import annotations

import json
import pathlib
import socket
import subprocess

import numpy as np
import pytest
from tests.faults import tiny_run

SHORT, LONG = 8, 12
BINDINGS = (
    "HOLD_OUT='entailment'",
    "DROPOUT_RATE=0.0",
    "ScheduleConfig.name='constant'",
    "EvalConfig.before_and_after=True",
    "EvalConfig.score_seen_clusters=False",
    "EvalConfig.max_examples=4",
    "EvalConfig.batch_size=16",
    "DataConfig.max_examples=60",
)


def run(folder, cache, *bindings, steps, num_processes, num_devices):
    """Runs `flanjax train` to its end; returns what each process printed."""
    command = tiny_run.command(folder, *BINDINGS, f"TRAIN_STEPS={steps}", *bindings)
    environment = tiny_run.environment(
        cache, XLA_FLAGS=f"--xla_force_host_platform_device_count={num_devices}", NO_PROXY="*"
    )
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{probe.getsockname()[1]}"
    places = [
        [f"--coordinator_address={address}", f"--num_processes={num_processes}", f"--process_id={i}"]
        for i in range(num_processes)
    ]
    processes = [
        subprocess.Popen(
            [*command, *(place if num_processes > 1 else [])],
            env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )
        for place in places
    ]  # fmt: skip
    try:
        outputs = [process.communicate(timeout=240) for process in processes]
    finally:
        for process in processes:
            process.kill()
    for process, (_, errors) in zip(processes, outputs, strict=True):
        assert process.returncode == 0, errors[-3000:]
    return [printed for printed, _ in outputs]
