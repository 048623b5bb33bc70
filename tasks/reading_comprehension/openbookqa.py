"""OpenBookQA: apply a fact from a small book of science to a new case."""

from flanjax.data.published import Published
from flanjax.data.schema import Labels
from flanjax.data.sources import Jsonl
from flanjax.data.task import Fields, Record, Task, Template
from flanjax.data.tfds_source import Tfds

LETTERS = ("A", "B", "C", "D")


def _from_release(row: Record) -> Record:
    question = row["question"]
    if row["answerKey"] not in LETTERS:  # the schema would take "1" for an index
        raise ValueError(f"answerKey must be A to D, got {row['answerKey']!r}.")
    choices = {choice["label"]: choice["text"] for choice in question["choices"]}
    return {
        "question": {
            "stem": question["stem"],
            **{f"choice_{letter}": choices[letter] for letter in LETTERS},
        },
        "fact1": row["fact1"],
        "answerKey": row["answerKey"],
    }


def to_fields(record: Record) -> Fields | None:
    options = tuple(record["question"][f"choice_{letter}"].strip() for letter in LETTERS)
    if len(set(options)) < len(options) or not all(options):
        return None  # a choice that stands there twice cannot be right once
    return {
        "fact": record["fact1"].strip(),
        "question": record["question"]["stem"].strip(),
        "options": options,
        "answer": options[record["answerKey"]],
    }


SOURCE = Published(
    tfds=Tfds(
        name="openbookqa:0.1.0",
        tfds_splits={"train": "train", "validation": "validation[:200]", "test": "test"},
        features={
            "question": {
                "stem": str,
                "choice_A": str,
                "choice_B": str,
                "choice_C": str,
                "choice_D": str,
            },
            "fact1": str,
            "answerKey": Labels(LETTERS),
        },
        rows={"train": 4_957, "validation": 500, "test": 500},
        download_mib=1.4,
    ),
    originals=(
        Jsonl(
            files={
                "train": "reading_comprehension/openbookqa/train_complete.jsonl",
                "validation": "reading_comprehension/openbookqa/dev_complete.jsonl[:200]",
                "test": "reading_comprehension/openbookqa/test_complete.jsonl",
            },
            public="https://allenai.org/data/open-book-qa (the release's Data/Additional)",
            to_record=_from_release,
        ),
    ),
)

TEMPLATES = (
    Template("Science quiz, open book. The book says: {fact}\n\n{question}\n{options}"),
    Template(
        "{question}\n\nHere is a hint: {fact}\n\nPick the choice that goes best with the line "
        "above the hint.\n{options}"
    ),
    Template(
        "What we learned in class: {fact}\nWhat the test says: {question}\n\n{options}\n\n"
        "Which earns the mark?"
    ),
    Template("Think of everyday life, not just of textbooks.\n\n{question}\n{options}"),
    Template(
        "Grade 5, natural science. The stem may be a question or a sentence that breaks off; "
        "either way, one of the continuations makes sense.\n\nStem: {question}\n{options}\n"
        "Continuation:"
    ),
    Template(
        "An examiner wants to know if pupils can carry the principle “{fact}” over to something "
        "they have not met before. Solve her problem.\n\n{options}\n\nProblem: {question}"
    ),
    Template(
        "Rule: {fact}\nCase: {question}\n\nFinish the case, or answer it if it asks something, "
        "in a few words."
    ),
    Template(
        "Compose an item for a children's science exam, either a question or the first part of "
        "a sentence, to which “{answer}” is the proper response. Build it on this knowledge: "
        "{fact}",
        "{question}",
        True,
    ),
    Template(
        "{question}\n{answer}\n\nOn what general law of nature or piece of common knowledge does "
        "that rest? One sentence is enough.",
        "{fact}",
        True,
    ),
    Template(
        "Out of four choices, “{answer}” has to be the correct one. Supply the line that is "
        "printed over them.\n{options}",
        "{question}",
        True,
    ),
)

EXAMPLES = (
    {
        "question": {
            "stem": "A metal spoon left in hot soup",
            "choice_A": "turns into wood",
            "choice_B": "floats to the top",
            "choice_C": "burns your fingers",
            "choice_D": "makes the soup sweeter",
        },
        "fact1": "metal is a thermal conductor",
        "answerKey": 2,
    },
    {
        "question": {
            "stem": "Which animal would be hardest for a hawk to see in a snowy field?",
            "choice_A": "a white hare",
            "choice_B": "a brown mouse",
            "choice_C": "a red fox",
            "choice_D": "a black crow",
        },
        "fact1": "camouflage helps an animal hide by matching its surroundings",
        "answerKey": 0,
    },
    {
        "question": {
            "stem": "A puddle on the playground is gone by noon because the water",
            "choice_A": "froze",
            "choice_B": "was eaten by ants",
            "choice_C": "rusted",
            "choice_D": "went into the air",
        },
        "fact1": "evaporation is when a liquid becomes a gas",
        "answerKey": 3,
    },
    {
        "question": {
            "stem": "A plant kept in a dark cupboard will",
            "choice_A": "grow fruit early",
            "choice_B": "weaken after some time",
            "choice_C": "need no water",
            "choice_D": "give off light",
        },
        "fact1": "a plant requires sunlight for photosynthesis",
        "answerKey": 1,
    },
)

TASK = Task(
    name="openbookqa",
    version=1,
    source=SOURCE,
    to_fields=to_fields,
    fields=("fact", "question", "options", "answer"),
    templates=TEMPLATES,
    mode="rank",
    metrics=("accuracy",),
    examples=EXAMPLES,
    corpora=("openbookqa",),
    license="None stated by its authors",
    citation=(
        "Mihaylov et al., Can a Suit of Armor Conduct Electricity? A New Dataset for Open Book "
        "Question Answering, EMNLP 2018"
    ),
)
