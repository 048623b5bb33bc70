"""Fixing punctuation: all the marks of a text from the web."""

import re

from flanjax.data.published import Published
from flanjax.data.task import Fields, Record, Task, Template
from flanjax.data.tfds_source import Tfds

_MARK = re.compile(r"[^\w\s]")


def to_fields(record: Record) -> Fields | None:
    answer = " ".join(record["en"].split())
    bare = " ".join(_MARK.sub("", answer).split())
    if bare == answer or not bare:  # there is nothing to restore, or nothing to go by
        return None
    return {"bare": bare, "answer": answer}


# As in FLAN, tasks of text formatting share the test but train on windows that do not overlap.
SOURCE = Published(
    tfds=Tfds(
        name="para_crawl/enda:1.2.0",
        tfds_splits={
            "train": "train[30200:60200]",
            "validation": "train[60200:60400]",
            "test": "train[-3000:]",
        },
        features={"en": str},
        rows={"train": 2_414_895},
        download_mib=174.3,
    ),
)

TEMPLATES = (
    Template("{bare}\n\nAdd the punctuation."),
    Template(
        "Commas, full stops, hyphens, everything of that kind got lost when a website was saved. "
        "Write this passage of it with all the marks in place.\n\n{bare}"
    ),
    Template("Dictated: {bare}\nTyped up, fully punctuated:"),
    Template(
        "How would an English teacher punctuate the words below? Add no letter and drop "
        "none.\n\n{bare}"
    ),
    Template("Insert whatever punctuation is missing from “{bare}” and send it back."),
    Template(
        "Telegrams used to come without full stops or commas. Give this one the marks that a "
        "reader of our day would expect.\n\n{bare}"
    ),
    Template(
        "Please proofread for apostrophes, quotation marks, brackets, dashes, stops and so on: "
        "our software has deleted every one of them from the following.\n{bare}"
    ),
    Template("Punctuation saves lives (“Let's eat, Grandma”). Save a life here:\n\n{bare}"),
    Template(
        "Task: text that holds nothing but letters, digits and blanks goes in, and the original "
        "with its symbols comes out.\nIn: {bare}\nOut:"
    ),
    Template(
        "{bare}\n\nI typed that in a hurry and left out every mark. What should it look like "
        "in print?"
    ),
)

EXAMPLES = (
    {"en": "Yes, the museum is open on Sundays - admission is free!"},
    {"en": "The firm's well-known “green” line (since 1998) sells in 12 countries."},
    {"en": "Do you have a question? Write to us."},
)

TASK = Task(
    name="fix_punct",
    version=1,
    source=SOURCE,
    to_fields=to_fields,
    fields=("bare", "answer"),
    templates=TEMPLATES,
    mode="generate",
    metrics=("edit_distance",),
    examples=EXAMPLES,
    corpora=("paracrawl",),
    license="CC0 1.0",
    citation="Bañón et al., ParaCrawl: Web-Scale Acquisition of Parallel Corpora, ACL 2020",
)
