"""What the pages that flanjax writes share: one look, light and dark, no request."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape

STYLE = """
:root {
  color-scheme: light dark;
  --page: #f5f6f4; --card: #ffffff; --ink: #1b2228; --soft: #5a656f; --line: #dde1e0;
  --first: #a3adb5; --last: #0b7a75; --chance: #b4530a; --majority: #7a4bc2;
  --good: #0b6b4f; --good-back: #e0f2ea; --plain-back: #eceeed; --bad: #a02a2a; --bad-back: #fbe7e5;
}
@media (prefers-color-scheme: dark) {
  :root {
    --page: #11161a; --card: #1a2126; --ink: #e7ebee; --soft: #9fabb5; --line: #303a41;
    --first: #6f7c86; --last: #38b8ae; --chance: #f0a04b; --majority: #b99af0;
    --good: #7ce0b8; --good-back: #15372c; --plain-back: #283138; --bad: #ff9d94;
    --bad-back: #45201e;
  }
}
* { box-sizing: border-box; }
body {
  margin: 0; background: var(--page); color: var(--ink);
  font: 16px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", sans-serif;
  font-variant-numeric: tabular-nums;
}
main { max-width: 62rem; margin: 0 auto; padding: 2rem 1.25rem 4rem; }
h1 { font-size: 1.75rem; line-height: 1.2; margin: 0 0 .5rem; letter-spacing: -.01em; }
h2 { font-size: 1.25rem; margin: 0; }
h3 { font-size: 1rem; margin: 0; overflow-wrap: anywhere; }
p { margin: .25rem 0; max-width: 46rem; }
.soft { color: var(--soft); font-size: .875rem; }
section { margin-top: 2.25rem; }
.head { display: flex; flex-wrap: wrap; align-items: baseline; gap: .25rem .75rem; }
.tag {
  display: inline-block; border-radius: 1rem; padding: .1rem .65rem; font-size: .8125rem;
  background: var(--plain-back); color: var(--ink); white-space: nowrap;
}
.tag.good { background: var(--good-back); color: var(--good); }
.tag.bad { background: var(--bad-back); color: var(--bad); }
.tag.held { background: var(--last); color: var(--card); font-weight: 600; }
.card {
  background: var(--card); border: 1px solid var(--line); border-radius: .75rem;
  padding: 1.1rem 1.25rem; margin: .9rem 0 0;
}
.big { font-size: 2rem; line-height: 1.25; font-weight: 650; letter-spacing: -.02em; }
.big .arrow, .big .was { color: var(--soft); font-weight: 400; }
.plot { display: grid; grid-template-columns: auto 1fr auto; gap: 0 .9rem; margin-top: .9rem; }
.plot .row { height: 46px; padding-top: 4px; font-size: .875rem; white-space: nowrap; }
.plot .names .row { max-width: 9rem; overflow: hidden; text-overflow: ellipsis; }
.plot .numbers { text-align: right; }
.plot .numbers b { font-size: 1rem; font-weight: 650; }
svg { display: block; overflow: visible; }
svg .grid { stroke: var(--line); stroke-width: 1; }
svg .tick { fill: var(--soft); font-size: 12px; }
svg .bar.first { fill: var(--first); }
svg .bar.last { fill: var(--last); }
svg .bar.middle { fill: var(--last); fill-opacity: .5; }
svg .halo { stroke: var(--card); stroke-width: 4; stroke-opacity: .7; }
svg .whisker { stroke: var(--ink); stroke-width: 1.5; }
svg .dot { fill: var(--last); fill-opacity: .6; stroke: var(--card); stroke-width: 1; }
svg .dot.first { fill: var(--soft); }
svg .chance, .key .chance { stroke: var(--chance); stroke-width: 2; stroke-dasharray: 6 4; }
svg .majority, .key .majority { stroke: var(--majority); stroke-width: 2; stroke-dasharray: 2 3; }
.key { display: flex; flex-wrap: wrap; gap: .15rem 1.1rem; margin-top: .5rem; }
.key svg { display: inline-block; vertical-align: -1px; margin-right: .4rem; }
details { margin-top: .75rem; border-top: 1px solid var(--line); padding-top: .6rem; }
summary { cursor: pointer; font-size: .875rem; color: var(--soft); }
summary:hover, summary:focus-visible { color: var(--ink); }
.scroll { overflow-x: auto; margin-top: .75rem; }
table { border-collapse: collapse; width: 100%; font-size: .875rem; }
th, td { text-align: left; padding: .4rem .9rem .4rem 0; border-bottom: 1px solid var(--line); }
th { font-weight: 600; color: var(--soft); vertical-align: bottom; }
tbody th { color: var(--ink); font-weight: 600; }
td { vertical-align: top; }
td.number, th.number { text-align: right; white-space: nowrap; }
td:last-child, th:last-child { padding-right: 0; }
td.wording, pre, td.fact { white-space: pre-wrap; overflow-wrap: anywhere; min-width: 12rem; }
pre, td.wording, td.code, td.fact {
  font: .8125rem/1.45 ui-monospace, "SF Mono", Menlo, Consolas, monospace;
}
pre { margin: .5rem 0; padding: .7rem .85rem; background: var(--page); border-radius: .5rem; }
dl {
  display: grid; grid-template-columns: fit-content(40%) 1fr; gap: .3rem 1rem;
  margin: .6rem 0 1.1rem; font-size: .875rem;
}
dt { color: var(--soft); }
dd { margin: 0; min-width: 0; overflow-wrap: anywhere; white-space: pre-wrap; }
ul { margin: .4rem 0; padding-left: 1.1rem; }
li { margin: .2rem 0; max-width: 48rem; }
@media (max-width: 36rem) {
  main { padding: 1.25rem .9rem 3rem; }
  h1 { font-size: 1.4rem; }
  .big { font-size: 1.5rem; }
  .card { padding: .9rem; }
  .plot { gap: 0 .6rem; }
  .plot .numbers .error { display: block; margin-top: -.3rem; font-size: .8125rem; }
  .plot .names .row { max-width: 4.5rem; }
}
@media print { body { background: none; } .card { break-inside: avoid; } }
"""


def document(title: str, kind: str, body: Iterable[str], *, style: str = "", head: str = "") -> str:
    """Returns a whole page.

    Args:
      title: Its title, as text.
      kind: What it is, "flanjax report".
      body: Its parts as HTML; empty ones are left out.
      style: Rules that this page alone needs.
      head: What its head holds besides, as HTML, before the style sheet.
    """
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"{head}"
        f"<title>{escape(title)} \u00b7 {escape(kind)}</title>\n<style>{STYLE}{style}</style>\n"
        "</head>\n<body>\n<main>\n"
        + "\n".join(filter(None, body))
        + "\n</main>\n</body>\n</html>\n"
    )


def table(heads: str, rows: Iterable[str], label: str) -> str:
    """Returns a table that scrolls by itself where it is too wide."""
    return (
        f'<div class="scroll" role="region" tabindex="0" aria-label="{escape(label)}"><table>'
        f"<thead><tr>{heads}</tr></thead><tbody>{''.join(rows)}</tbody></table></div>"
    )


def number_heads(names: Iterable[str]) -> str:
    """Returns the heads of columns of numbers."""
    return "".join(f'<th scope="col" class="number">{escape(name)}</th>' for name in names)


def number_cells(cells: Iterable[str]) -> str:
    """Returns a row's cells of numbers."""
    return "".join(f'<td class="number">{escape(cell)}</td>' for cell in cells)


def folded(summary: str, content: str) -> str:
    """Returns content that opens when its summary is chosen."""
    return f"<details><summary>{escape(summary)}</summary>{content}</details>"
