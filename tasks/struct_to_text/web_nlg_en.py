"""WebNLG: DBpedia's facts about a thing, in sentences."""

from flanjax.data.published import Published
from flanjax.data.task import Fields, Record, Task, Template
from flanjax.data.tfds_source import Tfds


def _readable(triple: str) -> str:
    return triple.replace("_", " ").replace(" | ", ", ").strip()


def to_fields(record: Record) -> Fields | None:
    triples = [triple for triple in map(_readable, record["input"]) if triple]
    target = record["target"].strip()
    if not triples or not target:
        return None
    texts = [target, *(text.strip() for text in record["references"])]
    return {
        "triples": "; ".join(triples),
        "lines": "\n".join(triples),
        "answer": target,
        "references": tuple(dict.fromkeys(text for text in texts if text)),
    }


# As in FLAN, validation is the end of the training set and the test is the published
# validation set.
SOURCE = Published(
    tfds=Tfds(
        name="gem/web_nlg_en:1.1.0",
        tfds_splits={"train": "train[:30000]", "validation": "train[-200:]", "test": "validation"},
        features={"input": [str], "target": str, "references": [str]},
        rows={"train": 35_426, "validation": 1_667, "test": 1_779},
        download_mib=12.6,
    ),
)

TEMPLATES = (
    Template("DBpedia knows:\n{lines}\n\nSay the same in fluent English."),
    Template(
        "Write the sentence or short paragraph of an encyclopedia from which a program could have "
        "extracted this: {triples}"
    ),
    Template("{triples}\n\nMachines can read that. Make it readable for the rest of us."),
    Template(
        "Subject, property and object are given, with commas between them. Combine everything "
        "into a natural text.\n\n{lines}"
    ),
    Template(
        "What is known here about the people, places or things named? Reply in complete sentences "
        "and skip no line.\n\n{lines}"
    ),
    Template("A quizmaster wants to read her notes aloud.\nNotes: {triples}\nShe says:"),
    Template("Lexicalise this RDF: {triples}"),
    Template(
        "Our site builds its fact boxes from linked data, and an editor would now like words in "
        "place of a box. Please oblige her.\n\n{lines}"
    ),
    Template(
        "Extract what the text tells as triples (subject, property, object) with a semicolon "
        "after each but the last.\n\nText: {answer}",
        "{triples}",
        True,
    ),
    Template(
        "{answer}\n\nSuppose a crawler had come across this. Log its findings line by line, with "
        "the thing, the attribute and the value of each.",
        "{lines}",
        True,
    ),
)

EXAMPLES = (
    {
        "input": ["Port_Ellis | country | Norland", 'Port_Ellis | mayor | "Ida Brandt"'],
        "target": "Port Ellis in Norland is governed by mayor Ida Brandt.",
        "references": [
            "Port Ellis in Norland is governed by mayor Ida Brandt.",
            "Ida Brandt is the mayor of Port Ellis, Norland.",
        ],
    },
    {
        "input": ["Plum_dumpling | mainIngredient | Potato"],
        "target": "Potato is what plum dumplings are mainly made of. ",
        "references": [],
    },
    {
        "input": [
            "Harrow_Bridge | architect | Tomas_Vale",
            "Harrow_Bridge | length | 412.0 (metres)",
            "Tomas_Vale | birthPlace | Graz",
        ],
        "target": "The 412 metre long Harrow Bridge was designed by Tomas Vale, who is from Graz.",
        "references": [],
    },
)

TASK = Task(
    name="web_nlg_en",
    version=1,
    source=SOURCE,
    to_fields=to_fields,
    fields=("triples", "lines", "answer", "references"),
    templates=TEMPLATES,
    mode="generate",
    metrics=("rouge",),
    examples=EXAMPLES,
    corpora=("webnlg",),
    license="CC BY-NC-SA 4.0",
    citation="Gardent et al., Creating Training Corpora for NLG Micro-Planners, ACL 2017",
)
