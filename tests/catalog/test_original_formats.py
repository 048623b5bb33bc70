"""Every reader of files as distributed gives the records that TFDS gives."""

from __future__ import annotations

import dataclasses
import pathlib
from collections.abc import Iterator

import choice_originals
import pair_originals
import passage_originals
import pytest
import text_originals
import written_originals
from original_sample import Fault, Sample

from flanjax.data.local_files import parse_file
from flanjax.data.published import Published
from flanjax.data.render import RecordError, checked_fields
from flanjax.data.sources import LabelledJsonl
from flanjax.data.task import BadRecord, Record, Task
from flanjax.tasks.flan2021 import CATALOGUE

TABLES = (
    pair_originals.SAMPLES,
    text_originals.SAMPLES,
    passage_originals.SAMPLES,
    choice_originals.SAMPLES,
    written_originals.SAMPLES,
)

SAMPLES = {reader: sample for table in TABLES for reader, sample in table.items()}
"""(task, index of the reader among its originals) -> a file for it."""

READERS = {
    (task.name, index)
    for task in CATALOGUE.tasks()
    if isinstance(task.source, Published)
    for index in range(len(task.source.originals))
}

FAULTS = [(*reader, fault) for reader, sample in SAMPLES.items() for fault in sample.faults]


def rows_of(
    name: str, index: int, sample: Sample, data_dir: pathlib.Path
) -> Iterator[Record | BadRecord]:
    """Writes one split's file, and reads it as the task does where no other lies."""
    source = CATALOGUE.task(name).source
    assert isinstance(source, Published)
    reader = source.originals[index]
    path = data_dir / parse_file(reader.files[sample.split])[0]
    path.parent.mkdir(parents=True)
    path.write_bytes(sample.content.encode(sample.encoding))
    if sample.labels is not None:
        assert isinstance(reader, LabelledJsonl)
        beside = path.name.removesuffix(".jsonl") + reader.labels
        path.with_name(beside).write_bytes(sample.labels.encode())
    alone = dataclasses.replace(source, originals=(reader,))
    return alone.records(sample.split, data_dir=str(data_dir))


def spoilt(sample: Sample, fault: Fault) -> Sample:
    assert (sample.content + (sample.labels or "")).count(fault.text) == 1
    content = sample.content.replace(fault.text, fault.wrong)
    labels = sample.labels and sample.labels.replace(fault.text, fault.wrong)
    return sample._replace(content=content, labels=labels)


def fault_of(task: Task, row: Record | BadRecord) -> str | None:
    """Returns why a row is counted as bad, None for one that is not."""
    if isinstance(row, BadRecord):
        return row.reason
    try:
        checked_fields(task, row)
    except RecordError as error:
        return str(error)
    return None


def test_every_reader_has_a_file_in_the_tables() -> None:
    assert set(SAMPLES) == READERS
    assert len(SAMPLES) == sum(map(len, TABLES))


@pytest.mark.parametrize(("name", "index"), SAMPLES)
def test_a_file_as_distributed_gives_the_records_of_tfds(
    name: str, index: int, tmp_path: pathlib.Path
) -> None:
    sample = SAMPLES[name, index]
    records = list(rows_of(name, index, sample, tmp_path))
    assert records == sample.records
    found = [CATALOGUE.task(name).to_fields(record) for record in records]
    assert [fields and fields["answer"] for fields in found] == sample.answers


@pytest.mark.parametrize(("name", "index"), SAMPLES)
def test_a_file_of_the_tables_holds_every_class(name: str, index: int) -> None:
    task, sample = CATALOGUE.task(name), SAMPLES[name, index]
    assert sample.faults
    found = filter(None, map(task.to_fields, sample.records))
    options = [fields["options"] for fields in found if task.mode == "rank"]
    if len(options) > 1 and len(set(options)) == 1 and name != "stsb":  # its scores are no classes
        assert set(options[0]) <= set(sample.answers)


@pytest.mark.parametrize(
    ("name", "index", "fault"),
    FAULTS,
    ids=[f"{name}-{index}-{fault.wrong or fault.text}" for name, index, fault in FAULTS],
)
def test_a_file_in_another_form_is_refused_and_never_labelled_wrong(
    name: str, index: int, fault: Fault, tmp_path: pathlib.Path
) -> None:
    task, sample = CATALOGUE.task(name), SAMPLES[name, index]
    rows: list[Record | BadRecord] = []
    reasons: list[str | None] = []
    try:
        rows.extend(rows_of(name, index, spoilt(sample, fault), tmp_path))
        reasons.extend(fault_of(task, row) for row in rows)
    except ValueError as error:
        reasons.append(str(error))
    assert any(fault.reason in reason for reason in reasons if reason is not None), reasons
    good = [row for row, reason in zip(rows, reasons, strict=False) if reason is None]
    assert all(row in sample.records for row in good)
