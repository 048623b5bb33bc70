"""What parameters begin with: spreads of the papers, and logits of order one."""

from __future__ import annotations

import dataclasses

import jax
import numpy as np
import pytest
from tiny_models import DECODER, T5

from flanjax.models.configs import AttentionConfig, BlockConfig, EmbeddingConfig
from flanjax.models.families import make_model


def init(config):
    return jax.jit(make_model(config).init)(jax.random.key(0))


def test_initial_values_have_the_published_spread():
    wide = dataclasses.replace(T5, vocab_size=500, d_model=64, d_ff=96, d_head=32)
    params = init(wide)
    layers = params["decoder"]["layers"]
    expected = {
        "embed": (params["embed"], 1.0),
        "head": (params["head"], 64**-0.5),
        "q": (layers["attention"]["q"], (64 * 32) ** -0.5),
        "k": (layers["cross_attention"]["k"], 64**-0.5),
        "o": (layers["attention"]["o"], 64**-0.5),  # 2 heads of 32
        "gate": (layers["mlp"]["gate"], 64**-0.5),
        "down": (layers["mlp"]["down"], 96**-0.5),
    }
    for name, (leaf, std) in expected.items():
        assert np.std(leaf) == pytest.approx(std, rel=0.05), name
    np.testing.assert_array_equal(layers["mlp_norm"]["scale"], np.ones((3, 64)))


def test_what_families_scale_otherwise_begins_as_small():
    """T5Gemma multiplies tied embeddings; LaMDA's logits are as unscaled as T5's."""
    wide = {"vocab_size": 500, "d_model": 64, "d_ff": 96, "d_head": 32}
    embedding = EmbeddingConfig(is_tied=True, scales_inputs=True)
    gemma = dataclasses.replace(T5, embedding=embedding, **wide)
    assert np.std(init(gemma)["embed"]) == pytest.approx(1 / 8, rel=0.05)
    tied = dataclasses.replace(gemma, embedding=EmbeddingConfig(is_tied=True, scales_outputs=True))
    assert np.std(init(tied)["embed"]) == pytest.approx(1.0, rel=0.05)
    unscaled = BlockConfig(attention=AttentionConfig(scale=1.0))
    for block, std in ((BlockConfig(), 64**-0.5), (unscaled, (64 * 32) ** -0.5)):
        config = dataclasses.replace(DECODER, block=block, **wide)
        found = np.std(init(config)["layers"]["attention"]["q"])
        assert found == pytest.approx(std, rel=0.05)
