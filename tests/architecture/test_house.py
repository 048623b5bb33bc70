"""The package keeps the rules of the house, and every rule can be broken."""

from __future__ import annotations

import ast
import pathlib
import subprocess
import sys

import house_rules
import pytest

FILES = dict(house_rules.python_files())
TREES = {name: ast.parse(path.read_text(encoding="utf-8")) for name, path in FILES.items()}
MODULES = frozenset(FILES)


def test_every_module_has_a_layer() -> None:
    packages = {name for name, path in FILES.items() if path.name == "__init__.py"}
    assert [
        name for name in FILES if house_rules.layer(name) is None and name not in packages
    ] == []


def test_every_folder_of_code_is_a_package() -> None:
    folders = {path.parent for path in FILES.values()}
    assert [
        str(folder) for folder in sorted(folders) if not (folder / "__init__.py").exists()
    ] == []


@pytest.mark.parametrize("module", FILES)
def test_module_imports_only_what_it_may(module: str) -> None:
    assert house_rules.import_faults(module, TREES[module], MODULES) == []


def test_imports_have_no_cycle() -> None:
    graph = {name: {t for t, _ in house_rules.imports(TREES[name], MODULES)} for name in FILES}
    assert house_rules.cycle(graph) is None


@pytest.mark.parametrize("module", FILES)
def test_code_is_small_and_safe(module: str) -> None:
    path = FILES[module].relative_to(house_rules.ROOT)
    source = FILES[module].read_text(encoding="utf-8")
    faults = house_rules.file_faults(module, path, source)
    assert faults + house_rules.code_faults(module, TREES[module]) == []


@pytest.mark.parametrize(
    "path", sorted((house_rules.ROOT / "tests").rglob("*.py")), ids=lambda path: path.name
)
def test_tests_are_small_too(path: pathlib.Path) -> None:
    source = path.read_text(encoding="utf-8")
    place = path.relative_to(house_rules.ROOT)
    faults = house_rules.file_faults(str(place), place, source)
    assert faults + house_rules.code_faults(str(place), ast.parse(source)) == []


_IMPORT_WITHOUT = """
import importlib, sys

class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in absent:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

absent = sys.argv[1].split()
sys.meta_path.insert(0, Absent())
for module in sys.argv[2].split():
    importlib.import_module(module)
"""


