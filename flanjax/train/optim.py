"""Optimizers and schedules."""

from __future__ import annotations

import dataclasses
import re
from typing import Any, Literal, get_args

import jax
import jax.numpy as jnp
import optax
import optax.contrib

from flanjax.base import Params, path_name
from flanjax.models.api import is_axes
from flanjax.train import restore

_STACKED = ("layers",)
"""The first logical axis of an array with one entry a layer."""

ScheduleName = Literal["constant", "rsqrt", "cosine", "linear"]
OptimizerName = Literal["adamw", "adafactor", "lion", "muon", "sgd"]
MomentDtype = Literal["float32", "bfloat16"]
_NAMES: tuple[OptimizerName, ...] = get_args(OptimizerName)
_MUON_RMS = 0.2
_NOT_MATRICES = ("vocab", "buckets", "places")
"""Axes whose arrays are tables that are read by row, which Muon leaves to Adam."""


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

    All but Adafactor change a parameter p by -rate (direction + decay p): AdamW
    (Loshchilov and Hutter 2019), Lion (Chen et al. 2023), SGD with momentum,
    and Muon (Jordan et al. 2024) on matrices, scaled to AdamW's size (Liu et
    al. 2025, equation 4), with Adam on what is no matrix. Adafactor (Shazeer
    and Stern 2018) has T5's settings: parameter scale, update clipping at 1, and
    a decay that the learning rate does not scale.

    Attributes:
      name: Which.
      schedule: The learning rate.
      clip_norm: Bound on the gradient's global norm; 0 for none.
      weight_decay: Decoupled weight decay.
      b1: Momentum; Adafactor has none. Muon's authors take 0.95.
      b2: Second-moment decay of AdamW and of Muon's Adam; the decay of Lion's
        momentum, whose authors take 0.99.
      eps: Epsilon of AdamW and of Muon's Adam.
      decay_rate: Adafactor's second-moment exponent: 1 - step ** -rate.
      min_dim_to_factor: Adafactor factors matrices at least this wide.
      moment_dtype: What momentum is kept in; second moments stay float32.
      freeze: Patterns; a parameter whose whole path one of them matches is not
        trained.
      rate_factors: (pattern, factor) of the learning rate; the first pattern
        that matches a parameter's whole path counts, else the factor is 1.
      decay_factors: The same of the weight decay: (".*norm.*", 0.0).
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
    moment_dtype: MomentDtype = "float32"
    freeze: tuple[str, ...] = ()
    rate_factors: tuple[tuple[str, float], ...] = ()
    decay_factors: tuple[tuple[str, float], ...] = ()

    def __post_init__(self) -> None:
        given: Any = self.freeze
        if isinstance(given, str):
            raise ValueError(
                f"freeze must be a tuple of patterns, got the text {given!r}; write ({given!r},)."
            )
        object.__setattr__(self, "freeze", tuple(self.freeze))  # JSON gives a list
        for pattern in self.freeze:
            restore.check_pattern("freeze", pattern)
        for field in ("rate_factors", "decay_factors"):
            object.__setattr__(self, field, _factors(field, getattr(self, field)))
        if self.name not in _NAMES:
            raise ValueError(
                f"optimizer must be one of {', '.join(_NAMES)}, got {self.name!r}; choose one."
            )
        if self.moment_dtype not in get_args(MomentDtype):
            raise ValueError(
                f"moment_dtype must be float32 or bfloat16, got {self.moment_dtype!r}; choose one."
            )
        if self.name == "adafactor" and self.moment_dtype != "float32":
            raise ValueError(
                f"moment_dtype must be float32 with adafactor, got {self.moment_dtype}; it keeps "
                "no momentum."
            )
        for name in ("clip_norm", "weight_decay"):
            if getattr(self, name) < 0:
                raise ValueError(
                    f"optimizer {name} must not be negative, got {getattr(self, name)}; "
                    "use 0.0 for none."
                )


