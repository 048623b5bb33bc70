"""Estimates of weak and strong scaling, by arithmetic alone: nothing is compiled or measured.

    python -m benchmarks.scaling

A step of a model whose parameters are in as many parts as there are chips (mesh fsdp = chips), with
remat = 'full' and products in bfloat16. Per chip:

    compute   (4 / 3) x the model's FLOPs / chips / peak; remat does the forward pass again
    memory    gathered parameters written and read in both passes, 8 bytes each, and one's own part
              of parameters, moments and gradients updated, 28 bytes each; without activations
    links     parameters gathered twice, forward and backward, their gradients reduced once, each in
              2 bytes: 3 x 2 x parameters x (chips - 1) / chips / bandwidth of its rings

A step takes at least the longest of them, if they hide one another wholly, and their sum if not at
all. Weak scaling keeps the rows of a chip, strong scaling those of the step. Slices that cannot
hold 12 bytes a parameter, float32 parameters and moments, are left out.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import jax

from flanjax import chips, gin_bridge
from flanjax.models import families, flops
from flanjax.preflight import hlo, roofline
from flanjax.preflight.collectives import Collective

_GATHERED = 8
"""Bytes of memory traffic a gathered parameter: written and read, 2 bytes each, in two passes."""
_UPDATED = 28
"""Bytes of it for one's own part: parameter and two moments read and written, gradient read."""
_STATE = 12
"""Bytes of memory for one's own part: parameter and two moments."""


class Model(NamedTuple):
    """A model of gin_configs/models and its rows.

    Attributes:
      name: The file.
      lengths: Tokens of prompts and targets; a causal row holds both.
      rows: Rows of a chip in weak scaling.
      batch_size: Rows of the step in strong scaling.
    """

    name: str
    lengths: tuple[int, int]
    rows: int
    batch_size: int


MODELS = (
    Model("t5_1_1_xxl", (512, 128), 8, 2048),
    Model("llama_3_1_8b", (1536, 512), 1, 1024),
    Model("llama_3_1_70b", (1536, 512), 1, 1024),
)
SLICES = {
    "v5e": ("4x4", "8x8", "16x16"),
    "v5p": ("4x4x4", "8x8x8", "8x8x16"),
    "v6e": ("4x4", "8x8", "16x16"),
}


class Estimate(NamedTuple):
    """A step on a slice.

    Attributes:
      num_chips: Of the slice.
      num_rows: Of the step.
      times: Its roofline.
    """

    num_chips: int
    num_rows: int
    times: roofline.Roofline

    @property
    def in_turn_s(self) -> float:
        """The step where nothing hides anything."""
        return self.times.compute_s + self.times.memory_s + self.times.links_s

    @property
    def utilizations(self) -> tuple[float, float]:
        """Shares of the peak: where nothing hides anything, and where all does."""
        most = self.times.utilization
        return most * self.times.step_s / self.in_turn_s, most


def estimates(model: Model, chip_name: str, *, is_weak: bool) -> list[Estimate]:
    """Returns the estimates of those slices of a chip that hold the model."""
    bindings = ("MODEL_DIR='out'", "TRAIN_STEPS=1", "TOKENIZER_PATH='not read'")
    files = ("base.gin", f"models/{model.name}.gin")
    config = gin_bridge.load(files, bindings).experiment.model
    shapes = jax.eval_shape(families.make_model(config).init, jax.random.key(0))
    num_parameters = sum(leaf.size for leaf in jax.tree.leaves(shapes))
    found = []
    for shape in SLICES[chip_name]:
        torus = tuple(map(int, shape.split("x")))
        num_chips = math.prod(torus)
        if _STATE * num_parameters / num_chips > _chip(chip_name).hbm_bytes:
            continue
        rows = model.rows * num_chips if is_weak else model.batch_size
        work = flops.count_work(config, _counted(model, rows)).flops
        times = estimate(chip_name, torus, num_parameters, work / num_chips)
        found.append(Estimate(num_chips, rows, times))
    return found


def _counted(model: Model, num_rows: int) -> flops.Counted:
    inputs, targets = model.lengths
    if model.name.startswith("t5"):
        return flops.full_rows(num_rows, inputs, targets)
    return flops.full_rows(num_rows, None, inputs + targets)


def _chip(name: str) -> chips.Chip:
    return next(chip for chip in chips.CHIPS if chip.name == name)


def estimate(
    chip_name: str, torus: Sequence[int], num_parameters: int, own_flops: float
) -> roofline.Roofline:
    """Returns the roofline of a step by the formulas above.

    Args:
      chip_name: "v5e".
      torus: Chips along each axis.
      num_parameters: Of the model.
      own_flops: The model's FLOPs of one chip.
    """
    num_chips = math.prod(torus)
    array = hlo.Array("bf16", (num_parameters,))
    moved = [
        Collective(kind, array, array.num_bytes, num_chips, times, True, "")
        for kind, times in (("all-gather", 2), ("reduce-scatter", 1))
    ]
    return roofline.estimate(
        _chip(chip_name),
        flops=own_flops,
        repeated_flops=own_flops / 3,
        memory_bytes=num_parameters * (_GATHERED + _UPDATED / num_chips),
        collectives=moved,
        torus=torus,
    )


def table(*, is_weak: bool) -> list[str]:
    """Returns the lines of a table in Markdown."""
    lines = [
        "| model | rows | chips | compute, memory, links, s | step, s | utilization |",
        "|---|---|---|---|---|---|",
    ]
    for model in MODELS:
        for chip_name in SLICES:
            for each in estimates(model, chip_name, is_weak=is_weak):
                times, (least, most) = each.times, each.utilizations
                lines.append(
                    f"| {model.name} | {each.num_rows:,} | {each.num_chips:,} x {chip_name} | "
                    f"{times.compute_s:.3f}, {times.memory_s:.3f}, {times.links_s:.3f} | "
                    f"{times.step_s:.2f} to {each.in_turn_s:.2f} | {least:.0%} to {most:.0%} |"
                )
    return lines


def main() -> None:
    """Prints both tables."""
    print("Weak scaling, an estimate\n", *table(is_weak=True), sep="\n")
    print("\nStrong scaling, an estimate\n", *table(is_weak=False), sep="\n")


if __name__ == "__main__":
    main()
