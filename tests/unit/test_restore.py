"""What a run reads of a checkpoint, and what it freezes."""

from __future__ import annotations

import re
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from flanjax.base import flat, nested
from flanjax.train import frozen, restore
from flanjax.train.optim import OptimizerConfig, make_optimizer
from flanjax.train.restore import RestoreConfig

PATHS = ["embed", "encoder/norm", "decoder/norm", "head"]
AXES = {"embed": ("vocab", "embed"), "encoder": {"norm": ("embed",)}, "head": ("embed", "vocab")}


def test_each_path_is_its_own_source_without_a_map():
    assert restore.sources(RestoreConfig(), PATHS) == {path: path for path in PATHS}


def test_the_first_pattern_that_matches_counts():
    config = RestoreConfig(
        assignment_map=[["head", None], [r"(en|de)coder/(.*)", r"encoder/\2"], ["decoder/.*", None]]
    )
    assert restore.sources(config, PATHS) == {
        "embed": "embed",
        "encoder/norm": "encoder/norm",
        "decoder/norm": "encoder/norm",
        "head": None,
    }


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"optimizer_state": "drop"}, "optimizer_state must be 'reset' or 'keep', got 'drop'; "),
        ({"assignment_map": [("(head", None)]}, "assignment_map must hold regular expressions"),
    ],
)
def test_a_config_is_refused(fields: dict[str, Any], message: str):
    with pytest.raises(ValueError, match=re.escape(message)):
        RestoreConfig(**fields)


@pytest.mark.parametrize(
    ("pair", "message"),
    [
        (
            ("hea", None),
            "assignment_map pattern must match the whole path of a parameter, got 'hea'",
        ),
        (("head", r"\1"), r"assignment_map source must refer to groups of 'head', got '\\1'"),
    ],
)
def test_a_map_that_does_not_fit_the_model_is_refused(pair: Any, message: str):
    with pytest.raises(ValueError, match=re.escape(message)):
        restore.sources(RestoreConfig(assignment_map=[pair]), PATHS)


def test_frozen_paths_match_as_a_whole():
    assert restore.frozen_paths(["encoder/.*", "embed"], AXES) == {"encoder/norm", "embed"}
    with pytest.raises(
        ValueError, match=r"freeze pattern must match the whole path .*, got 'norm'"
    ):
        restore.frozen_paths(["norm"], AXES)
    with pytest.raises(ValueError, match=r"freeze must leave parameters to train, got .* all 3;"):
        restore.frozen_paths([".*"], AXES)
    with pytest.raises(ValueError, match=r"freeze must hold regular expressions, got '\['"):
        OptimizerConfig(freeze=["["])


def test_split_and_merge_are_inverse():
    tree = {"a": {"x": 1, "y": 2}, "b": {"z": 3}}
    trained, rest = frozen.split(tree, {"a/y", "b/z"})
    assert (trained, rest) == ({"a": {"x": 1}}, {"a": {"y": 2}, "b": {"z": 3}})
    assert frozen.merge(trained, rest) == tree
    assert frozen.split(tree, ()) == (tree, None)
    assert frozen.merge(tree, None) is tree


@pytest.mark.parametrize("name", ["adamw", "adafactor", "lion", "muon", "sgd"])
def test_a_state_is_found_by_its_names(name: Any):
    axes = {"embed": ("vocab", "embed"), "layers": {"up": ("layers", "embed", "mlp")}}
    params = {"embed": jnp.ones((3, 2)), "layers": {"up": jnp.ones((2, 3, 4))}}
    tx = make_optimizer(OptimizerConfig(name=name, clip_norm=1.0), axes, num_steps=9)
    state = tx.init(params)
    roles = {
        "adamw": {"mu", "nu"},
        "adafactor": {"v"},  # so small that none is factored
        "lion": {"mu"},
        "muon": {"mu", "nu"},
        "sgd": {"trace"},
    }[name]
    assert {key.partition("/")[0] for key in state} - {"ns_coeffs"} == roles | {"count"}
    assert state[f"{min(roles)}/layers/up"].ndim
    _, after = tx.update(params, dict(sorted(state.items())), params)
    _, again = tx.update(params, state, params)
    assert after.keys() == again.keys() == state.keys()
    jax.tree.map(np.testing.assert_array_equal, after, again)  # found by name, not by place
    numbered = {key: number for number, key in enumerate(state)}
    assert flat(nested(numbered)) == numbered


@pytest.mark.parametrize(
    ("pairs", "message"),
    [
        (("head", "embed"), "assignment_map must hold (pattern, source or None) pairs, got 'head'"),
        ((("head",),), "assignment_map must hold (pattern, source or None) pairs, got ('head',)"),
        (
            (("head", 3),),
            "assignment_map must hold (pattern, source or None) pairs, got ('head', 3",
        ),
    ],
)
def test_a_pair_that_is_none_is_refused(pairs: Any, message: str):
    with pytest.raises(ValueError, match=re.escape(message)):
        RestoreConfig(assignment_map=pairs)


def test_a_text_in_place_of_patterns_is_refused():
    text: Any = "encoder/.*"
    with pytest.raises(ValueError, match=r"freeze must be a tuple of patterns, got the text 'enc"):
        OptimizerConfig(freeze=text)


def test_counters_are_named_by_their_stack():
    axes = {side: {"layers": {"up": ("layers", "embed", "mlp")}} for side in ("encoder", "decoder")}
    shapes = {"encoder": (3, 4, 5), "decoder": (2, 4, 5)}
    params = {side: {"layers": {"up": jnp.ones(shape)}} for side, shape in shapes.items()}
    found = {}
    for frozen_side in ("none", "decoder"):
        kept = {side: tree for side, tree in params.items() if side != frozen_side}
        tx = make_optimizer(OptimizerConfig(), {side: axes[side] for side in kept}, num_steps=9)
        leaves = tx.init(kept)
        found[frozen_side] = {n: leaf.shape for n, leaf in leaves.items() if n.startswith("count")}
    assert found["none"]["count/encoder/layers/0"] == (3,)
    assert found["none"]["count/decoder/layers/0"] == (2,)
    assert found["decoder"].items() <= found["none"].items()
