"""Kills runs at random and goes on with other hosts: nothing may change.

  .venv-test/bin/python -m benchmarks.data.resume --output FILE.json       # some five minutes
    [--kills 50] [--seed 0] [--records 9000 3000] [--steps 540]

A run of 1, 2, 3 or 4 hosts, a process each, builds its cache, reads its rows and keeps its
position (see resume_host). At a moment drawn uniformly from the length of an unbroken run, all
hosts are killed; another number of hosts goes on from the newest checkpoint. After three kills at
most a run gets through and is compared with an unbroken one of one host; the next begins with an
empty folder.

Compared are the names of the examples in each row as its tokens tell them, a hash of each row's
arrays, and the states with their accounts; of rows that were read again after a kill, every
reading. The unbroken run is compared with its plan, and its passes are counted.

Hosts are forked, since importing the loader takes seconds: grain imports jax.
"""

from __future__ import annotations

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # a process with threads must not fork

import argparse
import json
import mmap
import pathlib
import random
import signal
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from benchmarks import record
from benchmarks.data import resume_host, sidebyside
from benchmarks.data.resume_host import BATCH_SIZE, Phase, Place, Run

HOSTS = (1, 2, 3, 4)
_MOST_KILLS = 3  # of one run, so that there are caches to build
_POLL_S = 0.002
_NAMES = {
    Phase.STARTING: "starting",
    Phase.BUILDING: "building the cache",
    Phase.OPENING: "opening and verifying it",
    Phase.PLANNING: "planning the first window",
    Phase.STEPPING: "stepping",
    Phase.SAVING: "saving a state",
    Phase.THROUGH: "through, others are not",
}


class Ended(NamedTuple):
    """How an attempt ended.

    Attributes:
      num_hosts: Its hosts.
      phases: Of each host when it was killed; empty where all got through.
      seconds: How long it took.
    """

    num_hosts: int
    phases: tuple[Phase, ...]
    seconds: float


def attempt(run: Run, number: int, num_hosts: int, kill_after_s: float | None) -> Ended:
    """Starts all hosts and kills those not yet through after a while.

    Raises:
      ValueError: A host failed.
    """
    phases = mmap.mmap(-1, num_hosts)
    started = time.monotonic()
    left = {_fork(run, Place(number, host, num_hosts), phases) for host in range(num_hosts)}
    while left and (kill_after_s is None or time.monotonic() - started < kill_after_s):
        for process in list(left):
            found, status = os.waitpid(process, os.WNOHANG)
            if found and status:
                _killed(left - {process})
                raise ValueError(f"a host must get through, got status {status}: {run.folder}")
            left -= {found}
        time.sleep(_POLL_S)
    seconds = time.monotonic() - started
    at = tuple(Phase(byte) for byte in phases[:]) if _killed(left) else ()
    return Ended(num_hosts, at, seconds)


def _fork(run: Run, place: Place, phases: mmap.mmap) -> int:
    process = os.fork()
    if process:
        return process
    status = 1
    try:
        resume_host.read_on(run, place, lambda phase: phases.__setitem__(place.host, phase))
        status = 0
    except BaseException:
        traceback.print_exc()
        sys.stderr.flush()
    os._exit(status)


def _killed(processes: set[int]) -> bool:
    """Kills processes; returns whether one of them had not ended before.

    Raises:
      ValueError: One had failed.
    """
    for process in processes:
        os.kill(process, signal.SIGKILL)
    statuses = {os.waitpid(process, 0)[1] for process in processes}
    if failed := statuses - {0, signal.SIGKILL}:
        raise ValueError(f"a host must get through or be killed, got statuses {failed}")
    return signal.SIGKILL in statuses


class Read(NamedTuple):
    """What a run has read.

    Attributes:
      rows: Row number -> its line.
      num_again: Lines of rows that were read in an earlier attempt, too.
      states: Step -> state.
    """

    rows: dict[int, str]
    num_again: int
    states: dict[int, Any]