def _factors(field: str, given: Any) -> tuple[tuple[str, float], ...]:
    """Returns checked (pattern, factor) pairs; JSON and gin give lists."""
    if isinstance(given, str) or not all(
        isinstance(pair, (list, tuple)) and len(pair) == 2 for pair in given
    ):
        raise ValueError(
            f"{field} must hold (pattern, factor) pairs, got {given!r}; write (('.*norm.*', 0.0),)."
        )
    for pattern, factor in given:
        restore.check_pattern(field, pattern)
        is_number = isinstance(factor, (int, float)) and not isinstance(factor, bool)
        if not is_number or not 0 <= factor < float("inf"):
            raise ValueError(
                f"{field} must not be negative, got {factor!r} for {pattern!r}; use 0.0 for none."
            )
    return tuple((pattern, float(factor)) for pattern, factor in given)


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

    It does to stacked layers what it does to single ones: Adafactor takes
    root-mean-squares over whole arrays, so it runs once per layer; Muon takes
    the first axis as one of many matrices; every other part is the same anyway.

    Args:
      config: The settings.
      axes: Logical axes, a tree like the parameters that are trained.
      num_steps: The run's last step, for schedules that end.

    Raises:
      ValueError: A pattern of a factor matches no parameter.
    """
    schedule = make_schedule(config.schedule, num_steps=num_steps)
    parts = [optax.clip_by_global_norm(config.clip_norm)] if config.clip_norm else []
    decay = factors_by_path("decay_factors", config.decay_factors, axes)
    scaled = _scaled(factors_by_path("rate_factors", config.rate_factors, axes))
    if config.name == "adafactor":
        adafactor = optax.adafactor(
            schedule,
            min_dim_size_to_factor=config.min_dim_to_factor,
            decay_rate=config.decay_rate,
        )
        parts += [per_layer(adafactor, axes), scaled, _decayed(-config.weight_decay, decay)]
    else:
        parts += [
            _direction(config, axes),
            _decayed(config.weight_decay, decay),
            optax.scale_by_learning_rate(schedule),
            scaled,
        ]
    return optax.chain(*parts)


def _direction(config: OptimizerConfig, axes: Params) -> optax.GradientTransformation:
    """Returns what turns gradients into a direction, before decay and learning rate."""
    dtype = jnp.dtype(config.moment_dtype)
    if config.name == "lion":
        return optax.scale_by_lion(b1=config.b1, b2=config.b2, mu_dtype=dtype)
    if config.name == "sgd":
        return optax.trace(config.b1, accumulator_dtype=dtype)
    adam = optax.scale_by_adam(b1=config.b1, b2=config.b2, eps=config.eps, mu_dtype=dtype)
    if config.name == "adamw":
        return adam
    muon = optax.chain(
        optax.contrib.scale_by_muon(
            beta=config.b1, mu_dtype=dtype, weight_dimension_numbers=_matrices
        ),
        optax.stateless(_as_large_as_adam),
    )
    labels = jax.tree.map(
        lambda names: "matrices" if _is_matrix(names) else "others", axes, is_leaf=is_axes
    )
    return optax.partition({"matrices": muon, "others": adam}, labels)


def _is_matrix(names: tuple[str | None, ...]) -> bool:
    own = names[1:] if names[:1] == _STACKED else names
    return len(own) == 2 and not set(own) & set(_NOT_MATRICES)


def _matrices(params: Params) -> Params:
    """Returns each array's matrix: the last two axes, from rows to columns."""
    return jax.tree.map(
        lambda array: optax.contrib.MuonDimensionNumbers((array.ndim - 2,), (array.ndim - 1,)),
        params,
    )


def _as_large_as_adam(updates: Params, _: Params | None) -> Params:
    """Scales matrices [..., n, m] by 0.2 sqrt(max(n, m)) (Liu et al. 2025, eq. 4)."""
    return jax.tree.map(lambda u: u * (_MUON_RMS * max(u.shape[-2:]) ** 0.5), updates)


def factors_by_path(
    field: str, rules: tuple[tuple[str, float], ...], axes: Params
) -> Params | None:
    """Returns a tree of each parameter's factor; None where there are no rules.

    Raises:
      ValueError: A pattern matches no parameter's whole path.
    """
    if not rules:
        return None
    paths = [path_name(path) for path, _ in jax.tree_util.tree_leaves_with_path(axes, is_axes)]
    for pattern, _ in rules:
        restore.check_matches(field, pattern, paths)

    def factor(path: tuple[Any, ...], _: Any) -> float:
        name = path_name(path)
        return next((value for pattern, value in rules if re.fullmatch(pattern, name)), 1.0)

    return jax.tree_util.tree_map_with_path(factor, axes, is_leaf=is_axes)


def _decayed(weight_decay: float, factors: Params | None) -> optax.GradientTransformation:
    """Returns what adds decay times parameters to updates."""
    if factors is None:
        return optax.add_decayed_weights(weight_decay)

    def update(updates: Params, params: Params | None) -> Params:
        return jax.tree.map(lambda u, p, f: u + weight_decay * f * p, updates, params, factors)

    return optax.stateless(update)


def _scaled(factors: Params | None) -> optax.GradientTransformation:
    """Returns what multiplies updates by their factors."""
    if factors is None:
        return optax.identity()

    def update(updates: Params, _: Params | None) -> Params:
        return jax.tree.map(lambda u, f: u * f, updates, factors)

    return optax.stateless(update)


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
