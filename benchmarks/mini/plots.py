"""Small plots as inline SVG: bars of one cluster, and a line over what a study changes.

A plot is as wide as its panel gives; places along an axis are percentages, so text and dots keep
their size.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from html import escape

from benchmarks.mini.table import Point, Value

STYLE = """
.panels {
  display: grid; gap: 1rem;
  grid-template-columns: repeat(auto-fill, minmax(min(22rem, 100%), 1fr));
}
.panels .card { margin: 0; }
.panels h3 { margin-bottom: .5rem; }
.panels .plot { gap: 0 .6rem; }
.panels .plot .row { height: 24px; padding: 0; line-height: 24px; font-size: .8125rem; }
.panels .plot .names .row { max-width: none; }
.panels .chart { padding: .25rem 1rem 0 2rem; }
svg .series { stroke: var(--last); stroke-width: 2; }
svg .own { fill: var(--last); }
svg .untuned { stroke: var(--first); stroke-width: 2; stroke-dasharray: 2 3; }
.key .untuned { stroke: var(--first); stroke-width: 2; stroke-dasharray: 2 3; }
"""
_BAR = 24
_CHART = 150
_TICKS = (0, 50, 100)


def bars(values: Mapping[str, Value], *, floor: Mapping[str, float], label: str) -> str:
    """Returns a bar for each column of a cluster, whiskers one standard error long.

    Args:
      values: Column -> score, from top to bottom; the last stands out.
      floor: Class of a line across all bars -> its score: "chance", "majority".
      label: What the plot shows, in words.
    """
    height = _BAR * len(values)
    parts = [_line(tick, tick, 0, height, "grid") for tick in _TICKS]
    for number, value in enumerate(values.values()):
        middle = number * _BAR + _BAR // 2
        kind = "last" if number == len(values) - 1 else "first"
        parts.append(
            f'<rect class="bar {kind}" x="0" y="{middle - 7}" width="{_x(value.mean)}" '
            f'height="14" rx="2"/>'
        )
        if value.error is not None:
            low, high = value.mean - value.error, value.mean + value.error
            parts.append(_line(low, high, middle, middle, "whisker"))
    parts += [_line(score, score, 0, height, kind) for kind, score in floor.items()]
    names = "".join(f'<div class="row">{escape(name)}</div>' for name in values)
    numbers = "".join(
        f'<div class="row"><b>{value.mean:.1f}</b>{_error(value)}</div>'
        for value in values.values()
    )
    return (
        f'<div class="plot"><div class="names">{names}</div>'
        f"{_svg(label, height, parts)}"
        f'<div class="numbers">{numbers}</div></div>'
    )


def chart(
    points: Sequence[Point],
    *,
    ticks: Mapping[float, str],
    floor: Mapping[str, float],
    before: Sequence[Point] = (),
    label: str,
) -> str:
    """Returns scores over what a study changes, joined, with their standard errors.

    Args:
      points: By x.
      ticks: x -> what stands below it.
      floor: Class of a level line -> its score: "chance", "majority", "untuned".
      before: What the points started from, joined and drawn as "untuned".
      label: What the plot shows, in words.
    """
    left, right = min(ticks), max(ticks)
    places = {x: 100 * (x - left) / max(right - left, 1) for x in ticks}
    parts = []
    for tick in _TICKS:
        parts.append(_line(0, 100, _y(tick), _y(tick), "grid"))
        parts.append(
            f'<text class="tick" x="-8" y="{_y(tick) + 4:.0f}" text-anchor="end">{tick}</text>'
        )
    parts += [_line(0, 100, _y(score), _y(score), kind) for kind, score in floor.items()]
    for series, kind in ((before, "untuned"), (points, "series")):
        for a, b in itertools.pairwise(series):
            ends = (places[a.x], places[b.x], _y(a.value.mean), _y(b.value.mean))
            parts.append(_line(*ends, kind))
    for point in points:
        x, value = places[point.x], point.value
        if value.error is not None:
            ends = (_y(value.mean - value.error), _y(value.mean + value.error))
            parts.append(_line(x, x, *ends, "whisker"))
        parts.append(
            f'<circle class="own" cx="{_x(x)}" cy="{_y(value.mean):.1f}" r="4">'
            f"<title>{escape(ticks[point.x])}: {value.text()}</title></circle>"
        )
    for x, name in ticks.items():
        parts.append(
            f'<text class="tick" x="{_x(places[x])}" y="{_CHART + 18}" text-anchor="middle">'
            f"{escape(name)}</text>"
        )
    return f'<div class="chart">{_svg(label, _CHART + 24, parts)}</div>'


def _svg(label: str, height: int, parts: Sequence[str]) -> str:
    return (
        f'<svg role="img" aria-label="{escape(label)}" width="100%" height="{height}">'
        + "".join(parts)
        + "</svg>"
    )


def _error(value: Value) -> str:
    error = "" if value.error is None else f"\u00b1{value.error:.1f}"
    return f' <span class="soft">{error}</span>'


def _line(left: float, right: float, top: float, bottom: float, kind: str) -> str:
    return (
        f'<line class="{kind}" x1="{_x(left)}" x2="{_x(right)}" y1="{top:.1f}" y2="{bottom:.1f}"/>'
    )


def _x(score: float) -> str:
    """Returns a place along the width; what would reach past its ends stops there."""
    return f"{min(max(score, 0.0), 100.0):.2f}%"


def _y(score: float) -> float:
    """Returns a score's height from the top of a chart, in pixels."""
    return _CHART * (1 - min(max(score, 0.0), 100.0) / 100)
