"""ParaCrawl English-Spanish: the other language of a sentence from the web."""

from flanjax.data.published import Published
from flanjax.data.task import Fields, Record, Task, Template
from flanjax.data.tfds_source import Tfds


def to_fields(record: Record) -> Fields | None:
    english, spanish = record["en"].strip(), record["es"].strip()
    return {"english": english, "answer": spanish} if english and spanish else None


# As in FLAN, the end of the only published split is held back: 200 rows for validation, and the
# last 1,000 for the test.
SOURCE = Published(
    tfds=Tfds(
        name="para_crawl/enes:1.2.0",
        tfds_splits={
            "train": "train[:30000]",
            "validation": "train[-1200:-1000]",
            "test": "train[-1000:]",
        },
        features={"en": str, "es": str},
        rows={"train": 21_987_267},
        download_mib=1_863.3,
    ),
)

TEMPLATES = (
    Template("{english}\n\nPut this text from a web page into Spanish."),
    Template("How would the Spanish version of our site word the following?\n\n{english}"),
    Template("English page: {english}\nSpanish page:"),
    Template(
        "Visitors from Madrid and Mexico City cannot read what it says here. Please rewrite it in "
        "Spanish for them: {english}"
    ),
    Template(
        "Our company localizes shops and software. Below is a string whose Spanish column is still "
        "empty. Fill it with a faithful translation and nothing else.\n\n{english}"
    ),
    Template("¿Cómo se dice esto en español?\n\n{english}"),
    Template(
        "I am about to publish “{english}” and half of my customers read only Spanish. What should "
        "they see instead?"
    ),
    Template(
        "{answer}\n\nI found that on a Spanish website and need it in English.", "{english}", True
    ),
    Template(
        "Browser settings: the page is in Spanish, the reader wants English.\nSelected: {answer}\n"
        "Shown:",
        "{english}",
        True,
    ),
    Template("In English, please: {answer}", "{english}", True),
)

EXAMPLES = (
    {
        "en": "Free parking is available next to the hotel.",
        "es": "Hay aparcamiento gratuito junto al hotel.",
    },
    {"en": " Add to cart", "es": "Añadir al carrito "},
    {
        "en": "Charge the battery before you use the camera for the first time!",
        "es": "¡Cargue la batería antes de usar la cámara por primera vez!",
    },
)

TASK = Task(
    name="para_crawl_enes",
    version=1,
    source=SOURCE,
    to_fields=to_fields,
    fields=("english", "answer"),
    templates=TEMPLATES,
    mode="generate",
    metrics=("bleu",),
    examples=EXAMPLES,
    corpora=("paracrawl",),
    license="CC0 1.0 for the collection; the texts belong to their owners",
    citation="Bañón et al., ParaCrawl: Web-Scale Acquisition of Parallel Corpora, ACL 2020",
)
