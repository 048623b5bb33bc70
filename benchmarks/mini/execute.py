"""Makes one run of the grid by flanjax's own verbs, and keeps what it scored.

A result is written aside and renamed, so a grid that is cut short goes on with the run that it was
at; models of text stay in the work folder, tuned ones are scored and removed.
"""

from __future__ import annotations

import concurrent.futures
import contextlib
import json
import multiprocessing
import os
import pathlib
import shlex
import shutil
import threading
import time
import traceback
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import click
import jax

from benchmarks.mini.grid import PROBED, Run, allowed
from benchmarks.mini.world import fingerprint
from flanjax.cli.catalog import load_catalog
from flanjax.cli.main import main
from flanjax.data.catalogue import Catalogue
from flanjax.model_dir import EXPERIMENT, write_json

_PLACES = {"command", "checkpoint"}
"""Facts of a report that name folders of one machine."""

NUM_SCORED = {"held_out": 100, "seen": 20}
"""Records scored of each task, of what was held out and of what was trained on."""

KEPT = (
    "metric", "mean", "standard_error", "template_std", "chance", "majority", "num_examples"
)  # fmt: skip
"""What a table needs of a task's report."""


class Place(NamedTuple):
    """Where a grid works and what it reads.

    Attributes:
      work: Models, tokens and logs; may be removed once the grid is done.
      results: A JSON file for each run.
      catalogue: "module:NAME" of the world's tasks.
      text: "module:NAME" of its plain text.
      short: gin bindings that make every run small; none for the real grid.
    """

    work: pathlib.Path
    results: pathlib.Path
    catalogue: str
    text: str
    short: tuple[str, ...] = ()

    def result(self, run: Run) -> pathlib.Path:
        """Returns where a run's scores lie."""
        return self.results / f"{run.name}.json"

    def model(self, run: Run) -> pathlib.Path:
        """Returns a run's MODEL_DIR."""
        return self.work / "models" / run.name

    def is_made(self, run: Run) -> bool:
        """Whether a run has its scores, and its model where others start from it."""
        return self.result(run).exists() and (run.study != "text" or self._is_trained(run))

    def _is_trained(self, run: Run) -> bool:
        """Whether the last step is saved; a save that has not ended has a longer name."""
        told = self.model(run) / EXPERIMENT
        if not told.exists():
            return False
        last = json.loads(told.read_text("utf-8"))["train"]["steps"]
        return (self.model(run) / "checkpoints" / str(last)).exists()

    @property
    def tokenizer(self) -> pathlib.Path:
        """The vocabulary of all runs."""
        return self.work / "pieces.model"


@contextlib.contextmanager
def start_workers(place: Place, num: int) -> Iterator[concurrent.futures.Executor]:
    """Yields processes that make runs, each on a share of the cores of its own.

    A process makes many runs one after another: most of a run's start is done once.
    """
    cores = sorted(os.sched_getaffinity(0))
    context = multiprocessing.get_context("spawn")  # JAX has threads; a fork would copy their locks
    shares: multiprocessing.Queue[list[int]] = context.Queue()
    for number in range(num):
        shares.put(cores[number::num] or cores)
    with concurrent.futures.ProcessPoolExecutor(
        num, mp_context=context, initializer=_start, initargs=(place, shares)
    ) as pool:
        try:
            yield pool
        except BaseException:
            pool.shutdown(wait=True, cancel_futures=True)  # else it would first make all the rest
            raise


