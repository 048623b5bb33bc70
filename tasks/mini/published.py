"""The world of the published table; its seed was drawn once, after the freeze."""

from __future__ import annotations

from flanjax.tasks import mini
from flanjax.tasks.mini import prose

SEED = 1_656_054_029
CATALOGUE = mini.of_world(SEED)
TEXT = prose.of_world(SEED)
