"""The timetables of the mini collection, read back from their sentences."""

from __future__ import annotations

import re

import pytest

from flanjax.data.render import render
from flanjax.tasks.mini.struct_to_text import timetables

PATTERNS = {
    "vehicle": r"(?i)\b(?:the|a) (bus|coach|train)",
    "from": r"leaves (?!platform)(\w+) for|goes from (?:platform \d in )?(\w+)",
    "to": r"(?:for|to) ([A-Z]\w+)",
    "day": r"(?i)\bon (\w+day)\b",
    "time": r"(?i)\bat (\d+:\d\d)\b",
    "platform": r"\bplatform (\d)\b",
}


def read(sentence: str) -> dict[str, str | None]:
    """Returns the row that a sentence tells."""
    found = {key: re.search(pattern, sentence) for key, pattern in PATTERNS.items()}
    return {key: m and next(filter(None, m.groups())) for key, m in found.items()}


def test_every_sentence_tells_its_row_and_no_more():
    for record in timetables.TASK.source.records("train"):
        fields = timetables.to_fields(record)
        for sentence in fields["references"]:
            assert read(sentence) == record, sentence
        words = [len(sentence.split()) for sentence in fields["references"]]
        assert max(words) - min(words) <= 2


def test_every_column_but_two_is_sometimes_lacking():
    told = {"from": 0, "day": 0, "time": 0, "platform": 0}
    rows = list(timetables.TASK.source.records("train"))
    for row in rows:
        assert row["vehicle"] and row["to"]
        for key in told:
            told[key] += row[key] is not None
    for key, count in told.items():
        assert 0.4 < count / len(rows) < 0.75, key


@pytest.mark.parametrize(
    ("row", "facts", "sentences"),
    [
        (
            {"from": "Oslo", "day": "Friday", "time": "7:30", "platform": None},
            "vehicle: bus; from: Oslo; to: Rome; day: Friday; time: 7:30",
            (
                "The bus leaves Oslo for Rome at 7:30 on Friday.",
                "On Friday at 7:30 a bus goes from Oslo to Rome.",
            ),
        ),
        (
            {"from": None, "day": None, "time": "7:30", "platform": "4"},
            "vehicle: bus; to: Rome; time: 7:30; platform: 4",
            (
                "The bus to Rome leaves platform 4 at 7:30.",
                "At 7:30 a bus leaves platform 4 for Rome.",
            ),
        ),
        (
            {"from": "Oslo", "day": None, "time": None, "platform": "4"},
            "vehicle: bus; from: Oslo; to: Rome; platform: 4",
            (
                "The bus leaves Oslo for Rome from platform 4.",
                "A bus goes from platform 4 in Oslo to Rome.",
            ),
        ),
    ],
)
def test_a_row_becomes_the_sentences_a_reader_expects(row, facts, sentences):
    record = {"vehicle": "bus", "from": row["from"], "to": "Rome", **row}
    order = ("vehicle", "from", "to", "day", "time", "platform")
    assert timetables.to_fields({key: record[key] for key in order}) == {
        "row": facts,
        "vehicle": "bus",
        "to": "Rome",
        "answer": sentences[0],
        "references": sentences,
    }


def test_the_inverted_wording_asks_where_it_goes():
    (index,) = [i for i, wording in enumerate(timetables.TASK.templates) if wording.inverted]
    for record in list(timetables.TASK.source.records("test"))[:50]:
        example = render(timetables.TASK, record, template=index)
        assert example is not None
        assert example.targets == read(example.inputs)["to"]
