"""CommonGen: everyday concepts to a sentence that joins them."""

import json

from flanjax.data.published import Published
from flanjax.data.sources import TextLines
from flanjax.data.task import Fields, Record, Task, Template
from flanjax.data.tfds_source import Tfds


def _from_line(line: str) -> Record:
    # The release has lines that end in a comma too many.
    row = json.loads(line.replace(", }", "}"))
    return {
        "concepts": row["concept_set"].split("#"),
        "target": row["scene"][0],
        "references": row["scene"],
    }


def to_fields(record: Record) -> Fields | None:
    concepts = [concept.strip() for concept in record["concepts"]]
    target = record["target"].strip()
    if not concepts or not target:
        return None
    sentences = [target, *(sentence.strip() for sentence in record["references"])]
    return {
        "concepts": ", ".join(concepts),
        "concept_lines": "\n".join(concepts),
        "answer": target,
        "references": tuple(dict.fromkeys(sentence for sentence in sentences if sentence)),
    }


# As in FLAN, validation is the end of the training set and the test is the published development
# set. TFDS has a training row for each sentence, the files have one for each set of concepts.
SOURCE = Published(
    tfds=Tfds(
        name="gem/common_gen:1.1.0",
        tfds_splits={"train": "train[:30000]", "validation": "train[-200:]", "test": "validation"},
        features={"concepts": [str], "target": str, "references": [str]},
        rows={"train": 67_389, "validation": 993, "test": 1_497},
        download_mib=1.8,
    ),
    originals=(
        TextLines(
            files={
                "train": "struct_to_text/common_gen/commongen.train.jsonl[:30000]",
                "validation": "struct_to_text/common_gen/commongen.train.jsonl[-200:]",
                "test": "struct_to_text/common_gen/commongen.dev.jsonl",
            },
            public="https://inklab.usc.edu/CommonGen (commongen_data.zip)",
            parse=_from_line,
        ),
    ),
)

TEMPLATES = (
    Template(
        "Words: {concepts}\n\nMake up a plausible everyday sentence in which every one of them "
        "turns up, inflected if need be."
    ),
    Template(
        "What might be going on in a photo that carries these tags? Describe it in one sentence "
        "and mention each tag.\n\n{concept_lines}"
    ),
    Template(
        "English class, warm-up exercise! Join the vocabulary from the board in a sentence.\n\n"
        "{concept_lines}"
    ),
    Template("{concepts}\n\nCaption with every word in it:"),
    Template(
        "Dream up a short scene in which the following have a part, and tell it in one believable "
        "sentence: {concepts}"
    ),
    Template(
        "Could you write me a line that uses all of these, in any order you like?\n{concepts}"
    ),
    Template(
        "The only magnets left on my fridge:\n{concept_lines}\n\n"
        "Add little words, change endings, move things about, until they make "
        "one normal English sentence."
    ),
    Template(
        "{answer}\n\nWhich few concepts is this built around? List their dictionary forms, "
        "separated by commas.",
        "{concepts}",
        True,
    ),
    Template(
        "Pull the important nouns and verbs out of “{answer}” and put each, in its basic form, on "
        "a line of its own.",
        "{concept_lines}",
        True,
    ),
    Template(
        "Suggest search keywords, with commas between them, for finding a clip in which this "
        "happens: {answer}",
        "{concepts}",
        True,
    ),
)

EXAMPLES = (
    {
        "concepts": ["bench", "read", "park"],
        "target": "An old man reads on a bench in the park. ",
        "references": [
            "An old man reads on a bench in the park.",
            "We read the signs on every bench of the park.",
        ],
    },
    {
        "concepts": ["stir", "pot", "spoon", "soup"],
        "target": "She stirs the soup in the pot with a spoon.",
        "references": [],
    },
    {
        "concepts": ["catch", "dog", "frisbee", "throw"],
        "target": "the dog catches a frisbee that the boy threw",
        "references": ["the dog catches a frisbee that the boy threw"],
    },
)

TASK = Task(
    name="common_gen",
    version=1,
    source=SOURCE,
    to_fields=to_fields,
    fields=("concepts", "concept_lines", "answer", "references"),
    templates=TEMPLATES,
    mode="generate",
    metrics=("rouge",),
    examples=EXAMPLES,
    corpora=("flickr30k", "activitynet_captions"),
    license="MIT",
    citation=(
        "Lin et al., CommonGen: A Constrained Text Generation Challenge for Generative "
        "Commonsense Reasoning, Findings of EMNLP 2020"
    ),
)
