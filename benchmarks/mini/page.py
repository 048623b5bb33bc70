"""The miniature's results as one page of plots: no script, no request."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from benchmarks.mini import plots, table
from benchmarks.mini.grid import FAMILIES, NUM_TEMPLATES, PROBED, SIZES
from flanjax import html_page

_COLUMNS = {
    "untuned": "has read plain text alone",
    "words": "counts of words, no order",
    "nearest": "tuned on the most alike cluster alone",
    "dataset_name": "tuned on task names in place of instructions",
    "shuffled": "tuned on instructions of other tasks",
    "uninverted": "tuned on instructions, but on none that asks for what others give",
    "tuned": "tuned on all instructions of all clusters that may be trained on",
}
_QUESTIONS = {
    "clusters": "Does it help to train on more clusters?",
    "templates": "Does it help to train on more wordings of each task?",
    "size": "Does it take a larger model?",
}
_AXES = {
    "clusters": "clusters trained on",
    "templates": "wordings of each task",
    "size": "size of the model",
}

_READING = (
    "Scores are 0 to 100: the mean over a cluster's tasks and their wordings; \u00b1 and whiskers: "
    "one standard error over seeds. Each cluster was held out in turn: no run trained on what it "
    "is scored on, but in the column \u201ctrained on\u201d. Chance is a guess among the options, "
    "majority always the most frequent answer."
)

_ADDED = (
    "What tuned models score more than each column: the mean over clusters, \u00b1 its standard "
    "error over clusters. Uninverted is the fair reference of dataset_name and shuffled."
)


def render(results: Sequence[Mapping[str, Any]]) -> str:
    """Returns the page of some results."""
    num_runs = sum(result["run"]["study"] != "words" for result in results)
    body = [
        "<h1>The miniature: what tuning on instructions does to clusters never seen</h1>",
        f'<p class="soft">{num_runs} runs in a small made-up world. {_READING}</p>',
        _key(),
        *(_family(results, family) for family in FAMILIES),
        *(_question(results, study) for study in _QUESTIONS),
        _wordings(results),
        *(_table(results, family) for family in FAMILIES),
    ]
    return html_page.document("The miniature", "flanjax benchmark", body, style=plots.STYLE)


def _key() -> str:
    columns = "".join(f"<dt>{name}</dt><dd>{told}</dd>" for name, told in _COLUMNS.items())
    chance = (
        '<span><svg width="22" height="10" aria-hidden="true"><line class="chance" x1="0" x2="22" '
        'y1="5" y2="5"/></svg>chance</span>'
    )
    lines = "".join(chance.replace("chance", kind) for kind in ("chance", "majority", "untuned"))
    return f'<dl>{columns}</dl><div class="key soft">{lines}</div>'


def _family(results: Sequence[Mapping[str, Any]], family: str) -> str:
    cards = [
        _card(
            cluster,
            plots.bars(
                row, floor=_floors(results, cluster), label=_words(f"{cluster} held out", row)
            ),
        )
        for cluster, row in table.cells(results, family).items()
        if "tuned" in row
    ]
    told = [
        f"<li>{reference} less {escape(column)}: {found.value.text('+')}, more "
        f"on {found.num_better} of {found.num_clusters} clusters</li>"
        for reference in table.REFERENCES
        for column, found in table.differences(results, family, reference=reference).items()
    ]
    added = f"<p>{_ADDED}</p><ul>{''.join(told)}</ul>" if told else ""
    return _section(table.TITLES[family], cards, added)


def _question(results: Sequence[Mapping[str, Any]], study: str) -> str:
    cards = []
    for held in PROBED:
        found = table.line(results, study, held)
        if len(found.points) > 1:
            ticks = {point.x: _tick(study, point.x) for point in found.points}
            floor = _levels(results, held, found)
            values = {ticks[point.x]: point.value for point in found.points}
            label = _words(f"{held} held out, by {_AXES[study]}", values)
            plot = plots.chart(
                found.points, ticks=ticks, floor=floor, before=found.untuned, label=label
            )
            told = f"{_AXES[study]}; {_seeds(len(found.seeds))}"
            cards.append(_card(held, f'{plot}<p class="soft">{told}</p>'))
    return _section(_QUESTIONS[study], cards)


def _levels(results: Sequence[Mapping[str, Any]], held: str, found: table.Line) -> dict[str, float]:
    """Returns level lines: also of the model that all points of these seeds started from."""
    floor = _floors(results, held)
    untuned = table.by_seed(results).get(table.Cell("t5", held, "untuned"), {})
    if found.untuned or not set(found.seeds) <= untuned.keys():
        return floor
    return floor | {"untuned": statistics.fmean(untuned[seed] for seed in found.seeds)}


def _floors(results: Sequence[Mapping[str, Any]], held: str) -> dict[str, float]:
    """Returns what needs no model: chance and majority, where there are options."""
    known = zip(("chance", "majority"), table.baselines(results)[held], strict=True)
    return {kind: score for kind, score in known if score is not None}


def _tick(study: str, x: float) -> str:
    if study == "size":
        return SIZES[int(x)]
    is_all = study == "templates" and x == NUM_TEMPLATES[-1]
    return "all" if is_all else f"{x:.0f}"  # nine of some tasks, whose tenth is inverted


def _seeds(num: int) -> str:
    return "one seed" if num == 1 else f"{num} seeds"


def _wordings(results: Sequence[Mapping[str, Any]]) -> str:
    cards = []
    for held in PROBED:
        row = table.wordings(results, held)
        if len(row) > 1:
            label = _words(f"{held} held out", row)
            plot = plots.bars(row, floor=_floors(results, held), label=label)
            told = _seeds(next(iter(row.values())).num_seeds)
            cards.append(_card(held, f'{plot}<p class="soft">{told}</p>'))
    return _section("Is it the instructions?", cards)


def _table(results: Sequence[Mapping[str, Any]], family: str) -> str:
    heads = f'<th scope="col">{table.HEADS[0]}</th>{html_page.number_heads(table.HEADS[1:])}'
    lines = [
        f'<tr><th scope="row">{escape(name)}</th>{html_page.number_cells(told)}</tr>'
        for name, *told in table.rows(results, family)
    ]
    name = f"All numbers: {table.TITLES[family].lower()}"
    return f"<section>{html_page.folded(name, html_page.table(heads, lines, name))}</section>"


def _section(title: str, cards: Sequence[str], before: str = "") -> str:
    if not cards:
        return ""
    return (
        f'<section><div class="head"><h2>{escape(title)}</h2></div>{before}'
        f'<div class="panels">{"".join(cards)}</div></section>'
    )


def _card(title: str, plot: str) -> str:
    return f'<article class="card"><h3>{escape(title)}</h3>{plot}</article>'


def _words(title: str, values: Mapping[str, table.Value]) -> str:
    """Returns a plot's numbers in words, for who cannot see it."""
    return "; ".join([title, *(f"{name} {value.text()}" for name, value in values.items())])
