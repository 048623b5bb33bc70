"""The same measurements of flanjax: how full its rows are, and how fast it makes them.

  P=benchmarks.data.ours; .venv-test/bin/python -m $P WHAT FOLDER [--workers 2]
    packing   fill of every set and capacity, with a bound that no packer can beat
    planning  a million examples into rows: --capacity 1024, or --capacity 512 --capacity 128
    text      from text to packed batches, through a cache on disk
    build     from text to a cache on disk
    cache     from a cache on disk to packed batches: --capacity as for planning; the loader, plans
              included, is told apart
    seek      from step 0 to step 1,000,000 once the index of rows stands

FOLDER is as benchmarks.data.lengths writes it. Prints JSON lines. Imports and reading the text file
are not timed; `clock` says what is.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import os
import pathlib
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from benchmarks.data.lengths import VOCABULARY, read_lengths, read_texts, repeated
from flanjax.data.objective import ObjectiveConfig
from flanjax.data.records import read_records
from flanjax.data.task import Record, Task, Template
from flanjax.data.tokenize import TokenizerConfig, make_tokenizer
from flanjax.engine import bin_packing, build, cache, cache_key
from flanjax.engine.cache import Tokens, TokenStore
from flanjax.engine.gather import Laid, gather, lay_out
from flanjax.engine.pack import Layout
from flanjax.engine.pipeline import PackedBatches
from flanjax.engine.plan import MAX_WINDOW, Plan, PlannedTask, Stage
from flanjax.engine.row_index import RowIndex
from flanjax.engine.tokenized import TokenSettings

INPUTS, TARGETS = 512, 128
BATCH_SIZE = 128
NUM_PLANNED = 1_000_000
CAPACITIES: Sequence[tuple[int, ...]] = (
    (1024,), (2048,), (4096,),
    (512, 128), (512, 512), (1024, 128), (1024, 256), (2048, 256), (2048, 512),
)  # fmt: skip
_LEAST_SECONDS = 4.0
_EOS_ID = 1


class Texts:
    """Texts as the source of a task, as SeqIO's FunctionDataSource is one."""

    def __init__(self, texts: Sequence[Any]):
        self._texts = texts

    def splits(self) -> tuple[str, ...]:
        """Returns train alone."""
        return ("train",)

    def records(self, split: str, *, data_dir: str | None = None) -> Iterator[Record]:
        """Yields every text."""
        for text in self._texts:
            yield {"inputs": text.inputs, "targets": text.targets}

    def describe(self) -> str:
        """Returns how many there are."""
        return f"{len(self._texts)} texts"

    def identity(self, split: str, *, data_dir: str | None = None) -> dict[str, str]:
        """Returns how many there are: a benchmark's texts do not change."""
        return {"texts": self.describe()}


def _fields(record: Record) -> dict[str, str]:
    return {"inputs": record["inputs"], "answer": record["targets"]}


def make_task(texts: Sequence[Any], name: str = "texts") -> Task:
    """Returns texts as a task of one wording."""
    return Task(
        name=name,
        version=1,
        source=Texts(texts),
        to_fields=_fields,
        fields=("inputs", "answer"),
        templates=(Template("{inputs}"),),
        mode="generate",
        metrics=("rouge",),
        license="",
        citation="",
    )


def make_settings(folder: pathlib.Path) -> TokenSettings:
    """Returns the settings of encoder-decoder rows of 512 and 128."""
    model = str(folder / VOCABULARY)
    tokenizer = make_tokenizer(TokenizerConfig(kind="sentencepiece", path=model))
    return TokenSettings(tokenizer, ObjectiveConfig(), INPUTS, TARGETS)


def make_batches(store: TokenStore, layout: Layout) -> PackedBatches:
    """Returns the batches of one task."""
    planned = PlannedTask(
        store.task, store.pass_sizes, lambda examples: layout.costs(store.lengths(examples))
    )
    plan = Plan(
        seed=0,
        tasks=[planned],
        stages=[Stage(0, {store.task: 1.0})],
        capacities=layout.capacities,
    )
    return PackedBatches(plan, Tokens([store]), layout, batch_size=BATCH_SIZE)