def what_was_read(run: Run, num_attempts: int) -> Read:
    """Puts the attempts together, each cut where the next one began.

    Raises:
      ValueError: A row is missing, was read twice, or read otherwise.
    """
    bounds = [resume_host.newest(run.folder, before=n)[0] for n in range(num_attempts)]
    bounds.append(run.steps)
    rows: dict[int, str] = {}
    any_reading: dict[int, str] = {}
    num_again = 0
    for path in sorted(run.folder.glob("rows.*")):
        first = Place.parsed(path).attempt
        mine = range(bounds[first] * BATCH_SIZE, bounds[first + 1] * BATCH_SIZE)
        for line in path.read_text("utf-8").split("\n")[:-1]:  # the last may be cut
            number = int(line.partition(" ")[0])
            num_again += number in any_reading
            if any_reading.setdefault(number, line) != line or number in rows:
                raise ValueError(f"row {number} must be read alike and once, got {line} in {path}")
            if number in mine:
                rows[number] = line
    if sorted(rows) != list(range(run.steps * BATCH_SIZE)):
        missing = sorted(set(range(run.steps * BATCH_SIZE)) - set(rows))
        raise ValueError(f"{run.folder} must have every row, got none of {missing[:5]}")
    return Read(rows, num_again, _states(run, num_attempts))


def _states(run: Run, num_attempts: int) -> dict[int, Any]:
    """Returns step -> state, which all hosts of all attempts must have had alike."""
    states: dict[int, Any] = {}
    for (step, _), paths in resume_host.state_files(run.folder, before=num_attempts).items():
        for path in paths:
            state = json.loads(path.read_text("utf-8"))
            if states.setdefault(step, state) != state:
                raise ValueError(f"hosts must agree on the state after {step}, got {path}")
    return states


def check_same(found: Read, expected: Read) -> None:
    """Checks that two runs read the same.

    Raises:
      ValueError: They differ; the first row or state that does is named.
    """
    for what in ("rows", "states"):
        ours, theirs = getattr(found, what), getattr(expected, what)
        if ours != theirs:
            at = min(n for n in {*ours, *theirs} if ours.get(n) != theirs.get(n))
            raise ValueError(f"{what} must be the same, got {ours.get(at)} for {theirs.get(at)}")


def check_plan(run: Run, read: Read) -> dict[str, int]:
    """Checks rows against the plan, and that each pass holds each example once.

    Returns:
      What was counted.

    Raises:
      ValueError: It is otherwise.
    """
    data = resume_host.prepare(run)
    names = [
        [
            f"{resume_host.WORDINGS[example['template']]}{store.task[0]}{example['row'] - 1:05}"
            for part in store.shards
            for example in part.examples
        ]
        for store in data.tokens.stores
    ]
    held = [read.rows[number].split(" ")[2].split(",") for number in range(len(read.rows))]
    window = num_rows = 0
    drawn: Counter[str] = Counter()
    while num_rows + len(rows := data.plan.make_rows(window)) <= len(held):
        for row in range(len(rows)):
            expected = [names[task][example] for task, example in rows.row(row)]
            if held[num_rows + row] != expected:
                raise ValueError(f"row {num_rows + row} must hold {expected}, got another")
            drawn.update(expected)
        window, num_rows = window + 1, num_rows + len(rows)
    num_passes = check_passes(data.plan, names, drawn, window)
    return {"windows": window, "passes": num_passes, "examples": sum(map(len, held))}


def check_passes(
    plan: Any, names: Sequence[Sequence[str]], drawn: Counter[str], window: int
) -> int:
    """Checks what the windows before one have drawn.

    Args:
      plan: The plan.
      names: Of each task, its examples' names, pass after pass.
      drawn: How often each was drawn.
      window: The first window that does not count.

    Returns:
      How many passes were drawn to their end.

    Raises:
      ValueError: A pass does not hold each of its examples once.
    """
    num_whole = 0
    for number, task in enumerate(plan.tasks):
        cycles, rest = divmod(plan.num_draws(number, window), sum(task.pass_sizes))
        start = 0
        for size in task.pass_sizes:
            whole, partly = divmod(cycles * size + min(max(rest - start, 0), size), size)
            times = Counter(drawn[name] for name in names[number][start : start + size])
            if times != Counter({whole: size - partly, whole + 1: partly}):
                raise ValueError(
                    f"{task.name} must be drawn {whole} times, {partly} of {size} once more, got "
                    f"times -> examples {dict(times)}"
                )
            num_whole, start = num_whole + whole, start + size
    return num_whole


