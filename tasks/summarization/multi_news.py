"""Multi-News: one summary of several articles on the same events."""

from flanjax.data.published import Published
from flanjax.data.task import Fields, Record, Task, Template
from flanjax.data.tfds_source import Tfds

_BORDER = "|||||"


def _article(text: str) -> str:
    """Returns an article a paragraph a line: blank lines part articles alone."""
    lines = (" ".join(line.split()) for line in text.splitlines())
    return "\n".join(line for line in lines if line)


def to_fields(record: Record) -> Fields | None:
    found = map(_article, record["document"].split(_BORDER))
    articles = "\n\n".join(article for article in found if article)
    # newser.com opens its summaries with a dash.
    answer = record["summary"].strip().removeprefix("\u2013").strip()
    return {"articles": articles, "answer": answer} if articles and answer else None


# As in FLAN, training is the first 30,000 sets and validation the first 200 of its own split.
SOURCE = Published(
    tfds=Tfds(
        name="multi_news:2.1.0",
        tfds_splits={"train": "train[:30000]", "validation": "validation[:200]", "test": "test"},
        features={"document": str, "summary": str},
        rows={"train": 44_972, "validation": 5_622, "test": 5_622},
        download_mib=721.7,
    ),
)

TEMPLATES = (
    Template(
        "Here is what various outlets published, with a blank line after each article. Write one "
        "digest of it all that can stand on its own.\n\n{articles}"
    ),
    Template(
        "You edit a site that reads the papers so that its visitors need not. Compose today's "
        "post, a full paragraph, from these clippings:\n\n{articles}"
    ),
    Template("Press file:\n{articles}\n\nBriefing, in flowing prose:"),
    Template(
        "Where does the coverage below leave us? Combine what it says into an account of several "
        "sentences.\n\n{articles}"
    ),
    Template("{articles}\n\nPull the threads above together and relate them as a single story."),
    Template(
        "Our library keeps cuttings on each affair in a folder with an abstract clipped to the "
        "front. Prepare the abstract for this folder.\n{articles}"
    ),
    Template(
        "Could you go through all the news sources I paste here and tell me, in one connected "
        "passage, what I ought to know?\n\n{articles}"
    ),
    Template("Summarise across the sources, saying nothing twice.\n\n{articles}"),
    Template(
        "A news digest ran this item:\n{answer}\n\nWrite the press coverage that its editor may "
        "have had on the desk, with a blank line between articles.",
        "{articles}",
        True,
    ),
    Template(
        "{answer}\n\nWork back from this overview to its sources and draft the original articles.",
        "{articles}",
        True,
    ),
)

EXAMPLES = (
    {
        "document": (
            "HOBART (AP) — A whale that spent four days in the Derwent River swam back to sea on "
            "Friday. \n \n Ferries had been stopped to keep the animal calm. ||||| The young "
            "humpback has left! Rangers followed it past the last bridge at dawn, parks officer "
            "Lee Marsh told The Mercury. ||||| "
        ),
        "summary": (
            "\u2013 A young humpback whale is back at sea after four days in Hobart's Derwent "
            "River. Ferries had been halted to spare it stress, the AP reports, and rangers told "
            "the Mercury that they followed it past the last bridge on Friday."
        ),
    },
    {
        "document": (
            "The city library lost 3,000 books to a burst pipe over the weekend, its director "
            "said. ||||| A burst pipe flooded the reading room on Saturday night. Volunteers are "
            "drying what they can with borrowed fans."
        ),
        "summary": (
            "\u2013 Borrowed fans are humming in a flooded library: A pipe burst there on Saturday "
            "night and ruined 3,000 books, and volunteers are trying to dry the rest."
        ),
    },
    {
        "document": (
            "Scientists have named a new frog after a tram line, the journal Zoo Notes reports. "
            "||||| “It lives in the depot,” biologist Ana Costa says of the frog she found."
        ),
        "summary": (
            "A frog discovered by Ana Costa in a tram depot now bears the name of the line, "
            "according to Zoo Notes."
        ),
    },
)

TASK = Task(
    name="multi_news",
    version=1,
    source=SOURCE,
    to_fields=to_fields,
    fields=("articles", "answer"),
    templates=TEMPLATES,
    mode="generate",
    metrics=("rouge",),
    examples=EXAMPLES,
    corpora=("newser",),
    license="For non-commercial research and educational purposes only",
    citation=(
        "Fabbri et al., Multi-News: A Large-Scale Multi-Document Summarization Dataset and "
        "Abstractive Hierarchical Model, ACL 2019"
    ),
)
