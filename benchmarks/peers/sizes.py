"""The models that are compared, and as what their peers read them."""

from __future__ import annotations

import dataclasses
import json
import pathlib

import jax
import numpy as np

from benchmarks import step
from flanjax.base import Params, nested
from flanjax.interop.hf import checkpoint as hf
from flanjax.interop.hf.families import FAMILIES, write_config
from flanjax.interop.places import StoredArray, everything, named_shapes
from flanjax.models import families
from flanjax.models.decoder import DecoderConfig
from flanjax.models.t5 import T5Config

Config = T5Config | DecoderConfig

CONFIGS: dict[str, Config] = {
    **{name: size.config for name, size in step.SIZES.items()},
    "t5_xl": T5Config(
        d_model=2048,
        d_ff=5120,
        num_heads=32,
        num_encoder_layers=24,
        num_decoder_layers=24,
        dropout_rate=0.0,
    ),
    "llama_3b": DecoderConfig(d_model=3072, num_heads=24, d_head=128, num_layers=28),
}
"""T5 1.1 small, large and XL; a Llama of 56 million parameters; Llama 3.2 1B and 3B."""

_TINY = {"vocab_size": 384, "d_model": 32, "d_ff": 64, "num_heads": 4, "d_head": 8}


def find(name: str, *, is_tiny: bool = False) -> Config:
    """Returns a model by name, or one of its kind that takes no time."""
    config = CONFIGS[name]
    if not is_tiny:
        return config
    if isinstance(config, T5Config):
        return dataclasses.replace(config, **_TINY, num_encoder_layers=2, num_decoder_layers=2)
    return dataclasses.replace(config, **_TINY, num_kv_heads=2, num_layers=2)


def write_for_peers(
    config: Config, folder: pathlib.Path, *, dtype: str | None, seed: int = 0
) -> None:
    """Writes a model as transformers reads it, which loads it without conversion.

    Args:
      config: The model.
      folder: Must not exist.
      dtype: What random weights are stored in; None for config.json alone.
      seed: Of the weights.
    """
    model_type = "t5" if isinstance(config, T5Config) else "llama"
    if dtype is None:
        folder.mkdir(parents=True)
        about = write_config(FAMILIES[model_type], config)
        (folder / hf.CONFIG).write_text(json.dumps(about, indent=2) + "\n", "utf-8")
        return
    params = families.make_model(config).init(jax.random.key(seed))
    ours = {
        name: _stored(np.asarray(leaf))
        for name, leaf in zip(named_shapes(params), jax.tree.leaves(params), strict=True)
    }
    hf.write_checkpoint(folder, model_type, config, ours, dtype=np.dtype(jax.numpy.dtype(dtype)))


def read(config: Config, folder: pathlib.Path) -> Params:
    """Returns the parameters of a model that transformers reads too, float32."""
    shapes = named_shapes(jax.eval_shape(families.make_model(config).init, jax.random.key(0)))
    stored = hf.our_arrays(hf.open_checkpoint(folder), shapes)
    return nested(
        {
            name: array.read(everything(array.shape)).astype(np.float32)
            for name, array in stored.items()
        }
    )


def _stored(array: np.ndarray) -> StoredArray:
    return StoredArray(array.shape, array.dtype, lambda index: array[index])
