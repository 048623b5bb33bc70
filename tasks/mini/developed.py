"""The world to develop the miniature in: that of the embedded collection."""

from __future__ import annotations

from flanjax.tasks import mini
from flanjax.tasks.mini import prose

NUM_TRAIN = 10_000
"""Training records of each task: enough that a model tuned on one cluster alone rereads little."""

CATALOGUE = mini.of_world(0, num_train=NUM_TRAIN)
TEXT = prose.CATALOGUE
