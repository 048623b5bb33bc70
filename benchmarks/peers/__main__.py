r"""Trains and generates beside transformers on a CPU, in turns, from the same weights.

  bash benchmarks/peers.sh [--case NAME]... [--quick]

Prints a table, and writes benchmarks/results/peers_cpu.json after each case; a
case that is run again replaces its old result. Ratios are speeds against
transformers in eager mode with the same settings of the memory allocator.
"""

from __future__ import annotations

import argparse
import dataclasses
import datetime
import json
import os
import pathlib
import shlex
import sys
import tempfile
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import jax

from benchmarks import record, step
from benchmarks.peers import alternate, sizes
from benchmarks.peers.alternate import Entry, Rules
from benchmarks.peers.work import Work

RESULTS = record.ROOT / "benchmarks/results/peers_cpu.json"
BASE = "transformers eager"


class Case(NamedTuple):
    """One table: a model, its work, and who does it.

    Attributes:
      size: The model.
      dtype: The type of products; torch trains in bfloat16 by autocast.
      work: What a step does.
      goal: How many times as fast as transformers ours is to be.
    """

    size: str
    dtype: str
    work: Work
    goal: float


def _cases() -> dict[str, Case]:
    lengths = {"t5_small": (512, 128), "llama_60m": (0, 512)}
    goals = {
        ("t5_small", "float32"): (3.0, 1.1),
        ("t5_small", "bfloat16"): (1.2, 1.7),
        ("llama_60m", "float32"): (0.95, 1.1),
        ("llama_60m", "bfloat16"): (0.95, 1.7),
    }
    found = {}
    for (size, dtype), (train_goal, generate_goal) in goals.items():
        input_length, target_length = lengths[size]
        train = Work(
            task="train", batch_size=4, input_length=input_length, target_length=target_length
        )
        found[f"train-{size}-{dtype}"] = Case(size, dtype, train, train_goal)
        generate = Work(task="generate", batch_size=8, input_length=128, target_length=64)
        found[f"generate-{size}-{dtype}"] = Case(size, dtype, generate, generate_goal)
    return dict(sorted(found.items(), reverse=True))


CASES = _cases()

THEIRS: Mapping[str, Mapping[str, Sequence[str]]] = {
    "train": {BASE: [], "transformers compiled": ["--compile"]},
    "generate": {BASE: [], "transformers static cache": ["--static-cache"]},
}
"""Task -> how the peer is run; beside these once more without our allocator settings."""

OURS: Mapping[str, Mapping[str, Sequence[str]]] = {
    "train": {
        "flanjax": ["--config", "scan_layers=false"],
        "flanjax scanned": [],
    },
    "generate": {
        "flanjax": ["--config", "scan_layers=false"],
        "flanjax scanned": [],
    },
}
"""Task -> how ours is run."""


class Pythons(NamedTuple):
    """The interpreters of the two sides."""

    ours: str
    theirs: str


def entries(
    case: Case, folder: pathlib.Path, pythons: Pythons, *, is_tiny: bool
) -> dict[str, Entry]:
    """Returns the contestants of a case, the one that others are compared with first."""
    tuned = {**os.environ, "JAX_PLATFORMS": "cpu"}
    plain = {name: value for name, value in tuned.items() if name not in record.MALLOC_VARIABLES}
    shared = ["--dtype", case.dtype, *case.work.as_arguments()]
    theirs = [pythons.theirs, "-m", "benchmarks.peers.transformers_side", "--model", str(folder)]
    ours = [pythons.ours, "-m", "benchmarks.peers.flanjax_side", "--size", case.size]
    ours += ["--weights", str(folder), *(["--tiny"] if is_tiny else [])]
    found = {
        name: Entry([*theirs, *shared, *options], tuned)
        for name, options in THEIRS[case.work.task].items()
    }
    found[f"{BASE}, default allocator"] = Entry([*theirs, *shared], plain)
    for name, options in OURS[case.work.task].items():
        found[name] = Entry([*ours, *shared, *options], tuned)
    return found


