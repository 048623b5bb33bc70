"""The world of the published table; its seed was drawn once, after the freeze."""

from __future__ import annotations

from flanjax.tasks import mini
from flanjax.tasks.mini import developed, prose

SEED = 1_917_235_535
CATALOGUE = mini.of_world(SEED, num_train=developed.NUM_TRAIN)
TEXT = prose.of_world(SEED)