def _import_without(absent: str, modules: list[str]) -> str:
    command = [sys.executable, "-c", _IMPORT_WITHOUT, absent, " ".join(modules)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return "" if done.returncode == 0 else done.stderr


def test_models_losses_and_the_train_step_need_no_data_or_config_library() -> None:
    modules = [m for m in FILES if house_rules.within(m, ["flanjax.models", "flanjax.losses"])]
    absent = "grain gin orbax tensorboardX sentencepiece pyarrow"
    assert _import_without(absent, [*modules, "flanjax.train.step"]) == ""


def test_no_module_needs_tensorflow_or_torch_to_be_imported() -> None:
    absent = "tensorflow tensorflow_datasets seqio torch transformers"
    names = [name for name in FILES if not name.startswith(house_rules.NEEDS_SEQIO)]
    assert len(names) > 200
    assert _import_without(absent, names) == ""


def test_an_absent_library_is_noticed() -> None:
    assert "No module named 'jax'" in _import_without("jax", ["flanjax.parallel"])


@pytest.mark.parametrize(
    ("module", "source", "fault"),
    [
        ("flanjax.losses.tokens", "import flanjax.train.step", "L1 may not reach up to L3"),
        ("flanjax.losses.tokens", "def f():\n  from flanjax import run", "L1 may not reach up"),
        ("flanjax.data.task", "from flanjax.data import records", "L1 may not reach up to L2"),
        ("flanjax.experiment", "import flanjax.gin_bridge", "L4 may not reach up to L5"),
        ("flanjax.run", "from flanjax.tasks.sentiment import sst2", "passes the catalogue in"),
        ("flanjax.cli.train", "import tasks.sentiment", "content is flanjax.tasks"),
        ("flanjax.models.t5", "from . import layers", "relative"),
        ("flanjax.losses.tokens", "import flanjax.models.api", "never imports flanjax.models"),
        ("flanjax.train.loop", "import flanjax.evaluation.metrics", "never imports"),
        ("flanjax.engine.pack", "import jax.numpy as jnp", "never imports jax"),
        ("flanjax.data.sizes", "from flanjax.engine import pack", "never imports flanjax.engine"),
        ("flanjax.train.loop", "import gin", "only flanjax.gin_statements"),
        ("flanjax.train.loop", "import orbax.checkpoint", "only flanjax.train.checkpoint may"),
        ("flanjax.train.state", "from flax import nnx", "only flanjax.models may"),
        ("flanjax.engine.cache", "import grain", "only flanjax.engine.pipeline may"),
        ("flanjax.data.sources", "import tensorflow as tf", "only flanjax.data.seqio_bridge"),
        ("flanjax.run", "import click", "only flanjax.cli may"),
        ("flanjax.interop.hf", "import torch", "only nobody may"),
    ],
)
def test_a_forbidden_import_is_found(module: str, source: str, fault: str) -> None:
    modules = {
        "flanjax.run", "flanjax.data.records", "flanjax.engine.pack", "flanjax.tasks.sentiment.sst2"
    }  # fmt: skip
    (found,) = house_rules.import_faults(module, ast.parse(source), modules)
    assert fault in found


def test_a_module_of_an_unknown_place_has_no_layer() -> None:
    assert house_rules.layer("flanjax.surprise") is None
    assert house_rules.layer("flanjax.data.surprise") is None
    assert house_rules.layer("flanjax.data.formats.jsonl") == 1


def test_a_cycle_is_found() -> None:
    graph = {"a": ["b"], "b": ["c", "d"], "c": [], "d": ["b"]}
    assert house_rules.cycle(graph) == ["b", "d", "b"]


@pytest.mark.parametrize(
    ("name", "source", "fault"),
    [
        ("flanjax/data/utils.py", "", "must say the concept"),
        ("flanjax/common/mean.py", "", "must say the concept"),
        ("flanjax/engine/pack.py", "x = 1\n" * 401, "401 lines"),
        ("flanjax/data/__init__.py", "x = 1", "must be empty"),
    ],
)
def test_a_bad_file_is_found(name: str, source: str, fault: str) -> None:
    (found,) = house_rules.file_faults("flanjax.data", pathlib.PurePath(name), source)
    assert fault in found


_DEEP = """
def deep(rows):
    for row in rows:
        if row:
            with row:
                while row:
                    row = next(row)
"""
_FLAT = """
def flat(x):
    for y in x:
        if y == 1:
            pass
        elif y == 2:
            pass
        elif y == 3:
            if x:
                pass
"""


@pytest.mark.parametrize(
    ("source", "fault"),
    [
        ("def long():\n" + "    x = 1\n" * 60, "long has 61 lines"),
        (_DEEP, "deep nests 4 deep"),
        (f'"""{"x" * 81}"""', "summary of 81 characters"),
        ("import pickle", "imports pickle"),
        ("from pickle import load", "imports pickle"),
        ("import yaml\nyaml.load(text)", "calls yaml.load"),
        ("x = eval(text)", "calls eval"),
        ("exec(text)", "calls exec"),
        ("np.load(path, allow_pickle=True)", "passes allow_pickle=True"),
        ("subprocess.run(text, shell=True)", "passes shell=True"),
    ],
)
def test_bad_code_is_found(source: str, fault: str) -> None:
    (found,) = house_rules.code_faults("flanjax.engine.pack", ast.parse(source))
    assert fault in found


def test_elif_is_as_deep_as_its_if() -> None:
    assert house_rules.code_faults("flanjax.engine.pack", ast.parse(_FLAT)) == []
