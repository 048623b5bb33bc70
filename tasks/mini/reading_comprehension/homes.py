"""Which job, which city? A lookup in a short text about people."""

from __future__ import annotations

from flanjax.data.task import Fields, Record, Task, Template
from flanjax.tasks.mini import world
from flanjax.tasks.mini.source import Draw, GrammarSource

_NUM_PEOPLE = 2


def _told(draw: Draw, name: str, job: str, city: str) -> str:
    return draw.choice(
        (
            f"{name} works as {world.with_article(job)} in {city}.",
            f"{name} lives in {city} and is {world.with_article(job)}.",
            f"{city} is home to {name} the {job}.",
            f"The {job} in {city} is called {name}.",
        )
    )


def make(draw: Draw) -> Record:
    """Writes about two people, and asks for a job or a city of one of them.

    The options are both people's, and one that the text does not mention.
    """
    names = draw.sample(world.NAMES, _NUM_PEOPLE)
    jobs = draw.sample(world.JOBS, _NUM_PEOPLE + 1)
    cities = draw.sample(world.CITIES, _NUM_PEOPLE + 1)
    people = list(zip(names, jobs, cities, strict=False))
    passage = " ".join(_told(draw, *person) for person in people)
    name, job, city = draw.choice(people)
    question, answer, choices = draw.choice(
        (
            (f"In which city is {name}?", city, cities),
            (f"What is {name}'s job?", job, jobs),
            (f"Where is the {job}?", city, cities),
            (f"What does the person in {city} do?", job, jobs),
        )
    )
    return {
        "passage": passage,
        "question": question,
        "choices": draw.shuffled(choices),
        "answer": answer,
    }


def to_fields(record: Record) -> Fields:
    """Gives the text, the question and the options."""
    return {
        "text": record["passage"],
        "question": record["question"],
        "options": tuple(record["choices"]),
        "answer": record["answer"],
    }


TASK = Task(
    name="mini_homes",
    version=1,
    source=GrammarSource(name="mini_homes", make=make, topic=("passage",)),
    to_fields=to_fields,
    fields=("text", "question", "options", "answer"),
    templates=(
        Template("{text} {question}\n{options}"),
        Template("Use the text to answer.\nText: {text}\n{question}\n{options}"),
        Template("{question}\n{text}\nWhich of these is it?\n{options}"),
        Template("Keep this in mind: {text} Good. {question} Answer in one word."),
        Template("From the town newspaper: {text}\nReader's question: {question}\n{options}"),
        Template("{options}\nOnly one of those answers the question. {question}\n{text}"),
        Template("A stranger wants to know this. {question} Help out with what you know. {text}"),
        Template("Two people, described in brief. {text}\n{question}\n{options}"),
        Template("Your notes say: {text}\nNow the quiz begins. {question}\n{options}"),
        Template(
            '{text}\nThe quiz master accepts "{answer}" as the solution. What was the question?',
            "{question}",
            inverted=True,
        ),
    ),
    mode="rank",
    metrics=("accuracy",),
    license="Apache-2.0",
    citation="flanjax, generated",
)
