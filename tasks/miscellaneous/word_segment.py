"""Word segmentation: the blanks of a text from the web."""

from flanjax.data.published import Published
from flanjax.data.task import Fields, Record, Task, Template
from flanjax.data.tfds_source import Tfds


def to_fields(record: Record) -> Fields | None:
    words = record["en"].split()
    if len(words) < 2:  # there is nothing to restore
        return None
    return {"joined": "".join(words), "answer": " ".join(words)}


# As in FLAN, tasks of text formatting share the test but train on windows that do not overlap.
SOURCE = Published(
    tfds=Tfds(
        name="para_crawl/enda:1.2.0",
        tfds_splits={
            "train": "train[60400:90400]",
            "validation": "train[90400:90600]",
            "test": "train[-3000:]",
        },
        features={"en": str},
        rows={"train": 2_414_895},
        download_mib=174.3,
    ),
)

TEMPLATES = (
    Template("{joined}\n\nSplit this into words."),
    Template("The space bar was stuck. What did the writer mean to type?\n{joined}"),
    Template(
        "Hashtags run words together, and so does the text I am about to show you. Spell it out "
        "with normal spacing.\n\n{joined}"
    ),
    Template("unsegmented: {joined}\nsegmented:"),
    Template(
        "Lines copied from a PDF file tend to lose their gaps. Repair one such line by putting "
        "each gap where it belongs, and alter nothing apart from that.\n\nCopied: {joined}"
    ),
    Template(
        "Ancient scribes wrote without pauses between words. Had one of them copied an English "
        "website like so, how would a modern printer set it?\n\n{joined}"
    ),
    Template("Find the word boundaries in “{joined}” and put a space at every one."),
    Template(
        "Would you kindly make this readable? Nothing is missing except the spaces.\n\n{joined}"
    ),
    Template("{answer}\n\nSqueeze every space out of the above.", "{joined}", True),
    Template(
        "Turn what follows into one unbroken chain of characters, as in a web address, but keep "
        "its capitals and its signs.\n{answer}",
        "{joined}",
        True,
    ),
)

EXAMPLES = (
    {"en": "All rooms have a balcony with a view of the sea."},
    {"en": "Free delivery on orders  over 50 euros!"},
    {"en": "Contact us for a quote"},
)

TASK = Task(
    name="word_segment",
    version=1,
    source=SOURCE,
    to_fields=to_fields,
    fields=("joined", "answer"),
    templates=TEMPLATES,
    mode="generate",
    metrics=("edit_distance",),
    examples=EXAMPLES,
    corpora=("paracrawl",),
    license="CC0 1.0",
    citation="Bañón et al., ParaCrawl: Web-Scale Acquisition of Parallel Corpora, ACL 2020",
)
