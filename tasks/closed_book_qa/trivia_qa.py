"""TriviaQA: the short answer to a quiz question, from memory."""

from flanjax.data.published import Published
from flanjax.data.task import Fields, Record, Task, Template
from flanjax.data.tfds_source import Tfds


def _question(text: str) -> str:
    # Part of the questions went through a table: quotes around them, and twice within.
    text = text.strip()
    if text[:1] == text[-1:] == '"' and '""' in text[1:-1]:
        return text[1:-1].replace('""', '"').strip()
    return text


def _answer(value: str, aliases: list[str]) -> str:
    # Many answers stand in capitals although an alias has them as one writes them.
    value = value.strip()
    same = (alias.strip() for alias in aliases if alias.strip().casefold() == value.casefold())
    return (
        next((alias for alias in same if not alias.isupper()), value) if value.isupper() else value
    )


def to_fields(record: Record) -> Fields | None:
    question = _question(record["question"])
    answer = _answer(record["answer"]["value"], record["answer"]["aliases"])
    if not question or answer in ("", "<unk>"):  # the published test split withholds its answers
        return None
    aliases = (alias.strip() for alias in record["answer"]["aliases"])
    return {
        "question": question,
        "answer": answer,
        "references": tuple(dict.fromkeys((answer, *filter(None, aliases)))),
    }


# As in FLAN, validation is the end of the published training set, and its validation split is the
# test. A question has a row for each kind of evidence that was found, web and Wikipedia.
SOURCE = Published(
    tfds=Tfds(
        name="trivia_qa/rc:1.1.0",
        tfds_splits={"train": "train[:30000]", "validation": "train[-200:]", "test": "validation"},
        features={"question": str, "answer": {"value": str, "aliases": [str]}},
        rows={"train": 138_384, "validation": 18_669, "test": 17_210},
        download_mib=2_542.3,
    ),
)

TEMPLATES = (
    Template("Pub quiz, round one.\n\n{question}\n\nWrite nothing on the slip but the answer."),
    Template("{question}\nAnswer like a quiz champion, in as few words as you can."),
    Template(
        "Trivia night! The quizmaster bends over the microphone and reads out the next one:\n"
        "{question}\nWhat does your team put down?"
    ),
    Template(
        "You are in the hot seat with no lifelines left, and this is for the jackpot.\n\n"
        "{question}\n\nYour final answer, please:"
    ),
    Template("Front of the flash card: {question}\n\nBack of the flash card:"),
    Template(
        "In my collection of general-knowledge questions the answer to one has been smudged. "
        "Could you supply the missing name, number or phrase?\n\n{question}"
    ),
    Template("Without looking anything up, tell me this in a phrase or less. {question}"),
    Template("Shout it out in a few words!\n{question}"),
    Template(
        "The other side has given a wrong reply, so the question passes to you for a bonus point. "
        "Be brief.\n\nThe question once more: {question}"
    ),
    Template(
        "A publisher is printing a trivia book and wants an expert to fill in the answers at the "
        "back, without full sentences.\n\nIn front: {question}\nAt the back:"
    ),
)

EXAMPLES = (
    {
        "question": "Which volcano on Sicily is the highest in Italy?",
        "answer": {"value": "Mount Etna", "aliases": ["Mount Etna", "Etna", "Mt. Etna", "Aetna"]},
    },
    {
        "question": '"Which planet is nicknamed the ""red planet""?"',
        "answer": {"value": "MARS", "aliases": ["Mars", "Planet Mars"]},
    },
    {
        "question": "Name the woodwind instrument that gives an orchestra the note to tune to",
        "answer": {"value": "Oboe", "aliases": ["Oboe", "Oboes", "Hautbois"]},
    },
)

TASK = Task(
    name="trivia_qa",
    version=1,
    source=SOURCE,
    to_fields=to_fields,
    fields=("question", "answer", "references"),
    templates=TEMPLATES,
    mode="generate",
    metrics=("trivia_qa",),
    examples=EXAMPLES,
    corpora=("trivia_qa",),
    license="Apache 2.0; its authors do not own the questions and documents",
    citation=(
        "Joshi et al., TriviaQA: A Large Scale Distantly Supervised Challenge Dataset for Reading "
        "Comprehension, ACL 2017"
    ),
)
