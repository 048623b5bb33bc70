"""Plots of lengths and of row choices as inline SVG that needs no scaling.

Places along the axis are percentages of whatever width the page gives; heights
are pixels, and text and dots keep their size.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterable, Sequence
from html import escape

import numpy as np

from flanjax.engine.advise import Advice, Choice
from flanjax.engine.advise_text import name

STYLE = """
.chart { padding: 0 .75rem 0 2.6rem; margin-top: .75rem; }
.chart + h3 { margin-top: 1.75rem; }
svg .axis { stroke: var(--soft); stroke-width: 1; }
svg .column { fill: var(--first); }
svg .label { fill: var(--ink); font-size: 12px; }
svg .now { stroke: var(--chance); fill: none; }
svg .take { stroke: var(--last); fill: none; }
svg line.now, svg line.take { stroke-width: 2; }
svg line.now { stroke-dasharray: 6 4; }
svg text.now { fill: var(--chance); stroke: none; font-size: 12px; }
svg text.take { fill: var(--last); stroke: none; font-size: 12px; font-weight: 650; }
svg .series { stroke: var(--last); stroke-width: 1.5; fill: var(--last); }
svg .series.bound { stroke: var(--first); stroke-dasharray: 3 3; }
svg .series.targets { stroke: var(--majority); fill: var(--majority); }
svg .series.hollow { fill: var(--card); }
svg circle.now { fill: var(--chance); stroke: var(--card); stroke-width: 1.5; }
svg circle.take { stroke: var(--ink); stroke-width: 2; }
svg text.inputs { fill: var(--last); font-size: 11px; }
svg text.targets { fill: var(--majority); font-size: 11px; }
svg .limit { stroke: var(--bad); stroke-width: 1; stroke-dasharray: 2 3; }
@media (max-width: 36rem) { svg .minor { display: none; } }
"""
"""What the plots need besides the house's style sheet."""

_HISTOGRAM_HEIGHT = 150
_PANEL_HEIGHT = 220
_TOP = 34  # room for two lines of labels
_BINS_PER_OCTAVE = 4
_TICKS_ON_A_PHONE = 5
_LIMITS_SHOWN = 5  # what cuts more than so many times the limit is drawn at the edge
_PERCENT_SHOWN = 5.0  # where the limit is 0

Scale = Callable[[float], float]


def histogram(lengths: np.ndarray, caps: Sequence[tuple[str, int]], *, label: str) -> str:
    """Returns how many examples are how long, as columns over a logarithmic axis.

    Args:
      lengths: int64 [n].
      caps: (class, cap) of each line to draw: "now", "take".
      label: What is shown, for who cannot see it.
    """
    edges = _edges(lengths)
    shares = np.histogram(lengths, edges)[0] / len(lengths)
    ends = [edges[0], max(edges[-1], *(1.15 * cap for _, cap in caps))]
    place = _log_scale(ends[0], ends[1])
    floor = _TOP + _HISTOGRAM_HEIGHT
    parts = []
    for left, right, share in zip(edges[:-1], edges[1:], shares, strict=True):
        height = _HISTOGRAM_HEIGHT * share / shares.max()
        width = max(place(right) - place(left) - 0.15, 0.1)
        parts.append(
            f'<rect class="column" x="{place(left):.2f}%" width="{width:.2f}%" '
            f'y="{floor - height:.1f}" height="{height:.1f}"><title>{left} to {right - 1} tokens: '
            f"{100 * share:.1f} % of examples</title></rect>"
        )
    for row, (kind, cap) in enumerate(caps):
        said = f"{'now' if kind == 'now' else 'proposed'} {cap}"
        parts += [
            f'<line class="{kind}" {_vertical(place(cap), 16 * row, floor)}/>',
            _text(place(cap), 16 * row + 11, said, kind, beside=True),
        ]
    parts += [_axis(floor), *_log_ticks(ends[0], ends[1], place, floor)]
    return _svg(parts, floor + 24, label)


