"""What a catalogue's tasks and mixtures are called in SeqIO's registries.

```
  rte_10templates               every record in the wording that it draws
  rte_template_3                every record in one wording
  rte_template_3_score_eval     each option of every record, for rank classification
  flan2021_10templates          the catalogue's tasks, at their rates
  flan2021_nli_10templates      a cluster's
  flan2021_hold_out_nli_10templates_{train,eval}
```

Few-shot names go on with `_5_shot` after the wording: `rte_template_3_5_shot_score_eval`.
"""

from __future__ import annotations

from typing import Literal

Part = Literal["train", "eval"]


def task_name(
    task: str, *, template: int | None = None, num_shots: int = 0, is_scored: bool = False
) -> str:
    """Returns a task's name; all its wordings are one task where none is chosen."""
    scored = "_score_eval" if is_scored else ""
    return f"{task}{_wording(template, num_shots)}{scored}"


def mixture_name(catalogue: str, cluster: str | None = None, *, num_shots: int = 0) -> str:
    """Returns the name of a catalogue's mixture, or of one of its clusters."""
    return "_".join(filter(None, (catalogue, cluster))) + _wording(None, num_shots)


def hold_out_name(catalogue: str, rule: str, *, part: Part, num_shots: int = 0) -> str:
    """Returns the name of what a hold-out trains on, or of what it tests."""
    held = rule.replace(":", "_").replace("+", "_")
    return f"{catalogue}_hold_out_{held}{_wording(None, num_shots)}_{part}"


def _wording(template: int | None, num_shots: int) -> str:
    shots = f"_{num_shots}_shot" if num_shots else ""
    return ("_10templates" if template is None else f"_template_{template}") + shots
