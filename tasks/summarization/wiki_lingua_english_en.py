"""WikiLingua: the steps of a how-to guide in short."""

from flanjax.data.published import Published
from flanjax.data.task import Fields, Record, Task, Template
from flanjax.data.tfds_source import Tfds


def to_fields(record: Record) -> Fields | None:
    text = record["source"].strip()
    summary = record["target"].strip()
    return {"text": text, "answer": summary} if text and summary else None


# As in FLAN, validation is the first 200 of the published one.
SOURCE = Published(
    tfds=Tfds(
        name="gem/wiki_lingua_english_en:1.1.0",
        tfds_splits={"train": "train[:30000]", "validation": "validation[:200]", "test": "test"},
        features={"source": str, "target": str},
        rows={"train": 99_020, "validation": 13_823, "test": 28_614},
        download_mib=112.6,
    ),
)

TEMPLATES = (
    Template("{text}\n\nReduce this guide to its bare steps, a short sentence for each."),
    Template(
        "I haven't got time for the whole explanation. What do I have to do?\n\n{text}\n\n"
        "Only the things to do, please, one after another."
    ),
    Template("Full instructions:\n{text}\n\nCheat sheet:"),
    Template(
        "In the printed book every step opens with a line in bold, and the lines are missing from "
        "the passage below. Supply them in order.\n\n{text}"
    ),
    Template(
        "Text the gist of these tips to a friend who is already on the job: no reasons, no "
        "examples.\n\nTips: {text}"
    ),
    Template(
        "Which actions does the following advice come down to? Answer in brief imperatives.\n{text}"
    ),
    Template(
        "How-to article:\n\n{text}\n\nKindly prepare an abstract that tells readers what to do."
    ),
    Template(
        "Someone reads a tutorial aloud.\n“{text}”\nPlease jot down the main points as commands."
    ),
    Template(
        "Expand each of these directions with details and hints until a beginner could follow "
        "them.\n\n{answer}",
        "{text}",
        True,
    ),
    Template(
        "{answer}\n\nThat is the summary at the top of a how-to page. Compose the page itself, "
        "with the reasons and the details.",
        "{text}",
        True,
    ),
)

EXAMPLES = (
    {
        "source": "Old soil clings to the roots and may carry pests. Hold the plant by the stem "
        "and shake it gently. A pot one size up is enough, since too much wet earth makes the "
        "roots rot. Until the plant has settled, a cup every other day will do.",
        "target": "Remove the old soil. Choose a slightly larger pot. Water sparingly.",
    },
    {
        "source": " A dull blade slips and is more dangerous than a keen one. Draw it across the "
        "stone at an angle of twenty degrees. Ten strokes a side are plenty. ",
        "target": "Sharpen the knife before you start.",
    },
    {
        "source": "Write down what you did, for whom, and what came of "
        "it. If you get stuck, ask a colleague to tell you what they remember.",
        "target": "List your achievements. Get a second opinion.",
    },
)

TASK = Task(
    name="wiki_lingua_english_en",
    version=1,
    source=SOURCE,
    to_fields=to_fields,
    fields=("text", "answer"),
    templates=TEMPLATES,
    mode="generate",
    metrics=("rouge",),
    examples=EXAMPLES,
    corpora=("wikihow",),
    license="CC BY-NC-SA 3.0, as wikiHow states for its articles",
    citation=(
        "Ladhak et al., WikiLingua: A New Benchmark Dataset for Cross-Lingual Abstractive "
        "Summarization, Findings of EMNLP 2020"
    ),
)
