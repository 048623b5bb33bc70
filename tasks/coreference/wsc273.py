"""WSC273: which continuation of a Winograd schema is true to life?"""

import re
from collections.abc import Iterator

from flanjax.data.published import Published
from flanjax.data.sources import Document
from flanjax.data.task import Fields, Record, Task, Template
from flanjax.data.tfds_source import Tfds

MASK = "[MASK]"
ARTICLES = ("The", "His", "My", "Her", "Their", "An", "A")


def _blocks(text: str) -> Iterator[Record]:
    for block in re.split(r"\n\s*\n", text.strip()):
        yield {"lines": [" ".join(line.split()) for line in block.split("\n")]}


def _from_block(row: Record) -> Record:
    sentence, _, candidates, correct = row["lines"]
    sentence = re.sub(r" (?=[.,;:!?])", "", sentence.replace("recieved", "received"))
    start = sentence.index(MASK)
    # The file names the right candidate first, always; in the order of the alphabet the place
    # tells nothing.
    names = sorted((name.strip() for name in candidates.split(",")), key=str.casefold)
    first, second = (_in_case_of(sentence[:start], name) for name in names)
    return {
        "text": sentence,
        "pronoun_start": start,
        "pronoun_end": start + len(MASK),
        "option1_normalized": first,
        "option2_normalized": second,
        "label": names.index(correct),
    }


def _in_case_of(before: str, name: str) -> str:
    """Returns a candidate with its article in the case that its place asks for."""
    article, blank, rest = name.partition(" ")
    if article.capitalize() not in ARTICLES:
        return name
    is_start = before.rstrip()[-1:] in ("", ".", "!", "?")
    return (article.capitalize() if is_start else article.lower()) + blank + rest


def to_fields(record: Record) -> Fields | None:
    # As in FLAN, an option is what replaces the pronoun with all that follows it.
    context = record["text"][: record["pronoun_start"]].strip()
    right = record["text"][record["pronoun_end"] :]
    names = (record["option1_normalized"], record["option2_normalized"])
    options = tuple((name.strip() + right).strip() for name in names)
    if not context or options[0] == options[1]:
        return None  # no text to continue, or nothing to choose between
    return {
        "context": context,
        "options": options,
        "answer": options[record["label"]],
    }


SOURCE = Published(
    tfds=Tfds(
        name="wsc273:1.0.0",
        tfds_splits={"test": "test"},
        features={
            "text": str,
            "pronoun_start": int,
            "pronoun_end": int,
            "option1_normalized": str,
            "option2_normalized": str,
            "label": int,
        },
        rows={"test": 273},
        download_mib=0.1,
    ),
    originals=(
        Document(
            files={"test": "coreference/wsc273/wsc273.txt"},
            public="https://github.com/vid-koci/bert-commonsense (data/wsc273.txt)",
            read=_blocks,
            to_record=_from_block,
        ),
    ),
)

TEMPLATES = (
    Template("{context}\n\nWhich continuation is the right one?\n{options}"),
    Template(
        "What follows is the first part of a text that was composed to test whether machines "
        "understand people.\n\n{context}\n\nOf these two remainders, give the one that its author "
        "had in mind.\n{options}"
    ),
    Template("Opening: {context}\n{options}\nBest second part:"),
    Template(
        "The continuations differ in nothing but whom or what they speak of. Find out which of "
        "them agrees with the beginning.\n\nBeginning: {context}\n\n{options}"
    ),
    Template(
        "{options}\n\nWhat would you put after “{context}” if everything had to be true to life?"
    ),
    Template(
        "You proofread a transcript in which the final words were entered twice, once by mistake. "
        "Keep the correct version.\n\nTranscript: {context}\n{options}"
    ),
    Template(
        "I started to say: {context}\nThen I was interrupted. How was I going to finish?\n{options}"
    ),
    Template("Conclude the text, going by how the world works.\n{context}\n{options}"),
    Template(
        "Complete this so that it adds up. Start with a name or a noun, not with a pronoun: "
        "{context}"
    ),
    Template(
        "{context}\n\n(Here the page is torn.) Restore the lost words. The first of them must not "
        "be a mere “he”, “she”, “it” or “they”."
    ),
)

EXAMPLES = (
    {
        "text": "The kettle did not fit under the tap because it was too tall.",
        "pronoun_start": 45,
        "pronoun_end": 47,
        "option1_normalized": "the kettle",
        "option2_normalized": "the tap",
        "label": 0,
    },
    {
        "text": "Ivo waved at the bus driver. He did not stop.",
        "pronoun_start": 29,
        "pronoun_end": 31,
        "option1_normalized": "Ivo",
        "option2_normalized": "The bus driver",
        "label": 1,
    },
    {
        "text": "Grandma baked a pie for the neighbours and carried it over to them.",
        "pronoun_start": 62,
        "pronoun_end": 66,
        "option1_normalized": "the pie",
        "option2_normalized": "the neighbours",
        "label": 1,
    },
)

# Evaluation only: the published set is a test set.
TASK = Task(
    name="wsc273",
    version=1,
    source=SOURCE,
    to_fields=to_fields,
    fields=("context", "options", "answer"),
    templates=TEMPLATES,
    mode="rank",
    metrics=("accuracy",),
    examples=EXAMPLES,
    corpora=("winograd_schemas",),
    license="CC BY 4.0",
    citation="Levesque et al., The Winograd Schema Challenge, KR 2012",
)
