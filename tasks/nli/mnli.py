"""MNLI, matched and mismatched: is a sentence true, given one of any genre?"""

from flanjax.data.published import Published
from flanjax.data.schema import Labels
from flanjax.data.task import Fields, Record, Task, Template
from flanjax.data.tfds_source import Tfds

LABELS = ("yes", "it is not possible to tell", "no")


def to_fields(record: Record) -> Fields | None:
    if record["label"] == -1:  # GLUE keeps the labels of its test splits to itself
        return None
    return {
        "premise": record["premise"].strip(),
        "hypothesis": record["hypothesis"].strip(),
        "options": LABELS,
        "answer": LABELS[record["label"]],
    }


def _source(genres: str) -> Published:
    # As in FLAN, the test split is a published development set, and validation is the end of the
    # training set, of which 30,000 pairs are trained on.
    return Published(
        tfds=Tfds(
            name="glue/mnli:2.0.0",
            tfds_splits={
                "train": "train[:30000]",
                "validation": "train[-200:]",
                "test": f"validation_{genres}",
            },
            features={
                "premise": str,
                "hypothesis": str,
                "label": Labels(("entailment", "neutral", "contradiction")),
            },
            rows={
                "train": 392_702,
                "validation_matched": 9_815,
                "validation_mismatched": 9_832,
                "test_matched": 9_796,
                "test_mismatched": 9_847,
            },
            download_mib=298.3,
        ),
    )


TEMPLATES = (
    Template(
        "First line: {premise}\nSecond line: {hypothesis}\n\n"
        "If the first is true, what about the second: is it true as well?\n{options}"
    ),
    Template(
        "From a phone call, a novel, a letter or a report: where these words come from does not "
        "matter.\n\n{premise}\n\nRelying on them, would you call the next line true?\n"
        "{hypothesis}\n\n{options}"
    ),
    Template(
        "Interviewer's notes: {premise}\n\nWhat the assistant typed up: {hypothesis}\n\n"
        "Has the assistant typed up something true?\n{options}"
    ),
    Template(
        "Consider the assertion “{hypothesis}” in the light of the excerpt “{premise}” and label "
        "it “yes” if it is true, “no” if it is false, or “it is not possible to tell” if the "
        "excerpt leaves that open."
    ),
    Template(
        "Our archive holds this snippet:\n\n{premise}\n\nA visitor wants to quote us as the "
        "source of the sentence given next. Is it a true one by our snippet's account?\n\n"
        "{hypothesis}\n\n{options}"
    ),
    Template(
        "hey, quick one. i read this: {premise}\nmy brother goes: {hypothesis}\n"
        "is he right?\n{options}"
    ),
    Template(
        "Possible verdicts:\n{options}\n\nGive one of them on the allegation, with the testimony "
        "taken for granted. Is the allegation true?\n\nTestimony: {premise}\n\n"
        "Allegation: {hypothesis}"
    ),
    Template("GIVEN {premise}\nPROPOSED {hypothesis}\n{options}\nPROPOSED LINE TRUE?"),
    Template(
        "{hypothesis}\n\nBefore I put that into print, kindly hold it against my one source and "
        "let me know if it is true.\n\n{premise}\n\n{options}"
    ),
    Template(
        "Part three: comprehension. The extract is followed by a remark, and you are marked on one "
        "thing only: is the remark true?\n\n{premise}\n\nRemark: {hypothesis}\n\n{options}"
    ),
)

EXAMPLES = (
    {
        "premise": "uh-huh yeah we we moved down here from Ohio about six years ago",
        "hypothesis": "The speaker has lived in Ohio. ",
        "label": 0,
    },
    {
        "premise": "The agency published its final rule on drinking water in March.",
        "hypothesis": "The agency's rule was unpopular with farmers.",
        "label": 1,
    },
    {
        "premise": "The chapel, still roofless, stands at the top of the hill.",
        "hypothesis": "The chapel was given a new roof.",
        "label": 2,
    },
)


def _task(genres: str) -> Task:
    return Task(
        name=f"mnli_{genres}",
        version=1,
        source=_source(genres),
        to_fields=to_fields,
        fields=("premise", "hypothesis", "options", "answer"),
        templates=TEMPLATES,
        mode="rank",
        metrics=("accuracy",),
        examples=EXAMPLES,
        corpora=("oanc",),
        license="OANC license; fiction in the public domain, CC BY 3.0 or CC BY-SA 3.0",
        citation=(
            "Williams, Nangia and Bowman, A Broad-Coverage Challenge Corpus for Sentence "
            "Understanding through Inference, NAACL 2018"
        ),
    )


TASKS = (_task("matched"), _task("mismatched"))
