"""Rotten Tomatoes opinions: what do the critics of a movie agree on?"""

from flanjax.data.published import Published
from flanjax.data.task import Fields, Record, Task, Template
from flanjax.data.tfds_source import Tfds

MAX_REVIEWS = 10
"""As in FLAN: a movie may have a hundred, and ten show what the critics think."""


def to_fields(record: Record) -> Fields | None:
    movie = record["_movie_name"].replace("_", " ").strip()
    consensus = record["_critic_consensus"].strip()
    reviews = [review.strip() for review in record["_critics"]["value"] if review.strip()]
    if not movie or not consensus or not reviews:
        return None
    lines = [f"{i}. {review}" for i, review in enumerate(reviews[:MAX_REVIEWS], start=1)]
    return {
        "movie": movie,
        "reviews": "\n".join(lines),
        "first_review": reviews[0],
        "answer": consensus,
    }


# The dataset is published as one split; FLAN cuts validation and test from its end.
SOURCE = Published(
    tfds=Tfds(
        name="opinion_abstracts/rotten_tomatoes:1.0.0",
        tfds_splits={
            "train": "train[:-600]",
            "validation": "train[-600:-500]",
            "test": "train[-500:]",
        },
        features={
            "_movie_name": str,
            "_critic_consensus": str,
            "_critics": {"value": [str]},
        },
        rows={"train": 3_731},
        download_mib=20.1,
    ),
)

TEMPLATES = (
    Template(
        "Critics on “{movie}”\n\n{reviews}\n\nSum up their common verdict in a sentence or two."
    ),
    Template(
        "You write the line that stands above the reviews on a film site. What will it say for "
        "this one?\n\nFilm: {movie}\nReviews:\n{reviews}"
    ),
    Template(
        "Boil what the press made of “{movie}” down to a single remark, without quoting anyone.\n\n"
        "{reviews}"
    ),
    Template(
        "My sister wants to hear the general opinion of “{movie}” before she buys a ticket. Tell "
        "her briefly, going by these excerpts:\n{reviews}"
    ),
    Template(
        "Excerpts\n{reviews}\n\nDistil them into a blurb for a cinema calendar. It may be kind "
        "or cruel, so long as it is fair to the excerpts.\n\nTitle: {movie}\nBlurb:"
    ),
    Template(
        "{movie}\n{reviews}\n\nWhere do the notices agree? Put the common ground into words as "
        "briefly as you can."
    ),
    Template("Consensus, please. The movie is “{movie}” and the reviews are these:\n{reviews}"),
    Template(
        "Here is what the reviewers of “{movie}” broadly agreed on: {answer}\n\n"
        "Make up one line that any of them might have published.",
        "{first_review}",
        True,
    ),
    Template(
        "Film: {movie}\nConclusion: {answer}\n\nInvent numbered snippets, from up to ten critics, "
        "that would have led an editor to it.",
        "{reviews}",
        True,
    ),
    Template(
        "The title has been torn off this page of film notes. Which film are they about?\n\n"
        "Most critics thought: {answer}\nOne of them wrote: {first_review}",
        "{movie}",
        True,
    ),
)

EXAMPLES = (
    {
        "_movie_name": "The_Long_Ferry",
        "_critic_consensus": "Handsome but slow, The Long Ferry never finds a harbor.",
        "_critics": {
            "value": [
                "Two hours of fog, beautifully lit.",
                "I admired every frame and yawned through most of them.",
                "A crossing that feels longer than it is.",
            ]
        },
    },
    {
        "_movie_name": "Goat Detective!",
        "_critic_consensus": "Silly in the best way, it has jokes for parents and children alike.",
        "_critics": {
            "value": [
                "The funniest hoofed sleuth since, well, ever.",
                " My kids laughed, and so did I. ",
                "",
                "A plot as thin as paper, a cast that does not care.",
                "Cheerful nonsense.",
                "Ninety minutes that fly.",
                "The songs are dreadful; nobody will mind.",
                "Better than the poster promises.",
                "It wants to please and it does.",
                "A goat, a hat, a giggle.",
                "Not for purists of crime.",
                "Charming from the first bleat.",
                "Even the villain seems to be having fun.",
            ]
        },
    },
    {
        "_movie_name": "Ledger",
        "_critic_consensus": "A strong lead cannot rescue a thriller this tangled.",
        "_critics": {
            "value": ["Who embezzled what? I lost count.", "She deserves a better script."]
        },
    },
)

TASK = Task(
    name="opinion_abstracts_rotten_tomatoes",
    version=1,
    source=SOURCE,
    to_fields=to_fields,
    fields=("movie", "reviews", "first_review", "answer"),
    templates=TEMPLATES,
    mode="generate",
    metrics=("rouge",),
    examples=EXAMPLES,
    corpora=("rotten_tomatoes_reviews",),
    license="None stated by its authors",
    citation=(
        "Wang and Ling, Neural Network-Based Abstract Generation for Opinions and Arguments, "
        "NAACL 2016"
    ),
)
