"""Whom does "he" or "she" mean? The deed and its reason tell."""

from __future__ import annotations

from typing import NamedTuple

from flanjax.data.task import Fields, Record, Task, Template
from flanjax.tasks.mini import world
from flanjax.tasks.mini.source import Draw, GrammarSource

_NAMES = {
    "she": (
        "Ada", "Ana", "Cleo", "Dora", "Elif", "Eva", "Gita", "Hana", "Ida", "Ines",
        "Lena", "Mara", "Mei", "Nina", "Pia", "Rosa", "Tara",
    ),
    "he": (
        "Ali", "Ben", "Carl", "Dan", "Emil", "Finn", "Hugo", "Ivan", "Kofi", "Leo",
        "Milo", "Omar", "Otto", "Raj",
    ),
}  # fmt: skip
"""Names from the world that are nearly always a woman's or a man's."""


class _Deed(NamedTuple):
    """What one person did to another, and what followed or led to it.

    Attributes:
      verb: Past tense and participle in one.
      doer: What is then said of who did it.
      other: What is then said of the one it was done to.
    """

    verb: str
    doer: tuple[str, ...]
    other: tuple[str, ...]


_DEEDS = (
    _Deed(
        "thanked",
        ("because {} felt deeply grateful", "because {} had been given a present"),
        ("because {} had lent a hand", "because {} had offered good advice"),
    ),
    _Deed(
        "helped",
        ("because {} had time to spare", "because {} loved to be of use"),
        ("because {} was in trouble", "because {} could not manage alone"),
    ),
    _Deed(
        "scolded",
        ("because {} had lost all patience", "because {} was strict with everybody"),
        ("because {} had been rude", "because {} had told a lie"),
    ),
    _Deed(
        "comforted",
        ("because {} hated to see tears", "because {} felt pity"),
        ("because {} was crying", "because {} had received sad news"),
    ),
    _Deed(
        "envied",
        ("because {} had never been so lucky", "because {} longed for the same success"),
        ("because {} had won the big prize", "because {} owned a castle"),
    ),
    _Deed(
        "feared",
        ("because {} was easily frightened", "because {} was timid by nature"),
        ("because {} had a violent temper", "because {} was known to be cruel"),
    ),
    _Deed(
        "hired",
        ("because {} needed an assistant", "because {} could not run the shop alone"),
        ("because {} had all the right skills", "because {} was asking for low wages"),
    ),
    _Deed(
        "dismissed",
        ("because {} could no longer pay wages", "because {} wanted to close the shop"),
        ("because {} had stolen from the till", "because {} came late to work every day"),
    ),
    _Deed(
        "paid",
        ("because {} owed the money", "because {} had ordered the work"),
        ("because {} had finished the work", "because {} had sent a bill"),
    ),
    _Deed(
        "rescued",
        ("because {} was a lifeguard", "so {} was called a hero"),
        ("because {} was about to drown", "so {} did not drown after all"),
    ),
    _Deed(
        "forgave",
        ("because {} never held a grudge", "because {} was too kind to stay angry"),
        ("because {} had said sorry", "because {} had not done it on purpose"),
    ),
    _Deed(
        "consulted",
        ("because {} needed advice", "because {} did not know what to do"),
        ("because {} was an expert", "because {} always had good answers"),
    ),
    _Deed(
        "avoided",
        ("because {} wanted to be left alone", "because {} was too shy to talk"),
        ("because {} talked without end", "because {} told the same joke all day"),
    ),
    _Deed(
        "carried",
        ("because {} was the stronger one", "so {} soon had an aching back"),
        ("because {} had a broken leg", "because {} was too weak to walk"),
    ),
    _Deed(
        "fed",
        ("because {} had cooked far too much", "because {} had food to share"),
        ("because {} was very hungry", "so {} was hungry no longer"),
    ),
    _Deed(
        "taught",
        ("because {} knew the subject well", "because {} had once been a teacher"),
        ("because {} was eager to learn", "so {} learned a great deal"),
    ),
    _Deed(
        "arrested",
        ("because {} was on police duty", "because {} had orders from the judge"),
        ("because {} had robbed a bank", "so {} spent the night in a cell"),
    ),
    _Deed(
        "defeated",
        ("because {} had practised every day", "so {} took the winner's cup home"),
        ("because {} had not practised at all", "so {} went home without the cup"),
    ),
    _Deed(
        "treated",
        ("because {} was the doctor on duty", "because {} had studied medicine"),
        ("because {} had a high fever", "because {} was badly hurt"),
    ),
    _Deed(
        "photographed",
        ("because {} had bought a new camera", "because {} was testing a lens"),
        ("because {} was posing so nicely", "because {} looked lovely in blue"),
    ),
    _Deed(
        "followed",
        ("because {} did not know the way", "because {} had lost the map"),
        ("because {} knew the way", "because {} was the guide"),
    ),
    _Deed(
        "woke",
        ("because {} had been up since dawn", "because {} could not sleep"),
        ("because {} had overslept", "because {} was snoring loudly"),
    ),
    _Deed(
        "cheated",
        ("because {} had no conscience", "so {} ended up with all the money"),
        ("because {} was easy to fool", "so {} lost a lot of money"),
    ),
    _Deed(
        "interviewed",
        ("because {} wrote for a newspaper", "because {} needed a story"),
        ("because {} had become famous", "because {} had applied for the post"),
    ),
)

