"""DART: rows of tables and knowledge bases to prose."""

import re

from flanjax.data.published import Published
from flanjax.data.task import Fields, Record, Task, Template
from flanjax.data.tfds_source import Tfds

# "[TABLECONTEXT]" and "[TITLE]" stand for the table itself: they are no words of its content.
_BRACKETED = re.compile(r"\[[^\[\]]*\]")


def _readable(triple: str) -> str:
    return " ".join(_BRACKETED.sub(" ", triple).split())


def to_fields(record: Record) -> Fields | None:
    triples = [triple for triple in map(_readable, record["tripleset"]) if triple]
    target = record["target"].strip()
    if not triples or not target:
        return None
    texts = [target, *(text.strip() for text in record["references"])]
    return {
        "triples": "; ".join(triples),
        "lines": "\n".join(triples),
        "answer": target,
        "references": tuple(dict.fromkeys(text for text in texts if text)),
    }


# As in FLAN, validation is the end of the training set and the test is the published
# validation set.
SOURCE = Published(
    tfds=Tfds(
        name="gem/dart:1.1.0",
        tfds_splits={"train": "train[:30000]", "validation": "train[-200:]", "test": "validation"},
        features={"tripleset": [str], "target": str, "references": [str]},
        rows={"train": 62_659, "validation": 2_768, "test": 6_959},
        download_mib=28.0,
    ),
)

TEMPLATES = (
    Template("From a table: {triples}\n\nTell in plain prose what it says."),
    Template(
        "{lines}\n\nThis is what a query returned. Pass it on to your boss in whole sentences, "
        "leaving nothing out."
    ),
    Template("Turn the row into running text for an almanac.\n\n{triples}"),
    Template(
        "How would a radio commentator put the figures and names below to listeners who cannot "
        "see the table?\n\n{lines}"
    ),
    Template("Data in, English out.\nIn: {triples}\nOut:"),
    Template(
        "My spreadsheet add-on has to explain its cells in words. What should it display for "
        "these?\n{lines}"
    ),
    Template(
        "A trainee at the archive copied out a record: {triples}\n\nForm a proper sentence or two "
        "from it for her, with all the content and no additions."
    ),
    Template("Please verbalise the relations underneath; brevity is welcome.\n\n{lines}"),
    Template(
        "“{answer}”\n\nOn which entries of the kind ITEM PROPERTY VALUE is that statement based? "
        "Put semicolons between them.",
        "{triples}",
        True,
    ),
    Template(
        "Take the remark apart into database entries, one to a line.\n\nRemark: {answer}",
        "{lines}",
        True,
    ),
)

EXAMPLES = (
    {
        "tripleset": [
            "[TABLECONTEXT] [TITLE] Lighthouses of the northern coast",
            "[TABLECONTEXT] LIGHTHOUSE Cape Orme",
            "Cape Orme YEAR_BUILT 1871",
        ],
        "target": "Among the lighthouses of the northern coast, Cape Orme was built in 1871.",
        "references": [
            "Among the lighthouses of the northern coast, Cape Orme was built in 1871.",
            "The Cape Orme lighthouse on the northern coast dates from 1871.",
        ],
    },
    {
        "tripleset": ["Ada Kemal POSITION goalkeeper", "Ada Kemal COUNTRY Turkey"],
        "target": "Ada Kemal is a goalkeeper from Turkey. ",
        "references": [],
    },
    {
        "tripleset": ["Blue Door eatType pub", "Blue Door priceRange cheap"],
        "target": "You can drink cheaply at the Blue Door pub.",
        "references": ["You can drink cheaply at the Blue Door pub.", "Blue Door is a cheap pub."],
    },
)

TASK = Task(
    name="dart",
    version=1,
    source=SOURCE,
    to_fields=to_fields,
    fields=("triples", "lines", "answer", "references"),
    templates=TEMPLATES,
    mode="generate",
    metrics=("rouge",),
    examples=EXAMPLES,
    corpora=("webnlg", "e2e_nlg"),
    license="MIT",
    citation=(
        "Nan et al., DART: Open-Domain Structured Data Record to Text Generation, NAACL 2021"
    ),
)
