"""WMT16: the other language of an English sentence from news and politics."""

import dataclasses
import functools
import html
from collections.abc import Mapping

from flanjax.data.published import Published
from flanjax.data.task import Fields, Record, Task, Template
from flanjax.data.tfds_source import Tfds

MANUAL = "~/tensorflow_datasets/downloads/manual"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Pair:
    """One language's data; the rows and the size are TFDS's figures."""

    code: str
    language: str
    rows: Mapping[str, int]
    download_mib: float
    corpora: tuple[str, ...]
    manual: str | None = None
    examples: tuple[str, ...]


ENGLISH = (
    "The talks in Geneva ended without an agreement.",
    '"We have no time left," she said.',
    "Smith &amp; Sons has closed its last branch.",
)

PAIRS = (
    Pair(
        code="de",
        language="German",
        rows={"train": 4_548_885, "validation": 2_169, "test": 2_999},
        download_mib=1_611.5,
        corpora=("europarl", "news_commentary", "wmt13_common_crawl"),
        examples=(
            "Die Gespräche in Genf endeten ohne Einigung.",
            "„Wir haben keine Zeit mehr“, sagte sie.",
            "Smith &amp; Sons hat seine letzte Filiale geschlossen.",
        ),
    ),
    Pair(
        code="tr",
        language="Turkish",
        rows={"train": 205_756, "validation": 1_001, "test": 3_000},
        download_mib=59.3,
        corpora=("setimes",),
        examples=(
            "Cenevre'deki görüşmeler anlaşma sağlanamadan sona erdi.",
            '"Daha fazla vaktimiz yok" dedi.',
            "Smith &amp; Sons son şubesine kilit vurdu.",
        ),
    ),
    Pair(
        code="cs",
        language="Czech",
        rows={"train": 52_335_651, "validation": 2_656, "test": 2_999},
        download_mib=1_611.5,
        corpora=("europarl", "news_commentary", "wmt13_common_crawl", "czeng"),
        manual=(
            "get czeng16pre.deduped-ignoring-sections.txt.gz from "
            f"http://ufal.mff.cuni.cz/czeng/czeng16pre and put it into {MANUAL}"
        ),
        examples=(
            "Jednání v Ženevě skončila bez dohody.",
            "„Už nemáme čas,“ řekla.",
            "Společnost Smith &amp; Sons zavřela svou poslední pobočku.",
        ),
    ),
    Pair(
        code="fi",
        language="Finnish",
        # The test is newstest2016 and newstestB2016, which gives other translations for some of it.
        rows={"train": 2_073_394, "validation": 1_370, "test": 6_000},
        download_mib=260.5,
        corpora=("europarl", "wiki_headlines"),
        examples=(
            "Neuvottelut Genevessä päättyivät ilman sopimusta.",
            "”Meillä ei ole enää aikaa”, hän sanoi.",
            "Smith &amp; Sons on sulkenut viimeisen toimipisteensä.",
        ),
    ),
    Pair(
        code="ro",
        language="Romanian",
        rows={"train": 610_320, "validation": 1_999, "test": 1_999},
        download_mib=273.8,
        corpora=("europarl", "setimes"),
        examples=(
            "Discuțiile de la Geneva s-au încheiat fără un acord.",
            "„Nu mai avem timp”, a spus ea.",
            "Smith &amp; Sons și-a închis ultima sucursală.",
        ),
    ),
    Pair(
        code="ru",
        language="Russian",
        rows={"train": 2_516_162, "validation": 2_818, "test": 2_998},
        download_mib=993.4,
        corpora=("news_commentary", "wmt13_common_crawl", "yandex_corpus", "wiki_headlines"),
        manual=(
            "get 1mcorpus.zip from https://translate.yandex.ru/corpus?lang=en and put it into "
            f"{MANUAL}"
        ),
        examples=(
            "Переговоры в Женеве завершились без соглашения.",
            "«Времени больше не осталось», — сказала она.",
            "Компания Smith &amp; Sons закрыла свой последний филиал.",
        ),
    ),
)


def _to_fields(record: Record, *, pair: Pair) -> Fields | None:
    # The published test sets are SGML, and TFDS leaves entities such as &amp; in them.
    english, foreign = (html.unescape(record[code]).strip() for code in ("en", pair.code))
    if not english or not foreign:
        return None
    return {"english": english, "language": pair.language, "answer": foreign}


TEMPLATES = (
    Template("{english}\n\nWrite that in {language}."),
    Template("From: English\nTo: {language}\nOriginal: {english}\nTranslation:"),
    Template(
        "News desk to translators: the item below also goes out in {language} tonight. Send us "
        "your wording as soon as you can.\n\n{english}"
    ),
    Template("What is the {language} for this?\n{english}"),
    Template(
        "My grandmother, who understands nothing but {language}, has asked me to read this to her."
        "\n\n{english}\n\nWhat do I say?"
    ),
    Template(
        "I hear that your {language} is as good as your English. Then you are the right person to "
        "translate this: {english}"
    ),
    Template(
        "Examination for sworn translators, part one. Turn the English text into {language} and "
        "hand in your version without notes or alternatives.\n\n{english}"
    ),
    Template("Posted in {language}: {answer}\nIn English it would be:", "{english}", True),
    Template(
        "{answer}\n\nWe do not employ anyone who knows {language}. Be so kind as to give us the "
        "English.",
        "{english}",
        True,
    ),
    Template(
        "Someone said “{answer}” to me in {language} and I did not understand a word. What would "
        "that have been in English?",
        "{english}",
        True,
    ),
)


def _task(pair: Pair) -> Task:
    return Task(
        name=f"wmt16_translate_{pair.code}en",
        version=1,
        source=Published(
            tfds=Tfds(
                name=f"wmt16_translate/{pair.code}-en:1.0.0",
                tfds_splits={
                    "train": "train[:30000]",
                    "validation": "validation[:200]",
                    "test": "test",
                },
                features={pair.code: str, "en": str},
                rows=pair.rows,
                download_mib=pair.download_mib,
                manual=pair.manual,
            ),
        ),
        to_fields=functools.partial(_to_fields, pair=pair),
        fields=("english", "language", "answer"),
        templates=TEMPLATES,
        mode="generate",
        metrics=("bleu",),
        examples=tuple(
            {pair.code: foreign, "en": english}
            for foreign, english in zip(pair.examples, ENGLISH, strict=True)
        ),
        corpora=pair.corpora,
        license="None stated for the whole; its sources keep their own terms",
        citation="Bojar et al., Findings of the 2016 Conference on Machine Translation, WMT 2016",
    )


TASKS = tuple(_task(pair) for pair in PAIRS)
