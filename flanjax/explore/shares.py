"""What a run draws, tests and leaves out, for every hold-out of a catalogue."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flanjax.data.catalogue import Catalogue, rates
from flanjax.data.holdout import Split, evaluation_only, hold_out, intra_cluster, restricted

NOTHING = ""
"""The rule that holds nothing out."""


def hold_outs(catalogue: Catalogue, sizes: Mapping[str, int]) -> list[dict[str, Any]]:
    """Returns each hold-out as plain data: nothing, each cluster, within clusters.

    `shares` maps tasks to their part of all draws, `unsized` names the tasks
    that would be trained on and whose size nobody knows, `dropped` maps tasks
    to the reason. A hold-out that leaves nothing to train on has `error`.

    Args:
      catalogue: The catalogue.
      sizes: Task name -> training examples, where known.
    """
    rules = [(NOTHING, "nothing")]
    rules += [(cluster.name, "cluster") for cluster in catalogue.clusters]
    rules += [(held.rule, "intra") for held in intra_cluster(catalogue)]
    return [{"rule": rule, "kind": kind, **_facts(catalogue, rule, sizes)} for rule, kind in rules]


def _facts(catalogue: Catalogue, rule: str, sizes: Mapping[str, int]) -> dict[str, Any]:
    try:
        split = _split(catalogue, rule)
    except ValueError as error:  # nothing to train on: that is what there is to show
        return {"error": str(error)}
    known = [task for task in split.train.tasks() if sizes.get(task.name)]
    found = {}
    if known:
        found = rates(restricted(split.train, known, name=split.train.name), sizes)
    return {
        "shares": {name: round(share, 7) for name, share in found.items()},
        "unsized": [task.name for task in split.train.tasks() if task.name not in found],
        "tested": [task.name for task in split.test.tasks] if split.test else [],
        "dropped": split.dropped,
    }


def _split(catalogue: Catalogue, rule: str) -> Split:
    if rule == NOTHING:
        return Split(catalogue.mixture(catalogue.name), None, evaluation_only(catalogue))
    return hold_out(catalogue, rule)
