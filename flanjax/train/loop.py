"""The training loop."""

from __future__ import annotations

import dataclasses


@dataclasses.dataclass(frozen=True, kw_only=True)
class TrainConfig:
    """How long and how often.

    Attributes:
      steps: The last step; a resumed run goes on to the same one.
      batch_size: Packed rows per step over all devices.
      microbatches: Parts of a step whose sums are added before one update.
      seed: Seeds parameters, data order, templates and dropout.
      log_period: Steps between lines of the log.
      checkpoint_period: Steps between checkpoints; the last is always kept.
      keep_checkpoints: The newest so many are kept.
      eval_period: Steps between evaluations; 0 evaluates before and after.
    """

    steps: int
    batch_size: int = 128
    microbatches: int = 1
    seed: int = 0
    log_period: int = 20
    checkpoint_period: int = 1000
    keep_checkpoints: int = 3
    eval_period: int = 0

    def __post_init__(self) -> None:
        for name in ("steps", "batch_size", "microbatches", "log_period", "checkpoint_period"):
            if getattr(self, name) < 1:
                raise ValueError(
                    f"train {name} must be positive, got {getattr(self, name)}; raise it."
                )
        if self.batch_size % self.microbatches:
            raise ValueError(
                f"batch_size must be a multiple of microbatches, got {self.batch_size} and "
                f"{self.microbatches}; change one."
            )
