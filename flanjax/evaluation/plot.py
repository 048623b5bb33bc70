"""Bar plots of task scores as inline SVG that needs no scaling.

Positions along the axis are percentages, so a score of 52.3 lies at 52.3 % of
whatever width the page gives; text, bars and dots keep their size.
"""

from __future__ import annotations

from collections.abc import Mapping
from html import escape

from flanjax.evaluation.comparison import score_text
from flanjax.evaluation.results import TaskReport

ROW_HEIGHT = 46
_AXIS_HEIGHT = 22
_TICKS = (0, 25, 50, 75, 100)


def bar_plot(stages: Mapping[str, TaskReport]) -> str:
    """Returns one task's scores: a bar per stage, whiskers, dots, baselines.

    Each row holds the mean as a bar, the standard error as whiskers at its
    end, and one dot per template below it. Lines across all rows mark chance
    (dashed) and majority (dotted).
    """
    height = ROW_HEIGHT * len(stages)
    label, whole = escape(description(stages)), height + _AXIS_HEIGHT
    parts = [f'<svg role="img" aria-label="{label}" width="100%" height="{whole}">']
    parts += [_vertical(tick, height, "grid") for tick in _TICKS]
    kinds = ["first", *["middle"] * (len(stages) - 2), "last"][-len(stages) :]
    for number, (kind, task) in enumerate(zip(kinds, stages.values(), strict=True)):
        parts += _bar(task, number * ROW_HEIGHT, kind)
    task = next(iter(stages.values()))
    if task.majority is not None:
        parts.append(_vertical(task.majority, height, "majority"))
    if task.chance is not None:
        parts.append(_vertical(task.chance, height, "chance"))
    for tick in _TICKS:
        anchor = {0: "start", 100: "end"}.get(tick, "middle")
        parts.append(
            f'<text class="tick" x="{tick}%" y="{height + 16}" text-anchor="{anchor}">{tick}</text>'
        )
    return "".join([*parts, "</svg>"])


def description(stages: Mapping[str, TaskReport]) -> str:
    """Returns what the plot shows, in words, for who cannot see it."""
    task = next(iter(stages.values()))
    words = [f"{task.task}, {task.metric}"]
    words += [
        f"{stage} {score_text(found.mean, found.standard_error)}" for stage, found in stages.items()
    ]
    if task.chance is not None:
        words.append(f"chance {score_text(task.chance)}")
    if task.majority is not None:
        words.append(f"majority {score_text(task.majority)}")
    return "; ".join(words)


def _bar(task: TaskReport, top: int, kind: str) -> list[str]:
    middle = top + 16
    place = f'x="0" y="{middle - 8}" width="{_percent(task.mean)}" height="16"'
    parts = [f'<rect class="bar {kind}" {place} rx="2"/>']
    if task.standard_error is not None:
        low, high = task.mean - task.standard_error, task.mean + task.standard_error
        lines = [
            _line(low, high, middle, middle),
            _line(low, low, middle - 5, middle + 5),
            _line(high, high, middle - 5, middle + 5),
        ]
        parts += [
            f'<line class="{layer}" {line}/>' for layer in ("halo", "whisker") for line in lines
        ]
    parts += [
        f'<circle class="dot {kind}" cx="{_percent(template.score)}" cy="{top + 34}" r="4">'
        f"<title>template {template.template}: {score_text(template.score)}</title></circle>"
        for template in task.templates
    ]
    return parts


def _vertical(score: float, height: int, kind: str) -> str:
    return f'<line class="{kind}" {_line(score, score, 0, height)}/>'


def _line(left: float, right: float, top: int, bottom: int) -> str:
    return f'x1="{_percent(left)}" x2="{_percent(right)}" y1="{top}" y2="{bottom}"'


def _percent(score: float) -> str:
    """Returns a place on the axis; what would reach past its ends stops there."""
    return f"{min(max(score, 0.0), 100.0):.2f}%"
