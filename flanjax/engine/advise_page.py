"""An advice on row lengths as one self-contained HTML page: no script, no request."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from types import MappingProxyType

from flanjax import html_page
from flanjax.engine import advise_plot
from flanjax.engine.advise import Advice
from flanjax.engine.advise_text import COLUMNS, READING, Sampled, cells, name, summary, verdict

_STYLE = """
tr.take td, tr.take th { color: var(--last); font-weight: 650; }
thead th.number { white-space: normal; }
th.choice { white-space: nowrap; position: sticky; left: 0; background: var(--page); }
@media (max-width: 36rem) {
  th.choice .tag { display: block; width: fit-content; }
  thead th.number { min-width: 4rem; }
}
"""


def render_page(
    advice: Advice, sampled: Sampled, *, missing: Mapping[str, str] = MappingProxyType({})
) -> str:
    """Returns the page; every text of data or configuration is escaped.

    Args:
      advice: The choices.
      sampled: What they were made from.
      missing: Task -> why it was not drawn.
    """
    title = f"Row lengths for {sampled.mixture}"
    first, second = sampled.headline().split("\n")
    body = [
        f"<h1>{escape(title)}</h1>",
        f'<p class="soft">{_text(first)}</p>',
        _verdict(advice),
        _lengths(advice, sampled, second),
        _plots(advice),
        f"<section><h2>Every choice</h2>{_table(advice)}</section>",
        _tasks(sampled, missing),
        _reading(),
    ]
    style = advise_plot.STYLE + _STYLE
    return html_page.document(title, "flanjax advice", body, style=style)


def _verdict(advice: Advice) -> str:
    taken, current = advice.recommended, advice.current
    big = f"{100 * current.fill:.1f} %"
    if taken is not None and taken != current:
        big = (
            f'<span class="was">{100 * current.fill:.1f}</span> '
            f'<span class="arrow" aria-label="to">\u2192</span> {100 * taken.fill:.1f} %'
        )
    lines = "" if taken is None else f"<pre>{escape(chr(10).join(taken.gin_lines()))}</pre>"
    return (
        f'<section><div class="card"><div class="head"><span class="big">{big}</span>'
        f'<span class="soft">of slots hold a token</span></div>'
        f"<p>{_text(verdict(advice))}</p>{lines}</div></section>"
    )


def _lengths(advice: Advice, sampled: Sampled, subtitle: str) -> str:
    plots = []
    for number, side in enumerate(("inputs", "targets")):
        caps = [("now", getattr(advice.current, side))]
        if advice.recommended is not None and advice.recommended != advice.current:
            caps.append(("take", getattr(advice.recommended, side)))
        said = ", ".join(f"{'now' if kind == 'now' else 'proposed'} {cap}" for kind, cap in caps)
        plots.append(
            f"<h3>{side}</h3>"
            + advise_plot.histogram(
                sampled.drawn[:, number], caps, label=f"Lengths of {side}; caps: {said}"
            )
        )
    return (
        "<section><h2>How long examples are</h2>"
        f'<p class="soft">Tokens with the end id, before anything is cut, on a logarithmic axis: '
        f'{_text(subtitle)}.</p><div class="card">{"".join(plots)}</div></section>'
    )


def _plots(advice: Advice) -> str:
    return (
        "<section><h2>Fill and cuts by row length</h2>"
        '<p class="soft">Each dot is a choice, by the slots of its row, inputs + targets.</p>'
        f'<div class="card"><h3>Slots that hold a token</h3>{advise_plot.fill_plot(advice)}'
        f'<div class="key soft">{advise_plot.fill_key()}</div></div>'
        f'<div class="card"><h3>Examples that are cut</h3>{advise_plot.cut_plot(advice)}'
        f'<div class="key soft">{advise_plot.cut_key()}</div></div></section>'
    )


def _table(advice: Advice) -> str:
    rows = []
    for choice in advice.listed():
        slots, _, *numbers = cells(advice, choice)
        tags = ""
        if choice == advice.recommended:
            tags += '<span class="tag held">recommended</span>'
        if choice == advice.current:
            tags += '<span class="tag">now</span>'
        kind = ' class="take"' if choice == advice.recommended else ""
        rows.append(
            f'<tr{kind}><th scope="row" class="choice">{name(choice)} {tags}</th>'
            f"{html_page.number_cells([slots, *numbers])}</tr>"
        )
    slots_title, choice_title, *titles = (title for title, _ in COLUMNS)
    heads = f'<th scope="col" class="choice">{choice_title}</th>'
    heads += html_page.number_heads([slots_title, *titles])
    return html_page.table(heads, rows, "Every choice")


def _tasks(sampled: Sampled, missing: Mapping[str, str]) -> str:
    rows = []
    for task, lengths in sampled.lengths.items():
        found = [
            f"{each[of]:,.0f}"
            for each in summary(lengths).values()
            for of in ("mean", "p99", "max")
        ]
        numbers = [
            f"{100 * sampled.shares[task]:.2f}",
            f"{len(lengths):,}",
            f"{sampled.sizes[task]:,}",
            *found,
        ]
        rows.append(
            f'<tr><th scope="row">{escape(task)}</th>{html_page.number_cells(numbers)}</tr>'
        )
    titles = ["share %", "sampled", "of records"]
    titles += [f"{side} {of}" for side in ("inputs", "targets") for of in ("mean", "99 %", "max")]
    heads = '<th scope="col">task</th>' + html_page.number_heads(titles)
    absent = "".join(
        f"<dt>{escape(task)}</dt><dd>{escape(why)}</dd>" for task, why in missing.items()
    )
    absent = f"<dl>{absent}</dl>"
    label = f"Lengths of each task ({len(rows)})"
    parts = [html_page.folded(label, html_page.table(heads, rows, "Lengths of each task"))]
    if missing:
        parts.append(html_page.folded(f"Tasks that were not drawn ({len(missing)})", absent))
    return f"<section><h2>What was drawn</h2>{''.join(parts)}</section>"


def _reading() -> str:
    notes = "".join(
        f"<li><b>{escape(what)}</b>: {escape(note)}</li>" for what, note in READING.items()
    )
    return f'<section><h2>How to read this</h2><ul class="soft">{notes}</ul></section>'


def _text(text: str) -> str:
    """Returns text as HTML that breaks no line within "12 %" or "12 + 3"."""
    return escape(text).replace(" %", "\u00a0%").replace(" + ", "\u00a0+\u00a0")
