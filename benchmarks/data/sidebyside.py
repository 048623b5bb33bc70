r"""Runs benchmarks of several programs in turn: a slow spell of the machine hits all alike.

  python -m benchmarks.data.sidebyside --output FILE.json --core 0 --rounds 5 \
    --run ours '.venv-test/bin/python ...' --run seqio '.venv-bench-seqio/bin/python ...'

Each command is a process that prints a JSON line with tokens_per_s or seconds; the last line that
begins with a brace counts. The order is A B C, C B A, A B C, ... $NAME in a command stands for the
environment variable, so that the result need not name places of this machine.

A sample is noisy where other processes used more than --noise of the processor meanwhile: of the
pinned core, or of the whole machine. Rounds go on until every command has --rounds quiet samples,
at most --most-rounds. Medians are over quiet samples where every command has as many as that, else
over all, and `counted` says so. A ratio is how many times as fast as the first command: above one
is faster. The file is written anew after each round.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import pathlib
import platform
import shlex
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from benchmarks import record

MEASURES = ("tokens_per_s", "seconds")
"""What is compared, the first that a line has; more is better of the first alone."""

_TICKS_PER_S = os.sysconf("SC_CLK_TCK")
_NUM_STATES = 8  # user, nice, system, idle, iowait, irq, softirq, steal; guests are in user
_IDLE = slice(3, 5)


class Load(NamedTuple):
    """Seconds since boot that processors were there, and that they were busy or taken away."""

    total_s: float
    busy_s: float


class Sample(NamedTuple):
    """One run of a command.

    Attributes:
      line: What it printed.
      wall_s: From its start to its end, with its imports.
      processor_s: Of it and what it started.
      others: Share of the machine that other processes used meanwhile, 0 to 1.
      others_on_core: The same of the pinned core; None where none is pinned.
    """

    line: dict[str, Any]
    wall_s: float
    processor_s: float
    others: float
    others_on_core: float | None

    def is_quiet(self, noise: float) -> bool:
        """Whether other processes used no more than a share, of machine and core."""
        return max(self.others, self.others_on_core or 0.0) <= noise


def read_load(stat: str, core: int | None = None) -> Load:
    """Returns the load in a text of /proc/stat, of one core or of the machine."""
    name = "cpu" if core is None else f"cpu{core}"
    for line in stat.splitlines():
        label, *ticks = line.split()
        if label == name:
            states = [int(tick) / _TICKS_PER_S for tick in ticks[:_NUM_STATES]]
            return Load(sum(states), sum(states) - sum(states[_IDLE]))
    raise ValueError(f"/proc/stat must have {name}, got a machine without; name another core.")


def share_of_others(before: Load, after: Load, own_s: float) -> float:
    """Returns the share of the time between that was busy, but not with own_s."""
    total_s = after.total_s - before.total_s
    return max(0.0, after.busy_s - before.busy_s - own_s) / total_s if total_s > 0 else 0.0


def run(command: str, core: int | None) -> Sample:
    """Runs a command to its end; its errors go to the terminal."""
    arguments = shlex.split(os.path.expandvars(command))
    if core is not None:
        arguments = ["taskset", "-c", str(core), *arguments]
    stat = pathlib.Path("/proc/stat")
    before, started = stat.read_text(), time.perf_counter()
    process = subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    with process.stdout as pipe:
        lines = [line for line in pipe if line.startswith("{")]
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    wall_s, after = time.perf_counter() - started, stat.read_text()
    if process.returncode or not lines:
        raise ValueError(
            f"a command must end with 0 and print a JSON line, got {process.returncode} and "
            f"{len(lines)} lines from: {command}; run it by itself."
        )
    own_s = usage.ru_utime + usage.ru_stime
    shares = [
        share_of_others(read_load(before, of), read_load(after, of), own_s) for of in (None, core)
    ]
    on_core = None if core is None else shares[1]
    return Sample(json.loads(lines[-1]), wall_s, own_s, shares[0], on_core)


def measure_of(samples: Sequence[Sample]) -> str:
    """Returns the field that is compared: the first of MEASURES in every sample."""
    for name in MEASURES:
        if all(name in sample.line for sample in samples):
            return name
    raise ValueError(f"every line must have one of {MEASURES}, got neither in all; print one.")


def is_enough(runs: Mapping[str, Sequence[Sample]], noise: float, rounds: int) -> bool:
    """Whether every command has a number of quiet samples."""
    return all(
        sum(sample.is_quiet(noise) for sample in samples) >= rounds for samples in runs.values()
    )


def summary(runs: Mapping[str, Sequence[Sample]], noise: float, rounds: int) -> dict[str, Any]:
    """Returns medians, which samples they are of, and ratios against the first."""
    measure = measure_of([sample for samples in runs.values() for sample in samples])
    quiet = {
        name: [sample for sample in samples if sample.is_quiet(noise)]
        for name, samples in runs.items()
    }
    counts_quiet = is_enough(runs, noise, rounds)
    medians = {
        name: statistics.median(sample.line[measure] for sample in samples)
        for name, samples in (quiet if counts_quiet else runs).items()
    }
    first = next(iter(medians.values()))
    ratios = {
        name: median / first if measure == MEASURES[0] else first / median
        for name, median in medians.items()
    }
    return {
        "measure": measure,
        "medians": medians,
        "counted": "quiet" if counts_quiet else "all",
        "num_quiet": {name: len(samples) for name, samples in quiet.items()},
        "times_as_fast_as_the_first": {name: round(ratio, 3) for name, ratio in ratios.items()},
    }


def machine() -> dict[str, Any]:
    """Returns what the samples were taken on."""
    models = [
        line.partition(":")[2].strip()
        for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines()
        if line.startswith("model name")
    ]
    return {
        "cpu": models[0] if models else platform.machine(),
        "cores": os.cpu_count(),
        "python": platform.python_version(),
    }


def _as_json(sample: Sample, noise: float) -> dict[str, Any]:
    return {
        "line": sample.line,
        "wall_s": round(sample.wall_s, 3),
        "processor_s": round(sample.processor_s, 3),
        "others": round(sample.others, 4),
        "others_on_core": None
        if sample.others_on_core is None
        else round(sample.others_on_core, 4),
        "is_quiet": sample.is_quiet(noise),
    }


def _samples(runs: Mapping[str, Sequence[Sample]], noise: float) -> dict[str, Any]:
    lines = {name: samples[0].line for name, samples in runs.items()}
    return {
        "versions": {
            name: line.get("packages", line.get("version")) for name, line in lines.items()
        },
        "samples": {
            name: [_as_json(sample, noise) for sample in samples] for name, samples in runs.items()
        },
    }


def alternate(
    commands: Mapping[str, str], *, rounds: int, most_rounds: int, core: int | None, noise: float
) -> Iterator[dict[str, list[Sample]]]:
    """Runs the commands in turn, every other round backwards; yields all samples a round."""
    runs: dict[str, list[Sample]] = {name: [] for name in commands}
    for i in range(most_rounds):
        if is_enough(runs, noise, rounds):
            break
        for name in list(commands)[:: 1 if i % 2 == 0 else -1]:
            sample = run(commands[name], core)
            runs[name].append(sample)
            shown = {key: sample.line[key] for key in MEASURES if key in sample.line}
            print(f"round {i + 1}: {name} {shown}, others {sample.others:.1%}", flush=True)
        yield runs


def main() -> None:
    """Reads the command line, runs, writes and prints the summary."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument(
        "--run", nargs=2, action="append", required=True, metavar=("NAME", "COMMAND")
    )
    parser.add_argument("--output", type=pathlib.Path, required=True)
    parser.add_argument("--rounds", type=int, default=5, help="quiet samples of each command")
    parser.add_argument("--most-rounds", type=int, help="default: as --rounds")
    parser.add_argument("--core", type=int, help="pin every command to this core by taskset")
    parser.add_argument("--noise", type=float, default=0.08, help="most that others may use")
    arguments = parser.parse_args()
    commands: dict[str, str] = dict(arguments.run)
    rounds, noise = arguments.rounds, arguments.noise
    most_rounds = rounds if arguments.most_rounds is None else arguments.most_rounds
    if len(commands) != len(arguments.run) or not 1 <= rounds <= most_rounds:
        parser.error("names must differ, --rounds be 1 or more, and --most-rounds no fewer.")
    facts = {
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "command": shlex.join(["python", "-m", "benchmarks.data.sidebyside", *sys.argv[1:]]),
        "machine": machine(),
        "noise": noise,
    }
    found: dict[str, Any] = {}
    for runs in alternate(
        commands, rounds=rounds, most_rounds=most_rounds, core=arguments.core, noise=noise
    ):
        found = summary(runs, noise, rounds)
        record.write_json(arguments.output, {**facts, **found, **_samples(runs, noise)})
    print(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
