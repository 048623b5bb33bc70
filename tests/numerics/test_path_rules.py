"""Decay, freeze and rate by path, in models whose layers are scanned or not."""

from __future__ import annotations

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from flanjax.base import flat
from flanjax.data.batch import Example
from flanjax.engine.pack import Layout, pack
from flanjax.losses.tokens import LossConfig
from flanjax.models import families
from flanjax.models.api import is_axes
from flanjax.models.decoder import DecoderConfig
from flanjax.train import frozen, path_rules, restore
from flanjax.train.objectives import token_loss
from flanjax.train.optim import OptimizerConfig, ScheduleConfig, make_optimizer
from flanjax.train.state import init_state
from flanjax.train.step import make_train_step

CONFIG = DecoderConfig(
    vocab_size=32, d_model=16, d_ff=32, num_heads=2, num_kv_heads=2, d_head=8, num_layers=2
)
RULES = OptimizerConfig(
    name="sgd",
    schedule=ScheduleConfig(peak=0.1),
    weight_decay=0.5,
    freeze=("layers/attention/.*",),
    rate_factors=(("layers/mlp/up", 0.5), (".*/mlp/(up|gate)", 0.0)),
    decay_factors=((".*norm.*", 0.0), ("layers/mlp/down", 2.0)),
)


def moved(rules, *, scan_layers):
    """Returns the change of each parameter in one step, and the parameters."""
    model = families.make_model(dataclasses.replace(CONFIG, scan_layers=scan_layers))
    paths = restore.frozen_paths(rules.freeze, model.axes)
    axes, _ = frozen.split(model.axes, paths, is_leaf=is_axes)
    tx = make_optimizer(rules, axes, num_steps=2)
    state = init_state(model, tx, jax.random.key(0), paths)
    ids = np.arange(3, 9, dtype=np.int32)
    batch = pack([[Example(ids[:3], ids[3:])]], Layout(None, 8, 1))
    step = jax.jit(make_train_step(token_loss(model, LossConfig()), tx))
    after, _ = step(state, batch, jax.random.key(1))
    before = flat(state.model_params())
    found = flat(after.model_params())
    assert not any("attention/" in name for name in after.opt_state)
    return {name: np.asarray(found[name] - before[name]) for name in before}, before


@pytest.fixture(scope="module")
def plain():
    return moved(dataclasses.replace(RULES, rate_factors=(), decay_factors=()), scan_layers=True)


@pytest.mark.parametrize("scan_layers", [True, False])
def test_rules_hold_for_stacked_layers(plain, scan_layers):
    usual, before = plain
    found, _ = moved(RULES, scan_layers=scan_layers)

    def close(name, expected):
        np.testing.assert_allclose(found[name], expected, rtol=1e-4, atol=1e-7, err_msg=name)

    for name in before:
        if "attention/" in name:
            assert not found[name].any(), name
    close("embed", usual["embed"])
    close("layers/mlp/up", 0.5 * usual["layers/mlp/up"])  # the first pattern that matches
    assert not found["layers/mlp/gate"].any()
    # The rate 0.1 times decay 0.5, once more or not at all.
    close("layers/mlp/down", usual["layers/mlp/down"] - 0.05 * before["layers/mlp/down"])
    close("norm/scale", usual["norm/scale"] + 0.05 * before["norm/scale"])
    close(
        "layers/mlp_norm/scale",
        usual["layers/mlp_norm/scale"] + 0.05 * before["layers/mlp_norm/scale"],
    )
    assert jnp.abs(usual["layers/mlp/up"]).min(axis=(1, 2)).max() > 0  # both layers move


def test_lists_of_json_become_tuples_and_texts_are_refused():
    assert path_rules.checked_patterns("freeze", ["a", "b"]) == ("a", "b")
    assert path_rules.checked_factors("rate_factors", [["a", 1]]) == (("a", 1.0),)
    with pytest.raises(ValueError, match="freeze must be a tuple of patterns, got the text 'a'"):
        path_rules.checked_patterns("freeze", "a")
