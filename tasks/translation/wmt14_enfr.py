"""WMT14 English-French: the other language of a sentence from news and politics."""

import html

from flanjax.data.published import Published
from flanjax.data.task import Fields, Record, Task, Template
from flanjax.data.tfds_source import Tfds


def to_fields(record: Record) -> Fields | None:
    # The published test sets are SGML, and TFDS leaves entities such as &amp; in them.
    english, french = (html.unescape(record[code]).strip() for code in ("en", "fr"))
    return {"english": english, "answer": french} if english and french else None


SOURCE = Published(
    tfds=Tfds(
        name="wmt14_translate/fr-en:1.0.0",
        tfds_splits={"train": "train[:30000]", "validation": "validation[:200]", "test": "test"},
        features={"fr": str, "en": str},
        rows={"train": 40_836_876, "validation": 3_000, "test": 3_003},
        download_mib=6_349,
    ),
)

TEMPLATES = (
    Template("Give the French for this sentence.\n\n{english}"),
    Template("{english}\n\nHow would a newspaper in Paris put that in French?"),
    Template(
        "An interpreter sits in a booth of the European Parliament. Into her headphones comes "
        "“{english}” and into the microphone she says, in French:"
    ),
    Template("EN: {english}\nFR:"),
    Template(
        "Kindly render the passage below in good French. Keep its sense and its tone, leave out "
        "nothing and add nothing of your own.\n\n{english}"
    ),
    Template(
        "Whatever our office publishes in English has to appear in French as well. Supply what is "
        "still missing for this line: {english}"
    ),
    Template(
        "Bonjour! I write only English, but my readers speak French. Can you turn my words into "
        "theirs?\n\n{english}"
    ),
    Template(
        "{answer}\n\nThis is French. Tell an English speaker what it says.", "{english}", True
    ),
    Template("French subtitle: {answer}\nEnglish subtitle:", "{english}", True),
    Template(
        "A reader in Montreal sent us the line “{answer}” for the letters page, which is in "
        "English. What do we print?",
        "{english}",
        True,
    ),
)

EXAMPLES = (
    {
        "fr": "Le Parlement votera demain sur le budget.",
        "en": "Parliament will vote on the budget tomorrow.",
    },
    {
        "fr": "« Nous n'avons pas perdu espoir », a déclaré l'entraîneuse.",
        "en": "&quot;We have not lost hope,&quot; the coach said.",
    },
    {
        "fr": "Le cabinet Roy &amp; Fils a-t-il répondu ?",
        "en": "Has the firm of Roy &amp; Fils replied?",
    },
)

TASK = Task(
    name="wmt14_enfr",
    version=1,
    source=SOURCE,
    to_fields=to_fields,
    fields=("english", "answer"),
    templates=TEMPLATES,
    mode="generate",
    metrics=("bleu",),
    examples=EXAMPLES,
    corpora=("europarl", "news_commentary", "wmt13_common_crawl", "multiun", "giga_fren"),
    license="None stated for the whole; its sources keep their own terms",
    citation=(
        "Bojar et al., Findings of the 2014 Workshop on Statistical Machine Translation, WMT 2014"
    ),
)