def _start(place: Place, shares: multiprocessing.Queue[list[int]]) -> None:
    os.sched_setaffinity(0, shares.get())  # before JAX counts the cores
    jax.config.update("jax_compilation_cache_dir", str(place.work / "compiled"))
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """Ends this process when the grid's does, however that is killed: no run is made twice."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
    os._exit(1)


def make_tokenizer(place: Place) -> None:
    """Trains the vocabulary on the training texts of all tasks, once."""
    if not place.tokenizer.exists():
        _flanjax(place, "tokenizer", "train", f"--catalog={place.catalogue}", "--vocab_size=2000",
                 f"--output={place.tokenizer}", log="tokenizer")  # fmt: skip


def make(run: Run, place: Place) -> None:
    """Trains and scores a run, unless its result is there.

    Args:
      run: The run; the model of text that it starts from must be there.
      place: Where.

    Raises:
      RuntimeError: A verb failed; its log says why.
    """
    if place.is_made(run):
        return
    started = time.monotonic()
    limit = 1 if place.short else None
    folder = place.model(run)
    _train(run, place, folder)
    if place.result(run).exists():  # what starts from the model needs it; its scores are there
        return
    trained_s = time.monotonic() - started
    catalogue = load_catalog(place.catalogue)
    trained_on = allowed(catalogue, run.hold_out) if run.hold_out else []
    scored = {"held_out": run.held or _untuned(run, catalogue)[:limit]}
    if run.study == "tuned":
        scored["seen"] = trained_on[:limit]
    reports = {part: _score(run, place, folder, part, names) for part, names in scored.items()}
    facts = reports["held_out"]["facts"]
    result = {
        "run": run._asdict(),
        **{part: _told(report) for part, report in reports.items()},
        "num_clusters": len(trained_on),
        "world": fingerprint(place.catalogue, place.text),
        "facts": {name: facts[name] for name in sorted(facts.keys() - _PLACES)},
        "train_s": round(trained_s, 1),
        "total_s": round(time.monotonic() - started, 1),
    }
    place.results.mkdir(parents=True, exist_ok=True)
    write_json(place.result(run), result)
    if run.study != "text":
        shutil.rmtree(folder)


def _untuned(run: Run, catalogue: Catalogue) -> list[str]:
    """Returns the clusters that a model of text is scored on: other sizes, on those of FLAN."""
    if run.size != "base":
        return list(PROBED)
    return [cluster.name for cluster in catalogue.clusters]


def _train(run: Run, place: Place, folder: pathlib.Path) -> None:
    bindings = [
        f"MODEL_DIR='{folder}'",
        f"TOKENIZER_PATH='{place.tokenizer}'",
        f"CACHE_DIR='{place.work / 'tokens'}'",
        f"RANDOM_SEED={run.seed}",
        *run.bindings,
        *place.short,
    ]
    if run.study == "text":
        bindings.append(f"CATALOGUE='{place.text}'")
    else:
        bindings.append(f"CATALOGUE='{place.catalogue}'")
        bindings.append(f"HOLD_OUT='{run.hold_out}'")
        bindings.append(f"INITIAL_CHECKPOINT_PATH='{place.model(run.text)}'")
    _flanjax(
        place, "train", f"--gin_file={run.gin_file}",
        f"--gin_file=models/miniature_{run.family}_{run.size}.gin",
        *(f"--gin.{binding}" for binding in bindings), log=run.name,
    )  # fmt: skip


def _score(
    run: Run, place: Place, folder: pathlib.Path, part: str, clusters: Sequence[str]
) -> dict[str, Any]:
    output = folder / part
    num = 2 if place.short else NUM_SCORED[part]
    _flanjax(
        place, "eval", f"--checkpoint={folder}", f"--catalog={place.catalogue}",
        f"--max_examples={num}",
        f"--output={output}", *(f"--cluster={cluster}" for cluster in clusters), log=run.name,
    )  # fmt: skip
    found: dict[str, Any] = json.loads((output / "report/report.json").read_text("utf-8"))
    return found


def _told(report: Mapping[str, Any]) -> dict[str, Any]:
    """Returns what a table needs of a report: each task's scores, by cluster."""
    (scored,) = report["stages"].values()
    return {
        cluster["cluster"]: {
            task["task"]: {name: task[name] for name in KEPT} for task in cluster["tasks"]
        }
        for cluster in scored
    }


def _flanjax(place: Place, *arguments: str, log: str) -> None:
    """Runs a verb of flanjax in this process, its output kept in a log."""
    logs = place.work / "logs"
    logs.mkdir(parents=True, exist_ok=True)
    with open(logs / f"{log}.log", "a", encoding="utf-8") as file:
        file.write(f"$ flanjax {shlex.join(arguments)}\n")
        with contextlib.redirect_stdout(file), contextlib.redirect_stderr(file):
            try:
                status = main.main(list(arguments), prog_name="flanjax", standalone_mode=False)
            except click.ClickException as error:
                error.show(file)
                raise RuntimeError(f"{log}: {error.format_message()}") from None
            except Exception as error:
                traceback.print_exc(file=file)
                raise RuntimeError(f"{log}: {type(error).__name__}; see {file.name}") from error
        if status:
            raise RuntimeError(f"{log}: a verb must end with 0, got {status}; see {file.name}.")
