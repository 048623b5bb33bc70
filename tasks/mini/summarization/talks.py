"""A short talk to the plan that comes out of it."""

from __future__ import annotations

from typing import NamedTuple

from flanjax.data.task import Fields, Record, Task, Template
from flanjax.tasks.mini import world
from flanjax.tasks.mini.source import Draw, GrammarSource

_HOURS = (*world.NUMBERS[:10], "noon")

_SPOTS = (
    "at the cinema", "at the harbour", "at the market", "at the pool", "at the station",
    "by the bridge", "by the fountain", "by the lake", "in the library", "in the park",
)  # fmt: skip
_DISHES = tuple(food for food in world.FOODS if food not in ("honey", "omelette"))


class _Plan(NamedTuple):
    """What two people may agree to do.

    Attributes:
      firsts: What {first} may be.
      seconds: What {second} may be.
      offers: Ways to propose it; {friend} is somebody else.
      counters: To put another first, or another second, in its place.
      summaries: What they will do, as a predicate.
    """

    firsts: tuple[str, ...]
    seconds: tuple[str, ...]
    offers: tuple[str, ...]
    counters: tuple[str, str]
    summary: str


_PLANS = (
    _Plan(
        _SPOTS,
        _HOURS,
        ("Shall we meet {first} at {second}?", "Can you be {first} at {second}?"),
        ("Why not {first}?", "Could we make it {second}?"),
        "meet {first} at {second}",
    ),
    _Plan(
        _DISHES,
        world.DAYS,
        ("Let us make {first} on {second}.", "Will you make {first} with me on {second}?"),
        ("Why not {first}?", "Could we make it {second}?"),
        "make {first} on {second}",
    ),
    _Plan(
        world.CITIES,
        world.DAYS,
        ("Let us go to {first} on {second}.", "How about a trip to {first} on {second}?"),
        ("Why not {first}?", "Could we make it {second}?"),
        "go to {first} on {second}",
    ),
    _Plan(
        world.COLOURS,
        world.THINGS,
        ("Let us buy {friend} {a_first} {second}.", "Shall we get {friend} {a_first} {second}?"),
        ("Why not {a_first} one?", "Could it be a {second} of that colour?"),
        "buy {friend} {a_first} {second}",
    ),
)

_GLAD = ("With pleasure.", "Count me in.", "That suits me well.")
_YES = ("Fine by me.", "Good idea.", "Even better.", "That works too.")
_NO = ("I had rather not.", "Please, no.", "I am afraid not.", "That is no good.")
_YIELDS = ("Then as you said.", "Your way, then.", "You win.", "All right, as you like.")


def _filled(text: str, choice: tuple[str, str], friend: str) -> str:
    first, second = choice
    a_first = world.with_article(first)
    return text.format(first=first, second=second, a_first=a_first, friend=friend)


def make(draw: Draw) -> Record:
    """Writes an offer, perhaps a counter-offer, and who gives in.

    A counter-offer changes one half of the plan, and wins as often as it fails: neither what is
    said first nor what is said last is the outcome in more than three talks of five.
    """
    one, other, friend = draw.sample(world.NAMES, 3)
    plan = draw.choice(_PLANS)
    firsts, seconds = draw.sample(plan.firsts, 2), draw.sample(plan.seconds, 2)
    choice = firsts[0], seconds[0]
    lines = [f"{one}: {_filled(draw.choice(plan.offers), choice, friend)}"]
    ending = draw.choice(("agreed", "changed", "changed", "kept", "kept"))
    if ending == "agreed":
        lines.append(f"{other}: {draw.choice(_GLAD)}")
    else:
        half = draw.below(2)
        changed = (firsts[1], seconds[0]) if half == 0 else (firsts[0], seconds[1])
        lines.append(f"{other}: {_filled(plan.counters[half], changed, friend)}")
        if ending == "changed":
            choice = changed
            lines.append(f"{one}: {draw.choice(_YES)}")
        else:
            lines += [f"{one}: {draw.choice(_NO)}", f"{other}: {draw.choice(_YIELDS)}"]
    return {
        "dialogue": "\n".join(lines),
        "people": [one, other],
        "pair": world.listed(sorted((one, other))),
        "plan": _filled(plan.summary, choice, friend),
    }


def to_fields(record: Record) -> Fields:
    """Gives the talk and what the two will do."""
    (one, other), plan = record["people"], record["plan"]
    summary = f"{one} and {other} will {plan}."
    return {
        "dialogue": record["dialogue"],
        "answer": summary,
        "references": (summary, f"{other} and {one} will {plan}.", f"They will {plan}."),
    }


TASK = Task(
    name="mini_talks",
    version=1,
    source=GrammarSource(name="mini_talks", make=make, topic=("pair", "plan")),
    to_fields=to_fields,
    fields=("dialogue", "answer", "references"),
    templates=(
        Template("{dialogue}\nWhat did the two settle on?"),
        Template("Eavesdrop a little.\n{dialogue}\nWhich plan came of it?"),
        Template("Minutes of a meeting of two. Record the outcome only.\n{dialogue}"),
        Template("So what are they going to do in the end?\n{dialogue}"),
        Template("{dialogue}\nTheir bargain, in a nutshell:"),
        Template("Conversation:\n{dialogue}\nAgreement:"),
        Template("Put the joint plan on a sticky note for both speakers.\n{dialogue}"),
        Template(
            "You overheard this on a tram. Tell whoever sits beside you what was arranged.\n"
            "{dialogue}"
        ),
        Template("{dialogue}\nMind who gives in, if anyone, and report the result."),
        Template("Once they have spoken, one thing is certain. Namely?\n{dialogue}"),
    ),
    mode="generate",
    metrics=("rouge",),
    license="Apache-2.0",
    citation="flanjax, generated",
)
