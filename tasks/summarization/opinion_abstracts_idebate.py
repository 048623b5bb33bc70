"""IDebate arguments: the claim that a set of arguments supports."""

import re

from flanjax.data.published import Published
from flanjax.data.task import Fields, Record, Task, Template
from flanjax.data.tfds_source import Tfds

MAX_ARGUMENTS = 10

# The sentences are published in tokens, with a blank before each mark.
_BLANK_BEFORE_MARK = re.compile(r" +(?=[,.;:?!](?:\s|$))")


def to_fields(record: Record) -> Fields | None:
    debate = record["_debate_name"].strip()
    claim = record["_claim"].strip()
    sentences = [
        _BLANK_BEFORE_MARK.sub("", sentence.strip())
        for sentence in record["_argument_sentences"]["value"]
        if sentence.strip()
    ]
    if not debate or not claim or not sentences:
        return None
    numbered = enumerate(sentences[:MAX_ARGUMENTS], start=1)
    return {
        "debate": debate,
        "arguments": "\n".join(f"{i}. {sentence}" for i, sentence in numbered),
        "answer": claim,
    }


# The dataset is published as one split; FLAN cuts validation and test from its end.
SOURCE = Published(
    tfds=Tfds(
        name="opinion_abstracts/idebate:1.0.0",
        tfds_splits={
            "train": "train[:-600]",
            "validation": "train[-600:-500]",
            "test": "train[-500:]",
        },
        features={
            "_debate_name": str,
            "_claim": str,
            "_argument_sentences": {"value": [str]},
        },
        rows={"train": 2_259},
        download_mib=20.1,
    ),
)

TEMPLATES = (
    Template(
        "Motion: {debate}\n\nArguments heard:\n{arguments}\n\n"
        "State, in one sentence, the claim being made."
    ),
    Template(
        "{arguments}\n\nEverything above was said in defence of one point. Put that point the way "
        "its defender would."
    ),
    Template(
        "The debate is entitled “{debate}” and one speaker argued as follows:\n{arguments}\n\n"
        "So what is the speaker's thesis, in brief?"
    ),
    Template(
        "DEBATING SOCIETY, MINUTES\nTopic: {debate}\nReasons given:\n{arguments}\nPoint made:"
    ),
    Template(
        "Somebody deleted the topic sentence from an entry in our handbook for debaters and left "
        "only the supporting text, numbered here. Restore what is lost.\n\n"
        "Entry on: {debate}\n{arguments}"
    ),
    Template(
        "What does this drive at? A sentence is enough.\n\n{arguments}\n\n"
        "(Under discussion: {debate})"
    ),
    Template("Condense the case made below to a single assertion.\n\n{debate}\n{arguments}"),
    Template(
        "Tomorrow's debate: {debate}\nThe main point my pupil will put forward: {answer}\n\n"
        "Prepare a numbered list of sentences in its support.",
        "{arguments}",
        True,
    ),
    Template(
        "Claim: {answer}\n\nBack it up in numbered lines, ten at the most.",
        "{arguments}",
        True,
    ),
    Template(
        "{answer}\n\nThat was the conclusion, and it was reached in this manner:\n{arguments}\n\n"
        "Guess the motion that was up for debate.",
        "{debate}",
        True,
    ),
)

EXAMPLES = (
    {
        "_debate_name": "This House would close city centres to cars",
        "_claim": "Streets without cars are safer for children.",
        "_argument_sentences": {
            "value": [
                "Most accidents on the way to school involve a car .",
                "Where traffic was banned , injuries fell within a year .",
            ]
        },
    },
    {
        "_debate_name": "This House believes that homework should be abolished.",
        "_claim": "Homework widens the gap between rich and poor pupils",
        "_argument_sentences": {
            "value": [
                "Some families can pay for a tutor ; others have no quiet room .",
                " Marks then measure the home and not the child .",
                "",
            ]
        },
    },
    {
        "_debate_name": "This House would give every adult a basic income",
        "_claim": "A basic income frees people to start a business.",
        "_argument_sentences": {
            "value": ["Founders often earn nothing at first , so only the wealthy can try ."]
        },
    },
)

TASK = Task(
    name="opinion_abstracts_idebate",
    version=1,
    source=SOURCE,
    to_fields=to_fields,
    fields=("debate", "arguments", "answer"),
    templates=TEMPLATES,
    mode="generate",
    metrics=("rouge",),
    examples=EXAMPLES,
    corpora=("idebate",),
    license="None stated by its authors",
    citation=(
        "Wang and Ling, Neural Network-Based Abstract Generation for Opinions and Arguments, "
        "NAACL 2016"
    ),
)
