"""What comes next? Everyday routines, step by step."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Mapping

from flanjax.data.task import Fields, Record, Task, Template
from flanjax.tasks.mini import world
from flanjax.tasks.mini.source import Draw, GrammarSource

_ROUTINES: Mapping[str, str] = {
    "baking bread": "weigh the flour; stir in water and yeast; knead the dough; let the dough rise;"
    " form a loaf; push the loaf into the oven; take out the hot loaf; butter a slice",
    "posting a letter": "find a sheet of paper; write the letter; sign and fold it;"
    " slip it into an envelope; lick the envelope shut; stick on a stamp; walk to the post box;"
    " drop the envelope in",
    "washing a coat": "empty the pockets; put the coat in the machine; add soap powder;"
    " press the start button; wait for the last spin; hang up the wet coat; iron the dry coat;"
    " hang the coat in the wardrobe",
    "making tea": "fill the kettle; bring the water to the boil; pour it over the leaves;"
    " let the leaves soak; strain the tea into a cup; stir in sugar; drink up; rinse the empty cup",
    "growing tomatoes": "fill a pot with soil; press the seeds in; wait for the first shoots;"
    " plant the shoots outside; tie the tall stems to sticks; see the flowers open;"
    " watch the fruit turn red; pick the ripe fruit",
    "catching a train": "look up the timetable; go to the station; buy a ticket;"
    " find the platform; see the train pull in; climb aboard; look for a seat;"
    " get off at the last stop",
    "borrowing a book": "enter the library; search the catalogue; go to the right shelf;"
    " pull out the book; take the book to the desk; have the loan stamped; read it at home;"
    " bring it back in time",
    "painting a wall": "clear the room; cover the floor with sheets; open the tin of paint;"
    " dip in the roller; roll on the first coat; let the first coat dry; roll on a second coat;"
    " carry the furniture back in",
    "changing a bulb": "notice that the lamp is dark; switch off the power; climb the ladder;"
    " unscrew the old bulb; screw in the new bulb; climb down again; switch on the power;"
    " enjoy the light",
    "having a haircut": "ring up the barber; enter the shop; sit down in the chair;"
    " have the hair washed; have the wet hair cut; look in the mirror; pay at the till;"
    " go home with short hair",
    "sewing on a button": "find a matching button; cut off some thread; thread the needle;"
    " knot the end; sew the button on; snip off the rest; put the needle away; button up the shirt",
    "making a fire": "gather twigs in the wood; stack the twigs in the hearth; strike a match;"
    " light the twigs; lay a log on the flames; warm both hands; let the fire go out;"
    " rake out the ashes",
    "fishing": "dig up a worm; put the worm on the hook; cast the line; wait for a bite;"
    " reel in the line; take the fish home; fry the fish; pick out the bones",
    "making an omelette": "buy some eggs; crack the eggs; beat the eggs with a fork;"
    " pour the eggs into the hot pan; wait until the bottom is firm; fold it over;"
    " slide it onto a plate; eat it while hot",
    "brushing teeth": "wet the brush; squeeze on toothpaste; scrub every tooth; spit out the foam;"
    " rinse the mouth; wipe the lips dry; leave the bathroom",
    "mending a tyre": "get off the bike; take off the wheel; pull out the inner tube;"
    " look for the hole; glue on a patch; put the tube back in; pump it up; ride on",
    "giving a present": "choose a gift in a shop; pay for the gift; wrap it at home;"
    " tie a ribbon round it; take it to the party; hand it over; watch it being unwrapped;"
    " be thanked for it",
    "seeing a film": "read what is on; travel to the cinema; buy a ticket; find the seat;"
    " watch the lights go down; follow the story; see the names roll by; walk out again",
    "taking a bath": "put in the plug; run the hot water; test the water with a toe; get in;"
    " soap yourself; get out; dry off with a towel; put on pyjamas",
    "flying abroad": "pack the suitcase; drive to the airport; hand in the suitcase;"
    " go to the gate; board the plane; fasten the seat belt; land abroad; pick up the suitcase",
    "eating out": "reserve a table; go to the restaurant; read the menu; order a meal;"
    " eat the meal; ask for the bill; leave a tip; stroll home",
    "seeing a dentist": "get a toothache; make an appointment; sit in the waiting room;"
    " be called in; open the mouth wide; have the tooth filled; rinse out the mouth;"
    " go home without pain",
    "making jam": "pick ripe berries; rinse the berries; boil them with sugar; fill the jars;"
    " screw on the lids; write the labels; put the jars in the cellar; open a jar in winter",
    "walking the dog": "fetch the lead; clip the lead to the collar; leave the house;"
    " reach the park; let the dog loose; whistle the dog back; go home together;"
    " fill the dog's bowl",
    "washing up": "clear the table; fill the sink; scrub the plates; rinse off the foam;"
    " dry the plates; stack the dry plates; shut the cupboard",
    "making a clay cup": "knead the clay; set it on the wheel; shape the cup; let the cup dry;"
    " fire it in the kiln; take it from the kiln; sell it at the market",
    "putting up a shelf": "measure the wall; mark the holes; drill the holes; push in the plugs;"
    " screw on the brackets; lay the board on them; load it with books; read one of the books",
    "camping": "pack the rucksack; hike to the lake; choose flat ground; put up the tent;"
    " crawl into the sleeping bag; sleep till morning; take down the tent; hike home",
    "growing wheat": "plough the field; sow the seed; wait for summer; cut the ripe ears;"
    " thresh out the grain; cart the grain to the mill; grind it to flour; sell the flour",
    "sitting an exam": "study for weeks; enter the exam hall; read the questions;"
    " write down the answers; hand in the paper; wait for the marks; celebrate the result",
    "polishing shoes": "take off the shoes; brush off the mud; open the tin of polish;"
    " rub in the polish; buff the leather; put the tin away; lace up the shoes; go out in them",
    "planting a tree": "buy a young tree; dig a hole; lower the roots into it;"
    " shovel the earth back; water the young tree; watch it grow for years; sit in its shade",
    "voting": "walk to the polling station; show a card at the desk; take the ballot paper;"
    " go into the booth; mark a cross; fold the ballot paper; drop it into the box;"
    " hear who has won",
    "phoning a friend": "look up the number; pick up the phone; dial the number;"
    " wait while it rings; say hello; chat for a while; say goodbye; hang up",
    "buying shoes": "enter the shoe shop; choose a pair; try the pair on; walk up and down in them;"
    " take them to the till; pay for them; carry the shoe box home",
    "going sailing": "step into the boat; untie the rope; hoist the sail; leave the harbour;"
    " reach the open sea; turn back at dusk; enter the harbour; tie up the boat",
}
"""What is done -> its steps in order; each follows from those before it."""

_NUM_OPTIONS = 3


@functools.cache
def _steps(routine: str) -> tuple[str, ...]:
    return tuple(step.strip() for step in _ROUTINES[routine].split(";"))


@functools.cache
def _option_sets(num_steps: int) -> tuple[tuple[int, ...], ...]:
    """Returns sets of steps, without the first, none of which follows another."""
    return tuple(
        places
        for places in itertools.combinations(range(1, num_steps), _NUM_OPTIONS)
        if all(b - a > 1 for a, b in itertools.pairwise(places))
    )


def make(draw: Draw) -> Record:
    """Draws three steps of a routine, and asks for any of them by the one before.

    The first step, which is never right, is no option; nor is a step that is
    told. A routine stands in one split with all its steps.
    """
    routine = draw.choice(tuple(_ROUTINES))
    steps = _steps(routine)
    options = draw.shuffled(draw.choice(_option_sets(len(steps))))
    right = draw.choice(options)
    return {
        "routine": routine,
        "name": draw.choice(world.NAMES),
        "done": steps[right - 1],
        "choices": [steps[place] for place in options],
        "answer": steps[right],
    }


def to_fields(record: Record) -> Fields:
    """Gives the routine, who is at it, the step just done, and the options."""
    return {
        "routine": record["routine"],
        "title": record["routine"].capitalize(),
        "name": record["name"],
        "done": record["done"],
        "options": tuple(record["choices"]),
        "answer": record["answer"],
    }


TASK = Task(
    name="mini_routines",
    version=1,
    source=GrammarSource(name="mini_routines", make=make, topic=("routine",)),
    to_fields=to_fields,
    fields=("routine", "title", "name", "done", "options", "answer"),
    templates=(
        Template('{name} is busy {routine}. Just done: "{done}". And now?\n{options}'),
        Template("{title}\nThe step right after: {done}\n{options}"),
        Template('When {routine}, what follows "{done}"?\n{options}'),
        Template("{options}\nAll are part of {routine}. Which is due after this one: {done}"),
        Template(
            "{name}: I am {routine} and have got as far as this: {done}\n"
            "You: Then go on.\n{options}"
        ),
        Template("How-to, {routine}. Step n: {done}\nStep n + 1:\n{options}"),
        Template('On the list for {routine}, "{done}" is ticked. What is next in line?\n{options}'),
        Template(
            '"{title}" says the leaflet in front of {name}.\nFinished: {done}\nDue:\n{options}'
        ),
        Template('{options}\n{name}, new to {routine}, asks what to do once "{done}" is over.'),
        Template(
            "In the course of {routine}, which step leads straight to this one: {answer}",
            "{done}",
            inverted=True,
        ),
    ),
    mode="rank",
    metrics=("accuracy",),
    license="Apache-2.0",
    citation="flanjax, generated",
)
