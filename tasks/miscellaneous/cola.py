"""CoLA: is a sentence acceptable English?"""

from flanjax.data.published import Published
from flanjax.data.schema import Labels
from flanjax.data.sources import Tsv
from flanjax.data.task import Fields, Record, Task, Template
from flanjax.data.tfds_source import Tfds

LABELS = ("unacceptable", "acceptable")


def to_fields(record: Record) -> Fields | None:
    sentence = record["sentence"].strip()
    # GLUE keeps the labels of its own test split to itself.
    if record["label"] == -1 or not sentence:
        return None
    return {"sentence": sentence, "options": LABELS, "answer": LABELS[record["label"]]}


# As in FLAN, the test split is the published development set, and validation is the end of the
# published training set.
SOURCE = Published(
    tfds=Tfds(
        name="glue/cola:2.0.0",
        tfds_splits={"train": "train[:-200]", "validation": "train[-200:]", "test": "validation"},
        features={"sentence": str, "label": Labels(LABELS)},
        rows={"train": 8_551, "validation": 1_043, "test": 1_063},
        download_mib=0.4,
    ),
    originals=(
        Tsv(
            files={
                "train": "miscellaneous/cola/train.tsv[:-200]",
                "validation": "miscellaneous/cola/train.tsv[-200:]",
                "test": "miscellaneous/cola/dev.tsv",
            },
            public="https://gluebenchmark.com/tasks (CoLA)",
            columns=("source", "label", "mark", "sentence"),
        ),
    ),
)

TEMPLATES = (
    Template(
        "{sentence}\n\nWould people who grew up with English accept this as well formed?\n{options}"
    ),
    Template(
        "Linguists put a star in front of strings that no one would say. Rate this one for me, "
        "so that I know whether it gets a star.\n{options}\n\nString: {sentence}"
    ),
    Template(
        "My essay has the sentence “{sentence}” in it, and I am unsure of its grammar. What would "
        "you call it?\n{options}"
    ),
    Template("Proofreading slip\nSentence: {sentence}\n{options}\nGrammar:"),
    Template(
        "Judge the form, never the content: however odd the claim, say acceptable if it is put in "
        "good English and unacceptable if the way it is built is at fault.\n\n{sentence}"
    ),
    Template("Say the following out loud. What does your ear report?\n\n{sentence}\n\n{options}"),
    Template(
        "An example from a syntax textbook: {sentence}\n\nThe authors printed their judgment in "
        "the margin. Which was it?\n{options}"
    ),
    Template(
        "{options}\n\nStick one of these labels on the utterance below once you have checked its "
        "word order, its agreement and whether anything is missing.\n\n{sentence}"
    ),
    Template(
        "I need a sentence to put on a slide for my course on syntax. Speakers of English should "
        "find its grammar {answer} at first sight.",
        "{sentence}",
        True,
    ),
    Template(
        "We are testing a grammar checker. Type one line of English that is grammatically {answer} "
        "so that we can watch how it reacts.",
        "{sentence}",
        True,
    ),
)

EXAMPLES = (
    {"sentence": "The children have eaten all of the plums.", "label": 1},
    {"sentence": "The plums has been ate by children the.", "label": 0},
    {"sentence": "Which letter did you say that Ruth burned?", "label": 1},
    {"sentence": "Whom did the fact that you met surprise Ruth?", "label": 0},
)

TASK = Task(
    name="cola",
    version=1,
    source=SOURCE,
    to_fields=to_fields,
    fields=("sentence", "options", "answer"),
    templates=TEMPLATES,
    mode="rank",
    metrics=("matthews", "accuracy"),
    examples=EXAMPLES,
    corpora=("cola",),
    license="None stated; excerpts of published works, whose copyright stays with their owners",
    citation="Warstadt et al., Neural Network Acceptability Judgments, TACL 2019",
)
