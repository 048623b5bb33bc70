"""Newsroom: the short description that editors gave an article."""

from flanjax.data.published import Published
from flanjax.data.task import Fields, Record, Task, Template
from flanjax.data.tfds_source import Tfds


def to_fields(record: Record) -> Fields | None:
    text = record["text"].strip()
    title = " ".join(record["title"].split())
    answer = " ".join(record["summary"].split())
    # Pages were collected by machine: some have no title, text or description.
    if not (text and title and answer):
        return None
    return {"text": text, "title": title, "answer": answer}


# As in FLAN, training is the first 30,000 articles and validation the first 200 of its own split.
SOURCE = Published(
    tfds=Tfds(
        name="newsroom:1.0.0",
        tfds_splits={"train": "train[:30000]", "validation": "validation[:200]", "test": "test"},
        features={"text": str, "title": str, "summary": str},
        rows={"train": 995_041, "validation": 108_837, "test": 108_862},
        manual=(
            "get Newsroom from https://lil.nlp.cornell.edu/newsroom/download/index.html (the page "
            "asks for registration) and put train.jsonl, dev.jsonl and test.jsonl, unpacked, into "
            "~/tensorflow_datasets/downloads/manual"
        ),
    ),
)

TEMPLATES = (
    Template(
        "{title}\n\n{text}\n\nSupply the standfirst, which is the sentence or two printed between "
        "a headline and its story."
    ),
    Template(
        "Our search engine shows a short description beneath every link. What should it say here?\n"
        "Link: {title}\nPage: {text}"
    ),
    Template(
        "We are sharing the piece below on social media. Write the one or two sentences that go "
        "with it, so that followers know what they will be reading.\n\n{text}"
    ),
    Template("Headline: {title}\nBody: {text}\nDeck (a line or so):"),
    Template(
        "Write a blurb, two sentences at most, by which a subscriber can judge whether to open "
        "this.\n\n{text}"
    ),
    Template(
        "I catalogue periodicals. For the entry “{title}” I need an annotation that states in a "
        "sentence or two what the article has to say.\n\n{text}"
    ),
    Template(
        "{text}\n\nIntroduce the journalism above to people who get our newsletter, in no more "
        "than a few dozen words."
    ),
    Template(
        "Title: {title}\nAbout: {answer}\n\nWith that much settled, compose the complete piece.",
        "{text}",
        True,
    ),
    Template("{answer}\n\nThis teaser has lost its headline. Find one.", "{title}", True),
    Template(
        "The web editor has already approved the description of a text that is yet to be written. "
        "Write that text.\nDescription: {answer}",
        "{text}",
        True,
    ),
)

EXAMPLES = (
    {
        "text": (
            "BERN — The night train is coming back.\n\nFrom June a sleeper will leave for Naples "
            "at 9 p.m. each day, the railways said, ten years after the last one ran. Tickets "
            "start at 60 francs."
        ),
        "title": "Sleeper to Naples returns",
        "summary": "Ten years on, a daily night train\nwill link Switzerland with southern Italy.",
    },
    {
        "text": (
            "Dear Amy: My neighbor practices the trumpet at 6 a.m. I have asked him twice to wait "
            "until eight, and he laughs.\n\nDear Tired: Ask a third time, in writing."
        ),
        "title": "Ask Amy: What can I do about a trumpet at dawn?",
        "summary": "A neighbor's early practice keeps a reader from sleeping.",
    },
    {
        "text": (
            "Shares of Orel Mining fell 12 percent on Tuesday after the company cut its forecast "
            "for copper. Analysts had expected a smaller cut."
        ),
        "title": "Orel Mining drops 12%",
        "summary": "Investors punished the miner for a forecast that was gloomier than expected.",
    },
)

TASK = Task(
    name="newsroom",
    version=1,
    source=SOURCE,
    to_fields=to_fields,
    fields=("text", "title", "answer"),
    templates=TEMPLATES,
    mode="generate",
    metrics=("rouge",),
    examples=EXAMPLES,
    corpora=("newsroom",),
    license="Cornell's terms: non-commercial research and education",
    citation=(
        "Grusky et al., Newsroom: A Dataset of 1.3 Million Summaries with Diverse Extractive "
        "Strategies, NAACL 2018"
    ),
)
