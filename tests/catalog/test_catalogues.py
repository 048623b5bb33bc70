"""The catalogues that ship keep to the rules, on records of each dataset."""

from __future__ import annotations

import json
import pathlib

import pytest

from flanjax.data.catalogue import Catalogue
from flanjax.data.check import CheckReport, check_catalogue
from flanjax.data.records import read_records
from flanjax.data.task import Record
from flanjax.tasks.flan2021 import CATALOGUE as FLAN2021
from flanjax.tasks.mini import CATALOGUE as MINI

SST2 = (
    "1 a small , patient film that earns every tear .\n"
    "0 loud , long and oddly sleepy .\n"
    "1 the leads are a delight\n"
    "0 never finds a joke worth its budget .\n"
)
RTE = (
    "index\tsentence1\tsentence2\tlabel\n"
    "0\tThe ferry to Aran was cancelled on Monday because of high seas.\t"
    "No ferry sailed to Aran on Monday.\tentailment\n"
    '1\tThe mayor, who calls herself "a baker first", opened the fair.\t'
    "The mayor owns three bakeries.\tnot_entailment\n"
    "2\tRain fell on Lima for the first time in a year.\tIt rained in Lima.\tentailment\n"
    "3\tThe museum bought two maps.\tThe museum sold two maps.\tnot_entailment\n"
)
MRPC = (
    "\ufeffQuality\t#1 ID\t#2 ID\t#1 String\t#2 String\r\n"
    "1\t1\t2\tThe bank cut 200 jobs on Friday.\tOn Friday, 200 jobs were cut by the bank.\r\n"
    '0\t3\t4\tShe called it "a fair deal.\tHe refused to comment.\r\n'
    "1\t5\t6\tA storm closed the port.\tThe port was shut by a storm.\r\n"
    "0\t7\t8\tShares rose 2 percent.\tShares fell 2 percent.\r\n"
)
AESLC = "".join(
    json.dumps({"email_body": body, "subject_line": subject, "id": "x", "annotations": []}) + "\n"
    for body, subject in [
        ("Ann,\nthe room is booked for ten.\nBob", "Meeting on Tuesday"),
        ("Please send the signed forms by noon.", "Forms"),
        ("The server is down again. We are on it.", "Outage\n report"),
        ("", "Nothing inside"),
    ]
)
HANDWRITTEN = {
    "sst2": ("test", "sentiment/sst2/stsa.binary.dev", SST2),
    "rte": ("test", "nli/rte/dev.tsv", RTE),
    "glue_mrpc": ("test", "paraphrase/mrpc/msr-para-test.tsv", MRPC),
    "aeslc": ("validation", "summarization/aeslc/dev.jsonl", AESLC),
}

SPLIT_SIZES = {
    "sst2": {"train": 6_920 - 200, "validation": 200, "test": 872},
    "rte": {"train": 2_127 - 200, "validation": 200, "test": 277},
    "glue_mrpc": {"train": 3_576, "validation": 500, "test": 1_725},
    "aeslc": {"train": 3_000, "validation": 200, "test": 600 - 200},
}


def assert_clean(report: CheckReport, catalogue: Catalogue) -> None:
    assert "\n".join(map(str, report.problems)) == ""
    assert report.num_tasks == len(catalogue.tasks())
    assert report.num_templates == 10 * report.num_tasks
    assert report.num_renders >= 3 * report.num_templates


@pytest.fixture
def handwritten(tmp_path: pathlib.Path) -> dict[str, tuple[Record, ...]]:
    """Records of each dataset, read from files in its original format."""
    found = {}
    for name, (split, path, text) in HANDWRITTEN.items():
        file = tmp_path / path
        file.parent.mkdir(parents=True)
        file.write_text(text, encoding="utf-8", newline="")
        task = FLAN2021.task(name)
        found[name] = read_records(task, split, data_dir=str(tmp_path), bad_record_limit=0).records
    return found


def test_flan2021_is_clean_on_handwritten_records(
    handwritten: dict[str, tuple[Record, ...]],
) -> None:
    assert_clean(check_catalogue(FLAN2021, records=handwritten), FLAN2021)


