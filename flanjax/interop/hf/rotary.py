"""Rotary positions as config.json gives them, in the older way and the newer."""

from __future__ import annotations

from typing import Any

from flanjax.interop.hf.keys import Keys
from flanjax.models.configs import RotaryConfig


def read_rotary(
    keys: Keys,
    *,
    default_theta: float = 10_000.0,
    fraction: float = 1.0,
    is_partial: bool = False,
) -> RotaryConfig:
    """Returns the rotary positions of a config.json.

    transformers 5 writes `rope_parameters`, earlier ones `rope_theta` and
    `rope_scaling`; either is read, and where both stand the newer counts.

    Args:
      keys: The file.
      default_theta: The base, where it gives none.
      fraction: The share of channels, where it gives none.
      is_partial: Whether transformers heeds a share in this family; where it
        does not, one is refused.
    """
    theta = keys.take("rope_theta", float, default_theta)
    old, new = keys.part("rope_scaling"), keys.part("rope_parameters")
    fraction = _fraction(keys, fraction, is_partial)
    length = keys.take("original_max_position_embeddings", int, None)
    length = length or keys.take("max_position_embeddings", int, 8192)
    return read_scaling(
        new or old, theta=theta, fraction=fraction, is_partial=is_partial, length=length, keys=keys
    )


def _fraction(keys: Keys, default: float, is_partial: bool) -> float:
    if is_partial:
        share: float = keys.take("partial_rotary_factor", float, default)
        return share
    keys.expect("partial_rotary_factor", 1, 1.0, None)
    return default


def read_scaling(
    scaling: Keys | None,
    *,
    theta: float,
    length: int,
    keys: Keys,
    fraction: float = 1.0,
    is_partial: bool = False,
) -> RotaryConfig:
    """Returns rotary positions, scaled as a part of config.json says.

    Args:
      scaling: The part, or None for none.
      theta: The base, where the part gives none.
      length: Tokens of pre-training, where the part gives none.
      keys: The whole file.
      fraction: The share of channels, where the part gives none.
      is_partial: As in `read_rotary`.
    """
    if scaling is None:
        return RotaryConfig(theta=theta, fraction=fraction)
    kind = scaling.take("rope_type", str, None) or scaling.take("type", str, "default")
    scaling.take("type", str, None)
    theta = scaling.take("rope_theta", float, theta)
    fraction = _fraction(scaling, fraction, is_partial)
    fields: dict[str, Any] = {"theta": theta, "fraction": fraction}
    if kind == "linear":
        fields |= {"scaling": "linear", "factor": scaling.take("factor", float)}
    elif kind == "llama3":
        fields |= {
            "scaling": "llama3",
            "factor": scaling.take("factor", float),
            "low_frequency": scaling.take("low_freq_factor", float),
            "high_frequency": scaling.take("high_freq_factor", float),
            "original_length": scaling.take("original_max_position_embeddings", int),
        }
    elif kind in ("longrope", "su"):
        fields |= _long(scaling, keys, length)
    elif kind != "default":
        raise ValueError(
            f"rope scaling must be linear, llama3 or longrope, got {kind!r}; "
            "remove it to train within the lengths of pre-training."
        )
    scaling.finish()
    return RotaryConfig(**fields)


def _long(scaling: Keys, keys: Keys, length: int) -> dict[str, Any]:
    original = scaling.take("original_max_position_embeddings", int, length)
    most = keys.take("max_position_embeddings", int, original)
    return {
        "scaling": "longrope",
        "factor": scaling.take("factor", float, most / original),
        "original_length": original,
        "short_factors": tuple(map(float, scaling.take("short_factor", list))),
        "long_factors": tuple(map(float, scaling.take("long_factor", list))),
    }


def write_rotary(config: RotaryConfig) -> dict[str, Any]:
    """Returns the keys that `read_rotary` reads, in the way that every version does.

    The share of channels that are rotated is left to the families that heed one.
    """
    keys: dict[str, Any] = {"rope_theta": config.theta}
    scaling = write_scaling(config)
    if scaling:
        keys["rope_scaling"] = scaling
    if config.scaling == "longrope":
        keys["original_max_position_embeddings"] = config.original_length
        keys["max_position_embeddings"] = round(config.factor * config.original_length)
    return keys


def write_scaling(config: RotaryConfig) -> dict[str, Any] | None:
    """Returns the scaling, None where there is none."""
    if config.scaling == "linear":
        return {"rope_type": "linear", "factor": config.factor}
    if config.scaling == "llama3":
        return {
            "rope_type": "llama3",
            "factor": config.factor,
            "low_freq_factor": config.low_frequency,
            "high_freq_factor": config.high_frequency,
            "original_max_position_embeddings": config.original_length,
        }
    if config.scaling == "longrope":
        return {
            "rope_type": "longrope",
            "short_factor": list(config.short_factors),
            "long_factor": list(config.long_factors),
        }
    return None
