"""CB: does the author of a text hold a clause in it to be true?"""

from flanjax.data.published import Published
from flanjax.data.schema import Labels
from flanjax.data.task import Fields, Record, Task, Template
from flanjax.data.tfds_source import Tfds

# In the order of TFDS, where the contradiction comes second.
LABELS = ("Yes", "No", "It's impossible to say")


def to_fields(record: Record) -> Fields | None:
    if record["label"] == -1:  # SuperGLUE keeps the labels of its own test split to itself
        return None
    return {
        "premise": record["premise"].strip(),
        "hypothesis": record["hypothesis"].strip(),
        "options": LABELS,
        "answer": LABELS[record["label"]],
    }


# As in FLAN, the test split is the published development set, and validation is the end of the
# published training set.
SOURCE = Published(
    tfds=Tfds(
        name="super_glue/cb:1.0.2",
        tfds_splits={"train": "train[:-50]", "validation": "train[-50:]", "test": "validation"},
        features={
            "premise": str,
            "hypothesis": str,
            "label": Labels(("entailment", "contradiction", "neutral")),
        },
        rows={"train": 250, "validation": 56, "test": 250},
        download_mib=0.07,
    ),
)

TEMPLATES = (
    Template(
        "You meet the person who wrote or said the lines below and ask them if “{hypothesis}” is "
        "true. What do they answer?\n\n{premise}\n\n{options}"
    ),
    Template(
        "Heard or read somewhere:\n{premise}\n\nBy the sound of it, is this so?\n{hypothesis}\n\n"
        "{options}"
    ),
    Template(
        "You are under oath and know nothing but the transcript. Counsel puts the words "
        "“{hypothesis}” to you and demands to hear if they are true.\n\nTranscript: {premise}\n\n"
        "Your reply is limited to:\n{options}"
    ),
    Template(
        "The passage brings up the idea that “{hypothesis}” and its author may vouch for this, "
        "deny it, or leave it open. Going by the author, is it true?\n\n{premise}\n\n{options}"
    ),
    Template("True, in the light of what follows? {hypothesis}\n\n{premise}\n\n{options}"),
    Template(
        "Write “Yes” if the text commits its author to the thought given after it, “No” if it "
        "commits the author to the opposite, and “It's impossible to say” if it does neither.\n\n"
        "Text: {premise}\n\nThought: {hypothesis}"
    ),
    Template(
        "Fiction, news or small talk, these lines make up a little world:\n\n{premise}\n\n"
        "Is “{hypothesis}” true in that world?\n{options}"
    ),
    Template(
        "{options}\n\nPick one of them. Taking the author, or the last speaker, at their word, is "
        "the clause at the bottom true?\n\n{premise}\n\n{hypothesis}"
    ),
    Template(
        "Margin note: {hypothesis}\nPassage beside it: {premise}\n\nThe editor asks whether the "
        "note is true in view of the passage. Your answer, please:\n{options}"
    ),
    Template(
        "{premise}\n\nWhat might a listener wonder about at this point? Phrase it as a plain "
        "clause, chosen so that an honest reply to “Is that true?” would be “{answer}”",
        "{hypothesis}",
        True,
    ),
)

EXAMPLES = (
    {
        "premise": (
            "``You never told me about the boat.'' Ellen put down her cup. She had not realised "
            "that Tom was planning to sail alone."
        ),
        "hypothesis": "Tom was planning to sail alone",
        "label": 0,
    },
    {
        "premise": (
            "B: We looked at the one on Pine Street. A: Oh, yeah. B: But it's noisy, and, uh, I "
            "don't think the kids would get their own rooms there."
        ),
        "hypothesis": "the kids would get their own rooms there",
        "label": 1,
    },
    {
        "premise": (
            "The board meets on Thursday. If the directors believe the offer is too low, they "
            "will look for another buyer."
        ),
        "hypothesis": "the offer is too low",
        "label": 2,
    },
)

TASK = Task(
    name="cb",
    version=1,
    source=SOURCE,
    to_fields=to_fields,
    fields=("premise", "hypothesis", "options", "answer"),
    templates=TEMPLATES,
    mode="rank",
    metrics=("mean_f1", "accuracy"),
    examples=EXAMPLES,
    corpora=("commitmentbank",),
    license="None stated by its authors",
    citation=(
        "de Marneffe, Simons and Tonhauser, The CommitmentBank: Investigating Projection in "
        "Naturally Occurring Discourse, Sinn und Bedeutung 23, 2019"
    ),
)
