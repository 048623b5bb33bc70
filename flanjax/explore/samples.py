"""The records a catalogue's page shows and measures: written by hand, or read."""

from __future__ import annotations

from typing import Any, NamedTuple

from flanjax.data.fewshot import choose_shots
from flanjax.data.records import read_records
from flanjax.data.render import checked_fields, text_values
from flanjax.data.sizes import Size, published_size
from flanjax.data.task import Record, Task, UnavailableError

NUM_READ_SHOWN = 3
NUM_MEASURED = 200
NUM_SHOTS = 2
_CHARS_SHOWN = 4000


class Sample(NamedTuple):
    """A record to show.

    Attributes:
      origin: Where it is from, "hand-written 1" or "train row 17".
      record: The record; its task keeps it.
    """

    origin: str
    record: Record


class Sampled(NamedTuple):
    """What is at hand of a task's records.

    Attributes:
      shown: The records to show, those written by hand first.
      measured: The records whose lengths are told.
      origin: What those are, "hand-written" or a split.
      size: The task's training examples.
      missing: Why its data was not read; "" where it was, or was not asked for.
    """

    shown: tuple[Sample, ...]
    measured: tuple[Record, ...]
    origin: str
    size: Size
    missing: str = ""


def sample(task: Task, *, data_dir: str | None = None) -> Sampled:
    """Takes the records that the page shows of a task.

    The data is read where a directory is named, and where the task has no
    records written by hand. Data that is not there is no error.

    Raises:
      ValueError: The data is there and cannot be read.
    """
    kept = tuple(record for record in task.examples if checked_fields(task, record) is not None)
    written = tuple(Sample(f"hand-written {n}", record) for n, record in enumerate(kept, start=1))
    size = published_size(task) if task.is_trainable else Size(None, "unknown")
    sampled = Sampled(written, kept, "hand-written", size)
    if data_dir is None and kept:
        return sampled
    split = "train" if task.is_trainable else task.source.splits()[0]
    try:
        found = read_records(task, split, data_dir=data_dir, limit=NUM_MEASURED)
    except UnavailableError as error:
        return sampled._replace(missing=str(error))
    rows = zip(found.rows, found.records, strict=True)
    read = tuple(Sample(f"{split} row {row}", record) for row, record in rows)
    if split == "train":
        counts = found.counts
        size = Size(counts.kept + counts.over_limit, "read", counts.left_out_by_rule, counts.bad)
        sampled = sampled._replace(size=size)
    return sampled._replace(
        shown=written + read[:NUM_READ_SHOWN], measured=found.records, origin=split
    )


def shown(task: Task, samples: tuple[Sample, ...]) -> list[dict[str, Any]]:
    """Returns samples as plain data: what their templates need, and exemplars.

    `values` holds the text that stands for each field, `cut` how many
    characters of it are left out here, `shots` the places among the samples of
    those that may stand before one as solved examples.
    """
    return [_plain(task, samples, number) for number in range(len(samples))]


def _plain(task: Task, samples: tuple[Sample, ...], number: int) -> dict[str, Any]:
    origin, record = samples[number]
    fields = checked_fields(task, record)
    assert fields is not None, "a sample is a record that its task keeps"
    values = text_values(fields)
    named = {name for template in task.templates for name in template.field_names()}
    values = {name: text for name, text in values.items() if name in named}
    cut = {name: len(text) - _CHARS_SHOWN for name, text in values.items()}
    plain: dict[str, Any] = {
        "origin": origin,
        "values": {name: text[:_CHARS_SHOWN] for name, text in values.items()},
        "cut": {name: more for name, more in cut.items() if more > 0},
        "shots": _shots(task, samples, number),
    }
    if task.mode == "rank":
        plain["options"] = list(fields["options"])
    if fields.get("references"):
        plain["references"] = list(fields["references"])
    return plain


def _shots(task: Task, samples: tuple[Sample, ...], number: int) -> list[int]:
    pool = [each.record for each in samples]
    chosen = choose_shots(task, pool[number], pool, num_shots=NUM_SHOTS, seed=0)
    return [next(i for i, record in enumerate(pool) if record is shot) for shot in chosen]
