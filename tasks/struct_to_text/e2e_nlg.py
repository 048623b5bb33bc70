"""E2E NLG: what a form says of a restaurant, in sentences."""

import re

from flanjax.data.published import Published
from flanjax.data.sources import Csv
from flanjax.data.task import Fields, Record, Task, Template
from flanjax.data.tfds_source import Tfds

_SLOT = re.compile(r"(?:^|,)\s*([^\[\],]+)\[([^\[\]]*)\]")


def _from_csv(row: Record) -> Record:
    return {
        "meaning_representation": row["mr"],
        "target": row["ref"],
        "references": [row["ref"]],
    }


def to_fields(record: Record) -> Fields | None:
    slots = _SLOT.findall(record["meaning_representation"].strip())
    target = record["target"].strip()
    if not slots or not target:
        return None
    texts = [target, *(text.strip() for text in record["references"])]
    return {
        "attributes": ", ".join(f"{slot} = {value}" for slot, value in slots),
        "form": "\n".join(f"{slot}: {value}" for slot, value in slots),
        "answer": target,
        "references": tuple(dict.fromkeys(text for text in texts if text)),
    }


# As in FLAN, validation is the end of the training set and the test is the published development
# set. TFDS has the cleaned release; the challenge's own files differ in some forms and texts.
SOURCE = Published(
    tfds=Tfds(
        name="gem/e2e_nlg:1.1.0",
        tfds_splits={"train": "train[:30000]", "validation": "train[-200:]", "test": "validation"},
        features={"meaning_representation": str, "target": str, "references": [str]},
        rows={"train": 33_525, "validation": 4_299, "test": 4_693},
        download_mib=14.0,
    ),
    originals=(
        Csv(
            files={
                "train": "struct_to_text/e2e_cleaned/train-fixed.no-ol.csv[:30000]",
                "validation": "struct_to_text/e2e_cleaned/train-fixed.no-ol.csv[-200:]",
                "test": "struct_to_text/e2e_cleaned/devel-fixed.no-ol.csv",
            },
            public="https://github.com/tuetschek/e2e-cleaning (cleaned-data)",
            to_record=_from_csv,
        ),
        Csv(
            files={
                "train": "struct_to_text/e2e_nlg/trainset.csv[:30000]",
                "validation": "struct_to_text/e2e_nlg/trainset.csv[-200:]",
                "test": "struct_to_text/e2e_nlg/devset.csv",
            },
            public="https://github.com/tuetschek/e2e-dataset",
            to_record=_from_csv,
        ),
    ),
)

TEMPLATES = (
    Template("Describe this venue for a city guide.\n\n{form}"),
    Template("Listing: {attributes}\n\nSpell the listing out in one to three full sentences."),
    Template(
        "A tourist at the hotel desk asks where to eat or drink, and your screen shows what is "
        "below. What do you say to the tourist?\n\n{form}"
    ),
    Template("SLOTS TO CONVEY\n{attributes}\n\nSPOKEN REPLY OF THE ASSISTANT"),
    Template(
        "Compose an entry for a booking site and leave out none of these details: {attributes}"
    ),
    Template(
        "{form}\n\nCould you phrase that the way you would to a friend looking for somewhere to "
        "go tonight?"
    ),
    Template(
        "The food page of our paper has a gap of two lines. Fill it with what is known about the "
        "establishment, in good English, and invent nothing.\n\nKnown: {attributes}"
    ),
    Template("Our app keeps this record on a place:\n{form}\nMake that into a profile text."),
    Template("place data -> blurb\n\n{attributes}\n->"),
    Template(
        "{answer}\n\nRead off the facts about the place as lines of the kind “property: value” "
        "for our directory.",
        "{form}",
        True,
    ),
)

EXAMPLES = (
    {
        "meaning_representation": "name[The Copper Kettle], eatType[pub], area[riverside]",
        "target": "The Copper Kettle is a pub down at the riverside.",
        "references": ["The Copper Kettle is a pub down at the riverside."],
    },
    {
        "meaning_representation": "name[Lotus], food[Thai], customer rating[3 out of 5], "
        "familyFriendly[yes]",
        "target": "Families are welcome at Lotus, which serves Thai food and is rated 3 out of 5. ",
        "references": [],
    },
    {
        "meaning_representation": "name[Bar Uno], priceRange[£20-25], near[Crown Inn]",
        "target": "Close to Crown Inn you find Bar Uno. Expect to pay £20-25.",
        "references": ["Close to Crown Inn you find Bar Uno. Expect to pay £20-25."],
    },
)

TASK = Task(
    name="e2e_nlg",
    version=1,
    source=SOURCE,
    to_fields=to_fields,
    fields=("attributes", "form", "answer", "references"),
    templates=TEMPLATES,
    mode="generate",
    metrics=("rouge",),
    examples=EXAMPLES,
    corpora=("e2e_nlg",),
    license="CC BY-SA 4.0",
    citation=(
        "Novikova, Dušek and Rieser, The E2E Dataset: New Challenges For End-to-End Generation, "
        "SIGDIAL 2017; Dušek, Howcroft and Rieser, Semantic Noise Matters for Neural Natural "
        "Language Generation, INLG 2019"
    ),
)
