"""How a contestant runs: by itself to its end, or living, a turn at a time.

A living contestant prints one JSON line when it is ready, reads numbers of
steps from its input, answers each with the seconds that each step took, and
ends with its facts. While another one runs it sleeps.
"""

from __future__ import annotations

import json
import statistics
import sys
import time
from collections.abc import Callable
from typing import Any, NamedTuple

from benchmarks.peers.work import Work

QUIT = "quit"


class Contestant(NamedTuple):
    """One side of a comparison.

    Attributes:
      step: Does the work once, to its end.
      facts: What is known of it; `step` may add to it.
    """

    step: Callable[[], None]
    facts: dict[str, Any]


def say(line: dict[str, Any]) -> None:
    """Prints one JSON line at once."""
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()


def timed(step: Callable[[], object], num_steps: int) -> list[float]:
    """Returns the seconds of each of some steps."""
    found = []
    for _ in range(num_steps):
        started = time.perf_counter()
        step()
        found.append(time.perf_counter() - started)
    return found


def median_s(step: Callable[[], object], num_steps: int = 3) -> float:
    """Returns the median of some steps after a first one, in seconds."""
    step()
    return round(statistics.median(timed(step, num_steps)), 5)


def run(contestant: Contestant, work: Work, *, is_living: bool) -> None:
    """Warms up, then takes turns or times the steps of the work."""
    warmups = timed(contestant.step, work.num_warmups)
    contestant.facts["first_step_s"] = round(warmups[0], 3) if warmups else None
    if is_living:
        _take_turns(contestant)
        return
    seconds = timed(contestant.step, work.num_steps)
    median_s = statistics.median(seconds)
    say(
        {
            "median_s": round(median_s, 5),
            "min_s": round(min(seconds), 5),
            "max_s": round(max(seconds), 5),
            "num_steps": len(seconds),
            f"{work.unit}_per_s": round(work.units_per_step / median_s, 2),
            **contestant.facts,
        }
    )


def _take_turns(contestant: Contestant) -> None:
    say({"ready": True})
    for line in sys.stdin:
        if line.strip() == QUIT:
            say(contestant.facts)
            return
        say({"seconds": timed(contestant.step, int(line))})
