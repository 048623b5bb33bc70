"""Reading records: what is kept, counted, chosen, and fatal."""

from __future__ import annotations

import dataclasses
import pathlib
from collections.abc import Iterator, Sequence

import pytest

from flanjax.data.records import read_records
from flanjax.data.render import record_uid
from flanjax.data.sources import Jsonl
from flanjax.data.task import BadRecord, Fields, Record, Task, Template

Row = Record | BadRecord


@dataclasses.dataclass(frozen=True)
class Rows:
    """A source in memory."""

    rows: Sequence[Row]
    fault: str | None = None

    def splits(self) -> tuple[str, ...]:
        return ("train",)

    def records(self, split: str, *, data_dir: str | None = None) -> Iterator[Row]:
        yield from self.rows
        if self.fault:
            raise ValueError(self.fault)

    def describe(self) -> str:
        return "rows in memory"


def to_fields(record: Record) -> Fields | None:
    if record["label"] == -1:
        return None
    options = ("bad", "good")
    return {"text": record["text"], "options": options, "answer": options[record["label"]]}


def make_task(rows: Sequence[Row], *, fault: str | None = None) -> Task:
    return Task(
        name="toy",
        version=1,
        source=Rows(rows, fault),
        to_fields=to_fields,
        fields=("text", "options", "answer"),
        templates=(
            Template("Judge: {text}\n{options}"),
            Template("Write something {answer}.", "{text}", inverted=True),
        ),
        mode="rank",
        metrics=("accuracy",),
        license="none",
        citation="none",
    )


def row(text: str, label: object = 1) -> Record:
    return {"text": text, "label": label}


def test_every_row_is_counted_once_and_good_ones_keep_their_order() -> None:
    rows: list[Row] = [
        row("a"),
        BadRecord("f:2", "not JSON."),
        row("b", -1),
        row("c", 5),
        row("a"),
        {"text": "d"},
        row("", 0),
        row("e", 0),
    ]
    read = read_records(make_task(rows), "train", bad_record_limit=0.5)
    assert read.records == (row("a"), row("a"), row("e", 0))
    assert read.uids == tuple(record_uid(record) for record in read.records)
    assert read.rows == (1, 5, 8)
    assert read.counts._replace(bad_examples=()) == (8, 3, 1, 4, 0, 1, ())
    assert read.counts.bad_examples[0] == "f:2: not JSON."
    assert [example.partition(":")[0] for example in read.counts.bad_examples[1:]] == [
        "record 4",
        "record 6",
        "record 7",
    ]
    assert "IndexError" in read.counts.bad_examples[1]
    assert "KeyError('label')" in read.counts.bad_examples[2]
    assert "template 1: targets must not be empty" in read.counts.bad_examples[3]


def test_only_the_first_bad_examples_are_kept_but_all_are_counted() -> None:
    rows: list[Row] = [row("a"), *(BadRecord(f"f:{line}", "cut.") for line in range(2, 22))]
    counts = read_records(make_task(rows), "train", bad_record_limit=0.99).counts
    assert counts.bad == 20
    assert counts.bad_examples == tuple(f"f:{line}: cut." for line in range(2, 7))


def test_a_value_without_plain_form_is_a_bad_record() -> None:
    rows: list[Row] = [row("a"), {"text": "b", "label": 1, "when": object()}]
    counts = read_records(make_task(rows), "train", bad_record_limit=0.5).counts
    assert (counts.kept, counts.bad) == (1, 1)
    assert counts.bad_examples == (
        "record 2: a record must hold plain values, got object; convert it.",
    )


def test_too_many_bad_records_are_fatal_and_the_first_is_named() -> None:
    rows: list[Row] = [row(str(i)) for i in range(97)]
    rows += [BadRecord(f"f:{line}", "cut.") for line in (98, 99, 100)]
    assert read_records(make_task(rows), "train", bad_record_limit=0.03).counts.kept == 97
    expected = (
        r"task toy, split train: at most 2\.00% of records may be bad, got 3 of 100 \(3\.00%\), "
        r"first f:98: cut; mend the records or raise DataConfig.bad_record_limit\."
    )
    with pytest.raises(ValueError, match=expected):
        read_records(make_task(rows), "train", bad_record_limit=0.02)


