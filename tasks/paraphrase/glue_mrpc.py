"""MRPC: do two sentences from news articles say the same?"""

from flanjax.data.sources import LocalOrTfds, Tsv
from flanjax.data.task import Fields, Record, Task, Template
from flanjax.data.tfds_source import Tfds

LABELS = ("no", "yes")


def _from_corpus(row: Record) -> Record:
    if row["Quality"] not in ("0", "1"):
        raise ValueError(f"Quality must be 0 or 1, got {row['Quality']!r}.")
    return {
        "sentence1": row["#1 String"],
        "sentence2": row["#2 String"],
        "label": int(row["Quality"]),
    }


def _from_tfds(row: Record) -> Record:
    return {name: row[name] for name in ("sentence1", "sentence2", "label")}


def to_fields(record: Record) -> Fields:
    return {
        "sentence1": record["sentence1"].strip(),
        "sentence2": record["sentence2"].strip(),
        "options": LABELS,
        "answer": LABELS[record["label"]],
    }


# The local files have a validation set of their own, and the corpus' own test set. TFDS is split
# as in FLAN: validation is the end of training, and GLUE's validation split is the test.
SOURCE = LocalOrTfds(
    local=Tsv(
        files={
            "train": "paraphrase/mrpc/msr-para-train.tsv",
            "validation": "paraphrase/mrpc/msr-para-val.tsv",
            "test": "paraphrase/mrpc/msr-para-test.tsv",
        },
        public="https://github.com/brmson/dataset-sts (data/para/msr)",
        to_record=_from_corpus,
    ),
    tfds=Tfds(
        name="glue/mrpc:2.0.0",
        tfds_splits={"train": "train[:-200]", "validation": "train[-200:]", "test": "validation"},
        to_record=_from_tfds,
    ),
)

TEMPLATES = (
    Template(
        "Sentence 1: {sentence1}\nSentence 2: {sentence2}\n\n"
        "Are these paraphrases of each other?\n{options}"
    ),
    Template("{sentence1}\n\n{sentence2}\n\nDo both lines report the same thing?\n{options}"),
    Template(
        "Two newspapers covered one event.\nThe first wrote: {sentence1}\nThe second wrote: "
        "{sentence2}\nCould either version stand in for the other without changing what readers "
        "learn?\n{options}"
    ),
    Template("Compare what X and Y mean.\n\nX: {sentence1}\nY: {sentence2}\n\nEqual?\n{options}"),
    Template(
        "If I swapped “{sentence1}” for “{sentence2}” would the message stay as it was?\n\n"
        "{options}"
    ),
    Template(
        "Look for repeated items. An item repeats an earlier one when it restates it, in any "
        "words.\n\nEarlier: {sentence1}\n\nLater: {sentence2}\n\n{options}\nRepeated:"
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
        "Reporter two: {sentence2}\n\n{options}\n\nSame information from either reporter?"
    ),
)

GLUE_MRPC = Task(
    name="glue_mrpc",
    version=1,
    source=SOURCE,
    to_fields=to_fields,
    fields=("sentence1", "sentence2", "options", "answer"),
    templates=TEMPLATES,
    mode="rank",
    metrics=("accuracy",),
    corpora=("news_clusters_2004",),
    license="Terms of the Microsoft Research Paraphrase Corpus",
    citation=(
        "Dolan and Brockett, Automatically Constructing a Corpus of Sentential Paraphrases, "
        "IWP 2005"
    ),
)
