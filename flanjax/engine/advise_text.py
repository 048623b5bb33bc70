"""What is said of an advice: the cells of its table, its verdict, in words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from flanjax.engine.advise import NEAR, Advice, Choice

COLUMNS = (
    ("slots a row", "slots\na row"),
    ("inputs + targets", "inputs +\ntargets"),
    ("batch size", "batch\nsize"),
    ("fill %", "fill\n%"),
    ("bound %", "bound\n%"),
    ("inputs cut %", "inputs\ncut %"),
    ("targets cut %", "targets\ncut %"),
    ("tokens lost %", "tokens\nlost %"),
    ("examples a row", "exam-\nples\na row"),
    ("tokens a step", "tokens\na step"),
    ("attention a token", "atten-\ntion a\ntoken"),
)
"""Title of each column, on one line and on several; `cells` fills them."""

READING = {
    "Fill": "the share of slots that hold a token, packed as a run packs; bound is what no "
    "packing can beat.",
    "Cut": "examples whose prompt or target is longer than its cap; lost, the tokens that go with "
    "it. Of a sample, so shares of few examples are estimates.",
    "Attention a token": "query-key pairs of one layer, masked ones included, for each token that "
    "is not padding, over those of the run as it is. An encoder-decoder row has inputs\u00b2 + "
    "targets\u00b2 + inputs \u00d7 targets, a causal row (inputs + targets)\u00b2.",
    "Batch size": "rows a step, whose slots stay as near to the run's as the multiple allows.",
    "Evaluation": "uses the same lengths: it cuts prompts to inputs, and refuses an option that is "
    "longer than targets.",
}
"""How to read the table."""

_PERCENTILES = (50, 90, 95, 99)


class Sampled(NamedTuple):
    """What an advice is made from.

    Attributes:
      mixture: The mixture's name.
      family: "encoder-decoder" or "causal".
      drawn: int64 [n, 2], lengths of the examples drawn.
      lengths: Task name -> int64 [m, 2], lengths of its sample.
      sizes: Task name -> records that the run uses of it.
      shares: Task name -> its share of the draws.
    """

    mixture: str
    family: str
    drawn: np.ndarray
    lengths: Mapping[str, np.ndarray]
    sizes: Mapping[str, int]
    shares: Mapping[str, float]

    def headline(self) -> str:
        """Returns what was drawn, and how long it is, in two lines."""
        tasks = _plural(len(self.lengths), "task")
        num_records = sum(map(len, self.lengths.values()))
        found = summary(self.drawn)
        lengths = "; ".join(
            f"{side} mean {each['mean']:.1f}, median {each['p50']:.0f}, 99 % within "
            f"{each['p99']:.0f}, longest {each['max']:,}"
            for side, each in found.items()
        )
        return (
            f"mixture {self.mixture}, {self.family}: {_plural(len(self.drawn), 'draw')} from "
            f"{num_records:,} sampled of {_plural(sum(self.sizes.values()), 'record')} in "
            f"{tasks}\n{lengths}"
        )


def summary(lengths: np.ndarray) -> dict[str, dict[str, float]]:
    """Returns mean, percentiles and maximum of each side.

    Args:
      lengths: int64 [n, 2].
    """
    return {
        side: {
            "mean": float(each.mean()),
            **{f"p{rank}": float(np.percentile(each, rank)) for rank in _PERCENTILES},
            "max": int(each.max()),
        }
        for side, each in zip(("inputs", "targets"), lengths.T, strict=True)
    }


def mark(advice: Advice, choice: Choice) -> str:
    """Returns ">" for the recommended choice, "*" for the run's own, or both."""
    return ">" * (choice == advice.recommended) + "*" * (choice == advice.current)


