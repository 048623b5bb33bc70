"""Config to model."""

from __future__ import annotations

from flanjax.models import decoder, t5
from flanjax.models.api import Model


def make_model(config: t5.T5Config | decoder.DecoderConfig) -> Model:
    """Returns the model that a config describes."""
    if isinstance(config, t5.T5Config):
        return t5.make_model(config)
    return decoder.make_model(config)
