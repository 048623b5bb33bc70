"""The state of a run's optimizer that lies in the checkpoint it starts from."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flanjax.base import listed
from flanjax.interop import moments
from flanjax.interop.places import Arrays
from flanjax.opened import Opened
from flanjax.parts import Parts
from flanjax.train import ema
from flanjax.train.state import optimizer_shapes

MAX_NAMED = 8
"""So many parameters are named in a line."""


def state_shapes(parts: Parts) -> dict[str, tuple[int, ...]]:
    """Returns the shapes of the optimizer's state, by `role/path`."""
    return optimizer_shapes(parts.model, parts.tx, parts.frozen)


def kept_state(
    source: Opened,
    parts: Parts,
    shapes: Mapping[str, tuple[int, ...]],
    sources: Mapping[str, str | None],
) -> Arrays:
    """Returns the state of the run's optimizer that lies in a checkpoint."""
    leaves = state_shapes(parts)
    if ema.COUNT not in (source.opt_state or {}):  # an average may begin at any step
        leaves = {name: shape for name, shape in leaves.items() if not ema.is_leaf(name)}
    names = {name: _source_of_leaf(name, sources) for name in leaves}
    wanted = {name: shape for name, shape in leaves.items() if names[name]}
    found: Arrays | None = None
    if source.opt_state is not None:
        theirs = source.opt_state
        found = {ours: theirs[name] for ours, name in names.items() if name and name in theirs}
    elif (second := source.open_moments()) is not None:
        renamed = {ours: second[name] for ours, name in sources.items() if name and name in second}
        found = moments.to_leaves(renamed, shapes, wanted, step=source.step)
    what = f"{source.kind} checkpoint {source.path}"
    if found is None:
        raise ValueError(
            f"optimizer_state 'keep' must have a checkpoint with the state of the run's optimizer, "
            f"got {what}, which has none of it; set RestoreConfig.optimizer_state = 'reset'."
        )
    faults = [
        f"{name} {shape} from {found[name].shape if name in found else 'none'}"
        for name, shape in wanted.items()
        if name not in found or found[name].shape != shape
    ]
    if source.opt_state is not None:
        faults += _unread_state(source.opt_state, names, sources)
    if faults:
        raise ValueError(
            f"optimizer_state 'keep' must have the run's own optimizer, got {what} with "
            f"{listed(faults, MAX_NAMED)}; set its OptimizerConfig, or RestoreConfig."
            "optimizer_state = 'reset'."
        )
    return found


def _unread_state(
    theirs: Mapping[str, Any], names: Mapping[str, str | None], sources: Mapping[str, str | None]
) -> list[str]:
    """Returns what a checkpoint keeps of trained parameters that nobody asks for."""
    trained = {sources[path] for name in names if (path := name.partition("/")[2]) in sources}
    unread = theirs.keys() - set(names.values())
    return [f"{name} for nothing" for name in sorted(unread) if name.partition("/")[2] in trained]


def _source_of_leaf(name: str, sources: Mapping[str, str | None]) -> str | None:
    """Returns where a leaf of an optimizer's state is read, None for nowhere."""
    role, _, path = name.partition("/")
    if path not in sources:
        return name
    source = sources[path]
    return None if source is None else f"{role}/{source}"
