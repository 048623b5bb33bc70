"""Story Cloze: which of two sentences ends a story of four sentences?"""

from flanjax.data.published import Published
from flanjax.data.sources import Csv
from flanjax.data.task import Fields, Record, Task, Template
from flanjax.data.tfds_source import Tfds


def _from_release(row: Record) -> Record:
    return {
        "context": " ".join(row[f"InputSentence{number}"] for number in range(1, 5)),
        "endings": [row["RandomFifthSentenceQuiz1"], row["RandomFifthSentenceQuiz2"]],
        "label": row.get("AnswerRightEnding", -1),
    }


def to_fields(record: Record) -> Fields | None:
    if record["label"] == -1:  # a file without the answers
        return None
    options = tuple(ending.strip() for ending in record["endings"])
    if options[0] == options[1]:
        return None
    return {
        "story": record["context"].strip(),
        "options": options,
        "answer": options[(1, 2).index(record["label"])],  # endings are counted from one
    }


# The dataset has no training set. As in FLAN, its validation split is cut into training and
# validation.
SOURCE = Published(
    tfds=Tfds(
        name="story_cloze/2016:1.0.0",
        tfds_splits={
            "train": "validation[:-200]",
            "validation": "validation[-200:]",
            "test": "test",
        },
        features={"context": str, "endings": [str], "label": int},
        rows={"validation": 1_871, "test": 1_871},
        manual=(
            "get the Spring 2016 Story Cloze Test by the form at "
            "https://www.cs.rochester.edu/nlp/rocstories and put its files as "
            "cloze_test_val__spring2016.csv and cloze_test_test__spring2016.csv into "
            "~/tensorflow_datasets/downloads/manual"
        ),
    ),
    originals=(
        Csv(
            files={
                "train": "commonsense/story_cloze/cloze_test_val__spring2016.csv[:-200]",
                "validation": "commonsense/story_cloze/cloze_test_val__spring2016.csv[-200:]",
                "test": "commonsense/story_cloze/cloze_test_test__spring2016.csv",
            },
            public="https://www.cs.rochester.edu/nlp/rocstories (Spring 2016)",
            to_record=_from_release,
        ),
    ),
)

TEMPLATES = (
    Template(
        "The first four sentences of a little story have been written. Choose its fifth.\n\n"
        "{story}\n\n{options}"
    ),
    Template("{story}\n\nThe end is missing! Put in whichever of these fits.\n{options}"),
    Template(
        "A writing class was given the opening “{story}” and two students handed in last lines. "
        "Only one of them had followed the plot. Which line did that student hand in?\n{options}"
    ),
    Template(
        "Here are two closing lines.\n{options}\n\nRead the tale and keep the one that agrees with "
        "it.\n\nTale: {story}"
    ),
    Template(
        "Bedtime, and the last page has been torn out of the book. The rest reads:\n\n{story}\n\n"
        "What would you tell the children was on it?\n{options}"
    ),
    Template("Story: {story}\n{options}\nConsistent ending:"),
    Template(
        "Round this off with one sentence that follows naturally from all that came before it."
        "\n\n{story}"
    ),
    Template(
        "As script supervisor you watch for continuity. Scenes one to four have been shot: {story}"
        "\nFor scene five there are two proposals, one of which makes no sense. Name the other.\n"
        "{options}"
    ),
    Template(
        "Everything leads up to this last sentence: {answer}\n\nTell what happened before it, in "
        "four short sentences.",
        "{story}",
        True,
    ),
    Template(
        "{options}\n\nInvent the four sentences of a story after which “{answer}” is a fitting "
        "finish while the other line is not.",
        "{story}",
        True,
    ),
)

EXAMPLES = (
    {
        "context": (
            "Nora had never ridden a bike. Her uncle gave her his old one. She practised in the "
            "park every evening. On Sunday she wobbled all the way to the lake."
        ),
        "endings": ["Nora was proud of herself.", "Nora handed in her essay."],
        "label": 1,
    },
    {
        "context": (
            "Sam promised to cook dinner. He put the rice on and began to read. An hour later he "
            "smelled smoke. The pot was black."
        ),
        "endings": ["Sam's guests asked for more rice.", "Sam ordered a pizza."],
        "label": 2,
    },
    {
        "context": (
            "The twins found a kitten under the porch. They asked around the whole street. Nobody "
            "was missing a cat. Their mother bought a litter box."
        ),
        "endings": ["The kitten became theirs.", "The twins were afraid of dogs."],
        "label": 1,
    },
)

TASK = Task(
    name="story_cloze",
    version=1,
    source=SOURCE,
    to_fields=to_fields,
    fields=("story", "options", "answer"),
    templates=TEMPLATES,
    mode="rank",
    metrics=("accuracy",),
    examples=EXAMPLES,
    corpora=("rocstories",),
    license="None stated by its authors; given out on request",
    citation=(
        "Mostafazadeh et al., A Corpus and Cloze Evaluation for Deeper Understanding of "
        "Commonsense Stories, NAACL 2016"
    ),
)
