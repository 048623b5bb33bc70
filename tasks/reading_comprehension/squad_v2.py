"""SQuAD 2.0: answer from a paragraph, or notice that it holds no answer."""

import json
import urllib.parse
from collections.abc import Iterator

from flanjax.data.published import Published
from flanjax.data.sources import Document
from flanjax.data.task import Fields, Record, Task, Template
from flanjax.data.tfds_source import Tfds

NO_ANSWER = "unanswerable"


def _read(text: str) -> Iterator[Record]:
    for article in json.loads(text)["data"]:
        for paragraph in article["paragraphs"]:
            for entry in paragraph["qas"]:
                yield {
                    "title": article["title"],
                    "context": paragraph["context"],
                    "question": entry["question"],
                    "answers": {"text": [answer["text"] for answer in entry["answers"]]},
                    "is_impossible": entry["is_impossible"],
                }


def to_fields(record: Record) -> Fields | None:
    found = (text.strip() for text in record["answers"]["text"])
    references = tuple(dict.fromkeys(text for text in found if text))
    if record["is_impossible"]:
        references = (NO_ANSWER,)
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
        name="squad/v2.0:3.0.0",
        tfds_splits={"train": "train[:30000]", "validation": "train[-200:]", "test": "validation"},
        features={
            "title": str,
            "context": str,
            "question": str,
            "answers": {"text": [str]},
            "is_impossible": bool,
        },
        rows={"train": 130_319, "validation": 11_873},
        download_mib=44.3,
    ),
    originals=(
        Document(
            files={
                "train": "reading_comprehension/squad_v2/train-v2.0.json[:30000]",
                "validation": "reading_comprehension/squad_v2/train-v2.0.json[-200:]",
                "test": "reading_comprehension/squad_v2/dev-v2.0.json",
            },
            public="https://rajpurkar.github.io/SQuAD-explorer (SQuAD 2.0)",
            read=_read,
        ),
    ),
)

TEMPLATES = (
    Template(
        "{context}\n\nQuestion: {question}\nAnswer in the text's own words, or say “unanswerable” "
        "if it does not contain what is asked for."
    ),
    Template(
        "Some items in this exercise are traps: the passage does not settle them. For a trap "
        "write “unanswerable”, for any other item copy out the phrase that answers it.\n\n"
        "Passage: {context}\n\nItem: {question}"
    ),
    Template(
        "{question}\n\nSearch only here:\n{context}\n\nNo luck? Then reply with the one word "
        "“unanswerable”. Otherwise a brief quotation will do."
    ),
    Template(
        "You staff the enquiry desk of a library and have a page on “{title}” in front of you.\n\n"
        "{context}\n\nThe caller says: {question}\n\nRead the relevant words out. Should the page "
        "be of no help, your whole reply is “unanswerable”."
    ),
    Template(
        "Extract the answer span; return “unanswerable” when there is none.\n"
        "title: {title}\ncontext: {context}\nquestion: {question}\nspan:"
    ),
    Template(
        "Is “{question}” something that the lines below can answer? If it is, do so in a few of "
        "their words. If it is not, just write “unanswerable”.\n\n{context}"
    ),
    Template(
        "I do not want guesses. Unless the following states it outright, respond with "
        "“unanswerable”.\n\n{context}\n\nWhat I need to know, as short as possible: {question}"
    ),
    Template(
        "Fact sheet: {title}\n\n{context}\n\nJournalist: {question}\n"
        "Press officer, quoting from the sheet or else saying “unanswerable”:"
    ),
    Template(
        "Note to pupils: give the shortest correct phrase that stands in the text. Where the "
        "text is silent, put “unanswerable”.\n\n1. {question}\n\nText: {context}\n\nYour entry:"
    ),
    Template(
        "Careful, what is asked here may be a near miss, about another person, year or place than "
        "the ones described.\n\nAsked: {question}\n\nDescribed: {context}\n\nIf they match, cite "
        "the answer; if they do not, the right response is the single word “unanswerable”."
    ),
)

EXAMPLES = (
    {
        "title": "Bridges_of_Porto",
        "context": (
            "The Maria Pia bridge opened to trains in 1877. It was designed by the company of "
            "Gustave Eiffel and closed in 1991, when a concrete bridge took over its traffic."
        ),
        "question": "Whose company designed the Maria Pia bridge?",
        "answers": {"text": ["Gustave Eiffel", "the company of Gustave Eiffel"]},
        "is_impossible": False,
    },
    {
        "title": "Sourdough",
        "context": (
            "A sourdough starter is a culture of wild yeast and bacteria. Bakers feed it with "
            "flour and water, usually once a day."
        ),
        "question": "How often do brewers feed their starter?",
        "answers": {"text": []},
        "is_impossible": True,
    },
    {
        "title": "Caf%C3%A9_Central",
        "context": (
            "Chess players met in the café's back room from 1876. The house was shut after the "
            "Second World War and reopened in 1975."
        ),
        "question": "When did the café open its doors again?",
        "answers": {"text": ["1975", "1975", "in 1975"]},
        "is_impossible": False,
    },
)

TASK = Task(
    name="squad_v2",
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
        "Rajpurkar, Jia and Liang, Know What You Don't Know: Unanswerable Questions for SQuAD, "
        "ACL 2018"
    ),
)
