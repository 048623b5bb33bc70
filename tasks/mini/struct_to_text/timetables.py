"""A row of a timetable to the sentence that announces it."""

from __future__ import annotations

from flanjax.data.task import Fields, Record, Task, Template
from flanjax.tasks.mini import world
from flanjax.tasks.mini.source import Draw, GrammarSource

_VEHICLES = ("bus", "coach", "train")

_MINUTES = ("05", "10", "15", "20", "25", "30", "35", "40", "45", "50", "55")

_EXTRAS = (
    ("from", "day"),
    ("from", "time"),
    ("from", "platform"),
    ("from", "day", "time"),
    ("from", "time", "platform"),
    ("day", "platform"),
    ("time", "platform"),
    ("day", "time", "platform"),
)
"""What a row tells besides the vehicle and where it goes."""


def make(draw: Draw) -> Record:
    """Draws a departure; what the row lacks is None."""
    start, goal = draw.sample(world.CITIES, 2)
    row = {
        "vehicle": draw.choice(_VEHICLES),
        "from": start,
        "to": goal,
        "day": draw.choice(world.DAYS),
        "time": f"{1 + draw.below(12)}:{draw.choice(_MINUTES)}",
        "platform": str(1 + draw.below(9)),
    }
    told = ("vehicle", "to", *draw.choice(_EXTRAS))
    return {key: value if key in told else None for key, value in row.items()}


def _where_first(record: Record) -> str:
    """Returns, say, "The bus leaves Oslo for Rome at 7:30 on Friday."."""
    vehicle, start, goal = record["vehicle"], record["from"], record["to"]
    clause = f"the {vehicle} leaves {start} for {goal}" if start else f"the {vehicle} to {goal}"
    platform = f" from platform {record['platform']}" if record["platform"] else ""
    if not start:
        clause, platform = f"{clause} leaves{platform.removeprefix(' from')}", ""
    clause += f" at {record['time']}" if record["time"] else ""
    clause += f" on {record['day']}" if record["day"] else ""
    return world.sentence(clause + platform)


def _when_first(record: Record) -> str:
    """Returns, say, "On Friday at 7:30 a bus goes from Oslo to Rome."."""
    when = [f"on {record['day']}"] if record["day"] else []
    when += [f"at {record['time']}"] if record["time"] else []
    clause = " ".join([*when, f"a {record['vehicle']}"])
    platform = f"platform {record['platform']}" if record["platform"] else ""
    if not record["from"]:
        return world.sentence(f"{clause} leaves {platform} for {record['to']}")
    start = f"{platform} in {record['from']}" if platform else record["from"]
    return world.sentence(f"{clause} goes from {start} to {record['to']}")


def to_fields(record: Record) -> Fields:
    """Gives the row as `key: value` pairs and two ways to announce it."""
    told = [f"{key}: {value}" for key, value in record.items() if value is not None]
    announced = _where_first(record), _when_first(record)
    return {
        "row": "; ".join(told),
        "vehicle": record["vehicle"],
        "to": record["to"],
        "answer": announced[0],
        "references": announced,
    }


TASK = Task(
    name="mini_timetables",
    version=1,
    source=GrammarSource(
        name="mini_timetables",
        make=make,
        topic=("vehicle", "from", "to", "day", "time", "platform"),
    ),
    to_fields=to_fields,
    fields=("row", "vehicle", "to", "answer", "references"),
    templates=(
        Template("{row}\nAnnounce this departure."),
        Template("Timetable: {row}\nAnnouncement:"),
        Template("You are the voice of the station. The screen shows ({row}) and you speak:"),
        Template("A passenger cannot make sense of tables. Explain this one: {row}"),
        Template("Spell out the row below, with all of its data and no more.\n{row}"),
        Template("Departures board: {row}\nYour text message to a friend who travels:"),
        Template("Asked about a {vehicle} to {to}, what do you reply? The table has {row}"),
        Template("Columns into running text, if you please. {row}"),
        Template("{row}\nHow would a conductor phrase that?"),
        Template("{answer}\nTo which city will it take you?", "{to}", inverted=True),
    ),
    mode="generate",
    metrics=("rouge",),
    license="Apache-2.0",
    citation="flanjax, generated",
)
