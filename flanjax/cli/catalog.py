"""Finds the catalogue that a user names as `module:NAME` or `seqio:module`."""

from __future__ import annotations

import difflib
import importlib
import logging
import os
import pathlib
import pkgutil
import sys
import traceback
from collections.abc import Mapping
from types import MappingProxyType, ModuleType
from typing import TYPE_CHECKING

import flanjax
from flanjax.data.catalogue import Catalogue
from flanjax.data.task import Task, nearest

if TYPE_CHECKING:
    from flanjax.experiment import Experiment

SHIPPED = {
    "mini": "flanjax.tasks.mini:CATALOGUE",
    "flan2021": "flanjax.tasks.flan2021:CATALOGUE",
    "flan2021_by_skill": "flanjax.tasks.flan2021:BY_SKILL",
}
"""The catalogues that come with the package, by their names."""

_PACKAGE = pathlib.Path(flanjax.__file__).parent
_MACHINERY = (
    "<",  # frozen modules, and the __init__ of dataclasses
    str(importlib.__file__),
    *(str(_PACKAGE / part) for part in ("cli", "data", "engine", "base.py")),
)
"""Files whose lines are not at fault when a user's module fails."""


SEQIO = "seqio:"
"""Begins a place whose module registers tasks with SeqIO."""

_LENGTHS = {"inputs": 512, "targets": 128}


def run_catalog(experiment: Experiment, *, is_uncut: bool = False) -> Catalogue:
    """Returns the catalogue of a run, as `load_catalog` does.

    Args:
      experiment: The run.
      is_uncut: Whether tasks of SeqIO give examples longer than the run's rows
        where they would only cut them.

    Raises:
      ValueError: As `load_catalog`.
    """
    data = experiment.data
    return load_catalog(
        data.catalogue,
        lengths=data.task_feature_lengths,
        seed=experiment.train.seed,
        is_uncut=is_uncut,
    )


def load_catalog(
    place: str,
    *,
    lengths: Mapping[str, int] = MappingProxyType(_LENGTHS),
    seed: int = 0,
    is_uncut: bool = False,
) -> Catalogue:
    """Imports a module and returns the catalogue it holds under a name.

    The current directory is searched first, as `python -m` does.

    Args:
      place: "module:NAME", "package.module" where the name is CATALOGUE, the
        name of a catalogue that ships: "flan2021", or "seqio:module" for what
        the module registers with SeqIO.
      lengths: "inputs" and "targets" -> ids that a task of SeqIO may give.
      seed: Seeds the preprocessors of SeqIO's tasks.
      is_uncut: Whether those that only cut give more.

    Raises:
      ValueError: The module is not found or fails to import, or what is named
        is missing or no catalogue.
    """
    if place.startswith(SEQIO):
        return _seqio_catalog(place, lengths, seed, is_uncut)
    module_name, colon, name = SHIPPED.get(place, place).partition(":")
    if not colon and "." in module_name:
        name = "CATALOGUE"
    close = difflib.get_close_matches(place.casefold(), SHIPPED, n=1, cutoff=0.7)
    remedy = (
        f"did you mean {close[0]}?" if close else "write it as in flanjax.tasks.mini:CATALOGUE."
    )
    if not name.isidentifier() or not all(part.isidentifier() for part in module_name.split(".")):
        raise ValueError(
            f"catalog must read module:NAME or be one of {', '.join(SHIPPED)}, got {place!r}; "
            f"{remedy}"
        )
    module = _import(module_name)
    value = getattr(module, name, None)
    if isinstance(value, Catalogue):
        return value
    held = [key for key, entry in vars(module).items() if isinstance(entry, Catalogue)]
    remedy = nearest(name, held) if held else f"define {name} = Catalogue(...) there."
    got = "nothing of that name" if value is None else f"a {type(value).__name__}"
    raise ValueError(
        f"catalog {place} must be a Catalogue, got {got} in "
        f"{module.__file__ or module_name}; {remedy}"
    )


def _seqio_catalog(place: str, lengths: Mapping[str, int], seed: int, is_uncut: bool) -> Catalogue:
    module_name = place.removeprefix(SEQIO)
    if not all(part.isidentifier() for part in module_name.split(".")):
        raise ValueError(
            f"catalog must read seqio:module, got {place!r}; write it as in seqio:my_tasks."
        )
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")  # what it says of devices it shall not use
    logging.getLogger("absl").setLevel(logging.ERROR)
    try:
        from flanjax.data.seqio_bridge import foreign_catalogue
    except ModuleNotFoundError as error:
        raise ValueError(
            f"catalog {place} must have SeqIO, got no module {error.name}; "
            "pip install 'flanjax[seqio]'."
        ) from None
    _import(module_name)
    return foreign_catalogue.catalogue(place, lengths=lengths, seed=seed, is_uncut=is_uncut)


def written_catalog(place: str) -> Catalogue:
    """Returns a catalogue whose tasks have wordings of ours, as `load_catalog` does.

    Raises:
      ValueError: As `load_catalog`; or it is SeqIO's.
    """
    if place.startswith(SEQIO):
        raise ValueError(
            f"catalog must hold tasks with templates here, got {place}; look at SeqIO's by "
            "`flanjax tasks list`, `flanjax tasks show` and `flanjax mixture show`."
        )
    return load_catalog(place)


def find_task(place: str, name: str) -> Task:
    """Returns a task of a catalogue; where it is another's, says whose.

    Raises:
      ValueError: The catalogue has no such task.
    """
    catalogue = load_catalog(place)
    if any(task.name == name for task in catalogue.tasks()):
        return catalogue.task(name)
    for other in SHIPPED:
        if any(task.name == name for task in load_catalog(other).tasks()):
            raise ValueError(
                f"task must be one of catalogue {catalogue.name}, got {name!r} of {other}; "
                f"add --catalog={other}."
            )
    return catalogue.task(name)


def _import(module_name: str) -> ModuleType:
    if os.getcwd() not in sys.path:
        sys.path.insert(0, os.getcwd())
        importlib.invalidate_caches()
    try:
        return importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        missing = error.name or ""
        if module_name == missing or module_name.startswith(missing + "."):
            raise ValueError(
                f"catalog must name a module, got {module_name!r} and there is no {missing}; "
                f"{_neighbours(missing)}"
            ) from error
        raise _import_error(module_name, error) from error
    except Exception as error:  # whatever a user's module may raise
        raise _import_error(module_name, error) from error


def _neighbours(missing: str) -> str:
    """Returns a remedy that names the modules beside a missing one."""
    parent, _, last = missing.rpartition(".")
    paths = getattr(sys.modules[parent], "__path__", []) if parent else [os.getcwd()]
    names = [module.name for module in pkgutil.iter_modules(paths)]
    if not names:
        return f"{parent or os.getcwd()} holds no modules, check the name and the directory."
    if parent:
        return f"in {parent}: {nearest(last, names)}"
    return f"in {os.getcwd()}: {nearest(last, names)} Or go to the folder that holds {missing}."


def _import_error(module_name: str, error: Exception) -> ValueError:
    """Returns the error of a module that fails, with the line at fault."""
    if isinstance(error, SyntaxError):
        place = f"{error.filename}, line {error.lineno}"
    else:
        frames = list(traceback.extract_tb(error.__traceback__))
        own = [frame for frame in frames if not frame.filename.startswith(_MACHINERY)] or frames
        own = [frame for frame in own if "site-packages" not in frame.filename] or own
        place = f"{own[-1].filename}, line {own[-1].lineno}"
    return ValueError(
        f"catalog module {module_name} must import, got {type(error).__name__}: {error} ({place})."
    )
