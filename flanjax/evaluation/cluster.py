"""Scores a task cluster over all its templates."""

from __future__ import annotations

import dataclasses


@dataclasses.dataclass(frozen=True, kw_only=True)
class EvalConfig:
    """How clusters are scored.

    Attributes:
      split: "validation" or "test".
      max_examples: Records per task, chosen by a stable hash; each is scored
        under every template. 0 takes all.
      batch_size: Prompts scored at a time.
      max_decode_length: Tokens generated at most.
      num_shots: Exemplars in each prompt.
      seed: Chooses records and exemplars.
      before_and_after: Whether training also scores the held-out cluster
        before the first and after the last step.
    """

    split: str = "validation"
    max_examples: int = 200
    batch_size: int = 32
    max_decode_length: int = 64
    num_shots: int = 0
    seed: int = 0
    before_and_after: bool = True

    def __post_init__(self) -> None:
        if self.split not in ("validation", "test"):
            raise ValueError(
                f"evaluation split must be validation or test, got {self.split!r}; choose one."
            )
        for name in ("batch_size", "max_decode_length"):
            if getattr(self, name) < 1:
                raise ValueError(
                    f"evaluation {name} must be positive, got {getattr(self, name)}; raise it."
                )
        for name in ("max_examples", "num_shots"):
            if getattr(self, name) < 0:
                raise ValueError(
                    f"evaluation {name} must not be negative, got {getattr(self, name)}; use 0."
                )
