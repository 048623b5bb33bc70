"""RTE: does a sentence follow from a passage of news?"""

from flanjax.data.published import Published
from flanjax.data.schema import Labels
from flanjax.data.sources import Tsv
from flanjax.data.task import Fields, Record, Task, Template
from flanjax.data.tfds_source import Tfds

LABELS = ("yes", "no")


def _from_glue(row: Record) -> Record:
    return {
        "premise": row["sentence1"],
        "hypothesis": row["sentence2"],
        "label": row["label"],
    }


def to_fields(record: Record) -> Fields | None:
    if record["label"] == -1:  # SuperGLUE keeps the labels of its own test split to itself
        return None
    return {
        "premise": record["premise"].strip(),
        "hypothesis": record["hypothesis"].strip(),
        "options": LABELS,
        "answer": LABELS[record["label"]],
    }


# As in FLAN, the test split is the published development set, 277 pairs from both sources, and
# validation is the end of the published training set.
SOURCE = Published(
    tfds=Tfds(
        name="super_glue/rte:1.0.2",
        tfds_splits={"train": "train[:-200]", "validation": "train[-200:]", "test": "validation"},
        features={
            "premise": str,
            "hypothesis": str,
            "label": Labels(("entailment", "not_entailment")),
        },
        rows={"train": 2_490, "validation": 277, "test": 3_000},
        download_mib=0.7,
    ),
    originals=(
        Tsv(
            files={
                "train": "nli/rte/train.tsv[:-200]",
                "validation": "nli/rte/train.tsv[-200:]",
                "test": "nli/rte/dev.tsv",
            },
            public="https://gluebenchmark.com/tasks (RTE)",
            to_record=_from_glue,
        ),
    ),
)

TEMPLATES = (
    Template(
        "{premise}\n\nDoes this passage tell us that the following is true?\n{hypothesis}\n\n"
        "{options}"
    ),
    Template("Text: {premise}\nClaim: {hypothesis}\nDoes the text support the claim?\n{options}"),
    Template(
        "Read the news extract and decide whether the statement under it must hold.\n\n"
        "Extract: {premise}\n\nStatement: {hypothesis}\n\n{options}\n\nMust it hold?"
    ),
    Template(
        "Suppose all you know is this:\n{premise}\n\n"
        "Would you be justified in concluding what comes next?\n{hypothesis}\n{options}"
    ),
    Template(
        "An editor wants to print the headline “{hypothesis}” above a story.\n\nThe story: "
        "{premise}\n\n{options}\n\nIs the headline backed up by what was reported?"
    ),
    Template(
        "{hypothesis}\n\nCan that be inferred from the paragraph below?\n\n{premise}\n\n{options}"
    ),
    Template(
        "Check B using nothing but A.\nA: {premise}\nB: {hypothesis}\n{options}\nConfirmed by A?"
    ),
    Template(
        "Say yes if the conclusion follows from the evidence, and no if it does not.\n\n"
        "Evidence: {premise}\n\nConclusion: {hypothesis}"
    ),
    Template(
        "Whoever believes the report has to accept the assertion too. Is this so?\n{options}\n\n"
        "Report: {premise}\n\nAssertion: {hypothesis}"
    ),
    Template(
        "Background: {premise}\n\nThink of a sentence for which the question “Is it established "
        "by the background?” has the answer “{answer}” and write it down.",
        "{hypothesis}",
        True,
    ),
)

EXAMPLES = (
    {
        "premise": "The ferry to Aran was cancelled on Monday because of high seas.",
        "hypothesis": "No ferry sailed to Aran on Monday.",
        "label": 0,
    },
    {
        "premise": 'The mayor, who calls herself "a baker first", opened the fair.',
        "hypothesis": "The mayor owns three bakeries.",
        "label": 1,
    },
    {
        "premise": "Rain fell on Lima for the first time in a year.",
        "hypothesis": "It rained in Lima.",
        "label": 0,
    },
)

TASK = Task(
    name="rte",
    version=1,
    source=SOURCE,
    to_fields=to_fields,
    fields=("premise", "hypothesis", "options", "answer"),
    templates=TEMPLATES,
    mode="rank",
    metrics=("accuracy",),
    examples=EXAMPLES,
    corpora=("pascal_rte",),
    license="None stated for the whole; see tac.nist.gov/data/forms for RTE-5",
    citation=(
        "Dagan et al., The PASCAL Recognising Textual Entailment Challenge, 2005; Bar-Haim et al., "
        "2006; Giampiccolo et al., 2007; Bentivogli et al., 2009"
    ),
)
