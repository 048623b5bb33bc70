"""WinoGrande: how does a sentence go on that two names could continue?"""

from flanjax.data.published import Published
from flanjax.data.schema import Labels
from flanjax.data.sources import Jsonl
from flanjax.data.task import Fields, Record, Task, Template
from flanjax.data.tfds_source import Tfds

BLANK = "_"


def _from_release(row: Record) -> Record:
    if row["answer"] not in ("1", "2"):  # the schema would take "0" for an index
        raise ValueError(f"answer must be '1' or '2', got {row['answer']!r}.")
    return {
        "sentence": row["sentence"],
        "option1": row["option1"],
        "option2": row["option2"],
        "label": row["answer"],
    }


def to_fields(record: Record) -> Fields | None:
    if record["label"] == -1:  # the leaderboard keeps the answers of its own test set
        return None
    # As in FLAN, an option is what fills the blank with all that follows it.
    left, blank, right = record["sentence"].partition(BLANK)
    context = left.strip()
    options = tuple((record[name] + right).strip() for name in ("option1", "option2"))
    if not context or not blank or BLANK in right or options[0] == options[1]:
        return None  # no text to continue, or no single place where to
    return {
        "context": context,
        "options": options,
        "answer": options[record["label"]],
    }


SOURCE = Published(
    tfds=Tfds(
        name="winogrande:1.2.0",
        tfds_splits={
            "train": "train_xl[:30000]",
            "validation": "train_xl[-200:]",
            "test": "validation",
        },
        features={
            "sentence": str,
            "option1": str,
            "option2": str,
            "label": Labels(("1", "2")),
        },
        rows={"train_xl": 40_398, "validation": 1_267, "test": 1_767},
        download_mib=3.2,
    ),
    originals=(
        Jsonl(
            files={
                "train": "coreference/winogrande/train_xl.jsonl[:30000]",
                "validation": "coreference/winogrande/train_xl.jsonl[-200:]",
                "test": "coreference/winogrande/dev.jsonl",
            },
            public="https://winogrande.allenai.org (winogrande_1.1.zip)",
            to_record=_from_release,
        ),
    ),
)

TEMPLATES = (
    Template(
        "A sentence breaks off in the middle:\n\n{context}\n\nOnly one of these ways of going on "
        "is sensible. Pick that one.\n{options}"
    ),
    Template("{context}\n{options}\nHow does the sentence end?"),
    Template(
        "Two people were given the same start of a sentence, and just one of them was thinking. "
        "The start: {context}\n{options}\nRepeat what the thoughtful person added."
    ),
    Template(
        "Logic, not grammar, tells you who or what has to come next, so reason it out.\n"
        "So far: {context}\n\n{options}"
    ),
    Template(
        "{options}\n\nOne of the above belongs to the fragment below as its tail. Say which.\n\n"
        "{context}"
    ),
    Template(
        "Use plain common sense to complete “{context} …” with one of these lines.\n{options}"
    ),
    Template("Write the rest of this sentence: {context}"),
    Template(
        "{context}\n\nMy message was cut off at that point. What did its last few words most "
        "likely say?"
    ),
    Template(
        "Someone stopped typing before the point was made:\n\n{context}\n\nType the remaining "
        "words for them, beginning with the person or thing they were about to mention."
    ),
    Template(
        "In this game every card holds half of a sentence. The left half on the table is: "
        "{context}\nWhat must be on the card with the right half?"
    ),
)

EXAMPLES = (
    {
        "sentence": "Nora asked Ruth for directions because _ had never been to Oslo before.",
        "option1": "Nora",
        "option2": "Ruth",
        "label": 0,
    },
    {
        "sentence": "We fed the soup to the dog and not the stew, as the _ was too spicy.",
        "option1": "soup",
        "option2": "stew",
        "label": 1,
    },
    {
        "sentence": "Omar paid for lunch. It was Dan's birthday, and _'s wallet was at home.",
        "option1": "Omar",
        "option2": "Dan",
        "label": 1,
    },
)

TASK = Task(
    name="winogrande",
    version=1,
    source=SOURCE,
    to_fields=to_fields,
    fields=("context", "options", "answer"),
    templates=TEMPLATES,
    mode="rank",
    metrics=("accuracy",),
    examples=EXAMPLES,
    corpora=("winogrande",),
    license="CC BY",
    citation=(
        "Sakaguchi et al., WinoGrande: An Adversarial Winograd Schema Challenge at Scale, AAAI 2020"
    ),
)
