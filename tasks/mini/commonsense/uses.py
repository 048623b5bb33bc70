"""Who needs or does it at work, and what does a worker need or do?"""

from __future__ import annotations

from collections.abc import Mapping

from flanjax.data.task import Fields, Record, Task, Template
from flanjax.tasks.mini import world
from flanjax.tasks.mini.source import Draw, GrammarSource

_FIELDS = (
    ("actor", "singer"), ("artist", "painter", "potter"), ("baker", "cook", "waiter"),
    ("barber",), ("dentist", "doctor", "nurse"), ("editor", "teacher", "writer"), ("farmer",),
    ("judge", "lawyer"), ("miner",), ("pilot", "sailor"), ("plumber",), ("tailor", "weaver"),
)  # fmt: skip
"""Jobs that share needs and doings stand together, and never among the same options."""

_NEEDS: Mapping[str, tuple[str, ...]] = {
    "actor": ("a stage", "a dressing room", "a costume", "applause", "a false moustache"),
    "artist": ("a sketchbook", "an easel", "a gallery", "charcoal sticks", "a block of marble"),
    "baker": ("a hot oven", "sacks of flour", "fresh yeast", "a rolling pin", "a tray for buns"),
    "barber": ("a razor", "a comb", "shaving foam", "hair clippers", "lotion for beards"),
    "cook": ("a frying pan", "a soup ladle", "a hot stove", "pepper and oil", "a potato peeler"),
    "dentist": (
        "a mirror for mouths",
        "fillings for molars",
        "a probe for gums",
        "tooth X-rays",
        "false teeth",
    ),
    "doctor": ("a stethoscope", "a hospital", "a list of symptoms", "blood tests", "patients"),
    "editor": ("drafts to correct", "a headline", "page proofs", "news articles", "manuscripts"),
    "farmer": ("a tractor", "a barn", "seed for the fields", "a pitchfork", "a flock of sheep"),
    "judge": ("a gavel", "a courtroom", "a jury", "proof of guilt", "a book of laws"),
    "lawyer": (
        "a client to defend",
        "a law degree",
        "a witness",
        "a contract to draft",
        "a brief to study",
    ),
    "miner": ("a pickaxe", "a lamp on a helmet", "dynamite", "carts for ore", "tunnel props"),
    "nurse": ("bandages", "a fever chart", "a syringe", "a ward of sick people", "cough syrup"),
    "painter": ("wide brushes", "a roller for walls", "wood varnish", "wall primer", "turpentine"),
    "pilot": ("a cockpit", "a clear runway", "a control tower", "a flight plan", "an aeroplane"),
    "plumber": ("a pipe wrench", "spare taps", "a plunger", "copper pipes", "drain cleaner"),
    "potter": ("wet clay", "a kiln", "a glaze for jugs", "a wheel for clay", "moulds for mugs"),
    "sailor": ("an anchor", "a harbour", "a mast", "a life jacket", "a sea chart"),
    "singer": ("a microphone", "a choir", "songs", "a fine voice", "a good ear for tunes"),
    "tailor": ("a sewing machine", "pins for hems", "spare buttons", "a thimble", "suit patterns"),
    "teacher": ("a blackboard", "a class", "exercise books", "a school bell", "a lesson plan"),
    "waiter": ("hungry guests", "a corkscrew", "menus", "tables to serve", "a tray for drinks"),
    "weaver": ("a loom", "a shuttle", "yarn on bobbins", "a rug pattern", "balls of wool"),
    "writer": (
        "a plot for a tale",
        "a literary agent",
        "a publisher",
        "readers",
        "ideas for a novel",
    ),
}
_DEEDS: Mapping[str, tuple[str, ...]] = {
    "actor": ("rehearse a scene", "play a villain", "bow to the audience", "learn lines by heart",
              "pretend to be a king"),
    "artist": ("draw a portrait", "carve a statue", "exhibit pictures", "sketch a landscape",
               "mix colours on a palette"),
    "baker": ("knead dough", "shape loaves at dawn", "ice a birthday cake", "get up to make rolls",
              "sell warm buns"),
    "barber": ("trim a beard", "shave a chin", "cut hair", "trim a fringe of hair",
               "sweep up curls"),
    "cook": ("fry onions", "taste the sauce", "chop vegetables", "simmer a stew", "peel potatoes"),
    "dentist": ("fill a cavity", "pull a rotten tooth", "fit braces on teeth", "clean teeth",
                "check gums"),
    "doctor": ("listen to a heart", "prescribe pills", "treat a fever", "set a broken leg",
               "operate on a patient"),
    "editor": ("shorten an article", "correct a draft", "choose a headline", "cut a long chapter",
               "print corrections"),
    "farmer": ("milk cows", "plough a field", "feed the pigs", "bring in the harvest", "sow wheat"),
    "judge": ("decide a trial", "hear both sides", "send a thief to prison", "instruct a jury",
              "call for order in court"),
    "lawyer": ("defend the accused", "question a witness", "draw up a contract", "plead in court",
               "prepare a lawsuit"),
    "miner": ("dig for coal", "blast a tunnel", "work underground", "load ore onto carts",
              "hew rock in the dark"),
    "nurse": ("change a bandage", "take a temperature", "care for the sick", "give an injection",
              "look after a ward"),
    "painter": ("coat a wall", "varnish window frames", "prime a ceiling", "whitewash a house",
                "redo a fence in green"),
    "pilot": ("land a plane", "fly over mountains", "take off in fog", "taxi to the runway",
              "climb above the clouds"),
    "plumber": ("fix a dripping tap", "unblock a drain", "join water pipes", "install a bath",
                "repair a toilet"),
    "potter": ("mould a jug", "fire bowls in a kiln", "glaze mugs", "shape wet clay",
               "turn a vase on a wheel"),
    "sailor": ("scrub the deck", "climb the mast", "drop anchor", "cross the ocean in a ship",
               "row ashore"),
    "singer": ("practise scales", "perform an aria", "join in a duet", "hit a high note",
               "hum a new tune"),
    "tailor": ("shorten trousers", "sew a suit", "take in a waistcoat", "let out a hem",
               "measure sleeves"),
    "teacher": ("explain fractions", "mark homework", "set an exam", "quieten a noisy class",
                "help pupils read"),
    "waiter": ("take orders at tables", "recommend a wine", "bring the bill", "serve the soup",
               "show guests to a table"),
    "weaver": ("set up a loom", "wind yarn on bobbins", "pass a shuttle to and fro", "make a rug",
               "turn threads into cloth"),
    "writer": ("invent a plot", "finish a chapter", "begin a novel", "make up a hero",
               "sign copies of a book"),
}  # fmt: skip