def fill_plot(advice: Advice) -> str:
    """Returns the fill of each choice over the slots of its row, and its bound."""
    choices, listed = advice.choices, advice.listed()
    lowest = min(choice.fill for choice in listed)
    floor = max(0, math.floor(10 * lowest) * 10)
    place, height = _slots_scale(listed), _linear_scale(floor, 100, _PANEL_HEIGHT)
    parts = _grid(range(floor, 101, _step(100 - floor)), height, _PANEL_HEIGHT)
    parts += _lines(choices, place, lambda c: height(100 * c.bound), "series bound")
    parts += _lines(choices, place, lambda c: height(100 * c.fill), "series")
    for choice in sorted(listed, key=lambda each: each == advice.current):  # the run's on top
        kind, radius = _kind(advice, choice)
        x, y = place(choice.slots), height(100 * choice.fill)
        parts.append(
            f'<circle class="{kind}" cx="{x:.2f}%" cy="{y:.1f}" r="{radius}">'
            f"<title>{_title(choice)}</title></circle>"
        )
        is_named = choice in (advice.current, advice.recommended)
        text_kind = kind.rpartition(" ")[2] if is_named else "label minor"
        y += 20 if choice == advice.current and choice != advice.recommended else -10
        parts.append(_text(x, y, name(choice) if is_named else str(choice.inputs), text_kind))
    parts += _log_ticks(*_slots_range(listed), place, _PANEL_HEIGHT + _TOP)
    said = "; ".join(f"{name(c)} fills {100 * c.fill:.1f} %" for c in listed)
    return _svg(parts, _TOP + _PANEL_HEIGHT + 24, f"Fill by slots a row: {said}")


