"""The catalogues that ship keep to the rules, on records of each dataset."""

from __future__ import annotations

import collections
import pathlib
from collections.abc import Sequence

import pytest

from flanjax.data.catalogue import Catalogue
from flanjax.data.check import CheckReport, check_catalogue
from flanjax.data.document import document
from flanjax.data.published import Published
from flanjax.data.records import read_records
from flanjax.data.task import Record, Task
from flanjax.tasks.flan2021 import BY_SKILL, CATALOGUE
from flanjax.tasks.mini import CATALOGUE as MINI

DOCS = pathlib.Path(__file__).parents[2] / "docs"

# Wei et al. 2022, figure 3: datasets of each cluster, variants counted once. The code that was
# published with it adds SuperGLUE's WSC, true-casing and word segmentation.
NUM_DATASETS = {
    "nli": 7,
    "reading_comprehension": 5,
    "commonsense": 4,
    "sentiment": 4,
    "closed_book_qa": 3,
    "paraphrase": 4,
    "coreference": 3 + 1,
    "rc_commonsense": 2,
    "struct_to_text": 4,
    "translation": 8,
    "summarization": 11,
    "miscellaneous": 7 + 2,
}
VARIANTS = {"squad_v2": "squad_v1"}
"""Variants in the paper that have templates of their own."""
LANGUAGES = tuple(
    f"wmt16_translate_{pair}" for pair in ("deen", "tren", "csen", "fien", "roen", "ruen")
)

LABEL_WORDS = {
    **dict.fromkeys(("anli_r1", "anli_r2", "anli_r3"), ("Yes", "It's impossible to say", "No")),
    "cb": ("Yes", "No", "It's impossible to say"),
    **dict.fromkeys(
        ("mnli_matched", "mnli_mismatched", "snli"), ("yes", "it is not possible to tell", "no")
    ),
    **dict.fromkeys(("rte", "qnli"), ("yes", "no")),
    **dict.fromkeys(
        ("wnli", "bool_q", "multirc", "glue_mrpc", "glue_qqp", "paws_wiki", "wsc"), ("no", "yes")
    ),
    **dict.fromkeys(("imdb_reviews", "sst2", "yelp_polarity_reviews"), ("negative", "positive")),
    "ag_news_subset": ("World", "Sports", "Business", "Science/Tech"),
    "cola": ("unacceptable", "acceptable"),
    "wic": ("different meanings", "the same meaning"),
    "trec": ("description", "entity", "abbreviation", "human", "numeric", "location"),
}
"""Task -> what each class index stands for, in the order of the TFDS builder's class names."""
LABEL_FIELDS = {"bool_q": "answer", "trec": "label-coarse"}


def assert_clean(report: CheckReport, catalogue: Catalogue) -> None:
    assert "\n".join(map(str, report.problems)) == ""
    assert report.num_tasks == len(catalogue.tasks())
    assert report.num_templates == 10 * report.num_tasks
    assert report.num_renders >= 3 * report.num_templates
    assert set(report.lengths) == {task.name for task in catalogue.tasks()}


def test_flan2021_holds_the_published_collection() -> None:
    tasks = CATALOGUE.tasks()
    assert len(tasks) == 70
    assert [task.name for task in tasks if not task.is_trainable] == ["wsc273"]
    assert {task.name for task in BY_SKILL.tasks()} == {task.name for task in tasks}
    assert (len(CATALOGUE.clusters), len(BY_SKILL.clusters)) == (12, 17)
    found = {}
    for cluster in CATALOGUE.clusters:
        datasets: set[object] = set()
        for task in cluster.tasks:
            is_variant = task.name in VARIANTS and VARIANTS[task.name] in {
                t.name for t in cluster.tasks
            }
            datasets.add(task.name if task.name in LANGUAGES else task.templates)
            datasets -= {task.templates} if is_variant else set()
        found[cluster.name] = len(datasets)
    assert found == NUM_DATASETS
    assert sum(NUM_DATASETS.values()) == 62 + 3


def test_flan2021_is_clean_on_handwritten_records() -> None:
    report = check_catalogue(CATALOGUE)
    assert_clean(report, CATALOGUE)
    assert report.num_templates == 700
    assert report.likeness.within[0].rouge < 0.7
    assert report.likeness.mean_distinctness > 0.85


