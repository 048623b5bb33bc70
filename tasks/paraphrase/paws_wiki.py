"""PAWS-Wiki: do two sentences made of much the same words mean the same?"""

from flanjax.data.published import Published
from flanjax.data.schema import Labels
from flanjax.data.sources import Tsv
from flanjax.data.task import Fields, Record, Task, Template
from flanjax.data.tfds_source import Tfds

LABELS = ("no", "yes")


def to_fields(record: Record) -> Fields | None:
    first, second = record["sentence1"].strip(), record["sentence2"].strip()
    if not first or not second:
        return None
    return {
        "sentence1": first,
        "sentence2": second,
        "options": LABELS,
        "answer": LABELS[record["label"]],
    }


SOURCE = Published(
    tfds=Tfds(
        name="paws_wiki/labeled_final_tokenized:1.1.0",
        tfds_splits={"train": "train[:30000]", "validation": "validation[:200]", "test": "test"},
        features={
            "sentence1": str,
            "sentence2": str,
            "label": Labels(("different_meaning", "paraphrase")),
        },
        rows={"train": 49_401, "validation": 8_000, "test": 8_000},
        download_mib=57.5,
    ),
    originals=(
        Tsv(
            files={
                "train": "paraphrase/paws_wiki/train.tsv[:30000]",
                "validation": "paraphrase/paws_wiki/dev.tsv[:200]",
                "test": "paraphrase/paws_wiki/test.tsv",
            },
            public="https://github.com/google-research-datasets/paws (PAWS-Wiki Labeled, final)",
        ),
    ),
)

TEMPLATES = (
    Template(
        "Version A: {sentence1}\nVersion B: {sentence2}\n\nDo both versions state the same facts?\n"
        "{options}"
    ),
    Template(
        "The latest edit to an encyclopedia article reads like this.\n\nBefore: {sentence1}\n"
        "After: {sentence2}\n\nWas the meaning left alone?\n{options}"
    ),
    Template(
        "Mind the order of the words: a swap can turn a true statement into a false one.\n\n"
        "{sentence1}\n{sentence2}\n\nDoes the latter claim just what the former claims?\n"
        "{options}"
    ),
    Template(
        "{options}\n\nReply with a word from the list. May I exchange the first statement for the "
        "second and mislead nobody?\n\nFirst: {sentence1}\nSecond: {sentence2}"
    ),
    Template(
        "Note: {sentence2}\nArticle: {sentence1}\n\nThe note was taken from the article. Has "
        "everything been noted down correctly?\n{options}"
    ),
    Template("Paraphrase, yes or no?\n\n{sentence1}\n{sentence2}"),
    Template(
        "To try out a translation program, we had a sentence put into another language and back."
        "\n\nSent out: {sentence1}\nCame home: {sentence2}\n{options}\nDid the sense survive?"
    ),
    Template(
        "Picture what each line describes. Are you looking at one and the same situation?\n\n"
        "Line 1: {sentence1}\nLine 2: {sentence2}\n\n{options}"
    ),
    Template(
        "On Monday the witness testified: {sentence1}\nOn Tuesday the witness testified: "
        "{sentence2}\n\nCounsel asks whether the court has heard one and the same account twice. "
        "What is the truthful reply?\n{options}"
    ),
    Template(
        "Logic drill. Statements are equivalent when neither can be true without the other.\n\n"
        "p: {sentence1}\nq: {sentence2}\n\n{options}\n\nEquivalent?"
    ),
)

EXAMPLES = (
    {
        "sentence1": "The river flows from Lake Orr to Lake Venn .",
        "sentence2": "The river flows from Lake Venn to Lake Orr .",
        "label": 0,
    },
    {
        "sentence1": "In 1911 , Hald moved from Oslo to Bergen and opened a school .",
        "sentence2": "Hald moved to Bergen from Oslo and opened a school in 1911 .",
        "label": 1,
    },
    {
        "sentence1": "The album was praised by Moore and produced by Hill .",
        "sentence2": "The album was produced by Moore and praised by Hill .",
        "label": 0,
    },
)

TASK = Task(
    name="paws_wiki",
    version=1,
    source=SOURCE,
    to_fields=to_fields,
    fields=("sentence1", "sentence2", "options", "answer"),
    templates=TEMPLATES,
    mode="rank",
    metrics=("accuracy",),
    examples=EXAMPLES,
    corpora=("paws_wiki",),
    license="Free for any purpose; naming Google LLC as the source is appreciated",
    citation=(
        "Zhang, Baldridge and He, PAWS: Paraphrase Adversaries from Word Scrambling, NAACL 2019"
    ),
)
