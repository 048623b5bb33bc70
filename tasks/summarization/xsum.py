"""XSum: the one sentence with which the BBC introduces an article."""

from flanjax.data.published import Published
from flanjax.data.task import Fields, Record, Task, Template
from flanjax.data.tfds_source import Tfds


def to_fields(record: Record) -> Fields | None:
    lines = (" ".join(line.split()) for line in record["document"].splitlines())
    document = "\n".join(line for line in lines if line)
    answer = " ".join(record["target"].split())
    if not document or not answer:
        return None
    # GEM gives the references of training rows as none.
    references = tuple(" ".join(text.split()) for text in record["references"] if text.strip())
    return {"document": document, "answer": answer, "references": references or (answer,)}


# GEM's copy: of XSum's 204,045 training articles it keeps those judged faithful to the text.
# As in FLAN, validation is the first 200 of its own split; training is below FLAN's 30,000.
SOURCE = Published(
    tfds=Tfds(
        name="gem/xsum:1.1.0",
        tfds_splits={"train": "train", "validation": "validation[:200]", "test": "test"},
        features={"document": str, "target": str, "references": [str]},
        rows={"train": 23_206, "validation": 1_117, "test": 1_166},
        download_mib=246.3,
    ),
)

TEMPLATES = (
    Template(
        "A BBC page has lost the bold sentence at its top, the one that gives the news before the "
        "details begin. Restore it.\n\n{document}"
    ),
    Template("Article without its introduction:\n{document}\n\nIntroduction (one sentence):"),
    Template(
        "On the hourly radio bulletin each item is granted a single sentence. Read out the one for "
        "this item:\n\n{document}"
    ),
    Template(
        "You meet a friend in the lift and have one breath in which to pass on what you have just "
        "read. What do you say?\n\n{document}"
    ),
    Template("{document}\n\nReduce the above to one sentence of some twenty words."),
    Template("Details aside, what is the news here? One sentence, please.\n{document}"),
    Template(
        "Please index the following report for our archive. An entry consists of exactly one full "
        "sentence and mentions what makes the story worth finding.\n\nReport: {document}"
    ),
    Template(
        "{document}\n\nI skimmed this and still couldn't tell you the point of it. Can you, in a "
        "single sentence?"
    ),
    Template(
        "{answer}\n\nCarry on from there as the BBC's reporter would, down to the last paragraph.",
        "{document}",
        True,
    ),
    Template(
        "Which article might have been boiled down to the sentence below? Write it out.\n\n"
        "{answer}",
        "{document}",
        True,
    ),
)

EXAMPLES = (
    {
        "document": (
            "The 18th-century pier was closed in March after engineers found cracks in its legs.\n"
            "Cardwell Council said repairs would cost £2m.\n\n"
            'Trader Sue Lloyd, who runs a kiosk there, said: "We have lost a whole summer."'
        ),
        "target": "A seaside pier that shut over safety fears will stay closed until next year.",
        "references": [],
    },
    {
        "document": (
            "Kerr, 31, scored twice in Saturday's 3-0 win over Alloa.\nHe had missed ten games "
            'with a knee injury.\n"It felt like my debut," he told BBC Scotland.'
        ),
        "target": "Striker Jim Kerr says his return from injury was like starting his career anew.",
        "references": [
            "Striker Jim Kerr says his return from injury was like starting his career anew."
        ],
    },
    {
        "document": (
            "Researchers at Bangor University fitted 40 hedgehogs with trackers.\nThose in towns "
            "walked half as far each night as those in the country."
        ),
        "target": "Hedgehogs that live in towns walk less than their rural cousins, a study says.",
        "references": [
            "Hedgehogs that live in towns walk less than their rural cousins, a study says."
        ],
    },
)

TASK = Task(
    name="xsum",
    version=1,
    source=SOURCE,
    to_fields=to_fields,
    fields=("document", "answer", "references"),
    templates=TEMPLATES,
    mode="generate",
    metrics=("rouge",),
    examples=EXAMPLES,
    corpora=("bbc_news",),
    license="CC BY-SA 4.0 (as dataset cards have it)",
    citation=(
        "Narayan et al., Don't Give Me the Details, Just the Summary! Topic-Aware Convolutional "
        "Neural Networks for Extreme Summarization, EMNLP 2018; Gehrmann et al., The GEM "
        "Benchmark, GEM 2021"
    ),
)