def test_every_class_occurs_in_the_handwritten_records() -> None:
    for task in CATALOGUE.tasks():
        fields = [task.to_fields(record) for record in task.examples]
        kept = [entry for entry in fields if entry is not None]
        assert len(kept) >= 3, task.name
        if task.name in LABEL_WORDS:
            assert {entry["answer"] for entry in kept} == set(LABEL_WORDS[task.name]), task.name


@pytest.mark.parametrize("name", LABEL_WORDS)
def test_each_class_index_has_its_own_word(name: str) -> None:
    task = CATALOGUE.task(name)
    record = task.examples[0]
    field = LABEL_FIELDS.get(name, "label")
    values: Sequence[object] = range(len(LABEL_WORDS[name]))
    if isinstance(record[field], bool):
        values = (False, True)
    answers = [task.to_fields({**record, field: value})["answer"] for value in values]
    assert tuple(answers) == LABEL_WORDS[name]


def test_every_task_of_fixed_classes_is_among_those_whose_order_is_checked() -> None:
    fixed = {
        task.name
        for task in CATALOGUE.tasks()
        if task.mode == "rank"
        and len({tuple(task.to_fields(record)["options"]) for record in task.examples}) == 1
    }
    assert fixed - {"sentiment140", "stsb"} == set(LABEL_WORDS)


def test_sentiment140_has_no_neutral_tweets() -> None:
    task = CATALOGUE.task("sentiment140")
    fields = [task.to_fields({"polarity": polarity, "text": "a tweet"}) for polarity in (0, 2, 4)]
    assert fields[1] is None
    assert [entry["answer"] for entry in (fields[0], fields[2])] == ["negative", "positive"]


@pytest.mark.parametrize("score", ["0.0", "0.4", "2.5", "3.8", "5.0"])
def test_stsb_asks_for_the_rounded_score_and_is_judged_by_the_exact_one(score: str) -> None:
    record = {"sentence1": "a", "sentence2": "b", "label": float(score)}
    fields = CATALOGUE.task("stsb").to_fields(record)
    assert fields["answer"] == {"0.0": "0", "0.4": "0", "2.5": "3", "3.8": "4", "5.0": "5"}[score]
    assert [float(text) for text in fields["references"]] == [float(score)]


@pytest.mark.parametrize("task", CATALOGUE.tasks(), ids=lambda task: task.name)
def test_no_published_row_stands_in_two_splits(task: Task) -> None:
    assert isinstance(task.source, Published)
    tfds = task.source.tfds
    taken: dict[str, set[int]] = collections.defaultdict(set)
    for split in task.source.splits():
        name, bracket, cut = tfds.tfds_splits[split].partition("[")
        assert name in tfds.rows, f"{task.name}: rows of {name} are not known"
        start, _, stop = cut.removesuffix("]").partition(":")
        rows = (
            range(tfds.rows[name])[slice(int(start or 0), int(stop) if stop else None)]
            if bracket
            else range(tfds.rows[name])
        )
        assert rows, f"{task.name}: {split} is empty"
        assert not taken[name] & set(rows), f"{task.name}: {split}"
        taken[name] |= set(rows)


def test_training_is_capped_as_in_the_paper() -> None:
    for task in CATALOGUE.tasks():
        if task.is_trainable:
            assert (task.source.num_published("train") or 0) <= 30_000, task.name


def test_source_texts_are_named_one_way() -> None:
    owners: dict[str, set[str]] = collections.defaultdict(set)
    for task in CATALOGUE.tasks():
        assert task.corpora, task.name
        for corpus in task.corpora:
            owners[corpus].add(task.name)
    for first in owners:
        for second in owners:
            assert first == second or not second.startswith(first), (first, second)
    assert owners["squad"] == {"squad_v1", "squad_v2", "qnli"}
    assert {"wnli", "wsc", "wsc273", "definite_pronoun_resolution"} == owners["winograd_schemas"]


def test_flan2021_is_clean_on_real_records(original_files: pathlib.Path) -> None:
    records: dict[str, tuple[Record, ...]] = {}
    for task in CATALOGUE.tasks():
        split = "test" if task.name in REAL_TEST_SIZES else None
        if split:
            read = read_records(task, split, data_dir=str(original_files), bad_record_limit=0)
            assert read.counts.kept == REAL_TEST_SIZES[task.name], task.name
            records[task.name] = read.records[:40]
    report = check_catalogue(CATALOGUE, records=records)
    assert_clean(report, CATALOGUE)


