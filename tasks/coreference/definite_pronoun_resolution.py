"""Definite pronoun resolution: which of two things is a pronoun about?"""

import re
from collections.abc import Iterator

from flanjax.data.published import Published
from flanjax.data.schema import Labels
from flanjax.data.sources import Document
from flanjax.data.task import Fields, Record, Task, Template
from flanjax.data.tfds_source import Tfds


def _blocks(text: str) -> Iterator[Record]:
    for block in re.split(r"\n\s*\n", text.strip()):
        yield {"lines": [line.strip() for line in block.split("\n")]}


def _from_block(row: Record) -> Record:
    sentence, pronoun, candidates, correct = row["lines"]
    names = [name.strip() for name in candidates.split(",")]
    return {
        "sentence": sentence,
        "pronoun": pronoun,
        "candidates": names,
        "label": names.index(correct),
    }


def to_fields(record: Record) -> Fields | None:
    options = tuple(name.strip() for name in record["candidates"])
    if len(options) != 2 or options[0].casefold() == options[1].casefold():
        return None  # nothing to choose between
    return {
        "sentence": record["sentence"].strip(),
        "pronoun": record["pronoun"].strip(),
        "options": options,
        "answer": options[record["label"]],
    }


# As in FLAN, validation is the end of the published training set.
SOURCE = Published(
    tfds=Tfds(
        name="definite_pronoun_resolution:1.1.0",
        tfds_splits={"train": "train[:-200]", "validation": "train[-200:]", "test": "test"},
        features={
            "sentence": str,
            "pronoun": str,
            "candidates": [str],
            "label": Labels(("0", "1")),
        },
        rows={"train": 1_322, "test": 564},
        download_mib=0.2,
    ),
    originals=(
        Document(
            files={
                "train": "coreference/definite_pronoun_resolution/train.c.txt[:-200]",
                "validation": "coreference/definite_pronoun_resolution/train.c.txt[-200:]",
                "test": "coreference/definite_pronoun_resolution/test.c.txt",
            },
            public="http://www.hlt.utdallas.edu/~vince/data/emnlp12/",
            read=_blocks,
            to_record=_from_block,
        ),
    ),
)

TEMPLATES = (
    Template(
        "{sentence}\n\nThe word “{pronoun}” in the line above points to one of these. Which one?\n"
        "{options}"
    ),
    Template("Pronoun puzzle\nSentence: {sentence}\nPronoun: {pronoun}\n{options}\nAntecedent:"),
    Template("Who or what is meant by “{pronoun}” here?\n\n{sentence}\n\n{options}"),
    Template(
        "My pupils keep losing track of pronouns. Show them what “{pronoun}” replaces in the "
        "example by copying the right expression from the list.\n\nExample: {sentence}\n\n{options}"
    ),
    Template(
        "{options}\n\nOne of the two is spoken of as “{pronoun}” in the following statement. "
        "Decide which.\n{sentence}"
    ),
    Template(
        "I am retelling this in a language that does without pronouns, so I must repeat a noun "
        "where “{pronoun}” stands. Which do I write?\n\n{sentence}\n{options}"
    ),
    Template(
        "Read closely: {sentence}\nThen put something unmistakable in place of “{pronoun}” and "
        "give me that replacement alone.\n{options}"
    ),
    Template("Resolve “{pronoun}” in “{sentence}”\n{options}"),
    Template(
        "{sentence}\n\nTo whom or to what does “{pronoun}” refer? Answer with a name or phrase "
        "that the sentence itself uses."
    ),
    Template(
        "A friend texted me: “{sentence}” I understand all of it except “{pronoun}” and "
        "would rather not ask. In my friend's own words, who or what does it stand for?"
    ),
)

EXAMPLES = (
    {
        "sentence": "The cat hid from the dog because it was barking.",
        "pronoun": "it",
        "candidates": ["The cat", "the dog"],
        "label": 1,
    },
    {
        "sentence": "Maria lent Paula her bike since she already had a car.",
        "pronoun": "she",
        "candidates": ["Maria", "Paula"],
        "label": 0,
    },
    {
        "sentence": "Fans waited for the singers until they came out to sign records.",
        "pronoun": "they",
        "candidates": ["Fans", "the singers"],
        "label": 1,
    },
)

TASK = Task(
    name="definite_pronoun_resolution",
    version=1,
    source=SOURCE,
    to_fields=to_fields,
    fields=("sentence", "pronoun", "options", "answer"),
    templates=TEMPLATES,
    mode="rank",
    metrics=("accuracy",),
    examples=EXAMPLES,
    corpora=("winograd_schemas",),
    license="None stated by its authors",
    citation=(
        "Rahman and Ng, Resolving Complex Cases of Definite Pronouns: The Winograd Schema "
        "Challenge, EMNLP-CoNLL 2012"
    ),
    is_extractive=True,
)