def test_a_split_without_a_usable_record_is_an_error() -> None:
    rows = [row("a", -1), row("b", -1)]
    expected = r"task toy, split train: a record must be left.*2 read, 2 left"
    with pytest.raises(ValueError, match=expected):
        read_records(make_task(rows), "train")


def test_a_split_without_rows_names_where_they_were_looked_for(tmp_path: pathlib.Path) -> None:
    (tmp_path / "toy.jsonl").write_text('{"text": "a", "label": 0}\n')
    source = Jsonl(
        files={"train": "toy.jsonl[:-200]", "validation": "toy.jsonl[-200:]"},
        public="https://example.org/toy",
    )
    task = dataclasses.replace(make_task([]), source=source)
    expected = (
        rf"task toy, split train: a split must have rows, got none in {tmp_path}/toy\.jsonl"
        r"\[:-200\]; test takes its rows first, then validation, and train gets the rest: add rows"
    )
    with pytest.raises(ValueError, match=expected):
        read_records(task, "train", data_dir=str(tmp_path))


def test_a_fault_of_the_source_names_the_task() -> None:
    with pytest.raises(ValueError, match=r"^task toy: no such file\.$"):
        read_records(make_task([row("a")], fault="no such file."), "train")


def test_a_limit_takes_a_stable_sample_and_not_the_head() -> None:
    rows = [row(str(i)) for i in range(1000)]
    read = read_records(make_task(rows), "train", limit=100)
    places = [int(record["text"]) for record in read.records]
    assert read.counts[:6] == (1000, 100, 0, 0, 900, 0)
    assert places == sorted(places)
    assert [row - 1 for row in read.rows] == places
    assert 400 < sum(places) / 100 < 600  # the mean of a uniform sample is 500 +- 27
    assert read_records(make_task(rows), "train", limit=100) == read
    other = read_records(make_task(rows), "train", limit=100, seed=1)
    assert 1 <= len(set(other.uids) & set(read.uids)) <= 30  # 10 of 100 by chance


def test_which_records_a_limit_takes_does_not_depend_on_their_order() -> None:
    rows = [row(str(i)) for i in range(50)]
    forward = read_records(make_task(rows), "train", limit=7)
    backward = read_records(make_task(rows[::-1]), "train", limit=7)
    assert forward.records == backward.records[::-1]


def test_a_larger_limit_keeps_what_a_smaller_one_chose() -> None:
    task = make_task([row(str(i)) for i in range(50)])
    small = read_records(task, "train", limit=7).uids
    assert set(small) < set(read_records(task, "train", limit=20).uids)


def test_a_limit_must_be_positive() -> None:
    with pytest.raises(ValueError, match="task toy: limit must be positive, got 0"):
        read_records(make_task([row("a")]), "train", limit=0)


@pytest.mark.parametrize("references", ["Paris", [None], 5, {"Paris": 1}])
def test_references_that_are_no_texts_are_bad_records(references: object) -> None:
    def with_references(record: Record) -> Fields:
        given = references if record["text"] == "b" else ("good", "fine")
        return {"text": record["text"], "answer": "good", "references": given}

    task = dataclasses.replace(
        make_task([row("a"), row("b"), row("c")]),
        to_fields=with_references,
        fields=("text", "answer"),
        templates=(Template("Judge: {text}"),),
        mode="generate",
        metrics=("squad",),
    )
    found = read_records(task, "train", bad_record_limit=0.5)
    assert (found.counts.kept, found.counts.bad) == (2, 1)
    assert "references must be a sequence of text, got" in found.counts.bad_examples[0]
