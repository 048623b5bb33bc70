"""Optimizers and schedules."""

from __future__ import annotations

import dataclasses
import math
from typing import Any, Literal, get_args

import jax
import jax.numpy as jnp
import optax
import optax.contrib

from flanjax.base import Params, path_name
from flanjax.models.api import is_axes
from flanjax.train import opt_state, path_rules
from flanjax.train.ema import EmaConfig, averaging
from flanjax.train.quantized_moments import quantized
from flanjax.train.rounding import WeightDtype

_STACKED = ("layers",)
"""The first logical axis of an array with one entry a layer."""

ScheduleName = Literal["constant", "rsqrt", "cosine", "linear"]
OptimizerName = Literal["adamw", "adafactor", "lion", "muon", "sgd"]
MomentDtype = Literal["float32", "bfloat16", "int8"]
UNREAD: dict[str, tuple[str, ...]] = {
    "adamw": ("decay_rate", "min_dim_to_factor"),
    "adafactor": ("b1", "b2", "eps"),
    "lion": ("eps", "decay_rate", "min_dim_to_factor"),
    "muon": ("decay_rate", "min_dim_to_factor"),
    "sgd": ("b2", "eps", "decay_rate", "min_dim_to_factor"),
}
"""Optimizer -> settings that are another's."""
_MUON_RMS = 0.2
_SLOTS = ("v", "v_row", "v_col")
"""What optax calls Adafactor's second moments: whole, and their means by rows and by columns."""
_NOT_MATRICES = ("vocab", "buckets", "places")
"""Axes whose arrays are tables that are read by row, which Muon leaves to Adam."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class ScheduleConfig:
    """The learning rate over steps.

    Attributes:
      name: After warmup: "constant"; "rsqrt" falls as 1 / sqrt(step) from the
        peak; "cosine" and "linear" fall to `end`, which the step after the
        last would have.
      peak: The highest learning rate.
      warmup_steps: Steps of linear rise from zero.
      end: What "cosine" and "linear" fall to.
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
        if not 0 < self.peak < math.inf:
            raise ValueError(
                f"schedule peak must be positive and finite, got {self.peak}; FLAN used 3e-5."
            )
        if not 0 <= self.end <= self.peak:
            raise ValueError(
                f"schedule end must lie between 0 and the peak {self.peak}, got {self.end}; "
                "use 0.0 to fall to nothing."
            )
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
      moment_dtype: What moments are kept in: "bfloat16" holds for momentum,
        and second moments stay float32; "int8" for both (`quantized_moments`).
      weight_dtype: What weights are kept in between updates; bfloat16 is
        rounded by chance (`rounding`), norms and biases stay float32.
      freeze: Patterns over whole paths of what is not trained (`path_rules`).
      rate_factors: (pattern, factor) of the learning rate.
      decay_factors: The same of the weight decay: (".*norm.*", 0.0).
      ema: A moving average of the weights.
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
    weight_dtype: WeightDtype = "float32"
    freeze: tuple[str, ...] = ()
    rate_factors: path_rules.Factors = ()
    decay_factors: path_rules.Factors = ()
    ema: EmaConfig = dataclasses.field(default_factory=EmaConfig)

    def __post_init__(self) -> None:
        object.__setattr__(self, "freeze", path_rules.checked_patterns("freeze", self.freeze))
        for field in ("rate_factors", "decay_factors"):
            checked = path_rules.checked_factors(field, getattr(self, field))
            object.__setattr__(self, field, checked)
        for what, given, known in (
            ("optimizer", self.name, OptimizerName),
            ("moment_dtype", self.moment_dtype, MomentDtype),
            ("weight_dtype", self.weight_dtype, WeightDtype),
        ):
            if given not in get_args(known):
                raise ValueError(
                    f"{what} must be one of {', '.join(get_args(known))}, got {given!r}; "
                    "choose one."
                )
        if self.name == "adafactor" and self.moment_dtype != "float32":
            raise ValueError(
                f"moment_dtype must be float32 with adafactor, got {self.moment_dtype}; it keeps "
                "no momentum."
            )
        for name, rule, is_met, remedy in (
            ("clip_norm", "not be negative", self.clip_norm >= 0, "use 0.0 for none"),
            ("weight_decay", "not be negative", self.weight_decay >= 0, "use 0.0 for none"),
            ("b1", "lie in [0, 1)", 0 <= self.b1 < 1, "leave it at 0.9"),
            ("b2", "lie in [0, 1)", 0 <= self.b2 < 1, "leave it at 0.999"),
            ("eps", "be positive", self.eps > 0, "leave it at 1e-8"),
            ("decay_rate", "lie in (0, 1]", 0 < self.decay_rate <= 1, "T5 used 0.8"),
            ("min_dim_to_factor", "be positive", self.min_dim_to_factor > 0, "T5 used 128"),
        ):
            if not is_met:
                raise ValueError(
                    f"optimizer {name} must {rule}, got {getattr(self, name)}; {remedy}."
                )
        for name in UNREAD[self.name]:
            value, default = getattr(self, name), type(self).__dataclass_fields__[name].default
            if value != default:
                raise ValueError(
                    f"optimizer {name} must stay {default} with {self.name}, which does not read "
                    f"it, got {value}; leave it out."
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

    It does to stacked layers what it does to single ones: Adafactor takes
    root-mean-squares over whole arrays, so it runs once per layer; Muon takes
    the first axis as one of many matrices; every other part is the same anyway.

    Its state is name -> array, as `train.opt_state` names them.

    Args:
      config: The settings.
      axes: Logical axes, a tree like the parameters that are trained.
      num_steps: The run's last step, for schedules that end.

    Raises:
      ValueError: A pattern of a factor matches no parameter.
    """
    schedule = make_schedule(config.schedule, num_steps=num_steps)
    parts = [optax.clip_by_global_norm(config.clip_norm)] if config.clip_norm else []
    decay = path_rules.factors("decay_factors", config.decay_factors, axes)
    scaled = path_rules.scaled(path_rules.factors("rate_factors", config.rate_factors, axes))
    if config.name == "adafactor":
        adafactor = optax.adafactor(
            schedule,
            min_dim_size_to_factor=config.min_dim_to_factor,
            decay_rate=config.decay_rate,
        )
        parts += [per_layer(_without_places(adafactor), axes), scaled]
        parts += [path_rules.decayed(-config.weight_decay, decay)]
    else:
        parts += [
            _direction(config, axes),
            path_rules.decayed(config.weight_decay, decay),
            optax.scale_by_learning_rate(schedule),
            scaled,
        ]
    if config.ema.decay:
        parts.append(averaging(config.ema))
    return opt_state.by_name(optax.chain(*parts))


def _without_places(adafactor: optax.GradientTransformation) -> optax.GradientTransformation:
    """Keeps those of Adafactor's moments that it uses.

    Of each parameter optax holds three, whole and by rows and columns, with an
    array of one element in place of what it does not use.
    """

    def drop(state: Any, params: Params) -> Any:
        moments, *rest = state

        def used(slot: str) -> Params:
            return jax.tree.map(
                lambda p, whole, own: own if (whole.shape == p.shape) == (slot == "v") else None,
                *(params, moments.v, getattr(moments, slot)),
            )

        return (moments._replace(**{slot: used(slot) for slot in _SLOTS}), *rest)

    def fill(state: Any) -> Any:
        moments, *rest = state

        def filled(tree: Params) -> Params:
            return jax.tree.map(
                lambda x: jnp.zeros((1,)) if x is None else x, tree, is_leaf=lambda x: x is None
            )

        return (moments._replace(**{s: filled(getattr(moments, s)) for s in _SLOTS}), *rest)

    def update(updates: Params, state: Any, params: Params | None = None) -> tuple[Params, Any]:
        updates, new = adafactor.update(updates, fill(state), params)
        return updates, drop(new, params)

    return optax.GradientTransformation(lambda p: drop(adafactor.init(p), p), update)


def _direction(config: OptimizerConfig, axes: Params) -> optax.GradientTransformation:
    """Returns what turns gradients into a direction, before decay and learning rate."""
    is_int8 = config.moment_dtype == "int8"
    dtype = jnp.dtype("float32" if is_int8 else config.moment_dtype)
    stacked = _stacked_paths(axes)

    def kept(tx: optax.GradientTransformation) -> optax.GradientTransformation:
        return quantized(tx, stacked) if is_int8 else tx

    if config.name == "lion":
        return kept(optax.scale_by_lion(b1=config.b1, b2=config.b2, mu_dtype=dtype))
    if config.name == "sgd":
        return kept(optax.trace(config.b1, accumulator_dtype=dtype))
    adam = kept(optax.scale_by_adam(b1=config.b1, b2=config.b2, eps=config.eps, mu_dtype=dtype))
    if config.name == "adamw":
        return adam
    orthogonal = optax.contrib.scale_by_muon(
        beta=config.b1, mu_dtype=dtype, weight_dimension_numbers=_matrices
    )
    muon = optax.chain(kept(orthogonal), optax.stateless(_as_large_as_adam))
    labels = jax.tree.map(
        lambda names: "matrices" if _is_matrix(names) else "others", axes, is_leaf=is_axes
    )
    return optax.partition({"matrices": muon, "others": adam}, labels)


def _stacked_paths(axes: Params) -> frozenset[str]:
    leaves = jax.tree_util.tree_leaves_with_path(axes, is_leaf=is_axes)
    return frozenset(path_name(path) for path, names in leaves if names[:1] == _STACKED)


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
