"""Optimizers and schedules."""

from __future__ import annotations

import dataclasses
from typing import Any, Literal

import jax
import jax.numpy as jnp
import optax

from flanjax.base import Params, path_name
from flanjax.models.api import is_axes
from flanjax.train import restore

_STACKED = ("layers",)
"""The first logical axis of an array with one entry a layer."""

ScheduleName = Literal["constant", "rsqrt", "cosine", "linear"]
OptimizerName = Literal["adamw", "adafactor"]


@dataclasses.dataclass(frozen=True, kw_only=True)
class ScheduleConfig:
    """The learning rate over steps.

    Attributes:
      name: After warmup: "constant"; "rsqrt" falls as 1 / sqrt(step) from the
        peak; "cosine" and "linear" fall to `end` at the last step.
      peak: The highest learning rate.
      warmup_steps: Steps of linear rise from zero.
      end: The last learning rate of "cosine" and "linear".
    """

    name: ScheduleName = "constant"
    peak: float = 1e-3
    warmup_steps: int = 0
    end: float = 0.0

    def __post_init__(self) -> None:
        if self.name not in ("constant", "rsqrt", "cosine", "linear"):
            raise ValueError(
                f"schedule must be constant, rsqrt, cosine or linear, got {self.name!r}; "
                "choose one."
            )
        if not self.peak > 0:
            raise ValueError(f"schedule peak must be positive, got {self.peak}; FLAN used 3e-5.")
        if self.warmup_steps < 0:
            raise ValueError(
                f"warmup_steps must not be negative, got {self.warmup_steps}; use 0 for none."
            )


@dataclasses.dataclass(frozen=True, kw_only=True)
class OptimizerConfig:
    """The optimizer.

    Attributes:
      name: "adamw", or "adafactor" with T5's settings (Shazeer and Stern
        2018, with parameter scale and update clipping at 1).
      schedule: The learning rate.
      clip_norm: Bound on the gradient's global norm; 0 for none.
      weight_decay: Decoupled weight decay.
      b1: AdamW's momentum.
      b2: AdamW's second-moment decay.
      eps: AdamW's epsilon.
      decay_rate: Adafactor's second-moment exponent: 1 - step ** -rate.
      min_dim_to_factor: Adafactor factors matrices at least this wide.
      freeze: Patterns; a parameter whose whole path one of them matches is not
        trained.
    """

    name: OptimizerName = "adafactor"
    schedule: ScheduleConfig = dataclasses.field(default_factory=ScheduleConfig)
    clip_norm: float = 0.0
    weight_decay: float = 0.0
    b1: float = 0.9
    b2: float = 0.999
    eps: float = 1e-8
    decay_rate: float = 0.8
    min_dim_to_factor: int = 128
    freeze: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        given: Any = self.freeze
        if isinstance(given, str):
            raise ValueError(
                f"freeze must be a tuple of patterns, got the text {given!r}; write ({given!r},)."
            )
        object.__setattr__(self, "freeze", tuple(self.freeze))  # JSON gives a list
        for pattern in self.freeze:
            restore.check_pattern("freeze", pattern)
        if self.name not in ("adamw", "adafactor"):
            raise ValueError(
                f"optimizer must be adamw or adafactor, got {self.name!r}; choose one."
            )
        for name in ("clip_norm", "weight_decay"):
            if getattr(self, name) < 0:
                raise ValueError(
                    f"optimizer {name} must not be negative, got {getattr(self, name)}; "
                    "use 0.0 for none."
                )


def make_schedule(config: ScheduleConfig, *, num_steps: int) -> optax.Schedule:
    """Returns step -> learning rate; the first update has step 0.

    Raises:
      ValueError: Warmup takes longer than the run.
    """
    if config.warmup_steps >= num_steps > 0 and config.warmup_steps > 0:
        raise ValueError(
            f"warmup_steps must be below the run's {num_steps} steps, got {config.warmup_steps}; "
            "set ScheduleConfig.warmup_steps."
        )
    warmup = config.warmup_steps
    rest = max(num_steps - warmup, 1)

    def schedule(step: jax.typing.ArrayLike) -> jax.Array:
        step = jnp.asarray(step, jnp.float32)
        done = jnp.clip((step - warmup) / rest, 0.0, 1.0)
        rise = jnp.minimum((step + 1.0) / max(warmup, 1), 1.0) if warmup else 1.0
        if config.name == "constant":
            shape = jnp.float32(1.0)
        elif config.name == "rsqrt":
            shape = jnp.sqrt(max(warmup, 1) / jnp.maximum(step + 1.0, max(warmup, 1)))
        else:
            fall = 0.5 * (1 + jnp.cos(jnp.pi * done)) if config.name == "cosine" else 1.0 - done
            floor = config.end / config.peak
            shape = floor + (1 - floor) * fall
        return config.peak * rise * shape

    return schedule


def make_optimizer(
    config: OptimizerConfig, axes: Params, *, num_steps: int
) -> optax.GradientTransformation:
    """Returns the optimizer of a config.

    Adafactor takes root-mean-squares over whole arrays, so on stacked layers
    it runs once per layer; every other part is the same either way.

    Args:
      config: The settings.
      axes: Logical axes, a tree like the parameters that are trained.
      num_steps: The run's last step, for schedules that end.
    """
    schedule = make_schedule(config.schedule, num_steps=num_steps)
    parts = [optax.clip_by_global_norm(config.clip_norm)] if config.clip_norm else []
    if config.name == "adamw":
        parts.append(
            optax.adamw(
                schedule,
                b1=config.b1,
                b2=config.b2,
                eps=config.eps,
                weight_decay=config.weight_decay,
            )
        )
    else:
        adafactor = optax.adafactor(
            schedule,
            min_dim_size_to_factor=config.min_dim_to_factor,
            decay_rate=config.decay_rate,
            weight_decay_rate=config.weight_decay or None,
        )
        parts.append(per_layer(adafactor, axes))
    return optax.chain(*parts)


def per_layer(tx: optax.GradientTransformation, axes: Params) -> optax.GradientTransformation:
    """Applies `tx` to each layer of stacked arrays by itself.

    Args:
      tx: A transformation that treats every array by itself.
      axes: Logical axes; an array whose first axis is "layers" is stacked.
    """

    def label(path: tuple[Any, ...], names: tuple[str | None, ...]) -> str:
        """Names the stack of an array: stacks may differ in their number of layers."""
        return path_name(path).partition("layers")[0] + "layers" if names[:1] == _STACKED else ""

    labels = jax.tree_util.tree_map_with_path(label, axes, is_leaf=is_axes)
    stacks = sorted(set(jax.tree.leaves(labels)) - {""})
    return optax.partition({"": tx, **{stack: _vmapped(tx) for stack in stacks}}, labels)


def _vmapped(tx: optax.GradientTransformation) -> optax.GradientTransformation:
    def init(params: Params) -> Any:
        return jax.vmap(tx.init)(params)

    def update(updates: Params, state: Any, params: Params | None = None) -> tuple[Params, Any]:
        return jax.vmap(tx.update)(updates, state, params)

    return optax.GradientTransformation(init, update)