def _wanted(task: Task, settings: TokenSettings) -> build.Wanted:
    key = cache_key.task_key(task, settings, data_dir=None, max_examples=10**9)
    return build.Wanted(task, key, 1, lambda: read_records(task, "train"), "memory")


def build_store(
    folder: pathlib.Path, root: pathlib.Path, workers: int, repeats: int = 1
) -> TokenStore:
    """Builds the cache of the folder's texts, given so many times over."""
    task = make_task(read_texts(folder) * repeats)
    settings = make_settings(folder)
    want = _wanted(task, settings)
    build.build(root, [want], settings, workers=workers)
    entry = cache.entry_folder(root, want.key)
    return TokenStore(task.name, cache.open_passes(entry, [0]), {})


def result(num_tokens: int, seconds: float, processor_s: float, **more: Any) -> dict[str, Any]:
    """Returns the fields that every line of a rate has."""
    return {
        "peer": "flanjax",
        "version": importlib.metadata.version("flanjax"),
        "packages": {
            name: importlib.metadata.version(name) for name in ("numpy", "sentencepiece", "grain")
        },
        "tokens_per_s": round(num_tokens / seconds),
        "tokens": num_tokens,
        "seconds": round(seconds, 3),
        "processor_s": round(processor_s, 3),
        "batch_size": BATCH_SIZE,
        "cores": len(os.sched_getaffinity(0)),
        **more,
    }


def text(folder: pathlib.Path, workers: int, _: Sequence[int]) -> Iterator[dict[str, Any]]:
    """Feeds from text: read, check, render, tokenize, write, open, plan, gather one pass."""
    texts = read_texts(folder)
    settings = make_settings(folder)
    task = make_task(texts)
    with tempfile.TemporaryDirectory() as root:
        started, processor = time.perf_counter(), time.process_time()
        want = _wanted(task, settings)
        build.build(pathlib.Path(root), [want], settings, workers=workers)
        built_s = time.perf_counter() - started
        entry = cache.entry_folder(pathlib.Path(root), want.key)
        store = TokenStore(task.name, cache.open_passes(entry, [0]), {})
        data = make_batches(store, Layout(INPUTS, TARGETS, _EOS_ID))
        placed = data.tokens.place(data.plan.make_rows(0))  # one pass, as the peers give
        window = lay_out(placed, data.layout, data.tokens.arena)
        num_rows = len(placed.rows)
        num_tokens = 0
        for start in range(0, num_rows, BATCH_SIZE):
            num_tokens += _real(gather(window, start, min(start + BATCH_SIZE, num_rows)))
        seconds = time.perf_counter() - started
        yield result(
            num_tokens, seconds, time.process_time() - processor,
            capacities=[INPUTS, TARGETS], examples=sum(store.pass_sizes), rows=num_rows,
            window=data.plan.window, workers=workers, built_s=round(built_s, 3),
            clock="first record to last batch of a pass: check, render, tokenize, write, verify, "
            "plan, gather",
        )  # fmt: skip


def _real(batch: Any) -> int:
    return int(np.count_nonzero(batch.segments)) + (
        0 if batch.encoder is None else int(np.count_nonzero(batch.encoder.segments))
    )


def built(folder: pathlib.Path, workers: int, _: Sequence[int]) -> Iterator[dict[str, Any]]:
    """Builds the cache of eight tasks that share the texts four times over.

    One task is read while another is tokenized, as in any mixture.
    """
    with tempfile.TemporaryDirectory() as root:
        texts = read_texts(folder)
        halves = (texts[::2], texts[1::2])
        tasks = [make_task(halves[i % 2], f"texts_{i}") for i in range(8)]
        settings = make_settings(folder)
        wanted = [_wanted(task, settings) for task in tasks]
        started, processor = time.perf_counter(), time.process_time()
        build.build(pathlib.Path(root), wanted, settings, workers=workers)
        seconds = time.perf_counter() - started
        num_tokens = 0
        for want in wanted:
            (shard,) = cache.open_passes(cache.entry_folder(pathlib.Path(root), want.key), [0])
            num_tokens += int(shard.examples["inputs"].sum() + shard.examples["targets"].sum())
        yield result(
            num_tokens, seconds, time.process_time() - processor, workers=workers,
            clock="read, check, render, tokenize, write",
        )  # fmt: skip


