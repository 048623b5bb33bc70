"""Gigaword: the headline of a news dispatch from its first sentence."""

import re

from flanjax.data.published import Published
from flanjax.data.task import Fields, Record, Task, Template
from flanjax.data.tfds_source import Tfds

_MASKED = re.compile(r"UNK|\bunk\b|#")


def to_fields(record: Record) -> Fields | None:
    sentence = record["document"].strip()
    headline = record["summary"].strip()
    # As in FLAN: the corpus masks rare words as UNK and digits as #, which nobody would write.
    if not sentence or not headline or _MASKED.search(f"{sentence} {headline}"):
        return None
    return {"sentence": sentence, "answer": headline}


# As in FLAN, training is the first 30,000 pairs and validation the first 200 of its own split.
# Texts stay as the corpus has them: lower case, a blank around every token, -lrb- for a bracket.
SOURCE = Published(
    tfds=Tfds(
        name="gigaword:1.2.0",
        tfds_splits={"train": "train[:30000]", "validation": "validation[:200]", "test": "test"},
        features={"document": str, "summary": str},
        rows={"train": 3_803_957, "validation": 189_651, "test": 1_951},
        download_mib=551.6,
    ),
)

TEMPLATES = (
    Template("Wire copy: {sentence}\nHeadline, in a few lower-case words:"),
    Template("Under which headline did a dispatch with this opening sentence run?\n\n{sentence}"),
    Template(
        "An agency sends the line below to hundreds of papers. Cut it down to what fits across the "
        "top of a column.\n\n{sentence}"
    ),
    Template("{sentence}\n\nSay that in about eight words, as a newspaper would above the text."),
    Template(
        "The copy desk writes in small letters and drops articles, as in “rain delays start of "
        "tennis final”. Follow its habits and head the story that begins here:\n{sentence}"
    ),
    Template("Boil this lead down to a headline's worth of news: {sentence}"),
    Template(
        "Space on the ticker is scarce. How would you squeeze this report into it?\n\n{sentence}"
    ),
    Template("Name the story the way a front page does.\n\nFirst line: {sentence}\n\nFront page:"),
    Template(
        "{answer}\n\nExpand the headline above into the sentence that starts the agency's report.",
        "{sentence}",
        True,
    ),
    Template(
        "How might the first line of a news story headed “{answer}” read?", "{sentence}", True
    ),
)

EXAMPLES = (
    {
        "document": (
            "the norwegian central bank -lrb- norges bank -rrb- left interest rates unchanged on "
            "thursday , saying inflation was close to its target ."
        ),
        "summary": "norway keeps interest rates on hold",
    },
    {
        "document": (
            "thousands of teachers marched through the streets of lima on wednesday to demand "
            "`` a living wage '' from the government ."
        ),
        "summary": "peruvian teachers march for higher pay",
    },
    {
        "document": (
            "italian cyclist marco ferri won the longest stage of the race on sunday after the "
            "favourites fell in the final bend ."
        ),
        "summary": "ferri takes longest stage as favourites crash",
    },
)

TASK = Task(
    name="gigaword",
    version=1,
    source=SOURCE,
    to_fields=to_fields,
    fields=("sentence", "answer"),
    templates=TEMPLATES,
    mode="generate",
    metrics=("rouge",),
    examples=EXAMPLES,
    corpora=("gigaword",),
    license="MIT (as dataset cards have it); the LDC's terms for English Gigaword",
    citation=(
        "Rush et al., A Neural Attention Model for Abstractive Sentence Summarization, EMNLP 2015; "
        "Graff et al., English Gigaword, LDC 2003"
    ),
)
