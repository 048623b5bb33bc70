"""Runs one stage of the GPU benchmarks: a process for each job, until time is up.

  bash benchmarks/gpu.sh causal [--dry-run] [--brief]

Every result is printed and written as one JSON line as soon as it is there, so
that a stage which is cut short keeps what it has. At the end comes the best of
each group, beside its floor and goal. It ends with status 1 where a job failed or
none began.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import json
import math
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from typing import Any, NamedTuple

from benchmarks import record, step
from benchmarks.gpu.jobs import STAGES, TARGETS, Job, one_of_each_kind
from benchmarks.peers import sizes
from benchmarks.peers.work import Work
from flanjax.models import flops

_LEAST_S = 12.0
"""No job begins with less time left than this."""
_STAGE_S = 470.0
"""What a stage may take on a GPU."""
_SHORT = {"batch_size": 2, "num_warmups": 1, "num_steps": 2}
_QUICK_COMPILATION = (
    "--xla_backend_optimization_level=0 --xla_llvm_disable_expensive_passes=true"
    " --xla_backend_extra_options=xla_cpu_disable_new_fusion_emitters"
)
"""Compiling takes most of a dry run's time."""


class Place(NamedTuple):
    """Where jobs run.

    Attributes:
      ours: Our Python.
      theirs: One with transformers and torch; "" for none.
      platform: "cuda" or "cpu".
      folder: Of the weights that both sides read, a folder a size.
      is_dry: Whether models are tiny and steps few.
    """

    ours: str
    theirs: str
    platform: str
    folder: pathlib.Path
    is_dry: bool


def shortened(work: Work) -> Work:
    """Returns work of the same kind that takes no time."""
    return dataclasses.replace(
        work,
        **_SHORT,
        input_length=min(work.input_length, 24),
        target_length=min(work.target_length, 16 if work.task == "train" else 4),
        num_prompts=min(work.num_prompts, 4),
    )


def command(job: Job, work: Work | None, place: Place) -> list[str]:
    """Returns the command of a job."""
    tiny = ["--tiny"] if place.is_dry else []
    if job.module:
        size = ["--size", job.size] if job.size else []
        return [place.ours, "-m", job.module, *size, *tiny]
    weights = place.folder / job.size
    if job.side == "weights":
        program = [place.ours, "-m", "benchmarks.gpu.weights", "--folder", str(weights)]
        return [*program, "--size", job.size, *tiny]
    assert work is not None
    shared = [*job.options, *work.as_arguments()]
    if job.side == "theirs":
        folder = weights if job.reads_weights else place.folder / f"{job.size}-config"
        program = [place.theirs, "-m", "benchmarks.peers.transformers_side", "--model", str(folder)]
        return [*program, "--device", place.platform, *shared]
    program = [place.ours, "-m", "benchmarks.peers.flanjax_side", "--size", job.size, *tiny]
    has_weights = job.reads_weights and (weights / "config.json").exists()
    return [*program, *(["--weights", str(weights)] if has_weights else []), *shared]


def environment(job: Job, place: Place) -> dict[str, str]:
    """Returns the environment of a job."""
    found = {**os.environ, "JAX_PLATFORMS": place.platform, **job.environment}
    if job.flags is not None:
        found["XLA_FLAGS"] = job.flags
    if place.is_dry:
        found["TORCHDYNAMO_DISABLE"] = "1"  # torch.compile then compiles nothing, which takes long
        found["XLA_FLAGS"] = f"{found.get('XLA_FLAGS', '')} {_QUICK_COMPILATION}"
    return found


def run(job: Job, work: Work | None, place: Place, limit_s: float) -> list[dict[str, Any]]:
    """Runs a job and returns its lines, the last an error where it failed.

    What ends this process ends the job and all that it started, so that none keeps the GPU.
    """
    if job.side == "theirs" and not place.theirs:
        told = "no Python with torch and transformers; name it by --theirs"
        return [{"error" if place.is_dry else "absent": told}]
    with (
        tempfile.TemporaryFile("w+") as errors,
        subprocess.Popen(
            command(job, work, place),
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            env=environment(job, place),
            start_new_session=True,
        ) as process,
    ):
        try:
            printed, _ = process.communicate(timeout=limit_s)
            ended = ""
        except subprocess.TimeoutExpired:
            _kill_group(process)
            printed, _ = process.communicate()
            ended = f"ended after {limit_s:.0f} s"
        except BaseException:
            _kill_group(process)
            raise
        errors.seek(0)
        words = errors.read()
    lines = [json.loads(line) for line in printed.splitlines() if line.startswith("{")]
    if ended or process.returncode:
        memory = "RESOURCE_EXHAUSTED" in words or "out of memory" in words.lower()
        reason = "out of memory" if memory else (words.strip().splitlines() or ["no words"])[-1]
        lines.append({"error": ended or reason[:300]})
    return lines or [{"error": "it printed no result"}]