def unbroken(run: Run, num_hosts: int) -> tuple[Read, float]:
    """Returns what an unbroken run reads, and its seconds."""
    run.folder.mkdir()
    ended = attempt(run, 0, num_hosts, None)
    return what_was_read(run, 1), ended.seconds


def broken(
    run: Run, lengths_s: dict[int, float], rng: random.Random, most_kills: int
) -> Iterator[Ended]:
    """Yields attempts of a run until it is through, each with other hosts."""
    run.folder.mkdir()
    before, number, kills = 0, 0, 0
    while True:
        num_hosts = rng.choice([n for n in HOSTS if n != before])
        after_s = rng.uniform(0, lengths_s[num_hosts]) if kills < most_kills else None
        ended = attempt(run, number, num_hosts, after_s)
        yield ended
        if not ended.phases:
            return
        before, number, kills = num_hosts, number + 1, kills + 1


def histogram(kills: Sequence[Ended]) -> Iterator[str]:
    """Yields a line for each phase: kills with host 0 in it, all hosts in it."""
    first = Counter(kill.phases[0] for kill in kills)
    hosts = Counter(phase for kill in kills for phase in kill.phases)
    yield f"{len(kills)} kills of {sum(hosts.values())} hosts; what host 0 was at, and all hosts"
    for phase, name in _NAMES.items():
        yield f"  {name:<26}{first[phase]:4}{hosts[phase]:5}  {'#' * first[phase]}"


def measure(folder: pathlib.Path, arguments: argparse.Namespace) -> dict[str, Any]:
    """Runs until enough were killed; returns what was found."""
    sizes, steps = tuple(arguments.records), arguments.steps
    rng = random.Random(arguments.seed)
    expected, length_s = unbroken(Run(folder / "unbroken-1", sizes, steps), 1)
    counted = check_plan(Run(folder / "unbroken-1", sizes, steps), expected)
    lengths_s = {1: length_s}
    for num_hosts in HOSTS[1:]:
        run = Run(folder / f"unbroken-{num_hosts}", sizes, steps)
        found, lengths_s[num_hosts] = unbroken(run, num_hosts)
        check_same(found, expected)
    print("unbroken, hosts -> s:", {n: round(s, 2) for n, s in lengths_s.items()}, flush=True)
    kills: list[Ended] = []
    num_runs = num_again = 0
    while len(kills) < arguments.kills:
        run = Run(folder / f"run-{num_runs}", sizes, steps)
        attempts = list(broken(run, lengths_s, rng, min(_MOST_KILLS, arguments.kills - len(kills))))
        found = what_was_read(run, len(attempts))
        check_same(found, expected)
        kills += [ended for ended in attempts if ended.phases]
        num_runs, num_again = num_runs + 1, num_again + found.num_again
        hosts = " -> ".join(str(ended.num_hosts) for ended in attempts)
        print(f"run {num_runs}: hosts {hosts}: identical; {len(kills)} kills", flush=True)
    print(*histogram(kills), sep="\n")
    phases = Counter(kill.phases[0] for kill in kills)
    return {
        "kills": len(kills),
        "phases": {name: phases[phase] for phase, name in _NAMES.items()},
        "hosts": {str(n): sum(kill.num_hosts == n for kill in kills) for n in HOSTS},
        "runs": num_runs,
        "steps": steps,
        "rows": steps * BATCH_SIZE,
        **counted,
        "rows_read_again": num_again,
        "unbroken_s": {str(n): round(s, 2) for n, s in lengths_s.items()},
        "identical": True,
    }


def main() -> None:
    """Reads the command line, runs, prints and writes."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--output", type=pathlib.Path, required=True)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--records", type=int, nargs=2, default=(9000, 3000))
    parser.add_argument("--steps", type=int, default=540)
    arguments = parser.parse_args()
    started = time.perf_counter()
    with tempfile.TemporaryDirectory(prefix="flanjax-resume-") as temporary:
        found = measure(pathlib.Path(temporary), arguments)
    seconds = round(time.perf_counter() - started, 1)
    facts = {"seed": arguments.seed, "seconds": seconds, "machine": sidebyside.machine()}
    command = "python -m benchmarks.data.resume --output FILE.json"
    record.write_json(arguments.output, {"command": command, **found, **facts})


if __name__ == "__main__":
    main()
