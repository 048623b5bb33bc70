"""True-casing: the capital letters of a text from the web."""

from flanjax.data.published import Published
from flanjax.data.task import Fields, Record, Task, Template
from flanjax.data.tfds_source import Tfds


def to_fields(record: Record) -> Fields | None:
    answer = " ".join(record["en"].split())
    lower = answer.lower()
    if lower == answer:  # there is nothing to restore
        return None
    return {"lower": lower, "answer": answer}


# As in FLAN, tasks of text formatting share the test but train on windows that do not overlap.
SOURCE = Published(
    tfds=Tfds(
        name="para_crawl/enda:1.2.0",
        tfds_splits={
            "train": "train[:30000]",
            "validation": "train[30000:30200]",
            "test": "train[-3000:]",
        },
        features={"en": str},
        rows={"train": 2_414_895},
        download_mib=174.3,
    ),
)

TEMPLATES = (
    Template("{lower}\n\nPut the capital letters back."),
    Template(
        "Our crawler flattened every page to small letters. Rewrite the line as it must have "
        "appeared on the site.\n\nLine: {lower}"
    ),
    Template(
        "Which of these letters ought to be capitals? Copy the text, change those and leave all "
        "else alone.\n\n{lower}"
    ),
    Template("lowercase: {lower}\ntruecased:"),
    Template(
        "Sorry, my shift key is broken! Can you fix the case of this before I post it?\n{lower}"
    ),
    Template(
        "Give names, acronyms and the beginnings of sentences the capitals that English spelling "
        "asks for:\n{lower}"
    ),
    Template("Copy desk: return the item below in proper upper and lower case.\n\n{lower}"),
    Template(
        "A captioning program has no capitals. Turn its output into ordinary mixed-case writing, "
        "word for word.\n\nOutput: {lower}\n\nMixed case:"
    ),
    Template("Undo what .lower() did to the string “{lower}” and show what went into it."),
    Template("{answer}\n\nType that again without a single capital.", "{lower}", True),
)

EXAMPLES = (
    {"en": "Our hotel in Copenhagen is a short walk from  Tivoli Gardens."},
    {"en": "The EU Commission will publish the report in March."},
    {"en": "Click here to read more about Anna's travels in Peru"},
)

TASK = Task(
    name="true_case",
    version=1,
    source=SOURCE,
    to_fields=to_fields,
    fields=("lower", "answer"),
    templates=TEMPLATES,
    mode="generate",
    metrics=("edit_distance",),
    examples=EXAMPLES,
    corpora=("paracrawl",),
    is_extractive=True,  # but for its capitals, the answer is the input
    license="CC0 1.0",
    citation="Bañón et al., ParaCrawl: Web-Scale Acquisition of Parallel Corpora, ACL 2020",
)
