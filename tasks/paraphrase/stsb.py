"""STS-B: how alike are two sentences in meaning, from 0 to 5?"""

from flanjax.data.published import Published
from flanjax.data.sources import Tsv
from flanjax.data.task import Fields, Record, Task, Template
from flanjax.data.tfds_source import Tfds

SCORES = ("0", "1", "2", "3", "4", "5")


def _from_glue(row: Record) -> Record:
    return {
        "sentence1": row["sentence1"],
        "sentence2": row["sentence2"],
        "label": row["score"],
    }


def to_fields(record: Record) -> Fields | None:
    score = record["label"]
    if score < 0:  # GLUE keeps the scores of its own test split to itself
        return None
    return {
        "sentence1": record["sentence1"].strip(),
        "sentence2": record["sentence2"].strip(),
        "options": SCORES,
        "answer": SCORES[int(score + 0.5)],
        # The annotators' mean, not rounded: what the correlations are taken against.
        "references": (f"{score:g}",),
    }


# As in FLAN, the test split is GLUE's validation split, and validation is the end of training.
SOURCE = Published(
    tfds=Tfds(
        name="glue/stsb:2.0.0",
        tfds_splits={"train": "train[:-100]", "validation": "train[-100:]", "test": "validation"},
        features={"sentence1": str, "sentence2": str, "label": float},
        rows={"train": 5_749, "validation": 1_500, "test": 1_379},
        download_mib=0.8,
    ),
    originals=(
        Tsv(
            files={
                "train": "paraphrase/stsb/train.tsv[:-100]",
                "validation": "paraphrase/stsb/train.tsv[-100:]",
                "test": "paraphrase/stsb/dev.tsv",
            },
            public="https://gluebenchmark.com/tasks (STS-B)",
            to_record=_from_glue,
        ),
    ),
)

TEMPLATES = (
    Template(
        "How close in meaning are these two lines, if 0 means nothing in common and 5 means the "
        "very same content?\n\n{sentence1}\n{sentence2}\n\n{options}"
    ),
    Template(
        "Text 1: {sentence1}\nText 2: {sentence2}\n\nAward marks for likeness of meaning, "
        "from full marks for texts that say the same down to none for texts on unrelated matters.\n"
        "{options}\nMarks:"
    ),
    Template(
        "You belong to a team of annotators, each of whom puts a number to what two snippets "
        "share. Use 5 if they tell us the same, 4 if they part only in trifles, 3 if something "
        "that counts differs or is lacking, 2 if a few details recur, 1 if just the topic does, "
        "and 0 if not even that.\n\nSnippet: {sentence1}\nSnippet: {sentence2}\n\nNumber:"
    ),
    Template("{sentence1}\n{sentence2}\n\nOverlap of meaning, in points out of five:\n{options}"),
    Template(
        "Two people each wrote a line. One came up with “{sentence1}” and the other came up with "
        "“{sentence2}”\n\nHow well do the lines match in what they say? The better the match, the "
        "higher your figure.\n{options}"
    ),
    Template(
        "{options}\n\nThe lowest of these numbers is for statements that have nothing to do with "
        "each other, the highest for statements that convey one message. Which number do the two "
        "below deserve?\n\nA: {sentence1}\nB: {sentence2}"
    ),
    Template(
        "Query: {sentence1}\nHit: {sentence2}\n\nRate the hit by its nearness in sense to the "
        "query, 5 being perfect and 0 being off the subject.\n{options}"
    ),
    Template(
        "Would you compare “{sentence1}” with “{sentence2}” for me? Give a 0 if their meanings are "
        "unrelated and a 5 if they are interchangeable.\n{options}\nYour grade:"
    ),
    Template(
        "Readers gave a pair of sentences {answer} out of 5 for being alike in meaning. Half of "
        "the pair is missing. Supply it.\n\n{sentence1}",
        "{sentence2}",
        True,
    ),
    Template(
        "{sentence2}\n\nThink up a companion to that sentence. The degree of likeness should be "
        "{answer} on a scale where 0 is none and 5 is complete.",
        "{sentence1}",
        True,
    ),
)

EXAMPLES = (
    {
        "sentence1": "A man is slicing a loaf of bread.",
        "sentence2": "A man is cutting bread into slices.",
        "label": 5.0,
    },
    {
        "sentence1": "Two dogs run along a beach.",
        "sentence2": "Dogs are running on the sand by the sea.",
        "label": 3.8,
    },
    {
        "sentence1": "Storm closes airports in the north",
        "sentence2": "Heavy storm closes schools in the north",
        "label": 2.5,
    },
    {
        "sentence1": 'The minister said the plan was "dead.',
        "sentence2": "The minister did not speak about the plan.",
        "label": 1.6,
    },
    {
        "sentence1": "A child is painting a fence.",
        "sentence2": "A child is asleep in a car.",
        "label": 0.8,
    },
    {
        "sentence1": "Oil prices fall for a third day",
        "sentence2": "A cat sits on a windowsill.",
        "label": 0.0,
    },
)

TASK = Task(
    name="stsb",
    version=1,
    source=SOURCE,
    to_fields=to_fields,
    fields=("sentence1", "sentence2", "options", "answer", "references"),
    templates=TEMPLATES,
    mode="rank",
    metrics=("pearson", "spearman"),
    examples=EXAMPLES,
    corpora=("flickr30k", "news_clusters_2004"),
    license="Terms differ by source; see LICENSE.txt of the STS benchmark",
    citation=(
        "Cer et al., SemEval-2017 Task 1: Semantic Textual Similarity Multilingual and "
        "Crosslingual Focused Evaluation, SemEval 2017"
    ),
)
