"""Lets living contestants take turns: a slow spell of the machine hits all alike.

The order is A B C, C B A, A B C, ... A turn is clean where other processes used
less than a share of the machine during it. Rounds go on until every contestant
has enough clean turns, or there is no more time.
"""

from __future__ import annotations

import json
import os
import pathlib
import shlex
import statistics
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from benchmarks.data.sidebyside import Load, read_load, share_of_others
from benchmarks.peers import turns

_TICKS_PER_S = os.sysconf("SC_CLK_TCK")


class Entry(NamedTuple):
    """A contestant before it is started.

    Attributes:
      command: Its program and arguments.
      environment: All of its environment.
    """

    command: Sequence[str]
    environment: Mapping[str, str]


class Rules(NamedTuple):
    """When a turn counts, and when it is over.

    Attributes:
      rounds: Clean turns that every contestant has to have.
      most_rounds: Turns that each has at most.
      seconds: No round begins after so many.
      noise: Share of the machine that others may use in a clean turn.
    """

    rounds: int = 5
    most_rounds: int = 12
    seconds: float = 600.0
    noise: float = 0.08


class Turn(NamedTuple):
    """One step of a contestant.

    Attributes:
      step_s: What it took.
      others: Share of the machine that other processes used meanwhile.
    """

    step_s: float
    others: float


class Living:
    """A contestant that runs as a process of its own.

    Raises:
      ValueError: It ended before it was ready; its last words are shown.
    """

    def __init__(self, entry: Entry):
        self._command = shlex.join(entry.command)
        self._errors = tempfile.TemporaryFile("w+")  # noqa: SIM115  # closed by `end`
        self._process = subprocess.Popen(
            [*entry.command, "--living"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
            env=dict(entry.environment),
        )
        try:
            self._answer()
        except ValueError:
            self.end()
            raise

    def _answer(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            if line.startswith("{"):
                return json.loads(line)
        self._errors.seek(0)
        words = self._errors.read()[-2000:]
        raise ValueError(f"a contestant must answer, got none from: {self._command}\n{words}")

    def _ask(self, question: str) -> dict[str, Any]:
        assert self._process.stdin is not None
        self._process.stdin.write(f"{question}\n")
        self._process.stdin.flush()
        return self._answer()

    def turn(self) -> Turn:
        """Does one step."""
        before, own_before = _load(), self._processor_s()
        seconds = self._ask("1")["seconds"]
        own_s = self._processor_s() - own_before
        return Turn(statistics.median(seconds), share_of_others(before, _load(), own_s))

    def _processor_s(self) -> float:
        stat = pathlib.Path(f"/proc/{self._process.pid}/stat").read_text()
        user, system = stat.rpartition(")")[2].split()[11:13]
        return (int(user) + int(system)) / _TICKS_PER_S

    def facts(self) -> dict[str, Any]:
        """Ends the contest and returns what is known of the contestant."""
        return self._ask(turns.QUIT)

    def end(self) -> None:
        """Ends the process, whatever it does."""
        self._process.kill()
        self._process.communicate()
        self._errors.close()


def _load() -> Load:
    return read_load(pathlib.Path("/proc/stat").read_text())


def contest(entries: Mapping[str, Entry], rules: Rules) -> dict[str, dict[str, Any]]:
    """Returns of each contestant its facts and its turns."""
    living: dict[str, Living] = {}
    try:
        for name, entry in entries.items():
            living[name] = Living(entry)
        taken = _rounds(living, rules)
        return {
            name: {
                **summary(taken[name], rules),
                **living[name].facts(),
                "turns": [[round(number, 4) for number in turn] for turn in taken[name]],
            }
            for name in living
        }
    finally:
        for contestant in living.values():
            contestant.end()


def _rounds(living: Mapping[str, Living], rules: Rules) -> dict[str, list[Turn]]:
    taken: dict[str, list[Turn]] = {name: [] for name in living}
    started = time.monotonic()
    for i in range(rules.most_rounds):
        has_enough = all(len(clean(own, rules)) >= rules.rounds for own in taken.values())
        if has_enough or (i and time.monotonic() - started > rules.seconds):
            break
        for name in list(living)[:: 1 if i % 2 == 0 else -1]:
            taken[name].append(living[name].turn())
    return taken


def clean(taken: Sequence[Turn], rules: Rules) -> list[Turn]:
    """Returns the turns during which others used little."""
    return [turn for turn in taken if turn.others < rules.noise]


def summary(taken: Sequence[Turn], rules: Rules) -> dict[str, Any]:
    """Returns the median of clean turns, or of all where none was, and says which."""
    counted = clean(taken, rules)
    return {
        "median_s": round(statistics.median(turn.step_s for turn in counted or taken), 5),
        "counted": "clean" if counted else "all",
        "num_clean": len(counted),
        "num_turns": len(taken),
        "median_of_all_s": round(statistics.median(turn.step_s for turn in taken), 5),
    }