def _kill_group(process: subprocess.Popen[str]) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


def attempts(job: Job, place: Place, deadline: float) -> list[tuple[Work | None, dict[str, Any]]]:
    """Returns a job's lines with its work: half the rows where memory was too small.

    Only a dry run lets a job that has begun run on past the deadline: it asks whether jobs work.
    """
    work = shortened(job.work) if job.work and place.is_dry else job.work
    found: list[tuple[Work | None, dict[str, Any]]] = []
    while (left := deadline - time.monotonic()) > _LEAST_S:
        lines = run(job, work, place, job.limit_s if place.is_dry else min(job.limit_s, left))
        found += [(work, line) for line in lines]
        is_full = bool(lines) and lines[-1].get("error") == "out of memory"
        if not is_full or work is None or work.batch_size < 2:
            break
        work = dataclasses.replace(work, batch_size=work.batch_size // 2)
    return found


def with_rates(line: dict[str, Any], job: Job, work: Work | None, place: Place) -> dict[str, Any]:
    """Returns a line with the rates that follow from its median."""
    if work is None or "median_s" not in line:
        return line
    line = {name: value for name, value in line.items() if name != "tokens"}
    seconds = line["median_s"]
    if "first_token_s" in line:
        rest_s = seconds - line["first_token_s"]
        num_tokens = work.batch_size * (work.target_length - 1)
        line["decode_tokens_per_s"] = round(num_tokens / rest_s, 1) if rest_s > 0 else None
    if work.task == "train":
        rows = _counted(job, work)
        line["rows_per_s"] = round(work.batch_size / seconds, 2)
        config = sizes.find(job.size, is_tiny=place.is_dry)
        line["model_flops_per_step"] = flops.count_work(config, rows).flops
        peak = flops.peak_flops(line.get("device", ""))
        line["mfu"] = round(line["model_flops_per_step"] / seconds / peak, 4) if peak else None
    return line


def _counted(job: Job, work: Work) -> flops.Counted:
    """Counts a step's tokens; packed examples see nothing of one another."""
    from benchmarks.peers.flanjax_side import training_batch

    options = list(job.options)
    packed = "--segments" in options
    num_segments = int(options[options.index("--segments") + 1]) if packed else 1
    return flops.packed_rows(training_batch(work, vocab_size=8, num_segments=num_segments))


class Log:
    """Prints lines and writes them to a file, each at once."""

    def __init__(self, path: pathlib.Path):
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = path.open("w", encoding="utf-8")

    def say(self, line: dict[str, Any]) -> None:
        text = json.dumps(line)
        print(text, flush=True)
        self._file.write(text + "\n")
        self._file.flush()

    def close(self) -> None:
        self._file.close()


def summaries(results: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Returns the best of ours of each group, against the peer's best and the targets."""
    found = []
    for group in dict.fromkeys(line["group"] for line in results):
        lines = [line for line in results if line["group"] == group and rate(line)]
        best = {
            side: max((line for line in lines if line["side"] == side), key=rate, default=None)
            for side in ("ours", "theirs")
        }
        ours, theirs = best["ours"], best["theirs"]
        if ours is None:
            continue
        summary = {"summary": group, "best": ours["name"], "transformers": None}
        figures = dict(ours)
        if theirs is not None:
            summary["transformers"] = theirs["name"]
            figures["times_as_fast_as_transformers"] = round(rate(ours) / rate(theirs), 3)
        names = {*TARGETS.get(group, {}), rate_name(ours), "times_as_fast_as_transformers"}
        for name in sorted(names & figures.keys()):
            target = TARGETS.get(group, {}).get(name)
            summary[name] = {"is": figures[name], **(target._asdict() if target else {})}
        found.append(summary)
    return found


def rate_name(line: dict[str, Any]) -> str:
    """Returns the name of the rate that a line is judged by; "" where it has none."""
    names = ("decode_tokens_per_s", "tokens_per_s", "options_per_s", "new_tokens_per_s")
    return next((name for name in names if line.get(name)), "")


def rate(line: dict[str, Any]) -> float:
    """Returns the rate that a line is judged by; 0 where it has none."""
    name = rate_name(line)
    return float(line[name]) if name else 0.0


class Ended(NamedTuple):
    """What became of a stage's jobs.

    Attributes:
      num_begun: Jobs that there was time for.
      num_failed: Those of them with an error; what ran with fewer rows has none.
    """

    num_begun: int
    num_failed: int


def run_stage(jobs: Sequence[Job], place: Place, log: Log, deadline: float) -> Ended:
    """Runs jobs in order, and says which there was no time for."""
    results: list[dict[str, Any]] = []
    num_left_out = num_failed = 0
    for job in jobs:
        about = {"group": job.group, "name": job.name, "side": job.side}
        if job.side == "weights" and (place.folder / job.size / "config.json").exists():
            log.say({**about, "skipped": "they are there already"})
            continue
        if deadline - time.monotonic() <= _LEAST_S:
            log.say({**about, "skipped": "no time is left"})
            num_left_out += 1
            continue
        config_only = place.folder / f"{job.size}-config"
        if job.side == "theirs" and not config_only.exists():
            config = sizes.find(job.size, is_tiny=place.is_dry)
            sizes.write_for_peers(config, config_only, dtype=None)
        found = attempts(job, place, deadline)
        for work, line in found:
            shown = {**about, **({"work": dataclasses.asdict(work)} if work else {})}
            results.append({**shown, **with_rates(line, job, work, place)})
            log.say(results[-1])
        num_failed += any("error" in line for work, line in found if work == found[-1][0])
    for summary in summaries(results):
        log.say(summary)
    if num_left_out:
        log.say({"left_out": num_left_out, "of": len(jobs)})
    return Ended(len(jobs) - num_left_out, num_failed)


def end_in_order_when_told() -> None:
    """Makes an exception of a signal to end, but for one that is ignored, as by nohup."""

    def end(number: int, _: object) -> None:
        sys.exit(128 + number)

    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, end)


def parse_arguments(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("stage", choices=STAGES)
    parser.add_argument("--dry-run", action="store_true", help="tiny models on a CPU")
    parser.add_argument("--only", action="append", help="jobs of this name, and weights")
    parser.add_argument("--brief", action="store_true", help="one job of each kind")
    parser.add_argument(
        "--seconds", type=float, help=f"of the whole stage; default: {_STAGE_S:.0f}, or dry no end"
    )
    parser.add_argument("--ours", default=sys.executable)
    parser.add_argument("--theirs", default="")
    parser.add_argument(
        "--weights",
        type=pathlib.Path,
        help="keeps weights there for other stages; default: nowhere",
    )
    parser.add_argument("--out", type=pathlib.Path, required=True)
    args = parser.parse_args(arguments)
    if args.seconds is None:
        args.seconds = math.inf if args.dry_run else _STAGE_S
    names = [job.name for job in STAGES[args.stage]]
    if strange := [name for name in args.only or () if name not in names]:
        parser.error(f"--only must name jobs of the stage, {'; '.join(names)}, got {strange[0]!r}.")
    if not args.seconds > 0:
        parser.error(
            f"--seconds must be above 0, got {args.seconds:g}; leave it out for a whole stage."
        )
    return args


def main() -> None:
    """Runs a stage."""
    started = time.monotonic()
    end_in_order_when_told()
    args = parse_arguments()
    platform = "cpu" if args.dry_run else "cuda"
    jobs = STAGES[args.stage]
    if args.brief:
        jobs = one_of_each_kind(jobs)
    if args.only:
        jobs = [job for job in jobs if job.name in {*args.only, "weights"}]
    about = {"stage": args.stage, "dry_run": args.dry_run, "brief": args.brief, "only": args.only}
    flags = {"xla_flags": os.environ.get("XLA_FLAGS", "")}
    with (
        contextlib.closing(Log(args.out / f"{args.stage}.jsonl")) as log,
        tempfile.TemporaryDirectory() as folder,
    ):
        log.say({**about, **record.describe_build(step.PACKAGES), **flags})
        weights = args.weights or pathlib.Path(folder)
        place = Place(args.ours, args.theirs, platform, weights, args.dry_run)
        ended = run_stage(jobs, place, log, started + args.seconds)
        log.say({"stage": args.stage, "seconds": round(time.monotonic() - started, 1)})
    if not ended.num_begun:
        sys.exit("a stage must begin a job, got no time for one; give it more --seconds.")
    if ended.num_failed:
        sys.exit(
            f"every job of a stage must end without an error, got {ended.num_failed} of "
            f"{ended.num_begun} with one; see their lines."
        )


if __name__ == "__main__":
    main()
