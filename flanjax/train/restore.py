"""What of a checkpoint a run starts from, and what it leaves as it is."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterable, Sequence
from typing import Any, Literal, get_args

import jax

from flanjax.base import Params, path_name
from flanjax.models.api import is_axes

OptimizerState = Literal["reset", "keep"]
Weights = Literal["trained", "averaged"]
"""Those that the last update led to, or the moving average that was kept beside them."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class RestoreConfig:
    r"""How a run starts from INITIAL_CHECKPOINT_PATH.

    Attributes:
      optimizer_state: "reset" starts the optimizer, its schedule and the steps
        anew; "keep" goes on from the checkpoint's step with its state, and
        TRAIN_STEPS counts the steps done before.
      assignment_map: (pattern, source) pairs, tried in order; a parameter whose
        whole path a pattern matches is read from the checkpoint's parameter
        `source`, in which \1 is the pattern's first group, or starts anew
        where it is None. A parameter that no pattern matches is read from its
        own path. With a map, the checkpoint may be of another model, and hold
        more than is read; T5X's, which tells no model, is read in the run's
        own sizes. What starts anew has no moments, whatever is kept.
      weights: "averaged" reads the moving average that a run with EmaConfig
        has kept, in place of the weights that were trained.
    """

    optimizer_state: OptimizerState = "reset"
    assignment_map: tuple[tuple[str, str | None], ...] = ()
    weights: Weights = "trained"

    def __post_init__(self) -> None:
        for field, choices in (("optimizer_state", OptimizerState), ("weights", Weights)):
            if (given := getattr(self, field)) not in get_args(choices):
                first, other = get_args(choices)
                raise ValueError(
                    f"{field} must be {first!r} or {other!r}, got {given!r}; choose one."
                )
        for pair in self.assignment_map:
            is_pair = not isinstance(pair, str) and len(pair) == 2
            if not is_pair or not isinstance(pair[1], str | None):
                raise ValueError(
                    f"assignment_map must hold (pattern, source or None) pairs, got {pair!r}; "
                    "write (('head', None),)."
                )
        pairs = tuple((pattern, source) for pattern, source in self.assignment_map)
        object.__setattr__(self, "assignment_map", pairs)  # JSON gives lists
        for pattern, _ in pairs:
            check_pattern("assignment_map", pattern)


def check_pattern(field: str, pattern: Any) -> None:
    """Checks that a pattern is a regular expression.

    Raises:
      ValueError: It is none.
    """
    try:
        re.compile(pattern)
    except (re.error, TypeError) as error:
        raise ValueError(
            f"{field} must hold regular expressions, got {pattern!r} ({error}); write '.*head'."
        ) from None


def sources(config: RestoreConfig, paths: Iterable[str]) -> dict[str, str | None]:
    """Returns path -> the checkpoint's parameter that it is read from; None for none.

    Raises:
      ValueError: A pattern matches no parameter, or names a group that is not there.
    """
    paths = list(paths)
    for pattern, _ in config.assignment_map:
        check_matches("assignment_map", pattern, paths)
    return {path: _source(config, path) for path in paths}


def _source(config: RestoreConfig, path: str) -> str | None:
    for pattern, source in config.assignment_map:
        match = re.fullmatch(pattern, path)
        if match is None:
            continue
        try:
            return None if source is None else match.expand(source)
        except (IndexError, re.error) as error:
            raise ValueError(
                f"assignment_map source must refer to groups of {pattern!r}, got {source!r} "
                f"({error}); add the group."
            ) from None
    return path


def frozen_paths(patterns: Sequence[str], axes: Params) -> frozenset[str]:
    """Returns the paths of the parameters that patterns match as a whole.

    Args:
      patterns: Regular expressions.
      axes: The model's logical axes.

    Raises:
      ValueError: A pattern matches nothing, or nothing is left to train.
    """
    leaves = jax.tree_util.tree_leaves_with_path(axes, is_leaf=is_axes)
    paths = [path_name(path) for path, _ in leaves]
    for pattern in patterns:
        check_matches("freeze", pattern, paths)
    found = frozenset(p for p in paths if any(re.fullmatch(pattern, p) for pattern in patterns))
    if len(found) == len(paths):
        raise ValueError(
            f"freeze must leave parameters to train, got {tuple(patterns)!r}, which match all "
            f"{len(paths)}; freeze fewer."
        )
    return found


def check_matches(field: str, pattern: str, paths: Sequence[str]) -> None:
    if not any(re.fullmatch(pattern, path) for path in paths):
        raise ValueError(
            f"{field} pattern must match the whole path of a parameter, got {pattern!r}; the "
            f"paths are {', '.join(paths[:4])} and so on."
        )