def cells(advice: Advice, choice: Choice) -> tuple[str, ...]:
    """Returns what a choice's row of the table holds, in the order of COLUMNS."""
    return (
        str(choice.slots),
        name(choice),
        str(choice.batch_size),
        f"{100 * choice.fill:.1f}",
        f"{100 * choice.bound:.1f}",
        f"{100 * choice.inputs_cut:.2f}",
        f"{100 * choice.targets_cut:.2f}",
        f"{100 * choice.tokens_lost:.2f}",
        f"{choice.examples_per_row:.1f}",
        f"{choice.tokens_per_step / 1000:.1f}k",
        f"{advice.relative_attention(choice):.2f}x",
    )


def name(choice: Choice) -> str:
    """Returns a choice's caps, "1024 + 128"."""
    return f"{choice.inputs} + {choice.targets}"


def verdict(advice: Advice) -> str:
    """Returns what to do, and what it changes, in a sentence or two."""
    taken, current = advice.recommended, advice.current
    if taken is None:
        least = min(advice.listed(), key=lambda choice: choice.cut)
        return (
            f"No choice cuts at most {100 * advice.max_truncation:.2f} % of examples on each "
            f"side; {name(least)} comes nearest with {100 * least.cut:.2f} %. Raise "
            "--max_truncation, or leave long examples out."
        )
    what = f"it fills {100 * taken.fill:.1f} % of slots and cuts {_cuts(taken)}."
    if taken == current:
        return f"Stay with {name(taken)}: {what}{_fuller(advice, taken)}"
    why = ""
    if current.cut > advice.max_truncation:
        why = (
            f"The run as it is cuts {_cuts(current)}, of which {100 * advice.max_truncation:.2f} % "
            "are allowed. "
        )
    gain = 100 * (taken.fill / current.fill - 1)
    change = f"{abs(gain):.1f} % {'more' if gain > 0 else 'fewer'} tokens"
    if abs(gain) < 0.05:
        change = "as many tokens"
    return (
        f"{why}Take {name(taken)}: {what} For the slots of now that is {change}, with "
        f"{advice.relative_attention(taken):.2f} times the attention a token."
        f"{_fuller(advice, taken)}"
    )


def _cuts(choice: Choice) -> str:
    if not choice.cut:
        return "nothing"
    return (
        f"{100 * choice.inputs_cut:.2f} % of prompts and {100 * choice.targets_cut:.2f} % of "
        "targets"
    )


def _fuller(advice: Advice, taken: Choice) -> str:
    """Returns a word on the fullest rows that were passed over for their attention."""
    most = advice.max_attention * advice.current.attention_per_token
    passed = [
        choice
        for choice in advice.choices
        if choice.cut <= advice.max_truncation
        and choice.attention_per_token > most
        and choice.fill > taken.fill + NEAR
    ]
    if not passed:
        return ""
    fullest = max(passed, key=lambda choice: choice.fill)
    return (
        f" {name(fullest)} would fill {100 * fullest.fill:.1f} %, but with "
        f"{advice.relative_attention(fullest):.2f} times the attention."
    )


def to_plain(advice: Advice, sampled: Sampled) -> dict[str, Any]:
    """Returns all that is known as JSON values."""

    def row(choice: Choice) -> dict[str, Any]:
        return {**choice._asdict(), "relative_attention": advice.relative_attention(choice)}

    taken = advice.recommended
    tasks = [
        {
            "task": task,
            "records": sampled.sizes[task],
            "sampled": len(lengths),
            "share": sampled.shares[task],
            "lengths": summary(lengths),
        }
        for task, lengths in sampled.lengths.items()
    ]
    return {
        "mixture": sampled.mixture,
        "family": sampled.family,
        "draws": len(sampled.drawn),
        "max_truncation": advice.max_truncation,
        "max_attention": advice.max_attention,
        "lengths": summary(sampled.drawn),
        "tasks": tasks,
        "choices": [row(choice) for choice in advice.choices],
        "current": row(advice.current),
        "recommended": None if taken is None else row(taken),
        "gin": [] if taken is None else list(taken.gin_lines()),
    }


def _plural(number: int, noun: str) -> str:
    return f"{number:,} {noun}" + ("" if number == 1 else "s")
