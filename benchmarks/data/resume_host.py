"""One host of a run: it reads its data, and notes what, until it is killed.

The host does what training does around its data: builds the cache where it is not there, opens
it, plans, goes to the newest checkpoint, and takes its share of every batch. In place of a step it
notes each row, and every few steps it keeps the state of its reader.

```
 RUN/cache/                        shared by all hosts, as by all runs
 RUN/rows.003.1-of-4               what host 1 of 4 read in attempt 3: a line for each row
 RUN/state.000120.003.1-of-4       its state after step 120, written aside and renamed
```
A checkpoint is whole when every host of its attempt has written its state, which comes after its
rows: a row before the checkpoint is noted, one after it is read again.
"""

from __future__ import annotations

import enum
import hashlib
import json
import os
import pathlib
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np

from flanjax import token_cache, train_data
from flanjax.base import stable_hash
from flanjax.data.batch import SeqBatch
from flanjax.data.catalogue import Mixture
from flanjax.data.task import Record, Task, Template
from flanjax.data.tokenize import ByteTokenizer
from flanjax.engine import build, pipeline
from flanjax.engine.plan import Position
from flanjax.experiment import DataConfig, Experiment
from flanjax.models.t5 import T5Config
from flanjax.train.loop import TrainConfig

BATCH_SIZE = 24
SAVE_PERIOD = 10
WORDINGS = "AB"
_LENGTHS = {"inputs": 128, "targets": 48}
_NAME_LENGTH = 7  # wording, task and record: Ap00012
_FIRST_BYTE = 3  # the id of byte 0


class Phase(enum.IntEnum):
    """What a host is at."""

    STARTING = 0
    BUILDING = 1
    OPENING = 2
    PLANNING = 3
    STEPPING = 4
    SAVING = 5
    THROUGH = 6


Mark = Callable[[Phase], None]


class Run(NamedTuple):
    """A run: where it lies, and how much it reads.

    Attributes:
      folder: Where the cache, rows and states go.
      sizes: Records of each of two tasks.
      steps: The last step.
    """

    folder: pathlib.Path
    sizes: tuple[int, int]
    steps: int


class Place(NamedTuple):
    """One host of one attempt."""

    attempt: int
    host: int
    num_hosts: int

    def __str__(self) -> str:
        return f"{self.attempt:03}.{self.host}-of-{self.num_hosts}"

    @classmethod
    def parsed(cls, path: pathlib.Path) -> Place:
        """Returns the place in a file's name."""
        attempt, _, hosts = path.name.partition(".")[2].rpartition(".")
        host, _, num_hosts = hosts.partition("-of-")
        return cls(int(attempt.rpartition(".")[2]), int(host), int(num_hosts))


