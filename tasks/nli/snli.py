"""SNLI: is a sentence true of the scene that the caption of a photo shows?"""

from flanjax.data.published import Published
from flanjax.data.schema import UNLABELLED, Labels
from flanjax.data.sources import Jsonl, Tsv
from flanjax.data.task import Fields, Record, Task, Template
from flanjax.data.tfds_source import Tfds

LABELS = ("yes", "it is not possible to tell", "no")


def _from_corpus(row: Record) -> Record:
    return {
        "premise": row["sentence1"],
        "hypothesis": row["sentence2"],
        "label": UNLABELLED if row["gold_label"] == "-" else row["gold_label"],
    }


def to_fields(record: Record) -> Fields | None:
    premise, hypothesis = record["premise"].strip(), record["hypothesis"].strip()
    # A pair on which no majority of the annotators agreed has no label.
    if record["label"] == UNLABELLED or not premise or not hypothesis:
        return None
    return {
        "premise": premise,
        "hypothesis": hypothesis,
        "options": LABELS,
        "answer": LABELS[record["label"]],
    }


# As in FLAN, 30,000 pairs are trained on, and validation is the start of the development set. The
# pairs of the counterfactual study are a part of each split, far below these numbers.
SOURCE = Published(
    tfds=Tfds(
        name="snli:1.1.0",
        tfds_splits={"train": "train[:30000]", "validation": "validation[:200]", "test": "test"},
        features={
            "premise": str,
            "hypothesis": str,
            "label": Labels(("entailment", "neutral", "contradiction")),
        },
        rows={"train": 550_152, "validation": 10_000, "test": 10_000},
        download_mib=90.2,
    ),
    originals=(
        Jsonl(
            files={
                "train": "nli/snli/snli_1.0_train.jsonl[:30000]",
                "validation": "nli/snli/snli_1.0_dev.jsonl[:200]",
                "test": "nli/snli/snli_1.0_test.jsonl",
            },
            public="https://nlp.stanford.edu/projects/snli/snli_1.0.zip",
            to_record=_from_corpus,
        ),
        Tsv(
            files={
                "train": "nli/snli/snli_1.0_train.txt[:30000]",
                "validation": "nli/snli/snli_1.0_dev.txt[:200]",
                "test": "nli/snli/snli_1.0_test.txt",
            },
            public="https://nlp.stanford.edu/projects/snli/snli_1.0.zip",
            to_record=_from_corpus,
        ),
        Tsv(
            files={
                "train": "nli/snli/train.tsv",
                "validation": "nli/snli/dev.tsv",
                "test": "nli/snli/test.tsv",
            },
            public=(
                "https://github.com/acmi-lab/counterfactually-augmented-data (NLI/original, "
                "2,266 pairs)"
            ),
            to_record=_from_corpus,
            is_quoted=True,
        ),
    ),
)

TEMPLATES = (
    Template(
        "Photo caption: {premise}\n\nSomeone who has not seen the photo says of it: {hypothesis}\n"
        "\nAre they right about it?\n{options}"
    ),
    Template(
        "Picture the scene.\n{premise}\n\nIs the next description true of the scene as well?\n"
        "{hypothesis}\n\n{options}"
    ),
    Template(
        "An image has the alt text “{premise}” and a colleague of mine proposes “{hypothesis}” "
        "instead. Would the proposed wording be true to the image?\n{options}"
    ),
    Template(
        "We are playing a guessing game with a hidden picture. Your only clue: {premise}\n"
        "My guess: {hypothesis}\n\nSo, is my guess correct?\n{options}"
    ),
    Template(
        "You were there and this is all you noticed:\n{premise}\n\nAn officer reads you a line "
        "from the report and asks if it is true:\n{hypothesis}\n\nHow do you reply?\n{options}"
    ),
    Template(
        "{options}\n\nOne of the above has to go into the form. It asks if the lower line is true "
        "at the moment that the upper one describes.\n\n{premise}\n{hypothesis}"
    ),
    Template(
        "Caption A is known to be correct. Write “yes” if B must be correct for that photograph "
        "too, “no” if B cannot be, and “it is not possible to tell” in any other case.\n\n"
        "A: {premise}\n\nB: {hypothesis}"
    ),
    Template("Seen: {premise}\nSaid: {hypothesis}\nTrue as said?\n{options}"),
    Template(
        "I cannot see the picture, so I depend on what others tell me about it. They say "
        "“{premise}” and I wonder whether “{hypothesis}” would be true too. Please help me out.\n\n"
        "{options}"
    ),
    Template(
        "Make up a line to go with the caption “{premise}” and keep it to the same scene. Whoever "
        "asks if your line is true should hear “{answer}” from a person who knows the caption "
        "and no more.",
        "{hypothesis}",
        True,
    ),
)

EXAMPLES = (
    {
        "premise": "A woman in a yellow raincoat is feeding pigeons by a fountain.",
        "hypothesis": "Someone is feeding birds.",
        "label": 0,
    },
    {
        "premise": "Two boys carry a canoe across a gravel path",
        "hypothesis": "The boys are brothers on holiday.",
        "label": 1,
    },
    {
        "premise": 'A man in a shirt that says "Crew" is asleep on a bench.',
        "hypothesis": "A man is running for the bus.",
        "label": 2,
    },
)

TASK = Task(
    name="snli",
    version=1,
    source=SOURCE,
    to_fields=to_fields,
    fields=("premise", "hypothesis", "options", "answer"),
    templates=TEMPLATES,
    mode="rank",
    metrics=("accuracy",),
    examples=EXAMPLES,
    corpora=("flickr30k",),
    license="CC BY-SA 4.0",
    citation=(
        "Bowman et al., A Large Annotated Corpus for Learning Natural Language Inference, "
        "EMNLP 2015"
    ),
)