def test_original_formats_become_the_records_that_tfds_gives(
    handwritten: dict[str, tuple[Record, ...]],
) -> None:
    assert handwritten["sst2"][1] == {"sentence": "loud , long and oddly sleepy .", "label": 0}
    assert handwritten["rte"][1] == {
        "premise": 'The mayor, who calls herself "a baker first", opened the fair.',
        "hypothesis": "The mayor owns three bakeries.",
        "label": 1,
    }
    assert handwritten["glue_mrpc"][1] == {
        "sentence1": 'She called it "a fair deal.',
        "sentence2": "He refused to comment.",
        "label": 0,
    }
    assert handwritten["aeslc"][0] == {
        "email_body": "Ann,\nthe room is booked for ten.\nBob",
        "subject_line": "Meeting on Tuesday",
    }
    assert len(handwritten["aeslc"]) == 3  # the empty mail is left out by rule


def test_label_words_stand_for_the_right_labels(
    handwritten: dict[str, tuple[Record, ...]],
) -> None:
    answers = {
        name: [FLAN2021.task(name).to_fields(record)["answer"] for record in records]
        for name, records in handwritten.items()
    }
    assert answers == {
        "sst2": ["positive", "negative", "positive", "negative"],
        "rte": ["yes", "no", "yes", "no"],
        "glue_mrpc": ["yes", "no", "yes", "no"],
        "aeslc": ["Meeting on Tuesday", "Forms", "Outage report"],
    }
    body = FLAN2021.task("aeslc").to_fields(handwritten["aeslc"][0])["body"]
    assert body == "Ann, the room is booked for ten. Bob"


@pytest.mark.parametrize(
    ("name", "record"),
    [
        ("sst2", {"sentence": "fine", "label": -1}),
        ("rte", {"premise": "a", "hypothesis": "b", "label": -1}),
        ("aeslc", {"email_body": "text", "subject_line": " \n"}),
    ],
)
def test_records_without_a_label_are_left_out_by_rule(name: str, record: Record) -> None:
    assert FLAN2021.task(name).to_fields(record) is None


@pytest.mark.parametrize(
    ("name", "line", "reason"),
    [
        ("sst2", "2 neither\n", "a line must be '0 sentence' or '1 sentence'"),
        ("rte", "index\tsentence1\tsentence2\tlabel\n0\ta\tb\tneutral\n", "got 'neutral'"),
        (
            "glue_mrpc",
            "Quality\t#1 ID\t#2 ID\t#1 String\t#2 String\n3\t1\t2\ta\tb\n",
            "Quality must be 0 or 1, got '3'",
        ),
        ("aeslc", '{"email_body": "x"}\n', "a row must have the column 'subject_line'"),
    ],
)
def test_a_row_with_an_unknown_label_or_no_column_is_bad(
    tmp_path: pathlib.Path, name: str, line: str, reason: str
) -> None:
    split, path, _ = HANDWRITTEN[name]
    file = tmp_path / path
    file.parent.mkdir(parents=True)
    file.write_text(line, encoding="utf-8", newline="")
    with pytest.raises(ValueError, match=f"task {name}, split {split}: .*{reason}"):
        read_records(FLAN2021.task(name), split, data_dir=str(tmp_path))


def test_flan2021_is_clean_on_real_records(test_data: pathlib.Path) -> None:
    records = {
        task.name: read_records(task, "train", data_dir=str(test_data), limit=100).records
        for task in FLAN2021.tasks()
    }
    report = check_catalogue(FLAN2021, records=records)
    assert_clean(report, FLAN2021)
    assert report.num_renders == 4 * 10 * 100


@pytest.mark.parametrize("name", SPLIT_SIZES)
def test_every_real_row_is_read(test_data: pathlib.Path, name: str) -> None:
    task = FLAN2021.task(name)
    assert task.source.splits() == ("train", "validation", "test")
    for split, size in SPLIT_SIZES[name].items():
        counts = read_records(task, split, data_dir=str(test_data), bad_record_limit=0).counts
        assert (counts.read, counts.kept, counts.bad) == (size, size, 0), split


def test_mini_is_clean_on_its_own_records() -> None:
    records = {task.name: read_records(task, "train", limit=50).records for task in MINI.tasks()}
    assert_clean(check_catalogue(MINI, records=records), MINI)
