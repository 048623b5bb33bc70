"""Yelp polarity: was a customer of a local business content?"""

import re

from flanjax.data.published import Published
from flanjax.data.schema import Labels
from flanjax.data.sources import TextLines
from flanjax.data.task import Fields, Record, Task, Template
from flanjax.data.tfds_source import Tfds

LABELS = ("negative", "positive")

_LINE = re.compile(r'"([12])","(.*)"')


def _parse(line: str) -> Record:
    # Read as TFDS does, which leaves the text of the table escaped; to_fields undoes it.
    found = _LINE.fullmatch(line)
    if not found:
        raise ValueError(f'a line must be "1","text" or "2","text", got {line[:40]!r}.')
    return {"label": found[1], "text": found[2].strip()}


def to_fields(record: Record) -> Fields | None:
    # A line break is written \n, a quotation mark \"" or "".
    text = record["text"].replace("\\n", "\n").replace('\\""', '"').replace('""', '"').strip()
    if not text or record["label"] == -1:
        return None
    return {"text": text, "options": LABELS, "answer": LABELS[record["label"]]}


# As in FLAN, validation is the end of the published training set.
SOURCE = Published(
    tfds=Tfds(
        name="yelp_polarity_reviews:0.2.0",
        tfds_splits={"train": "train[:30000]", "validation": "train[-200:]", "test": "test"},
        features={"text": str, "label": Labels(("1", "2"))},
        rows={"train": 560_000, "test": 38_000},
        download_mib=158.7,
    ),
    originals=(
        TextLines(
            files={
                "train": "sentiment/yelp_polarity/train.csv[:30000]",
                "validation": "sentiment/yelp_polarity/train.csv[-200:]",
                "test": "sentiment/yelp_polarity/test.csv",
            },
            public="https://course.fast.ai/datasets (Yelp reviews, polarity)",
            parse=_parse,
        ),
    ),
)

TEMPLATES = (
    Template(
        "Customer's own words:\n{text}\n\nDo they speak for the business (positive) or against it "
        "(negative)?\n{options}"
    ),
    Template(
        "I was looking up a place on Yelp and found this:\n\n{text}\n\n"
        "In one word, positive or negative?"
    ),
    Template(
        "As the owner I get a hundred reviews a week. Help me sort them: does this one deserve a "
        "thank-you (positive) or an apology (negative)?\n{options}\n\n{text}"
    ),
    Template(
        "{text}\n\nThe stars above the entry did not load. Going by what the customer writes, were "
        "there many of them (positive) or few (negative)?\n{options}"
    ),
    Template("Comment card\n\n{text}\n\nFile under:\n{options}"),
    Template(
        "{options}\n\nDecide which of the two fits the impression that the business left on the "
        "writer of the lines below.\n\n{text}"
    ),
    Template(
        "Here is the account of a person who paid for a service.\n\n{text}\n\n"
        "Would their friends take it as a recommendation or as a warning? Positive stands for the "
        "first and negative for the second.\n{options}"
    ),
    Template(
        "Recall a visit to some local business and describe it for other customers. By the time "
        "they finish reading, their view of the place should be as {answer} as yours.",
        "{text}",
        True,
    ),
    Template("Local guide, new entry\nStance: {answer}\nReview in full:", "{text}", True),
    Template(
        "What might a customer post on Yelp after a {answer} experience with a restaurant, a shop "
        "or a doctor?",
        "{text}",
        True,
    ),
)

EXAMPLES = (
    {
        "text": 'They call it \\""fresh\\"" fish.\\n\\nIt was not. Never again.',
        "label": 0,
    },
    {
        "text": "Dr. Amin took an hour to explain every step. My knee and I are grateful.",
        "label": 1,
    },
    {
        "text": "Waited 50 minutes for a cold omelette. The waiter shrugged.",
        "label": 0,
    },
)

TASK = Task(
    name="yelp_polarity_reviews",
    version=1,
    source=SOURCE,
    to_fields=to_fields,
    fields=("text", "options", "answer"),
    templates=TEMPLATES,
    mode="rank",
    metrics=("accuracy",),
    examples=EXAMPLES,
    corpora=("yelp_reviews",),
    license="Yelp's dataset terms of use",
    citation=(
        "Zhang, Zhao and LeCun, Character-level Convolutional Networks for Text Classification, "
        "NeurIPS 2015"
    ),
)
