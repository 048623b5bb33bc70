"""What a run has seen of each task, exactly, and whether it is what was asked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from flanjax.engine.cache import Placed
from flanjax.engine.plan import Plan
from flanjax.engine.shard import INPUTS_CUT, TARGETS_CUT

_COLUMNS = ("examples", "input_tokens", "target_tokens", "inputs_cut", "targets_cut")


class Account(NamedTuple):
    """Sums over the rows that a run has read, those of all hosts.

    Attributes:
      tasks: int64 [tasks, 5]: examples, prompt tokens and target tokens (each
        with its end id), examples whose prompt was cut, whose target was cut.
      rows: Rows read.
      tokens: Slots of those rows that hold a token.
    """

    tasks: np.ndarray
    rows: int = 0
    tokens: int = 0

    @classmethod
    def empty(cls, num_tasks: int) -> Account:
        """Returns the account before the first row."""
        return cls(np.zeros((num_tasks, len(_COLUMNS)), np.int64))

    def plus(self, placed: Placed, start: int, stop: int, *, is_causal: bool) -> Account:
        """Returns the account after rows `start` to `stop` of a window.

        Args:
          placed: The window's rows.
          start: The first row.
          stop: The row after the last.
          is_causal: Whether an example takes one slot less than its tokens.
        """
        offsets = placed.rows.offsets
        here = slice(offsets[start], offsets[stop])
        tasks = placed.rows.tasks[here]
        inputs, targets = placed.inputs[here], placed.targets[here]
        is_cut = [(placed.flags[here] & flag) > 0 for flag in (INPUTS_CUT, TARGETS_CUT)]
        columns = (np.ones(len(tasks)), inputs, targets, *is_cut)
        added = [np.bincount(tasks, values, len(self.tasks)) for values in columns]
        tokens = int(inputs.sum() + targets.sum()) - is_causal * len(tasks)
        return Account(
            self.tasks + np.stack(added, axis=1).astype(np.int64),
            self.rows + stop - start,
            self.tokens + tokens,
        )

    def to_json(self) -> dict[str, Any]:
        """Returns the sums as JSON values."""
        return {"tasks": self.tasks.tolist(), "rows": self.rows, "tokens": self.tokens}

    @classmethod
    def from_json(cls, plain: Mapping[str, Any]) -> Account:
        """Returns the account that `to_json` wrote."""
        return cls(np.asarray(plain["tasks"], np.int64), int(plain["rows"]), int(plain["tokens"]))

    def fill(self, capacities: Sequence[int]) -> float:
        """Returns the share of slots that hold a token; 0.0 before the first row."""
        slots = self.rows * sum(capacities)
        return self.tokens / slots if slots else 0.0

    def seen(self, plan: Plan) -> dict[str, dict[str, Any]]:
        """Returns task name -> what was seen of it.

        `share` is its share of the examples so far and `share_asked` what the
        mixture asks of as many; `passes` counts wordings of every record.
        """
        examples = self.tasks[:, 0]
        total = int(examples.sum())
        asked = plan.shares_until(max(total, 1))
        found = {}
        for number, task in enumerate(plan.tasks):
            row = dict(zip(_COLUMNS, self.tasks[number].tolist(), strict=True))
            row["passes"] = row["examples"] / (task.group * task.pass_sizes[0])
            row["share"] = row["examples"] / total if total else 0.0
            row["share_asked"] = asked[number]
            found[task.name] = row
        return found

    def metrics(self, plan: Plan) -> dict[str, float]:
        """Returns what the log shows: sums over tasks, and the worst share."""
        sums = dict(zip(_COLUMNS, self.tasks.sum(axis=0).tolist(), strict=True))
        rows = self.seen(plan).values()
        worst = max((abs(row["share"] - row["share_asked"]) for row in rows), default=0.0)
        return {
            **{f"data/{name}": float(value) for name, value in sums.items()},
            "data/fill": self.fill(plan.capacities),
            "data/rows": float(self.rows),
            "data/share_error": worst,
        }
