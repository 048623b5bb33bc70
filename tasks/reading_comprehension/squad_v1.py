"""SQuAD 1.1: find the words of an encyclopedia paragraph that answer a question."""

import json
import urllib.parse
from collections.abc import Iterator

from flanjax.data.published import Published
from flanjax.data.sources import Document
from flanjax.data.task import Fields, Record, Task, Template
from flanjax.data.tfds_source import Tfds


def _read(text: str) -> Iterator[Record]:
    for article in json.loads(text)["data"]:
        for paragraph in article["paragraphs"]:
            for entry in paragraph["qas"]:
                yield {
                    "title": article["title"],
                    "context": paragraph["context"],
                    "question": entry["question"],
                    "answers": {"text": [answer["text"] for answer in entry["answers"]]},
                }


def to_fields(record: Record) -> Fields | None:
    # Annotators often marked the same words: each answer is listed once.
    found = (text.strip() for text in record["answers"]["text"])
    references = tuple(dict.fromkeys(text for text in found if text))
    if not references:
        return None
    return {
        # Titles are the ends of web addresses: "Beyonc%C3%A9", "Super_Bowl_50".
        "title": urllib.parse.unquote(record["title"]).replace("_", " ").strip(),
        "context": record["context"].strip(),
        "question": record["question"].strip(),
        "answer": references[0],
        "references": references,
    }


# As in FLAN, the test split is the published development set. The files keep the articles
# together, TFDS does not, so the first 30,000 rows are other ones there.
SOURCE = Published(
    tfds=Tfds(
        name="squad/v1.1:3.0.0",
        tfds_splits={"train": "train[:30000]", "validation": "train[-200:]", "test": "validation"},
        features={"title": str, "context": str, "question": str, "answers": {"text": [str]}},
        rows={"train": 87_599, "validation": 10_570},
        download_mib=33.5,
    ),
    originals=(
        Document(
            files={
                "train": "reading_comprehension/squad_v1/train-v1.1.json[:30000]",
                "validation": "reading_comprehension/squad_v1/train-v1.1.json[-200:]",
                "test": "reading_comprehension/squad_v1/dev-v1.1.json",
            },
            public="https://rajpurkar.github.io/SQuAD-explorer (SQuAD 1.1)",
            read=_read,
        ),
    ),
)

TEMPLATES = (
    Template("{context}\n\n{question}\nAnswer with words taken from the paragraph."),
    Template(
        "Encyclopedia entry: {title}\n\n{context}\n\nA reader wants to know: {question}\n\n"
        "Quote the part of the entry that tells them, and no more than that part."
    ),
    Template(
        "Here is what I would like to find out: {question}\nPlease look it up in this excerpt "
        "and give me the exact phrase.\n\n{context}"
    ),
    Template(
        "Draw a line under the words that answer this.\n\nQ: {question}\n\nText: {context}\n\n"
        "Underlined:"
    ),
    Template(
        "Topic: {title}\nSource: {context}\nQuestion: {question}\n"
        "Shortest span of the source that settles the question:"
    ),
    Template(
        "You are a quiz master checking a contestant. The card says “{question}” and your only "
        "evidence is this passage:\n\n{context}\n\nWhich wording, straight from the passage, "
        "would you accept?"
    ),
    Template(
        "Reading test, one mark. Do not write full sentences; lift your answer from the extract."
        "\n\nExtract: {context}\n\n1. {question}"
    ),
    Template(
        "My daughter is preparing a school talk on this subject: {title}\nThe page "
        "she printed out says:\n{context}\n\nNow she asks: {question}\n"
        "Which few words on the page should I point to?"
    ),
    Template(
        "{context}\n\nSet a comprehension question on these lines for which “{answer}” would "
        "count as the full answer.",
        "{question}",
        True,
    ),
    Template(
        "A page called “{title}” holds the following paragraph.\n\n{context}\n\nSomebody was "
        "asked something and highlighted these words: {answer}\nWhat had they been asked?",
        "{question}",
        True,
    ),
)

EXAMPLES = (
    {
        "title": "Lighthouses_of_Ireland",
        "context": (
            "The lighthouse at Hook Head was built in the early thirteenth century by William "
            "Marshal. Monks lit fires there long before the first lamp was installed in 1791."
        ),
        "question": "Who had the tower at Hook Head built?",
        "answers": {"text": ["William Marshal", "William Marshal", "Marshal"]},
    },
    {
        "title": "S%C3%A3o_Tom%C3%A9_coffee",
        "context": (
            "Coffee reached the island in 1787. A century later it had been overtaken by cocoa, "
            "which grew better in the damp valleys of the west."
        ),
        "question": "What crop pushed coffee into second place? ",
        "answers": {"text": ["cocoa"]},
    },
    {
        "title": "Velodrome",
        "context": (
            "A modern indoor track is 250 metres long. Its bends are banked at about 42 degrees, "
            "so that riders can hold their line at 70 km/h."
        ),
        "question": "How steep are the bends?",
        "answers": {"text": ["about 42 degrees", "42 degrees"]},
    },
)

TASK = Task(
    name="squad_v1",
    version=1,
    source=SOURCE,
    to_fields=to_fields,
    fields=("title", "context", "question", "answer", "references"),
    templates=TEMPLATES,
    mode="generate",
    metrics=("squad",),
    is_extractive=True,
    examples=EXAMPLES,
    corpora=("squad",),
    license="CC BY-SA 4.0",
    citation=(
        "Rajpurkar et al., SQuAD: 100,000+ Questions for Machine Comprehension of Text, EMNLP 2016"
    ),
)
