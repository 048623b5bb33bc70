"""DROP: questions on a passage that take counting, sums or comparison."""

import json
import re
from collections.abc import Iterator

from flanjax.data.published import Published
from flanjax.data.sources import Document
from flanjax.data.task import Fields, Record, Task, Template
from flanjax.data.tfds_source import Tfds

_MONTHS = "January|February|March|April|May|June|July|August|September|October|November|December"
_TFDS_DATE = re.compile(rf"(?P<year>\d{{0,4}})-(?P<month>{_MONTHS}|)-(?P<day>\d{{1,2}})")


def _text(answer: Record) -> str:
    """Writes an answer as the official evaluation does, several spans as one list."""
    if answer.get("number"):
        return str(answer["number"])
    if answer.get("spans"):
        return ", ".join(answer["spans"])
    date = answer.get("date") or {}
    parts = (date.get(name, "") for name in ("day", "month", "year"))
    return " ".join(part for part in parts if part)


def _read(text: str) -> Iterator[Record]:
    for entry in json.loads(text).values():
        for pair in entry["qa_pairs"]:
            yield {
                "passage": entry["passage"],
                "question": pair["question"],
                "answer": _text(pair["answer"]),
                "validated_answers": [_text(one) for one in pair.get("validated_answers", ())],
            }


def _spoken(answer: str) -> str:
    """Turns TFDS's "1567-January-20" into "20 January 1567"; the year may lack."""
    found = _TFDS_DATE.fullmatch(answer.strip())
    if found is None:
        return answer.strip()
    return " ".join(part for part in found.group("day", "month", "year") if part)


def to_fields(record: Record) -> Fields | None:
    given = map(_spoken, (record["answer"], *record["validated_answers"]))
    references = tuple(dict.fromkeys(text for text in given if text))
    if not references:  # TFDS has no text for a date without a day
        return None
    return {
        "passage": record["passage"].strip(),
        "question": record["question"].strip(),
        "answer": references[0],
        "references": references,
    }


# As in FLAN, the test split is the published development set. Where an answer has several spans
# TFDS gives the first alone; from the files they are all there, with commas between them.
SOURCE = Published(
    tfds=Tfds(
        name="drop:2.0.0",
        tfds_splits={"train": "train[:30000]", "validation": "train[-200:]", "test": "dev"},
        features={"passage": str, "question": str, "answer": str, "validated_answers": [str]},
        rows={"train": 77_409, "dev": 9_536},
        download_mib=7.9,
    ),
    originals=(
        Document(
            files={
                "train": "reading_comprehension/drop/drop_dataset_train.json[:30000]",
                "validation": "reading_comprehension/drop/drop_dataset_train.json[-200:]",
                "test": "reading_comprehension/drop/drop_dataset_dev.json",
            },
            public="https://s3-us-west-2.amazonaws.com/allennlp/datasets/drop/drop_dataset.zip",
            read=_read,
        ),
    ),
)

TEMPLATES = (
    Template("{passage}\n\n{question}\nReply with a number, a date or a short phrase only."),
    Template(
        "Read closely; you may have to count, add, subtract or compare.\n\nPassage: {passage}\n\n"
        "Question: {question}\n\nFinal answer, without the working:"
    ),
    Template(
        "Be it a match report, a census or a chapter of history, I need the details right.\n\n"
        "{passage}\n\n"
        "So then: {question}\n\nState the bare result."
    ),
    Template(
        "Query for the analyst: {question}\nMaterial: {passage}\n"
        "Limit yourself to a figure or a few words."
    ),
    Template(
        "Take out a pencil, for what follows may be thick with names and numbers.\n\n{passage}\n\n"
        "Now tell me as briefly as you can: {question}"
    ),
    Template(
        "Two friends have a bet on this: {question}\nThey agreed to trust the account printed "
        "here. What short answer decides it?\n\n{passage}"
    ),
    Template(
        "Worksheet\n\nText: {passage}\n\nProblem: {question}\n"
        "Solution (figure, date or words of the text):"
    ),
    Template(
        "{passage}\n\nMake up a question about the above that takes some thought and is "
        "correctly answered by “{answer}”",
        "{question}",
        True,
    ),
    Template(
        "Answer key: {answer}\nText: {passage}\n\nThe exam question that goes with this key was "
        "lost. Reconstruct it.",
        "{question}",
        True,
    ),
    Template(
        "What could you ask a careful reader of these lines so that “{answer}” is the reply?\n\n"
        "{passage}",
        "{question}",
        True,
    ),
)

EXAMPLES = (
    {
        "passage": (
            "The Harbour Seals scored first with a 31-yard field goal. In the third quarter Lund "
            "kicked two more, from 44 and from 27 yards, before the visitors answered with a "
            "touchdown."
        ),
        "question": "How many field goals were longer than 30 yards?",
        "answer": "2",
        "validated_answers": ["2", "two"],
    },
    {
        "passage": (
            "Count Arvid took the fort on 3 May 1611 and lost it again within the month. His "
            "brother Nils, sent to relieve him, was captured at the river."
        ),
        "question": "On what date did the fort fall to Arvid?",
        "answer": "1611-May-3",
        "validated_answers": ["-May-3", ""],
    },
    {
        "passage": (
            "In the 2001 census 41.5% of the households in Brenford had one person, 30.2% had two "
            "and 28.3% had three or more."
        ),
        "question": "Which households were more common, those with one person or those with two?",
        "answer": "one person",
        "validated_answers": [],
    },
)

TASK = Task(
    name="drop",
    version=1,
    source=SOURCE,
    to_fields=to_fields,
    fields=("passage", "question", "answer", "references"),
    templates=TEMPLATES,
    mode="generate",
    metrics=("squad",),
    is_extractive=True,
    examples=EXAMPLES,
    corpora=("drop",),
    license="CC BY-SA 4.0 (as dataset cards have it)",
    citation=(
        "Dua et al., DROP: A Reading Comprehension Benchmark Requiring Discrete Reasoning Over "
        "Paragraphs, NAACL 2019"
    ),
)
