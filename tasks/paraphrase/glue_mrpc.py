"""MRPC: do two sentences from news articles say the same?"""

from flanjax.data.published import Published
from flanjax.data.schema import Labels
from flanjax.data.sources import Tsv
from flanjax.data.task import Fields, Record, Task, Template
from flanjax.data.tfds_source import Tfds

LABELS = ("no", "yes")


def _from_corpus(row: Record) -> Record:
    return {
        "sentence1": row["#1 String"],
        "sentence2": row["#2 String"],
        "label": row["Quality"],
    }


def to_fields(record: Record) -> Fields:
    return {
        "sentence1": record["sentence1"].strip(),
        "sentence2": record["sentence2"].strip(),
        "options": LABELS,
        "answer": LABELS[record["label"]],
    }


# The local files have a validation set of their own, and the corpus' own test set. TFDS is split
# as in FLAN: validation is the end of training, and GLUE's validation split is the test.
SOURCE = Published(
    tfds=Tfds(
        name="glue/mrpc:2.0.0",
        tfds_splits={"train": "train[:-200]", "validation": "train[-200:]", "test": "validation"},
        features={
            "sentence1": str,
            "sentence2": str,
            "label": Labels(("not_equivalent", "equivalent")),
        },
        rows={"train": 3_668, "validation": 408, "test": 1_725},
        download_mib=1.4,
    ),
    originals=(
        Tsv(
            files={
                "train": "paraphrase/mrpc/msr-para-train.tsv",
                "validation": "paraphrase/mrpc/msr-para-val.tsv",
                "test": "paraphrase/mrpc/msr-para-test.tsv",
            },
            public="https://github.com/brmson/dataset-sts (data/para/msr)",
            to_record=_from_corpus,
        ),
    ),
)

TEMPLATES = (
    Template(
        "Wire copy: {sentence1}\nPrinted story: {sentence2}\n\n"
        "Does the printed story simply reword the wire copy?\n{options}"
    ),
    Template("{sentence1}\n\n{sentence2}\n\nDo both lines report the same thing?\n{options}"),
    Template(
        "Two newspapers covered one event.\nThe first wrote: {sentence1}\nThe second wrote: "
        "{sentence2}\nCould either version stand in for the other without readers missing anything "
        "important?\n{options}"
    ),
    Template("Compare what X and Y mean.\n\nX: {sentence1}\nY: {sentence2}\n\nEqual?\n{options}"),
    Template(
        "I have swapped “{sentence1}” for “{sentence2}” in my draft. Is the message still what it "
        "was?\n\n{options}"
    ),
    Template(
        "Look for repeated items. An item counts as repeated when it says again, in whatever "
        "words, what an earlier one said.\n\nEarlier: {sentence1}\n\nLater: {sentence2}\n\n"
        "{options}\nRepeated:"
    ),
    Template(
        "{options}\n\nUse the right word from this list to tell me whether the pair matches in "
        "meaning.\n(1) {sentence1}\n(2) {sentence2}"
    ),
    Template(
        "A student rewrote “{sentence1}” as “{sentence2}” for homework. Yes or no, did the "
        "rewriting keep the original sense?"
    ),
    Template("Does “{sentence2}” amount to “{sentence1}” put differently?\n{options}"),
    Template(
        "Leave style aside and look at the information alone.\n\nReporter one: {sentence1}\n"
        "Reporter two: {sentence2}\n\n{options}\n\nSame information from both reporters?"
    ),
)

EXAMPLES = (
    {
        "sentence1": "The bank cut 200 jobs on Friday.",
        "sentence2": "On Friday, 200 jobs were cut by the bank.",
        "label": 1,
    },
    {
        "sentence1": 'She called it "a fair deal.',
        "sentence2": "He refused to comment.",
        "label": 0,
    },
    {
        "sentence1": "Shares in the airline rose 2 percent.",
        "sentence2": "Shares in the airline fell 2 percent.",
        "label": 0,
    },
)

TASK = Task(
    name="glue_mrpc",
    version=1,
    source=SOURCE,
    to_fields=to_fields,
    fields=("sentence1", "sentence2", "options", "answer"),
    templates=TEMPLATES,
    mode="rank",
    metrics=("f1", "accuracy"),
    examples=EXAMPLES,
    corpora=("news_clusters_2004",),
    license="MSR-SSLA (Microsoft Research's shared source license)",
    citation=(
        "Dolan and Brockett, Automatically Constructing a Corpus of Sentential Paraphrases, "
        "IWP 2005"
    ),
)