REAL_TEST_SIZES = {
    "anli_r1": 200,
    "anli_r2": 200,
    "mnli_matched": 300,
    "mnli_mismatched": 300,
    "rte": 277,
    "snli": 400,
    "wnli": 71,
    "bool_q": 568,
    "drop": 310,
    "multirc": 154,
    "squad_v1": 265,
    "copa": 125,
    "piqa": 460,
    "imdb_reviews": 488,
    "sst2": 872,
    "arc_challenge": 30,
    "arc_easy": 142,
    "natural_questions": 903,
    "trivia_qa": 500,
    "glue_mrpc": 1_725,
    "glue_qqp": 500,
    "stsb": 1_313,
    "definite_pronoun_resolution": 329,
    "wsc": 32,
    "wsc273": 273,
    "cosmos_qa": 500,
    "record": 32,
    "common_gen": 249,
    "e2e_nlg": 1_168,
    "web_nlg_en": 137,
    "aeslc": 400,
    "ag_news_subset": 1_000,
    "cnn_dailymail": 60,
    "gigaword": 39,
    "cola": 1_043,
    "trec": 500,
    "wic": 500,
}
"""Rows that are kept of the test split of each dataset that is there, as laid out from samples."""

# Counted in the files themselves with cut, sort and uniq, by the file's own class names.
REAL_LABELS = {
    "rte": {"yes": 146, "no": 131},
    "snli": {"yes": 146, "it is not possible to tell": 123, "no": 131},
    "wnli": {"no": 40, "yes": 31},
    "sst2": {"negative": 428, "positive": 444},
    "glue_mrpc": {"yes": 1_147, "no": 578},
    "cola": {"unacceptable": 322, "acceptable": 721},
    "trec": {
        "abbreviation": 9,
        "description": 138,
        "entity": 94,
        "human": 65,
        "location": 81,
        "numeric": 113,
    },
}


@pytest.mark.parametrize("name", REAL_LABELS)
def test_classes_of_the_distributed_files_become_the_right_words(
    original_files: pathlib.Path, name: str
) -> None:
    task = CATALOGUE.task(name)
    records = read_records(task, "test", data_dir=str(original_files)).records
    found = collections.Counter(task.to_fields(record)["answer"] for record in records)
    assert found == REAL_LABELS[name]


# Known without any label: who reads the record can tell.
REAL_ANSWERS = {
    "anli_r1": ("They changed the name of The Magic Roundabout", "It's impossible to say"),
    "mnli_matched": ("The Report and Order ignores recommendations from committees", "no"),
    "mnli_mismatched": ("The panels will collect advice, along with data", "yes"),
    "copa": ("The girl had a phobia of dogs.", "She was bitten by a dog."),
    "piqa": ("How to put a Windows 10 PC to sleep", "Click the button that says sleep."),
    "imdb_reviews": ("If you haven't seen this, it's terrible.", "negative"),
    "arc_easy": ("A butterfly lays an egg.", "a life cycle"),
    "wsc273": ("The city councilmen refused the demonstrators", "councilmen feared violence"),
    "definite_pronoun_resolution": ("Master Wong had to come to the defense", "Master Wong"),
    "bool_q": ("is orlando international airport the same as mco", "yes"),
    "ag_news_subset": ("Sharapova advances to Korea Open final", "Sports"),
    "wic": ("Wheat or rye shells in reaping.", "the same meaning"),
}


@pytest.mark.parametrize("name", REAL_ANSWERS)
def test_a_real_record_has_the_answer_that_a_reader_gives(
    original_files: pathlib.Path, name: str
) -> None:
    task = CATALOGUE.task(name)
    text, answer = REAL_ANSWERS[name]
    records = read_records(task, "test", data_dir=str(original_files)).records
    (fields,) = [
        fields
        for fields in map(task.to_fields, records)
        if any(text in value for value in fields.values() if isinstance(value, str))
    ][:1]
    assert answer in fields["answer"]


def test_mini_is_clean_on_its_own_records() -> None:
    records = {task.name: read_records(task, "train", limit=50).records for task in MINI.tasks()}
    assert_clean(check_catalogue(MINI, records=records), MINI)


def test_the_page_of_the_catalogue_is_the_one_that_its_command_writes() -> None:
    command = "flanjax tasks document --catalog=flan2021 --output=docs/catalogue.md"
    written = (DOCS / "catalogue.md").read_text("utf-8")
    assert written == document(CATALOGUE, command=command), f"run: {command}"
