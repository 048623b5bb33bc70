"""WNLI: does a sentence read a pronoun of another the way it is meant?"""

from flanjax.data.published import Published
from flanjax.data.schema import Labels
from flanjax.data.sources import Tsv
from flanjax.data.task import Fields, Record, Task, Template
from flanjax.data.tfds_source import Tfds

LABELS = ("no", "yes")


def to_fields(record: Record) -> Fields | None:
    if record["label"] == -1:  # GLUE keeps the labels of its test split to itself
        return None
    return {
        "sentence1": record["sentence1"].strip(),
        "sentence2": record["sentence2"].strip(),
        "options": LABELS,
        "answer": LABELS[record["label"]],
    }


# As in FLAN, the test split is the published development set, and validation is the end of the
# published training set.
SOURCE = Published(
    tfds=Tfds(
        name="glue/wnli:2.0.0",
        tfds_splits={"train": "train[:-30]", "validation": "train[-30:]", "test": "validation"},
        features={
            "sentence1": str,
            "sentence2": str,
            "label": Labels(("not_entailment", "entailment")),
        },
        rows={"train": 635, "validation": 71, "test": 146},
        download_mib=0.03,
    ),
    originals=(
        Tsv(
            files={
                "train": "nli/wnli/train.tsv[:-30]",
                "validation": "nli/wnli/train.tsv[-30:]",
                "test": "nli/wnli/dev.tsv",
            },
            public="https://gluebenchmark.com/tasks (WNLI)",
        ),
    ),
)

TEMPLATES = (
    Template(
        "{sentence1}\n\nRead in the most natural way, does this tell you the following?\n"
        "{sentence2}\n\n{options}"
    ),
    Template(
        "Little words like “it” and “they” can point to several things. Does the text use them the "
        "way that the gloss assumes?\n\nText: {sentence1}\nGloss: {sentence2}\n{options}"
    ),
    Template(
        "I am learning English and stumbled over “{sentence1}” in a story. My guess is that the "
        "writer wants to say “{sentence2}” here. Is my guess right?\n{options}"
    ),
    Template(
        "A witness wrote in a statement:\n{sentence1}\n\nOne side's lawyer takes this to mean:\n"
        "{sentence2}\n\nIs that the sensible reading?\n{options}"
    ),
    Template(
        "Use common sense to work out who or what is meant in the upper line. Then say yes if the "
        "lower line has it right, and no if it has it wrong.\n\n{sentence1}\n{sentence2}"
    ),
    Template("{sentence1}\nMeaning, among other things: {sentence2}\nFair?\n{options}"),
    Template(
        "Before translating “{sentence1}” I have to be certain of every he, she, it and they. Is "
        "“{sentence2}” what the author has in mind?\n{options}"
    ),
    Template(
        "{options}\n\nWhich one fits? You are asked if Omar has understood Nina.\n\n"
        "Nina: {sentence1}\nOmar: So you are saying: {sentence2}"
    ),
    Template(
        "Our program swaps vague words for the names they stand for. Its input was “{sentence1}” "
        "and part of its output was “{sentence2}” for this run. Did the program choose the right "
        "names?\n\n{options}"
    ),
    Template(
        "No writer likes to be misread.\n\nOriginal: {sentence1}\n\nA critic's retelling of a bit "
        "of it: {sentence2}\n\n{options}\n\nWould the writer accept what the critic made of it?"
    ),
)

EXAMPLES = (
    {
        "sentence1": "The cellist thanked the porter because he had carried the case upstairs.",
        "sentence2": "The porter had carried the case upstairs.",
        "label": 1,
    },
    {
        "sentence1": "The lamp fell on the vase, but luckily it was made of steel. Nothing broke.",
        "sentence2": "The lamp was made of steel.",
        "label": 0,
    },
    {
        "sentence1": "Rosa waited for Ines at the station until she finally arrived.",
        "sentence2": "Rosa finally arrived.",
        "label": 0,
    },
    {
        "sentence1": "My uncle would not sell the horse to the butcher, for he loved it.",
        "sentence2": "my uncle loved the horse",
        "label": 1,
    },
)

TASK = Task(
    name="wnli",
    version=1,
    source=SOURCE,
    to_fields=to_fields,
    fields=("sentence1", "sentence2", "options", "answer"),
    templates=TEMPLATES,
    mode="rank",
    metrics=("accuracy",),
    examples=EXAMPLES,
    corpora=("winograd_schemas",),
    license="CC BY 4.0 (Winograd schemas)",
    citation=(
        "Levesque, Davis and Morgenstern, The Winograd Schema Challenge, KR 2012; Wang et al., "
        "GLUE: A Multi-Task Benchmark and Analysis Platform for Natural Language Understanding, "
        "ICLR 2019"
    ),
)
