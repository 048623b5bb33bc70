"""MultiRC: is a suggested answer to a question on a paragraph a right one?"""

import json
from collections.abc import Iterator

from flanjax.data.published import Published
from flanjax.data.schema import Labels
from flanjax.data.sources import Document
from flanjax.data.task import Fields, Record, Task, Template
from flanjax.data.tfds_source import Tfds

LABELS = ("no", "yes")


def _read(text: str) -> Iterator[Record]:
    for line in filter(str.strip, text.split("\n")):
        row = json.loads(line)
        for question in row["passage"]["questions"]:
            for answer in question["answers"]:
                yield {
                    "paragraph": row["passage"]["text"],
                    "question": question["question"],
                    "answer": answer["text"],
                    "label": answer.get("label", -1),
                    "idx": {"paragraph": row["idx"], "question": question["idx"]},
                }


def to_fields(record: Record) -> Fields | None:
    response = record["answer"].strip()
    # SuperGLUE keeps the labels of its own test split to itself; a suggestion may be empty.
    if record["label"] == -1 or not response:
        return None
    return {
        "paragraph": record["paragraph"].strip(),
        "question": record["question"].strip(),
        "response": response,
        "options": LABELS,
        "answer": LABELS[record["label"]],
        "group": f"{record['idx']['paragraph']}-{record['idx']['question']}",
    }


# As in FLAN, the test split is the published development set, and validation is the end of the
# published training set. A row is one suggested answer.
SOURCE = Published(
    tfds=Tfds(
        name="super_glue/multirc:1.0.2",
        tfds_splits={"train": "train[:-200]", "validation": "train[-200:]", "test": "validation"},
        features={
            "paragraph": str,
            "question": str,
            "answer": str,
            "label": Labels(("False", "True")),
            "idx": {"paragraph": int, "question": int},
        },
        rows={"train": 27_243, "validation": 4_848, "test": 9_693},
        download_mib=1.1,
    ),
    originals=(
        Document(
            files={
                "train": "reading_comprehension/multirc/train.jsonl[:-200]",
                "validation": "reading_comprehension/multirc/train.jsonl[-200:]",
                "test": "reading_comprehension/multirc/val.jsonl",
            },
            public="https://super.gluebenchmark.com/tasks (MultiRC)",
            read=_read,
        ),
    ),
)

TEMPLATES = (
    Template(
        "{paragraph}\n\nQ: {question}\nSuggested answer: {response}\n\nIs the suggestion right?\n"
        "{options}"
    ),
    Template(
        "Mark this pupil's reply by the text alone.\n\nText: {paragraph}\nQuestion: {question}\n"
        "Reply: {response}\n\nDoes it earn the point?\n{options}"
    ),
    Template(
        "There may be several correct answers to a question. Decide if the one proposed here "
        "is among them.\n{options}\n\nPassage: {paragraph}\n\nQuestion: {question}\n\n"
        "Proposed: {response}"
    ),
    Template(
        "{question}\n{response}\n\nThat is what somebody asked and what they were told. Judging "
        "by the source underneath, were they told the truth?\n{options}\n\n{paragraph}"
    ),
    Template(
        "Write yes if the box should be ticked and no if it should stay empty.\n\n{paragraph}\n\n"
        "{question}\n[ ] {response}"
    ),
    Template(
        "Your neighbour replies “{response}” when the question “{question}” comes up, and shows "
        "you this as proof:\n\n{paragraph}\n\nAre you convinced?\n{options}"
    ),
    Template(
        "Put the sentences together before you judge, since a single one is rarely enough.\n\n"
        "Sentences: {paragraph}\n\nDo they bear out “{response}” as an answer to what follows?\n"
        "{question}\n{options}"
    ),
    Template(
        "answer checker\nparagraph: {paragraph}\nquestion: {question}\ncandidate: {response}\n"
        "{options}\naccepted:"
    ),
    Template(
        "{paragraph}\n\n{question}\n\nSuggest an answer. Your teacher, asked whether it is "
        "correct, should have to say “{answer}” and be right to do so.",
        "{response}",
        True,
    ),
    Template(
        "A test on this text lacks one choice.\n\nText: {paragraph}\n\nItem: {question}\n\n"
        "Should the missing choice be a correct one? {answer}\n\nWrite it.",
        "{response}",
        True,
    ),
)

EXAMPLES = (
    {
        "paragraph": (
            "Mira left the bakery at six with two loaves. On the bridge she met her uncle, who had "
            "forgotten his lunch, and she gave him one of them. At home her sister asked why the "
            "bag was so light."
        ),
        "question": "Why was the bag lighter than expected?",
        "answer": "Mira had given a loaf to her uncle",
        "label": 1,
        "idx": {"paragraph": 0, "question": 0},
    },
    {
        "paragraph": (
            "Mira left the bakery at six with two loaves. On the bridge she met her uncle, who had "
            "forgotten his lunch, and she gave him one of them. At home her sister asked why the "
            "bag was so light."
        ),
        "question": "Why was the bag lighter than expected?",
        "answer": "Her sister ate the bread.",
        "label": 0,
        "idx": {"paragraph": 0, "question": 0},
    },
    {
        "paragraph": (
            "The council bought the old mill in 1998. Repairs began two years later and cost more "
            "than the building itself. A museum has been open there since 2004."
        ),
        "question": "When did work on the mill start?",
        "answer": "In 2000",
        "label": 1,
        "idx": {"paragraph": 1, "question": 3},
    },
)

TASK = Task(
    name="multirc",
    version=1,
    source=SOURCE,
    to_fields=to_fields,
    fields=("paragraph", "question", "response", "options", "answer", "group"),
    templates=TEMPLATES,
    mode="rank",
    metrics=("multirc",),
    examples=EXAMPLES,
    corpora=("multirc",),
    license="Research and Academic Use License",
    citation=(
        "Khashabi et al., Looking Beyond the Surface: A Challenge Set for Reading Comprehension "
        "over Multiple Sentences, NAACL 2018; Wang et al., SuperGLUE, NeurIPS 2019"
    ),
)