def cut_plot(advice: Advice) -> str:
    """Returns the share of examples that each choice cuts, on each side."""
    choices = advice.choices
    top = 100 * _LIMITS_SHOWN * advice.max_truncation or _PERCENT_SHOWN
    place = _slots_scale(advice.listed())
    height = _linear_scale(0, top, _PANEL_HEIGHT // 2)
    bottom = _TOP + _PANEL_HEIGHT // 2
    ticks = [top * part / _LIMITS_SHOWN for part in range(_LIMITS_SHOWN + 1)]
    parts = _grid(ticks, height, _PANEL_HEIGHT // 2)
    limit = height(100 * advice.max_truncation)
    parts.append(f'<line class="limit" x1="0" x2="100%" y1="{limit:.1f}" y2="{limit:.1f}"/>')
    parts += _cut_side("inputs", [(c, c.inputs_cut) for c in choices], place, height, top)
    parts += _cut_side("targets", [(c, c.targets_cut) for c in choices], place, height, top)
    parts += _log_ticks(*_slots_range(advice.listed()), place, bottom)
    said = "; ".join(
        f"{name(c)} cuts {100 * c.inputs_cut:.2f} % of prompts and {100 * c.targets_cut:.2f} % of "
        "targets"
        for c in choices
    )
    return _svg(parts, bottom + 24, f"Examples cut by slots a row: {said}")


def _cut_side(
    side: str, cuts: Sequence[tuple[Choice, float]], place: Scale, height: Scale, top: float
) -> list[str]:
    """Returns one side's line and dots; what is above `top` stands at the edge."""
    heights = {choice: height(min(100 * cut, top)) for choice, cut in cuts}
    parts = _lines(list(heights), place, heights.__getitem__, f"series {side}")
    for choice, cut in cuts:
        is_off = 100 * cut > top
        x, y = place(choice.slots), heights[choice]
        parts.append(
            f'<circle class="series {side}{" hollow" * is_off}" cx="{x:.2f}%" cy="{y:.1f}" '
            f'r="3.5"><title>{_title(choice)}</title></circle>'
        )
        if is_off:
            shift = -9 if side == "inputs" else -21
            parts.append(_text(x, y + shift, f"{100 * cut:.0f} %", f"{side} minor"))
    return parts


def fill_key() -> str:
    """Returns the key of `fill_plot`."""
    return _key(
        ("series take", "recommended"),
        ("now", "the run as it is"),
        ("series", "within the limit"),
        ("series hollow", "cuts more than allowed"),
        ("", "dashed: what no packing can beat"),
    )


def cut_key() -> str:
    """Returns the key of `cut_plot`."""
    return _key(
        ("series inputs", "inputs"),
        ("series targets", "targets"),
        ("", "dotted: the limit; hollow: off the scale"),
    )


def _key(*entries: tuple[str, str]) -> str:
    dot = (
        '<svg width="12" height="12" aria-hidden="true">'
        '<circle class="{}" cx="6" cy="6" r="5"/></svg>'
    )
    return "".join(
        f"<span>{dot.format(kind) if kind else ''}{escape(text)}</span>" for kind, text in entries
    )


def _kind(advice: Advice, choice: Choice) -> tuple[str, float]:
    """Returns the class and size of a choice's dot."""
    is_hollow = choice.cut > advice.max_truncation
    if choice == advice.recommended:
        return "series take", 7
    if choice == advice.current:
        return "now", 4.5
    return "series hollow" if is_hollow else "series", 4


def _title(choice: Choice) -> str:
    return (
        f"{name(choice)}: fill {100 * choice.fill:.1f} %, inputs cut "
        f"{100 * choice.inputs_cut:.2f} %, targets cut {100 * choice.targets_cut:.2f} %"
    )


def _edges(lengths: np.ndarray) -> np.ndarray:
    """Returns whole edges of columns, several to an octave where numbers allow."""
    low, high = max(int(lengths.min()), 1), int(lengths.max()) + 1
    count = max(1, math.ceil(_BINS_PER_OCTAVE * math.log2(high / low)))
    return np.unique(np.ceil(np.geomspace(low, high, count + 1) - 1e-9).astype(np.int64))


def _slots_range(choices: Sequence[Choice]) -> tuple[float, float]:
    slots = [choice.slots for choice in choices]
    return 0.9 * min(slots), 1.1 * max(slots)


def _slots_scale(choices: Sequence[Choice]) -> Scale:
    return _log_scale(*_slots_range(choices))


def _log_scale(low: float, high: float) -> Scale:
    return lambda value: 100 * math.log(value / low) / math.log(high / low)


def _linear_scale(low: float, high: float, height: int) -> Scale:
    return lambda value: _TOP + height * (high - value) / (high - low)


def _step(span: float) -> int:
    return 10 if span > 30 else 5


def _lines(
    choices: Sequence[Choice], place: Scale, height: Callable[[Choice], float], kind: str
) -> list[str]:
    return [
        f'<line class="{kind}" x1="{place(a.slots):.2f}%" x2="{place(b.slots):.2f}%" '
        f'y1="{height(a):.1f}" y2="{height(b):.1f}"/>'
        for a, b in itertools.pairwise(choices)
    ]


def _grid(ticks: Iterable[float], height: Scale, panel: int) -> list[str]:
    parts = [_axis(_TOP + panel)]
    for tick in ticks:
        y = height(tick)
        parts += [
            f'<line class="grid" x1="0" x2="100%" y1="{y:.1f}" y2="{y:.1f}"/>',
            f'<text class="tick" x="0" dx="-8" y="{y + 4:.1f}" text-anchor="end">{tick:g} %</text>',
        ]
    return parts


def _log_ticks(low: float, high: float, place: Scale, floor: float) -> list[str]:
    """Returns ticks at powers of two, no more than some nine."""
    first, last = math.ceil(math.log2(low) - 1e-9), math.floor(math.log2(high) + 1e-9)
    step = max(1, math.ceil((last - first) / 8))
    ticks = list(range(first, last + 1, step))
    is_crowded = len(ticks) > _TICKS_ON_A_PHONE
    return [
        _text(
            place(1 << p), floor + 17, str(1 << p), "tick minor" if is_crowded and n % 2 else "tick"
        )
        for n, p in enumerate(ticks)
    ]


def _text(x: float, y: float, text: str, kind: str, *, beside: bool = False) -> str:
    """Returns a label, kept inside the plot; one beside a line stands off from it."""
    anchor = "middle"
    if beside or not (8 <= x <= 92 or kind == "label minor"):
        anchor = "end" if x > 60 else "start"
    shift = {"end": -5, "start": 5, "middle": 0}[anchor] if beside else 0
    return (
        f'<text class="{kind}" x="{x:.2f}%" dx="{shift}" y="{y:.1f}" text-anchor="{anchor}">'
        f"{escape(text)}</text>"
    )


def _axis(floor: float) -> str:
    return f'<line class="axis" x1="0" x2="100%" y1="{floor}" y2="{floor}"/>'


def _vertical(x: float, top: float, bottom: float) -> str:
    return f'x1="{x:.2f}%" x2="{x:.2f}%" y1="{top}" y2="{bottom}"'


def _svg(parts: Iterable[str], height: float, label: str) -> str:
    return (
        f'<div class="chart"><svg role="img" aria-label="{escape(label)}" width="100%" '
        f'height="{height}">{"".join(parts)}</svg></div>'
    )