_COLUMNS = ("black", "blue", "red", "white", "yellow")
"""Names of the columns of both tables; their hash gives the test a column of each."""

_ASKED = {
    ("need", "job"): (
        "Which worker cannot do without {it}?",
        "{name} counts on {it} every working day. Which job is that?",
        "In which job would {name} have most use for {it}?",
    ),
    ("deed", "job"): (
        "Who gets paid to {it}?",
        "At work {name} has to {it}. Which job is that?",
        "In which job might {name} have to {it}?",
    ),
    ("need", "thing"): (
        "What must {a_job} have for the day's work?",
        "{name}, {a_job}, has to do without something needed at work. What?",
        "Which of these helps {a_job} most?",
    ),
    ("deed", "thing"): (
        "What does {a_job} get paid to do?",
        "{name}, {a_job}, is hard at work. What might the task be?",
        "What belongs to the duties of {a_job}?",
    ),
}
"""What is told of a job, and which of the two is asked for -> questions."""


def make(draw: Draw) -> Record:
    """Draws three jobs of different fields, and asks about any one of them.

    What is told stands in the same column of the tables for all three, and a
    column in one split: an option is as often right as any other in each.
    """
    told = draw.choice(("need", "deed"))
    table = _NEEDS if told == "need" else _DEEDS
    column = draw.below(len(_COLUMNS))
    jobs = [draw.choice(field) for field in draw.sample(_FIELDS, 3)]
    job = draw.choice(jobs)
    wanted = draw.choice(("job", "thing"))
    question = draw.choice(_ASKED[told, wanted]).format(
        it=table[job][column], a_job=world.with_article(job), name=draw.choice(world.NAMES)
    )
    return {
        "told": told,
        "column": _COLUMNS[column],
        "question": question,
        "choices": [each if wanted == "job" else table[each][column] for each in jobs],
        "answer": job if wanted == "job" else table[job][column],
    }


def to_fields(record: Record) -> Fields:
    """Gives the question and the options."""
    return {
        "question": record["question"],
        "options": tuple(record["choices"]),
        "answer": record["answer"],
    }


TASK = Task(
    name="mini_uses",
    version=1,
    source=GrammarSource(name="mini_uses", make=make, topic=("told", "column")),
    to_fields=to_fields,
    fields=("question", "options", "answer"),
    templates=(
        Template("{question}\nGo by what everybody knows about work.\n{options}"),
        Template("Think of people at their work. {question}\n{options}"),
        Template("{options}\n{question} Select what is likeliest."),
        Template(
            "A child asks at the job fair: {question}\nWhat do you tell the child?\n{options}"
        ),
        Template("Common sense will do here.\n{question}\n{options}"),
        Template("Careers quiz, easy round.\n{options}\nFrom that list: {question}"),
        Template('"{question}" was on the card. Name what suits a working day best.\n{options}'),
        Template("Guess sensibly! {question}\nYou may say:\n{options}"),
        Template(
            "Nobody told you, yet you can work it out. {question}\nThree guesses lie ready.\n"
            "{options}"
        ),
        Template("Riddle of trades and tools: {question}\nNo trick in it!\n{options}"),
    ),
    mode="rank",
    metrics=("accuracy",),
    license="Apache-2.0",
    citation="flanjax, generated",
)
