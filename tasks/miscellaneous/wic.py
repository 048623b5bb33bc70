"""WiC: does a word mean the same in two sentences?"""

from flanjax.data.published import Published
from flanjax.data.schema import Labels
from flanjax.data.sources import Jsonl
from flanjax.data.task import Fields, Record, Task, Template
from flanjax.data.tfds_source import Tfds

LABELS = ("different meanings", "the same meaning")


def _from_superglue(row: Record) -> Record:
    # The file has true or false; the classes are called "True" and "False".
    return {**row, "label": str(row["label"])}


def to_fields(record: Record) -> Fields | None:
    if record["label"] == -1:  # SuperGLUE keeps the labels of its own test split to itself
        return None
    return {
        "word": record["word"].strip(),
        "sentence1": record["sentence1"].strip(),
        "sentence2": record["sentence2"].strip(),
        "options": LABELS,
        "answer": LABELS[record["label"]],
    }


# As in FLAN, the test split is the published development set, and validation is the end of the
# published training set.
SOURCE = Published(
    tfds=Tfds(
        name="super_glue/wic:1.0.2",
        tfds_splits={"train": "train[:-200]", "validation": "train[-200:]", "test": "validation"},
        features={
            "word": str,
            "sentence1": str,
            "sentence2": str,
            "label": Labels(("False", "True")),
        },
        rows={"train": 5_428, "validation": 638, "test": 1_400},
        download_mib=0.4,
    ),
    originals=(
        Jsonl(
            files={
                "train": "miscellaneous/wic/train.jsonl[:-200]",
                "validation": "miscellaneous/wic/train.jsonl[-200:]",
                "test": "miscellaneous/wic/val.jsonl",
            },
            public="https://super.gluebenchmark.com/tasks (WiC)",
            to_record=_from_superglue,
        ),
    ),
)

TEMPLATES = (
    Template(
        "A: {sentence1}\nB: {sentence2}\n\nFinish the remark: In A and in B, “{word}” has\n"
        "{options}"
    ),
    Template(
        "A lexicographer keeps one drawer for each sense of “{word}” and asks what the next two "
        "index cards show.\n\nCard: {sentence1}\nCard: {sentence2}\n\n{options}"
    ),
    Template(
        "{sentence1}\n{sentence2}\n\nDoes “{word}” carry the same meaning in these lines, or "
        "different meanings?"
    ),
    Template(
        "I translate into a language that has a separate term for everything, so I worry about "
        "“{word}” in two places of my text.\n(1) {sentence1}\n(2) {sentence2}\nWhat am I "
        "dealing with?\n{options}"
    ),
    Template("Word: {word}\nUse 1: {sentence1}\nUse 2: {sentence2}\n{options}\nVerdict:"),
    Template(
        "Look at what “{word}” stands for here: {sentence1}\n\nThen look at it here: {sentence2}\n"
        "\n{options}\n\nWhich of these did you find?"
    ),
    Template(
        "Choose “the same meaning” if one definition of “{word}” serves for both examples and "
        "“different meanings” if it takes two.\n\nExample: {sentence1}\n\nExample: {sentence2}"
    ),
    Template(
        "A learner of English met “{word}” first in “{sentence1}” and later in “{sentence2}” and "
        "does not know whether the vocabulary notebook needs a second entry. What do the two uses "
        "have?\n{options}"
    ),
    Template(
        "{options}\n\nPuns live on words that shift their sense. Tell a comedian which of the two "
        "labels above fits “{word}” in this pair.\n\n{sentence1}\n\n{sentence2}"
    ),
    Template(
        "Tense, number and spelling are beside the point: only the sense counts. Compare the "
        "occurrences of “{word}” and label the pair.\n{options}\n\nOne: {sentence1}\n"
        "Other: {sentence2}"
    ),
)

EXAMPLES = (
    {
        "word": "bank",
        "sentence1": "We picnicked on the bank of the river.",
        "sentence2": "The bank refused the loan.",
        "label": 0,
    },
    {
        "word": "carry",
        "sentence1": "She carried the parcel upstairs.",
        "sentence2": "Carry a suitcase.",
        "label": 1,
    },
    {
        "word": "draft",
        "sentence1": "He sent me the first draft of his speech.",
        "sentence2": "Do you feel a draft?",
        "label": 0,
    },
    {
        "word": "season",
        "sentence1": "Autumn is the wettest season.",
        "sentence2": "The seasons change early in the north.",
        "label": 1,
    },
)

TASK = Task(
    name="wic",
    version=1,
    source=SOURCE,
    to_fields=to_fields,
    fields=("word", "sentence1", "sentence2", "options", "answer"),
    templates=TEMPLATES,
    mode="rank",
    metrics=("accuracy",),
    examples=EXAMPLES,
    corpora=("wic",),
    license="CC BY-NC 4.0",
    citation=(
        "Pilehvar and Camacho-Collados, WiC: the Word-in-Context Dataset for Evaluating "
        "Context-Sensitive Meaning Representations, NAACL 2019"
    ),
)
