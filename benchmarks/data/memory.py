"""Memory of the loader over a cache of ten million examples.

  .venv-test/bin/python -m benchmarks.data.memory --output FILE.json     # some four minutes
    [--examples 10000000] [--seconds 60] [--folder FOLDER]   a folder of some GB, a temporary one

Writes one pass of made-up tokens as the cache keeps it, then reads it in a process of its own for
each family: opens and checks the files, plans, and takes batches for a while. Tells the most that
stayed in memory (VmHWM), what of it is the process's own and what are pages of files, which the
system takes back when it needs them, and the same over time.
"""

from __future__ import annotations

import argparse
import json
import pathlib
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from typing import Any

import numpy as np

from benchmarks import record
from benchmarks.data import sidebyside

LIMIT_MIB = 1024
NUM_EXAMPLES = 10_000_000
FAMILIES = ("causal", "encoder-decoder")
_BLOCK = 250_000  # examples written at a time
_VOCAB = 32_000
_EOS_ID = 1
_NAME = "pass-00"
_SAMPLE_S = 0.5
_FIELDS = {
    "rss_mib": "VmRSS", "own_mib": "RssAnon", "file_mib": "RssFile", "peak_mib": "VmHWM"
}  # fmt: skip


def make_parts(num_examples: int) -> Iterator[Any]:
    """Yields parts of random tokens: some 50 in a prompt and 14 in a target."""
    from flanjax.engine import shard

    rng = np.random.default_rng(0)
    for first in range(0, num_examples, _BLOCK):
        count = min(_BLOCK, num_examples - first)
        index = np.zeros(count, shard.EXAMPLE)
        index["inputs"] = np.clip(rng.lognormal(3.75, 0.6, count), 2, 400)
        index["targets"] = np.clip(rng.lognormal(2.3, 0.8, count), 2, 100)
        ends = np.cumsum((index["inputs"] + index["targets"]).astype(np.int64))
        index["start"][1:] = ends[:-1]
        index["row"] = np.arange(first + 1, first + count + 1)
        tokens = rng.integers(3, _VOCAB, int(ends[-1]), np.uint16)
        tokens[ends - 1] = _EOS_ID
        tokens[ends - 1 - index["targets"]] = _EOS_ID
        yield shard.Part(tokens, index, {})


def read_memory() -> dict[str, float]:
    """Returns what this process has in memory, in MiB."""
    lines = pathlib.Path("/proc/self/status").read_text("utf-8").splitlines()
    values = dict(line.split(":", 1) for line in lines)
    return {name: int(values[field].split()[0]) / 1024 for name, field in _FIELDS.items()}


def watch(folder: pathlib.Path, family: str, seconds: float) -> dict[str, Any]:
    """Reads batches for a while; returns what this process had in memory."""
    started = time.perf_counter()
    samples: list[dict[str, Any]] = []

    def sample(what: str) -> None:
        at_s = round(time.perf_counter() - started, 2)
        now = {name: round(value, 1) for name, value in read_memory().items()}
        samples.append({"what": what, "at_s": at_s, **now})

    sample("start")
    from benchmarks.data import ours
    from flanjax.engine import cache, pipeline
    from flanjax.engine.pack import Layout

    sample("imports")
    layout = Layout(None, 1024, _EOS_ID) if family == "causal" else Layout(512, 128, _EOS_ID)
    store = cache.TokenStore("synthetic", cache.open_passes(folder, [0]), {})
    sample("opened")
    data = ours.make_batches(store, layout)
    reader = pipeline.prefetched(data)
    next(reader)
    sample("first batch")
    begun, processor = time.perf_counter(), time.process_time()
    num_batches = 1
    while (spent := time.perf_counter() - begun) < seconds:
        next(reader)
        num_batches += 1
        if time.perf_counter() - started - samples[-1]["at_s"] > _SAMPLE_S:
            sample("batches")
    state = reader.get_state()
    sample("end")
    return {
        "family": family,
        "peak_mib": samples[-1]["peak_mib"],
        "largest_own_mib": max(s["own_mib"] for s in samples),
        "largest_file_mib": max(s["file_mib"] for s in samples),
        "batches": num_batches,
        "window": data.plan.window,
        "windows": state["window"],
        "tokens": state["account"]["tokens"],
        "tokens_per_s": round(state["account"]["tokens"] / spent),
        "tokens_per_processor_s": round(
            state["account"]["tokens"] / (time.process_time() - processor)
        ),
        "samples": samples,
    }  # fmt: skip


def measure(folder: pathlib.Path, family: str, seconds: float) -> dict[str, Any]:
    """Watches a process of its own."""
    me = [sys.executable, "-m", "benchmarks.data.memory"]
    arguments = ["--folder", str(folder), "--seconds", str(seconds), "--watch", family]
    done = subprocess.run([*me, *arguments], stdout=subprocess.PIPE, text=True, check=True)
    return dict(json.loads(done.stdout.splitlines()[-1]))


def lines_of(found: dict[str, Any]) -> Iterator[str]:
    """Yields what a terminal shows of one family: a bar for each tenth of the time."""
    samples = found["samples"]
    step = max(len(samples) // 12, 1)
    yield f"{found['family']}: {found['tokens']:,} tokens, {found['tokens_per_s']:,} a second"
    for row in [*samples[:4], *samples[4:-1:step], samples[-1]]:
        own, of_files = round(row["own_mib"] / 32), round(row["file_mib"] / 32)
        yield (
            f"  {row['at_s']:6.1f} s {row['what']:<12}{row['own_mib']:7.0f} own "
            f"{row['file_mib']:7.0f} of files  {'#' * own}{'.' * of_files}"
        )
    yield f"  peak {found['peak_mib']:,.0f} MiB of {LIMIT_MIB:,} allowed"


def run(folder: pathlib.Path, arguments: argparse.Namespace) -> dict[str, Any]:
    """Writes the cache where it is not there, and measures each family."""
    from flanjax.engine import shard

    started = time.perf_counter()
    if not (folder / f"{_NAME}.json").is_file():
        shard.write_shard(folder, _NAME, make_parts(arguments.examples), np.dtype("<u2"))
    print(f"written in {time.perf_counter() - started:.0f} s", flush=True)
    sizes = {path.suffix[1:]: path.stat().st_size for path in sorted(folder.glob(f"{_NAME}.*"))}
    families = []
    for family in FAMILIES:
        found = measure(folder, family, arguments.seconds)
        print(*lines_of(found), sep="\n", flush=True)
        families.append(found)
    return {
        "command": "python -m benchmarks.data.memory --output FILE.json",
        "machine": sidebyside.machine(),
        "examples": arguments.examples,
        "file_bytes": sizes,
        "limit_mib": LIMIT_MIB,
        "within_limit": all(found["peak_mib"] < LIMIT_MIB for found in families),
        "families": families,
    }


def main() -> None:
    """Reads the command line, measures and prints; ends with 1 above the limit."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--output", type=pathlib.Path)
    parser.add_argument("--folder", type=pathlib.Path, help="where the cache is, or is written")
    parser.add_argument("--examples", type=int, default=NUM_EXAMPLES)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--watch", choices=FAMILIES, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.watch:
        print(json.dumps(watch(arguments.folder, arguments.watch, arguments.seconds)))
        return
    if arguments.output is None:
        parser.error("--output must name a JSON file; give one.")
    with tempfile.TemporaryDirectory(prefix="flanjax-memory-") as temporary:
        result = run(arguments.folder or pathlib.Path(temporary), arguments)
    record.write_json(arguments.output, result)
    sys.exit(0 if result["within_limit"] else 1)


if __name__ == "__main__":
    main()
