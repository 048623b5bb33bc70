"""What is meant by "the former", "the other one", "a blue one", "so did"?"""

from __future__ import annotations

from flanjax.data.task import Fields, Record, Task, Template
from flanjax.tasks.mini import world
from flanjax.tasks.mini.source import Draw, GrammarSource

_PLACES = ("by the window", "in the attic", "in the hall", "on the shelf", "under the table")

_RANKS = (("the former", "the latter"), ("the first", "the second"))

_LIKINGS = (
    ("loves", "does", "love"),
    ("ordered", "did", "order"),
    ("picked", "did", "pick"),
    ("tried", "did", "try"),
)
"""What people do, its auxiliary verb, and how to ask about it."""

_Parts = tuple[str, str, str, tuple[str, str]]
"""Text, question, answer, and both options in the order in which the text tells of them."""


def _shared_out(draw: Draw, place: int) -> _Parts:
    """Two things, told by rank or as "the other one", go to two people."""
    thing, (p, q) = draw.choice(world.THINGS), draw.sample(world.NAMES, 2)
    colours = draw.sample(world.COLOURS, 2)
    items = (f"the {colours[0]} {thing}", f"the {colours[1]} {thing}")
    listed = " and ".join(world.with_article(item.removeprefix("the ")) for item in items)
    intro = world.sentence(f"{listed} were left {draw.choice(_PLACES)}")
    ranks = draw.choice(_RANKS)
    mine, theirs = ranks[place], ranks[1 - place]
    named = f"the {colours[1 - place]} one"
    deal = draw.choice(
        (
            f"{p} took {mine}, {q} {theirs}.",
            f"{q} took {theirs}, {p} {mine}.",
            f"{q} took {named}, {p} the other.",
            f"{p} put {theirs} back and kept the other.",
        )
    )
    question = f"Which {thing} went to {p}?"
    return f"{intro} {deal}", question, items[place], items


def _two_guests(draw: Draw, place: int) -> _Parts:
    """Two people are told by rank; asked is who had what, or what one had."""
    people = (*draw.sample(world.NAMES, 2),)
    foods = [f"the {food}" for food in draw.sample(world.FOODS, 2)]
    ranks = draw.choice(_RANKS)
    verb, base = draw.choice((("brought", "bring"), ("chose", "choose"), ("tasted", "taste")))
    intro = f"{people[0]} and {people[1]} were guests in {draw.choice(world.CITIES)}."
    turn = draw.below(2)
    told = (
        f"{world.sentence(f'{ranks[turn]} {verb} {foods[0]}')[:-1]}, {ranks[1 - turn]} {foods[1]}."
    )
    if draw.below(2):
        food = foods[0] if place == turn else foods[1]
        return f"{intro} {told}", f"Who {verb} {food}?", people[place], (people[0], people[1])
    person = people[turn] if place == 0 else people[1 - turn]
    question = f"What did {person} {base}?"
    return f"{intro} {told}", question, foods[place], (foods[0], foods[1])


def _blue_one(draw: Draw, place: int) -> _Parts:
    """Somebody has "a blue one" of what was named in the same breath."""
    p, q, r = draw.sample(world.NAMES, 3)
    thing, other = draw.sample(world.THINGS, 2)
    colours = [world.with_article(colour) for colour in draw.sample(world.COLOURS, 3)]
    pair = f"{p} bought {colours[0]} {thing} and {q} {colours[1]} one"
    lone = f"{r} bought {colours[2]} {other}"
    text = f"{pair}, but {lone}." if place == 0 else f"{lone}, but {pair}."
    mine, wrong = f"{colours[1]} {thing}", f"{colours[1]} {other}"
    options = (mine, wrong) if place == 0 else (wrong, mine)
    return text, f"What did {q} buy?", mine, options


def _so_did(draw: Draw, place: int) -> _Parts:
    """Somebody joins the one of two people who was named last."""
    p, q, r = draw.sample(world.NAMES, 3)
    foods = [f"the {food}" for food in draw.sample(world.FOODS, 2)]
    verb, does, base = draw.choice(_LIKINGS)
    joins = draw.choice((f"and so {does} {q}", f"just as {q} {does}"))
    first, second = f"{p} {verb} {foods[0]}", f"{r} {verb} {foods[1]}"
    text = f"{first}, {joins}, but {second}." if place == 0 else f"{first}, but {second}, {joins}."
    return text, f"What {does} {q} {base}?", foods[place], (foods[0], foods[1])


def make(draw: Draw) -> Record:
    """Writes a text with a stand-in for one of two things, or two people.

    Which of the two is meant, the one that the text tells of first or the
    other, is drawn first. "The former" and "the latter" come together, or the
    one that is named is the one not meant; and either may be said first.
    """
    place = draw.below(2)
    write = draw.choice((_shared_out, _two_guests, _blue_one, _so_did))
    text, question, answer, options = write(draw, place)
    return {
        "text": text,
        "question": question,
        "choices": Draw(text, question).shuffled(options),
        "answer": answer,
    }


def to_fields(record: Record) -> Fields:
    """Gives the text, the question and both options."""
    return {
        "story": record["text"],
        "question": record["question"],
        "options": tuple(record["choices"]),
        "answer": record["answer"],
    }


TASK = Task(
    name="mini_ones",
    version=1,
    source=GrammarSource(name="mini_ones", make=make, topic=("text",)),
    to_fields=to_fields,
    fields=("story", "question", "options", "answer"),
    templates=(
        Template("{story}\n{question}\n{options}"),
        Template("{question} Fill in what was left unsaid.\n{story}\n{options}"),
        Template("{options}\n{story} One thing remains: {question}"),
        Template("To save words, it was told like so: {story} In full, please: {question}"),
        Template("Telegram: {story} Reader, puzzled: {question}\n{options}"),
        Template("Riddle of the day.\n{story}\n{question}\n{options}"),
        Template("{question} Work it out from here: {story}"),
        Template("Brief speech, sharp ears! {story} {question}\n{options}"),
        Template("{story} You heard it once only. {question}\n{options}"),
        Template(
            '{story}\nMake up a question to which the answer is "{answer}".',
            "{question}",
            inverted=True,
        ),
    ),
    mode="rank",
    metrics=("accuracy",),
    license="Apache-2.0",
    citation="flanjax, generated",
)