def from_cache(folder: pathlib.Path, _: int, capacities: Sequence[int]) -> Iterator[dict[str, Any]]:
    """Feeds from the cache: batches of a planned window, and the whole loader."""
    room = tuple(capacities) or (1024,)
    layout = Layout(None, *room, _EOS_ID) if len(room) == 1 else Layout(*room, _EOS_ID)
    with tempfile.TemporaryDirectory() as root:
        data = make_batches(build_store(folder, pathlib.Path(root), 1), layout)
        placed = data.tokens.place(data.plan.rows(0))
        window = lay_out(placed, layout, data.tokens.arena)
        yield {**_gathering(data, window), "capacities": list(room), "loader": _looping(data)}


def _gathering(data: PackedBatches, window: Laid) -> dict[str, Any]:
    """Times batches of one planned window: what stands between a cache and a device."""
    placed = window.placed
    starts = range(0, len(placed.rows) - BATCH_SIZE + 1, BATCH_SIZE)
    sizes = placed.inputs + placed.targets - (data.layout.input_length is None)
    ends = np.concatenate([[0], np.cumsum(sizes)])[placed.rows.offsets]
    num_tokens = 0
    for start in starts:
        gather(window, start, start + BATCH_SIZE)
    started, processor = time.perf_counter(), time.process_time()
    while time.perf_counter() - started < _LEAST_SECONDS:
        for start in starts:
            gather(window, start, start + BATCH_SIZE)
            num_tokens += int(ends[start + BATCH_SIZE] - ends[start])
    seconds = time.perf_counter() - started
    return result(
        num_tokens, seconds, time.process_time() - processor,
        clock="gather: batches of a planned window, all their arrays",
    )  # fmt: skip


def _looping(data: PackedBatches) -> dict[str, Any]:
    """Times the loader itself, its plans included."""
    reader = iter(data)
    next(reader)
    before = reader.get_state()["account"]["tokens"]
    started, processor = time.perf_counter(), time.process_time()
    while time.perf_counter() - started < _LEAST_SECONDS:
        next(reader)
    seconds = time.perf_counter() - started
    num_tokens = reader.get_state()["account"]["tokens"] - before
    return result(
        num_tokens, seconds, time.process_time() - processor,
        clock="loader: plans in the background, accounts, batches",
    )  # fmt: skip


def packing(folder: pathlib.Path, _: int, __: Sequence[int]) -> Iterator[dict[str, Any]]:
    """Packs every set at every capacity, in windows as a plan does."""
    for name, lengths in read_lengths(folder).items():
        for capacities in CAPACITIES:
            is_causal = len(capacities) == 1
            costs = lengths.sum(1, keepdims=True) if is_causal else lengths
            bound = np.minimum(costs, capacities).sum(0) / capacities
            repeats = min(8, int(np.ceil(2000 / bound.max())))
            whole = repeated(costs.astype(np.int64), repeats)
            given = np.minimum(whole, capacities)
            given = np.random.default_rng(0).permutation(given)  # a plan shuffles
            yield {
                "peer": "flanjax",
                "set": name,
                "capacities": list(capacities),
                "repeats": repeats,
                "truncated": int((whole > capacities).any(1).sum()),
                "truncated_share": [round(float(x), 5) for x in (whole > capacities).mean(0)],
                **_packed(given, capacities),
            }


