"""Mathematics Dataset, algebra: a linear equation with one unknown to solve."""

import re

from flanjax.data.published import Published
from flanjax.data.task import Fields, Record, Task, Template
from flanjax.data.tfds_source import Tfds

_BYTES = re.compile(r"""b(['"])(.*?)(?:\\n)?\1""")
_QUESTION = re.compile(r"Solve (.+) for (\w+)\.")


def _clean(text: str) -> str:
    """Returns the text; some copies hold it as Python writes bytes: b'text'."""
    written = _BYTES.fullmatch(text.strip())
    return (written[2] if written else text).strip()


def to_fields(record: Record) -> Fields | None:
    question, answer = _clean(record["question"]), _clean(record["answer"])
    parts = _QUESTION.fullmatch(question)  # the generator of this module has no other wording
    if parts is None or not answer:
        return None
    return {
        "question": question,
        "equation": parts[1],
        "variable": parts[2],
        "answer": answer,
    }


# As in FLAN, validation is the end of the published training set, and the test is the published
# one, which the authors call interpolation.
SOURCE = Published(
    tfds=Tfds(
        name="math_dataset/algebra__linear_1d:1.0.0",
        tfds_splits={"train": "train[:30000]", "validation": "train[-200:]", "test": "test"},
        features={"question": str, "answer": str},
        rows={"train": 1_999_998, "test": 10_000},
        download_mib=2_222.1,
    ),
)

TEMPLATES = (
    Template("{question} Give the number and nothing else."),
    Template("Algebra homework, first exercise\n{question}\nSolution:"),
    Template("For which value of {variable} does this equation come true?\n\n{equation}"),
    Template("{equation}\n\n{variable} ="),
    Template("Isolate the unknown {variable} in “{equation}” and report the integer it equals."),
    Template(
        "Could you work this out for me? I have no use for the steps, only for the result.\n"
        "{question}"
    ),
    Template(
        "Think of the equals sign as the middle of a pair of scales. What must {variable} be to "
        "keep them level? It is a whole number, possibly below zero.\n\n{equation}"
    ),
    Template(
        "Whatever you reply is typed straight into a calculator, so send digits, with a minus "
        "sign in front where one is needed.\n\n{question}"
    ),
    Template(
        "Equation: {equation}\n\nCollect the terms in {variable}, move the rest across and "
        "divide. Which integer is left?"
    ),
    Template("{variable} stands for a secret number such that {equation} holds. Reveal it."),
)

EXAMPLES = (
    {"question": "Solve 7*n - 3 = 4*n + 18 for n.", "answer": "7"},
    {"question": "b'Solve -52 = 26*w for w.\\n'", "answer": "b'-2\\n'"},
    {"question": "Solve 0 = 11*k - 3*k + 120 - 16 for k.", "answer": "-13"},
    {"question": "Solve 9*x + 5*x = 14*x - 3*x for x.", "answer": "0"},
)

TASK = Task(
    name="math_dataset",
    version=1,
    source=SOURCE,
    to_fields=to_fields,
    fields=("question", "equation", "variable", "answer"),
    templates=TEMPLATES,
    mode="generate",
    metrics=("accuracy",),
    examples=EXAMPLES,
    corpora=("math_dataset",),
    license="Apache 2.0",
    citation=(
        "Saxton et al., Analysing Mathematical Reasoning Abilities of Neural Models, ICLR 2019"
    ),
)
