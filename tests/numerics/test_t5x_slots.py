"""A run goes on from T5X's optimizer with the step that T5X would take."""

from __future__ import annotations

import json
import pathlib
from typing import Any

import jax
import numpy as np
import pytest
from t5x_samples import SAMPLES, model_of

from flanjax import conversion, opened
from flanjax.base import path_name
from flanjax.interop import moments, t5x, t5x_format
from flanjax.interop.places import StoredArray, everything, named_shapes, to_theirs
from flanjax.models.families import make_model
from flanjax.train import optim
from flanjax.train.state import optimizer_shapes

RATE = 1e-2


@pytest.fixture(params=SAMPLES)
def sample(request: pytest.FixtureRequest, test_data: pathlib.Path) -> pathlib.Path:
    return test_data / "reference/t5x_checkpoints" / request.param


def open_sample(sample: pathlib.Path) -> tuple[opened.Opened, pathlib.Path]:
    facts = json.loads((sample / "config.json").read_text("utf-8"))
    path = sample / facts["checkpoint_dir"]
    return opened.open_any(str(path), config=model_of(facts)), path


def read(array: StoredArray) -> np.ndarray:
    return array.read(everything(array.shape))


def stored(array: np.ndarray) -> StoredArray:
    return StoredArray(array.shape, array.dtype, array.__getitem__)


@pytest.mark.parametrize("form", ["legacy", "orbax"])
def test_slots_come_back_bit_for_bit(sample, tmp_path, form):
    source, path = open_sample(sample)
    target = tmp_path / path.name
    conversion.export_t5x(source, target, form=form, dtype=np.dtype(np.float32))
    theirs, ours = t5x_format.open_slots(path), t5x_format.open_slots(target)
    assert set(ours) == set(theirs)
    assert sum(np.any(read(array)) for array in theirs.values()) > 10
    for name, array in theirs.items():
        np.testing.assert_array_equal(read(ours[name]), read(array), err_msg=name)
    assert t5x_format.open_step(target) == source.step == int(path.name.partition("_")[2])


def layer_axis(name: str) -> int | None:
    """Returns the axis of the layers in a scanned array."""
    return 1 if name.split("/")[1] == name.split("/")[0] else None


def rms(array: np.ndarray, name: str) -> np.ndarray:
    """Root mean square within a layer, to be broadcast."""
    axes = tuple(a for a in range(array.ndim) if a != layer_axis(name))
    return np.sqrt(np.mean(array**2, axis=axes, keepdims=True))


def adafactor(
    name: str, parameter: np.ndarray, gradient: np.ndarray, slots: dict[str, np.ndarray], step: int
) -> np.ndarray:
    """One step of Adafactor on an array as T5X has it.

    Source: Shazeer and Stern 2018, algorithms 4 and 5. Decay 1 - t ** -0.8, updates clipped
    at 1, relative to the parameter's scale.
    """
    decay = 1 - (step + 1.0) ** -0.8
    square = gradient.astype(np.float64) ** 2 + 1e-30
    if slots["v"].shape == parameter.shape:
        second = decay * slots["v"] + (1 - decay) * square
    else:
        rows, columns = slots["v_row"], slots["v_col"]
        dropped = {
            slot: tuple(a for a in range(parameter.ndim) if a not in kept)
            for slot, kept in t5x_slots_kept(name, parameter.shape).items()
        }
        rows = decay * np.expand_dims(rows, dropped["v_row"]) + (1 - decay) * square.mean(
            dropped["v_row"], keepdims=True
        )
        columns = decay * np.expand_dims(columns, dropped["v_col"]) + (1 - decay) * square.mean(
            dropped["v_col"], keepdims=True
        )
        own = tuple(a for a in range(parameter.ndim) if a in dropped["v_col"])
        second = rows * columns / rows.mean(own, keepdims=True)
    update = gradient / np.sqrt(second)
    update = update / np.maximum(1.0, rms(update, name))
    return parameter - RATE * np.maximum(rms(parameter, name), 1e-3) * update


def t5x_slots_kept(name: str, shape: tuple[int, ...]) -> dict[str, tuple[int, ...]]:
    """Returns which axes v_row and v_col keep: embed and layers; all but embed."""
    if len(shape) == 2:
        larger = int(np.argmax(np.array(shape) + np.arange(2) * 1e-3))
        return {"v_row": (1 - larger,), "v_col": (larger,)}
    embed = len(shape) - 1 if name.split("/")[-2] in ("out", "wo") else 0
    rest = tuple(axis for axis in range(len(shape)) if axis != embed)
    return {"v_row": tuple(sorted((1, embed))), "v_col": rest}


def test_the_next_step_is_that_of_t5x_s_adafactor(sample):
    source, path = open_sample(sample)
    model = make_model(source.config)
    # So small that optax factors what T5X factored of these small arrays.
    width = 32 if "scalable" in sample.name else 128
    config = optim.OptimizerConfig(
        schedule=optim.ScheduleConfig(peak=RATE), min_dim_to_factor=width
    )
    tx = optim.make_optimizer(config, model.axes, num_steps=100)
    params = jax.tree_util.tree_map_with_path(
        lambda where, _: read(source.arrays[path_name(where)]), model.axes, is_leaf=is_names
    )
    shapes = named_shapes(params)
    second = source.open_moments()
    assert second is not None
    leaves = moments.to_leaves(second, shapes, optimizer_shapes(model, tx), step=source.step)
    assert leaves is not None
    state = {name: read(array) for name, array in leaves.items()}
    assert state.keys() == jax.eval_shape(tx.init, params).keys()
    rng = np.random.default_rng(0)
    gradients = jax.tree.map(lambda p: rng.normal(0, 0.3, p.shape).astype(np.float32), params)
    updates, _ = jax.jit(tx.update)(gradients, state, params)
    moved = jax.tree.map(np.add, params, updates)

    places = t5x.places(source.config, shapes, is_scanned="scalable" in sample.name)
    ours, start, slopes = (
        {name: read(array) for name, array in to_theirs(named(tree), places).items()}
        for tree in (moved, params, gradients)
    )
    slots = {name: read(array) for name, array in t5x_format.open_slots(path).items()}
    for name, parameter in start.items():
        own = {slot: slots[f"{name}/{slot}"] for slot in ("v", "v_row", "v_col")}
        wanted = adafactor(name, parameter, slopes[name], own, source.step)
        assert np.abs(wanted - parameter).max() > 1e-6
        np.testing.assert_allclose(ours[name], wanted, rtol=2e-5, atol=2e-7, err_msg=name)


def named(tree: Any) -> dict[str, StoredArray]:
    leaves = jax.tree_util.tree_leaves_with_path(tree)
    return {path_name(path): stored(np.asarray(leaf)) for path, leaf in leaves}


def is_names(leaf: Any) -> bool:
    return isinstance(leaf, tuple)
