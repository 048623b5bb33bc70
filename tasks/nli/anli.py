"""ANLI, rounds 1 to 3: is a statement written to fool a model true of a text?"""

from flanjax.data.published import Published
from flanjax.data.schema import Labels
from flanjax.data.sources import Jsonl
from flanjax.data.task import Fields, Record, Task, Template
from flanjax.data.tfds_source import Tfds

LABELS = ("Yes", "It's impossible to say", "No")


def to_fields(record: Record) -> Fields | None:
    context, hypothesis = record["context"].strip(), record["hypothesis"].strip()
    if record["label"] == -1 or not context or not hypothesis:
        return None
    return {
        "context": context,
        "hypothesis": hypothesis,
        "options": LABELS,
        "answer": LABELS[record["label"]],
    }


def _source(round_: int, *, cut: str, num_train: int, num_test: int) -> Published:
    # As in FLAN, validation is the start of the published development set.
    return Published(
        tfds=Tfds(
            name=f"anli/r{round_}:0.1.0",
            tfds_splits={"train": f"train{cut}", "validation": "validation[:200]", "test": "test"},
            features={"context": str, "hypothesis": str, "label": Labels(("e", "n", "c"))},
            rows={"train": num_train, "validation": num_test, "test": num_test},
            download_mib=17.8,
        ),
        originals=(
            Jsonl(
                files={
                    "train": f"nli/anli_r{round_}/train.jsonl{cut}",
                    "validation": f"nli/anli_r{round_}/dev.jsonl[:200]",
                    "test": f"nli/anli_r{round_}/test.jsonl",
                },
                public=f"https://github.com/facebookresearch/anli (R{round_})",
            ),
        ),
    )


TEMPLATES = (
    Template(
        "{context}\n\nSomebody who read this tells you: {hypothesis}\n\n"
        "Are they telling the truth?\n{options}"
    ),
    Template(
        "The sentence “{hypothesis}” was written to fool a machine that reads the text below. You "
        "are not so easily fooled: judging from the text, is the sentence true?\n\n{context}\n\n"
        "{options}"
    ),
    Template(
        "Source: {context}\nStatement to be verified: {hypothesis}\n{options}\n"
        "Is the statement accurate?"
    ),
    Template("QUIZ\n\n{context}\n\nItem: {hypothesis}\n\nIs this item right? Tick one.\n{options}"),
    Template(
        "A pupil noted down “{hypothesis}” after she had studied the page that follows. Going by "
        "the page and nothing else, has she noted down something correct?\n\n{context}\n\n{options}"
    ),
    Template(
        "Could you look something up for me, please? There is only one document I trust, and I "
        "need to know if the sentence under it is true.\n\nDocument: {context}\n\n"
        "Sentence: {hypothesis}\n\n{options}"
    ),
    Template(
        "{options}\n\nNo other replies are allowed. Two texts follow, with a row of dashes between "
        "them. Supposing that every detail of the upper one is right, is the lower one right as "
        "well?\n\n{context}\n---\n{hypothesis}"
    ),
    Template(
        "Is the witness right? Reply “Yes” or “No” where the record settles it, and “It's "
        "impossible to say” where it does not.\n\nRecord: {context}\n\nWitness: {hypothesis}"
    ),
    Template(
        "I bet a friend that “{hypothesis}” and we agreed to let this text decide:\n\n"
        "{context}\n\nDid I win?\n{options}"
    ),
    Template(
        "{context}\n\nInvent a statement about this. Someone who has just the text to go by and is "
        "asked whether your statement is true should have to reply: {answer}",
        "{hypothesis}",
        True,
    ),
)

EXAMPLES = (
    {
        "context": (
            "Marta Oliveira (born 3 May 1951) is a Portuguese botanist. She led the university "
            'garden of Braga for nineteen years and wrote "Ferns of the North" in 1988.'
        ),
        "hypothesis": "Marta Oliveira was in her thirties when her book on ferns came out.",
        "label": 0,
    },
    {
        "context": "Halden Light is a lighthouse built in 1874. It was automated in 1969.",
        "hypothesis": "Halden Light had two keepers until it was automated ",
        "label": 1,
    },
    {
        "context": (
            "How to dry herbs: Tie the stems in small bunches. Hang them upside down in a dark, "
            "airy room. After two weeks, crumble the leaves into a jar."
        ),
        "hypothesis": "The herbs are ready for the jar on the day after they are hung up.",
        "label": 2,
    },
)


def _task(name: str, source: Published, corpora: tuple[str, ...]) -> Task:
    return Task(
        name=name,
        version=1,
        source=source,
        to_fields=to_fields,
        fields=("context", "hypothesis", "options", "answer"),
        templates=TEMPLATES,
        mode="rank",
        metrics=("accuracy",),
        examples=EXAMPLES,
        corpora=("anli", *corpora),
        license="CC BY-NC 4.0",
        citation=(
            "Nie et al., Adversarial NLI: A New Benchmark for Natural Language Understanding, "
            "ACL 2020"
        ),
    )


TASKS = (
    _task("anli_r1", _source(1, cut="", num_train=16_946, num_test=1_000), ("hotpotqa",)),
    _task("anli_r2", _source(2, cut="[:30000]", num_train=45_460, num_test=1_000), ("hotpotqa",)),
    _task(
        "anli_r3",
        _source(3, cut="[:30000]", num_train=100_459, num_test=1_200),
        ("pascal_rte", "wikihow", "rocstories", "oanc"),
    ),
)