_PARTICIPLES = {"forgave": "forgiven", "woke": "woken"}
"""Where they differ from the past tense."""


def make(draw: Draw) -> Record:
    """Writes a deed between two of a gender, and what is true of one of them.

    Whether the first or the second name is meant is drawn first, then whether
    the clause tells of the doer or of the other; active or passive follows. So
    the words of the clause do not say which name it is, nor does the verb's
    form: only both together do.
    """
    means_first, is_of_doer = draw.below(2) == 0, draw.below(2) == 0
    pronoun = draw.choice(tuple(_NAMES))
    first, second = draw.sample(_NAMES[pronoun], 2)
    deed = draw.choice(_DEEDS)
    clause = draw.choice(deed.doer if is_of_doer else deed.other)
    done = f"was {_PARTICIPLES.get(deed.verb, deed.verb)} by"
    verb = deed.verb if means_first == is_of_doer else done
    comma = "," * clause.startswith("so ")
    text = f"{first} {verb} {second}{comma} {clause.format(pronoun)}."
    return {
        "people": world.listed(sorted((first, second))),
        "clause": clause.format(pronoun),
        "text": text,
        "choices": Draw(text).shuffled((first, second)),
        "answer": first if means_first else second,
    }


def to_fields(record: Record) -> Fields:
    """Gives the text, the pronoun, and the clause as a question."""
    _, pronoun, *told = record["clause"].split()
    return {
        "text": record["text"],
        "pronoun": pronoun,
        "question": f"Who {' '.join(told)}?",
        "options": tuple(record["choices"]),
        "answer": record["answer"],
    }


TASK = Task(
    name="mini_pronouns",
    version=1,
    source=GrammarSource(name="mini_pronouns", make=make, topic=("people", "clause")),
    to_fields=to_fields,
    fields=("text", "pronoun", "question", "options", "answer"),
    templates=(
        Template("{text} {question}\n{options}"),
        Template('Whose name hides behind "{pronoun}" in this line?\n{text}\n{options}'),
        Template('{options}\nOne of them is meant by "{pronoun}". {text} Who is it?'),
        Template(
            '{text} Read it aloud with a name in place of "{pronoun}". Which name fits?\n{options}'
        ),
        Template('Grammar drill: {text} Here "{pronoun}" points to'),
        Template("{question} Go by what the neighbours say: {text}"),
        Template(
            'A translator is unsure whom "{pronoun}" stands for. {text} Whom, then?\n{options}'
        ),
        Template("Stage direction: {text} An actor calls from the wings: {question}\n{options}"),
        Template('{text} Cross out "{pronoun}", and write above it:\n{options}'),
        Template("Think why it came about. {text}\n{question} Only the name, please.\n{options}"),
    ),
    mode="rank",
    metrics=("accuracy",),
    license="Apache-2.0",
    citation="flanjax, generated",
)
