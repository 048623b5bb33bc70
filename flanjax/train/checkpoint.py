"""Checkpoints of training: written aside, in the background, then renamed."""

from __future__ import annotations

import os
import pathlib
import textwrap
from collections.abc import Mapping
from typing import Any

import jax
import orbax.checkpoint as ocp

from flanjax.base import flat, nested
from flanjax.train.state import TrainState

_FOLDER = "checkpoints"


class Checkpoints:
    """The checkpoints under one model directory.

    Each holds the whole train state, the data position and the run's config.
    A save that was interrupted leaves nothing that would be restored.

    Args:
      model_dir: The run's directory.
      keep: The newest so many are kept.
      config: The run as plain JSON values, written into each checkpoint.
    """

    def __init__(
        self,
        model_dir: str | os.PathLike[str],
        *,
        keep: int = 3,
        config: Mapping[str, Any] | None = None,
    ):
        self._config = dict(config or {})
        self._folder = pathlib.Path(model_dir).absolute() / _FOLDER
        self._keep = keep
        self._open: ocp.CheckpointManager | None = None

    @property
    def _manager(self) -> ocp.CheckpointManager:
        if self._open is None:
            self._open = ocp.CheckpointManager(
                self._folder,
                options=ocp.CheckpointManagerOptions(
                    max_to_keep=self._keep, create=True, enable_async_checkpointing=True
                ),
            )
        return self._open

    def latest_step(self) -> int | None:
        """Returns the newest complete checkpoint's step, or None."""
        if not self._folder.is_dir():
            return None
        return self._manager.latest_step()

    def has(self, step: int) -> bool:
        """Returns whether there is a complete checkpoint of a step."""
        return (self._folder / str(step)).is_dir()

    def save(self, step: int, state: TrainState, position: dict[str, Any]) -> None:
        """Starts writing a checkpoint; returns once the arrays are copied."""
        self._manager.save(
            step,
            args=ocp.args.Composite(
                state=ocp.args.StandardSave(_tree(state)),
                data=ocp.args.JsonSave(position),
                config=ocp.args.JsonSave(self._config),
            ),
        )

    def restore(
        self, step: int, like: TrainState, shardings: TrainState
    ) -> tuple[TrainState, dict[str, Any]]:
        """Returns the state and data position of a checkpoint.

        Args:
          step: Its step.
          like: A state of the same shapes.
          shardings: Where each array goes; the mesh may differ from the one
            that wrote the checkpoint.

        Raises:
          ValueError: The checkpoint has other arrays.
        """
        abstract = jax.tree.map(
            lambda x, s: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=s), like, shardings
        )
        wanted = ocp.args.StandardRestore(_tree(abstract))
        try:
            restored = self._manager.restore(
                step, args=ocp.args.Composite(state=wanted, data=ocp.args.JsonRestore())
            )
        except ValueError as error:
            raise ValueError(
                f"checkpoint {self._folder / str(step)} must hold the arrays of the run's state, "
                f"got others: {textwrap.shorten(str(error), 240)}; start a new MODEL_DIR from its "
                "parameters by INITIAL_CHECKPOINT_PATH."
            ) from error
        tree = restored["state"]
        optimizer = flat(tree["opt_state"])
        state = TrainState(tree["step"], tree["params"], tree.get("frozen"), optimizer)
        return state, dict(restored["data"])

    def wait(self) -> None:
        """Returns once every started save is complete."""
        self._manager.wait_until_finished()

    def close(self) -> None:
        """Waits for saves and lets go of the directory."""
        if self._open is not None:
            self._open.close()
            self._open = None


def _tree(state: TrainState) -> dict[str, Any]:
    """Returns a state as nested dicts."""
    tree = {
        "step": state.step,
        "params": state.params,
        "opt_state": nested(state.opt_state),
    }
    if state.frozen is not None:
        tree["frozen"] = state.frozen
    return tree