def _packed(costs: np.ndarray, capacities: tuple[int, ...]) -> dict[str, Any]:
    started = time.perf_counter()
    used = []
    least = 0
    for start in range(0, len(costs), MAX_WINDOW):
        part = costs[start : start + MAX_WINDOW]
        packed = bin_packing.pack_rows(part, capacities)
        used.append(np.add.reduceat(part[packed.order], packed.offsets[:-1]))
    seconds = time.perf_counter() - started
    least = bin_packing.least_rows(costs, capacities)
    rows = np.concatenate(used)
    slots = sum(capacities)
    last_aside = (rows.sum() - used[-1].sum(1).min()) / ((len(rows) - 1) * slots)
    return {
        "fill": round(float(rows.sum() / (len(rows) * slots)), 5),
        "fill_last_row_aside": round(float(last_aside), 5),
        "fill_bound": round(float(costs.sum() / (least * slots)), 5),
        "rows": len(rows),
        "least_rows": least,
        "examples": len(costs),
        "window": MAX_WINDOW,
        "seconds": round(seconds, 3),
    }


def planning(folder: pathlib.Path, _: int, capacities: Sequence[int]) -> Iterator[dict[str, Any]]:
    """Plans a million draws: shares, permutations, shuffles and rows."""
    room = tuple(capacities) or (1024,)
    lengths = read_lengths(folder)["p3+sni+cot"].astype(np.int64)
    costs = lengths.sum(1, keepdims=True) if len(room) == 1 else lengths
    costs = np.minimum(costs, room)
    task = PlannedTask("all", (len(costs),), costs.__getitem__)
    plan = Plan(
        seed=0, tasks=[task], stages=[Stage(0, {"all": 1.0})], capacities=room, window=MAX_WINDOW
    )
    started, processor = time.perf_counter(), time.process_time()
    num_rows = num_tokens = 0
    for window in range(-(-NUM_PLANNED // MAX_WINDOW)):
        rows = plan.make_rows(window)
        num_rows += len(rows)
        num_tokens += int(costs[rows.examples].sum())
    seconds = (time.perf_counter() - started) * NUM_PLANNED / ((window + 1) * MAX_WINDOW)
    yield result(
        num_tokens, seconds, time.process_time() - processor,
        capacities=list(room), examples=NUM_PLANNED, rows=num_rows,
        fill=round(num_tokens / (num_rows * sum(room)), 5),
        clock=f"{NUM_PLANNED:,} draws to rows, scaled from whole windows of {MAX_WINDOW:,}",
    )  # fmt: skip


def seek(folder: pathlib.Path, _: int, __: Sequence[int]) -> Iterator[dict[str, Any]]:
    """Times the way to step 1,000,000 of 8 rows, with the index and without."""
    with tempfile.TemporaryDirectory() as root:
        store = build_store(folder, pathlib.Path(root) / "cache", 1)
        data = make_batches(store, Layout(None, 1024, _EOS_ID))
        path = pathlib.Path(root) / "plan.rows"
        row = 8 * 1_000_000
        started = time.perf_counter()
        RowIndex(data.plan, path).locate(row)
        without_s = time.perf_counter() - started
        data = make_batches(store, Layout(None, 1024, _EOS_ID))
        started = time.perf_counter()
        position = RowIndex(data.plan, path).locate(row)
        reader = iter(data)
        state = reader.get_state()
        reader.set_state({**state, **position._asdict()})
        next(reader)
        seconds = time.perf_counter() - started
        yield {
            "peer": "flanjax",
            "seconds": round(seconds, 4),
            "seconds_to_make_the_index": round(without_s, 1),
            "step": 1_000_000,
            "rows_before": row,
            "windows": position.window,
            "clock": "open the index, find the row, plan its window, first batch",
        }


Measure = Callable[[pathlib.Path, int, Sequence[int]], Iterator[dict[str, Any]]]

MEASURES: Mapping[str, Measure] = {
    "packing": packing,
    "planning": planning,
    "text": text,
    "build": built,
    "cache": from_cache,
    "seek": seek,
}


def main() -> None:
    """Reads the command line, measures and prints the lines."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("what", choices=MEASURES)
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--capacity", type=int, action="append", default=[])
    arguments = parser.parse_args()
    measure = MEASURES[arguments.what]
    for line in measure(arguments.folder, arguments.workers, arguments.capacity):
        print(json.dumps(line), flush=True)


if __name__ == "__main__":
    main()