def compared(case: Case, found: Mapping[str, dict[str, Any]]) -> dict[str, Any]:
    """Returns a case's result: speeds, ratios, and whether both sides did one thing."""
    base_s = found[BASE]["median_s"]
    contestants = {}
    for name, facts in found.items():
        facts = dict(facts)
        tokens = facts.pop("tokens", None)
        if tokens is not None:
            facts["tokens_equal"] = _share_equal(tokens, found[BASE]["tokens"])
        contestants[name] = {
            "times_as_fast": round(base_s / facts["median_s"], 3),
            f"{case.work.unit}_per_s": round(case.work.units_per_step / facts["median_s"], 1),
            **facts,
        }
    ours = max(contestants[name]["times_as_fast"] for name in OURS[case.work.task])
    return {
        "size": case.size,
        "dtype": case.dtype,
        "work": dataclasses.asdict(case.work),
        "times_as_fast_as_transformers_eager": ours,
        "goal": case.goal,
        "is_goal_met": ours >= case.goal,
        "contestants": contestants,
    }


def _share_equal(tokens: list[list[int]], others: list[list[int]]) -> float:
    """Returns the share of tokens before each row's first difference."""
    shared = 0
    for row, other in zip(tokens, others, strict=True):
        pairs = list(zip(row, other, strict=True))
        shared += next((i for i, (a, b) in enumerate(pairs) if a != b), len(pairs))
    return round(shared / sum(map(len, tokens)), 4)


def table(name: str, result: Mapping[str, Any]) -> str:
    """Returns a case's rows: speed, ratio, clean turns, and what shows equal work."""
    verdict = "met" if result["is_goal_met"] else "not met"
    best = result["times_as_fast_as_transformers_eager"]
    lines = [f"{name}: flanjax {best:.2f}x, goal {result['goal']}x {verdict}"]
    for contestant, facts in result["contestants"].items():
        speed = next(value for key, value in facts.items() if key.endswith("_per_s"))
        agrees = (
            f"loss {facts['losses'][0]:.4f} .. {facts['losses'][-1]:.4f}"
            if "losses" in facts
            else f"tokens equal {facts['tokens_equal']:.1%}"
        )
        lines.append(
            f"  {contestant:<38} {facts['median_s']:>8.3f} s {speed:>9.1f}/s "
            f"{facts['times_as_fast']:>6.2f}x  {facts['num_clean']:>2}/{facts['num_turns']} clean"
            f"{'' if facts['counted'] == 'clean' else ' (all count)'}  {agrees}"
        )
    return "\n".join(lines)


def facts_of_run() -> dict[str, Any]:
    """Returns date, machine, versions and command, without places on this machine."""
    words = [word for word in sys.argv[1:] if not word.startswith(("--ours=", "--theirs="))]
    return {
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "machine": step.describe_machine(jax.devices("cpu")[0]),
        **record.describe_build(step.PACKAGES),
        "allocator": record.describe_malloc(),
        "command": shlex.join(["bash", "benchmarks/peers.sh", *words]),
    }


def store(path: pathlib.Path, name: str, result: Mapping[str, Any]) -> None:
    """Puts a case's result into a file of results by case, written aside and renamed."""
    results = json.loads(path.read_text("utf-8")) if path.exists() else {}
    record.write_json(path, {**results, name: result})


def parse_arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--case", choices=CASES, action="append", help="default: all")
    parser.add_argument("--quick", action="store_true", help="2 rounds of each")
    parser.add_argument("--tiny", action="store_true", help="tiny models: shows that it runs")
    parser.add_argument("--rounds", type=int, default=5, help="clean turns of each")
    parser.add_argument("--most-rounds", type=int, default=12)
    parser.add_argument("--seconds", type=float, default=420.0, help="of turns in a case")
    parser.add_argument("--results", type=pathlib.Path, default=RESULTS)
    parser.add_argument("--ours", default=sys.executable, help="our Python")
    parser.add_argument("--theirs", required=True, help="a Python with transformers and torch")
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs the cases one after another."""
    args = parse_arguments(arguments)
    rules = Rules(args.rounds, args.most_rounds, args.seconds)
    if args.quick:
        rules = rules._replace(rounds=2, most_rounds=2)
    pythons = Pythons(args.ours, args.theirs)
    with tempfile.TemporaryDirectory() as place:
        for name in args.case or CASES:
            case = CASES[name]
            folder = pathlib.Path(place) / case.size
            if not folder.exists():
                config = sizes.find(case.size, is_tiny=args.tiny)
                sizes.write_for_peers(config, folder, dtype="float32")
            found = alternate.contest(entries(case, folder, pythons, is_tiny=args.tiny), rules)
            result = {**compared(case, found), **facts_of_run(), "rules": rules._asdict()}
            store(args.results, name, result)
            print(table(name, result), flush=True)


if __name__ == "__main__":
    main()