class _Numbered:
    """Records whose text begins with the task's letter and the record's number."""

    def __init__(self, letter: str, size: int):
        self._letter, self._size = letter, size

    def splits(self) -> tuple[str, ...]:
        return ("train",)

    def records(self, split: str, *, data_dir: str | None = None) -> Iterator[Record]:
        for number in range(self._size):
            drawn = stable_hash(self._letter, number)
            text = f"{self._letter}{number:05}" + " and more" * (drawn % 12)
            yield {"text": text, "answer": "so " * (1 + drawn // 12 % 14)}

    def describe(self) -> str:
        return f"{self._size} made-up records"

    def identity(self, split: str, *, data_dir: str | None = None) -> dict[str, str]:
        return {"made": f"{self._letter} {self._size}"}


def make_mixture(sizes: tuple[int, int]) -> Mixture:
    """Returns two tasks of two wordings each; a prompt begins with what it is."""
    tasks = [
        Task(
            name=name,
            version=1,
            source=_Numbered(name[0], size),
            to_fields=dict,
            fields=("text", "answer"),
            templates=tuple(Template(wording + "{text}") for wording in WORDINGS),
            mode="generate",
            metrics=("exact_match",),
            license="none",
            citation="none",
        )
        for name, size in zip(("plain", "rare"), sizes, strict=True)
    ]
    return Mixture("numbered", tuple(tasks))


def prepare(run: Run) -> train_data.TrainData:
    """Builds what the cache lacks, opens it and plans, as a run does."""
    tiny = T5Config(
        vocab_size=384, d_model=8, d_ff=8, num_heads=1, d_head=8,
        num_encoder_layers=1, num_decoder_layers=1,
    )  # fmt: skip
    experiment = Experiment(
        model_dir=str(run.folder),
        model=tiny,
        data=DataConfig(task_feature_lengths=_LENGTHS, passes=len(WORDINGS)),
        train=TrainConfig(steps=run.steps, batch_size=BATCH_SIZE),
    )
    return train_data.prepare_train_data(experiment, make_mixture(run.sizes), ByteTokenizer())


def make_batches(data: train_data.TrainData, host: int, num_hosts: int) -> pipeline.PackedBatches:
    """Returns a host's share of the batches, as `flanjax.run` makes them."""
    return pipeline.PackedBatches(
        data.plan,
        data.tokens,
        data.layout,
        batch_size=BATCH_SIZE,
        host=host,
        num_hosts=num_hosts,
        index=data.row_index(is_writer=host == 0),
        plan_id=data.plan_id(),
    )


def row_lines(batch: SeqBatch, first_row: int) -> str:
    """Returns a line for each row: number, hash of its arrays, names of its examples.

    The names are read from the tokens, so they are what was consumed.
    """
    assert batch.encoder is not None
    arrays = [*batch[:-1], *batch.encoder]
    starts = np.argwhere((batch.encoder.positions == 0) & (batch.encoder.segments > 0))
    here = starts[:, 1, None] + np.arange(_NAME_LENGTH)
    names = (batch.encoder.tokens[starts[:, :1], here] - _FIRST_BYTE).astype(np.uint8)
    lines = []
    for row in range(len(batch.tokens)):
        digest = hashlib.blake2b(digest_size=8)
        for array in arrays:
            digest.update(array[row].tobytes())
        held = ",".join(name.tobytes().decode() for name in names[starts[:, 0] == row])
        lines.append(f"{first_row + row} {digest.hexdigest()} {held}\n")
    return "".join(lines)


def state_files(folder: pathlib.Path, *, before: int) -> dict[tuple[int, int], list[pathlib.Path]]:
    """Returns (step, attempt) -> files of every whole checkpoint of earlier attempts."""
    found: dict[tuple[int, int], list[pathlib.Path]] = {}
    for path in sorted(folder.glob("state.*-of-*[0-9]")):
        step, attempt = int(path.name.split(".")[1]), Place.parsed(path).attempt
        if attempt < before:
            found.setdefault((step, attempt), []).append(path)
    return {
        key: paths for key, paths in found.items() if len(paths) == Place.parsed(paths[0]).num_hosts
    }


def newest(folder: pathlib.Path, *, before: int) -> tuple[int, dict[str, Any] | None]:
    """Returns step and state of the newest whole checkpoint; (0, None) without one."""
    whole = state_files(folder, before=before)
    if not whole:
        return 0, None
    key = max(whole)
    return key[0], json.loads(whole[key][0].read_text("utf-8"))  # host 0's


def save_state(folder: pathlib.Path, step: int, place: Place, state: Mapping[str, Any]) -> None:
    """Writes a state aside and renames it."""
    path = folder / f"state.{step:06}.{place}"
    aside = path.with_name(f"{path.name}.partial")
    with aside.open("w", encoding="utf-8") as file:
        file.write(json.dumps(state))
        file.flush()
        os.fsync(file.fileno())
    os.replace(aside, path)


def read_on(run: Run, place: Place, mark: Mark) -> None:
    """Reads from the newest checkpoint of earlier attempts to the last step."""
    _mark_parts(mark)
    data = prepare(run)
    mark(Phase.PLANNING)
    batches = make_batches(data, place.host, place.num_hosts)
    reader = pipeline.prefetched(batches)
    start, state = newest(run.folder, before=place.attempt)
    if state is not None:
        reader.set_state(state)
        _check_index(batches, start, state)
    share = BATCH_SIZE // place.num_hosts
    with (run.folder / f"rows.{place}").open("w", encoding="utf-8") as rows:
        for step in range(start + 1, run.steps + 1):
            batch = next(reader)
            mark(Phase.STEPPING)
            rows.write(row_lines(batch, (step - 1) * BATCH_SIZE + place.host * share))
            if step % SAVE_PERIOD == 0 or step == run.steps:
                mark(Phase.SAVING)
                rows.flush()
                os.fsync(rows.fileno())
                save_state(run.folder, step, place, reader.get_state())
                mark(Phase.STEPPING)
    mark(Phase.THROUGH)


def _check_index(batches: pipeline.PackedBatches, step: int, state: Mapping[str, Any]) -> None:
    """Checks that the index of rows leads to where the state does."""
    found = batches.index.locate(step * BATCH_SIZE)
    if found != Position(state["window"], state["row"]):
        raise ValueError(f"row {step * BATCH_SIZE} must be at {state}, got {found}; a bug.")


def _mark_parts(mark: Mark) -> None:
    """Tells when building, opening and planning begin; each may come twice."""
    for module, name, phase in (
        (build, "build", Phase.BUILDING),
        (token_cache, "open_stores", Phase.OPENING),
        (train_data, "make_plan", Phase.PLANNING),
    ):
        setattr(module, name, _marked(getattr(module, name), phase, mark))


def _marked(function: Callable[..., Any], phase: Phase, mark: Mark) -> Callable[..., Any]:
    def called(*arguments: Any, **named: Any) -> Any:
        mark(phase)
        return function(*arguments, **named)

    return called
