"""CNN/Daily Mail: the highlights printed beside a news article."""

import re

from flanjax.data.published import Published
from flanjax.data.task import Fields, Record, Task, Template
from flanjax.data.tfds_source import Tfds

# Only at the head: "(WRU) -- " or "March 2013." further down is part of the story.
_HEAD = re.compile(
    # the Daily Mail's author and times
    r"\A(?:.{0,250}\bEST, \d{1,2} \w+ \d{4}\. "
    # CNN's place and agency, at times with an editor's note before it
    r"|(?:.{0,500}?\(CNN\)|[^()]{0,60}\([^()]{2,30}\)) -- |\(CNN\)(?=[A-Z]))"
)


def _tidy(text: str) -> str:
    """Joins full stops to their words: older copies end lines in "the end ."."""
    return re.sub(r" \.(?= |$)", ".", " ".join(text.split()))


def to_fields(record: Record) -> Fields | None:
    article = _HEAD.sub("", _tidy(record["article"]))
    lines = map(_tidy, record["highlights"].split("\n"))
    answer = "\n".join(line for line in lines if line)
    return {"article": article, "answer": answer} if article and answer else None


# As in FLAN, training is the first 30,000 articles and validation the first 200 of its own split.
SOURCE = Published(
    tfds=Tfds(
        name="cnn_dailymail:3.4.0",
        tfds_splits={"train": "train[:30000]", "validation": "validation[:200]", "test": "test"},
        features={"article": str, "highlights": str},
        rows={"train": 287_113, "validation": 13_368, "test": 11_490},
        download_mib=558.3,
    ),
)

TEMPLATES = (
    Template("News story:\n{article}\n\nHighlights, a short sentence a line:"),
    Template(
        "On our site every report opens with a box of key statements, one to a line. Fill the box "
        "for this report.\n\n{article}"
    ),
    Template(
        "What should a commuter with thirty seconds to spare take away from the piece below? List "
        "it in brief lines.\n\n{article}"
    ),
    Template(
        "{article}\n\nPick out what matters in that news item and tell me in a few plain sentences."
    ),
    Template(
        "A colleague goes on air in a minute with a card that has room for one fact on each line. "
        "Write down for her what she cannot do without.\n\nStory: {article}"
    ),
    Template(
        "I'm on my phone and can't scroll through all of this:\n\n{article}\n\n"
        "Just the main things, line by line?"
    ),
    Template(
        "Which developments does the following article report? Name the essential ones, allowing "
        "yourself a sentence for each.\n{article}"
    ),
    Template(
        "A correspondent phoned in these notes:\n{answer}\n\nTurn them into a full news article.",
        "{article}",
        True,
    ),
    Template(
        "{answer}\n\nThe statements above stood next to a report on a news site. Reconstruct "
        "its text.",
        "{article}",
        True,
    ),
    Template(
        "Suppose a newsroom knows only what follows. How would its reporter tell the story at "
        "length?\n\n{answer}",
        "{article}",
        True,
    ),
)

EXAMPLES = (
    {
        "article": (
            "PORTO, Portugal (CNN) -- Divers have raised a fishing boat that sank in 1911 with "
            "its whole catch on board. The wooden hull was lifted on Tuesday after a search of "
            "three years . A museum in the city plans to show it from next spring."
        ),
        "highlights": (
            "Fishing boat that sank in 1911 has been raised off Portugal .\n"
            "Divers had looked for it for three years .\nMuseum to show the wooden hull."
        ),
    },
    {
        "article": (
            "By . Joan Reed . PUBLISHED: . 08:21 EST, 6 December 2012 . | . UPDATED: . 16:19 EST, "
            "6 December 2012 . A baker from Leeds has given away 400 loaves after an oven refused "
            "to switch off. Mark Hill said he could not watch good bread burn. Neighbours queued "
            "until midnight."
        ),
        "highlights": (
            "Mark Hill's oven would not switch off and kept baking\n"
            "He handed 400 loaves to people who queued in the street"
        ),
    },
    {
        "article": (
            "The council voted 7-2 on Monday to close Mill Road to cars at weekends. Shop owners "
            '(who had asked for a trial) called it "a leap in the dark". The rule starts in May.'
        ),
        "highlights": "Mill Road to close to cars at weekends.\nShops wanted a trial first.",
    },
)

TASK = Task(
    name="cnn_dailymail",
    version=1,
    source=SOURCE,
    to_fields=to_fields,
    fields=("article", "answer"),
    templates=TEMPLATES,
    mode="generate",
    metrics=("rouge",),
    examples=EXAMPLES,
    corpora=("cnn_dailymail",),
    license="None stated for the articles; the scripts that collect them are MIT",
    citation=(
        "See et al., Get To The Point: Summarization with Pointer-Generator Networks, ACL 2017; "
        "Hermann et al., Teaching Machines to Read and Comprehend, NeurIPS 2015"
    ),
)
