r"""What an optimizer does to some parameters and not to others, by their paths.

```
  OptimizerConfig.freeze        = ('encoder/.*',)             not trained, nothing kept of them
  OptimizerConfig.rate_factors  = (('.*/attention/.*', 0.1),) a tenth of the learning rate
  OptimizerConfig.decay_factors = (('.*norm.*|.*bias', 0.0),) no weight decay
```

A pattern is a regular expression that matches a whole path (`decoder/layers/mlp/up`). It must match
at least one; of several pairs the first that matches counts, and what none matches has a factor
of 1. A stack of layers is one parameter: layers of it cannot be told apart. A rate of 0.0 keeps a
parameter where it is too (Adafactor's wants a decay of 0.0 as well, which its rate does not scale),
but with moments and gradients; `freeze` saves them.
"""

from __future__ import annotations

import re
from typing import Any

import jax
import optax

from flanjax.base import Params, path_name
from flanjax.models.api import is_axes
from flanjax.train import restore

Factors = tuple[tuple[str, float], ...]
"""(pattern, factor) pairs."""


def checked_patterns(field: str, given: Any) -> tuple[str, ...]:
    """Returns checked patterns; JSON and gin give lists.

    Raises:
      ValueError: They are no tuple of regular expressions.
    """
    if isinstance(given, str):
        raise ValueError(
            f"{field} must be a tuple of patterns, got the text {given!r}; write ({given!r},)."
        )
    for pattern in given:
        restore.check_pattern(field, pattern)
    return tuple(given)


def checked_factors(field: str, given: Any) -> Factors:
    """Returns checked (pattern, factor) pairs; JSON and gin give lists.

    Raises:
      ValueError: They are none, or a factor is negative or infinite.
    """
    if isinstance(given, str) or not all(
        isinstance(pair, (list, tuple)) and len(pair) == 2 for pair in given
    ):
        raise ValueError(
            f"{field} must hold (pattern, factor) pairs, got {given!r}; write (('.*norm.*', 0.0),)."
        )
    for pattern, factor in given:
        restore.check_pattern(field, pattern)
        is_number = isinstance(factor, (int, float)) and not isinstance(factor, bool)
        if not is_number or not 0 <= factor < float("inf"):
            raise ValueError(
                f"{field} must be numbers from 0, and finite, got {factor!r} for {pattern!r}; use "
                "0.0 for none."
            )
    return tuple((pattern, float(factor)) for pattern, factor in given)


def factors(field: str, rules: Factors, axes: Params) -> Params | None:
    """Returns a tree of each parameter's factor; None where there are no rules.

    Raises:
      ValueError: A pattern matches no parameter's whole path.
    """
    if not rules:
        return None
    paths = [path_name(path) for path, _ in jax.tree_util.tree_leaves_with_path(axes, is_axes)]
    for pattern, _ in rules:
        restore.check_matches(field, pattern, paths)

    def factor(path: tuple[Any, ...], _: Any) -> float:
        name = path_name(path)
        return next((value for pattern, value in rules if re.fullmatch(pattern, name)), 1.0)

    return jax.tree_util.tree_map_with_path(factor, axes, is_leaf=is_axes)


def decayed(weight_decay: float, factors: Params | None) -> optax.GradientTransformation:
    """Returns what adds decay times parameters to updates."""
    if factors is None:
        return optax.add_decayed_weights(weight_decay)

    def update(updates: Params, params: Params | None) -> Params:
        return jax.tree.map(lambda u, p, f: u + weight_decay * f * p, updates, params, factors)

    return optax.stateless(update)


def scaled(factors: Params | None) -> optax.GradientTransformation:
    """Returns what multiplies updates by their factors."""
    if factors is None:
        return optax.identity()

    def update(updates: Params, _: Params | None) -> Params:
        return jax.tree.map(lambda u, f: u * f, updates, factors)

    return optax.stateless(update)
