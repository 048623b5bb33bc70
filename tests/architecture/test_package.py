"""What is built from the tree holds all of its code, tasks and configs."""

from __future__ import annotations

import configparser
import pathlib
import shutil
import subprocess
import sys
import tarfile
import tomllib
import zipfile

import house_rules
import pytest

ROOT = house_rules.ROOT
_SUFFIXES = (".py", ".gin", ".jsonl", ".json", ".typed", ".css", ".html", ".js")
_BUILD = "import sys; from setuptools import build_meta as b; print({}(sys.argv[1]))"


def _expected_files() -> set[str]:
    folders = {"flanjax": "flanjax", "tasks": "flanjax/tasks", "gin_configs": "flanjax/gin_configs"}
    found = set()
    for folder, place in folders.items():
        for path in (ROOT / folder).rglob("*"):
            if path.is_file() and path.suffix in _SUFFIXES:
                found.add(f"{place}/{path.relative_to(ROOT / folder)}")
    return found


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """A copy of what the build reads, so that it leaves nothing in the checkout."""
    copy = tmp_path_factory.mktemp("tree")
    for name in ("flanjax", "tasks", "gin_configs"):
        shutil.copytree(
            ROOT / name, copy / name, symlinks=True, ignore=shutil.ignore_patterns("__pycache__")
        )
    for name in ("setup.py", "pyproject.toml", "LICENSE", "README.md"):
        shutil.copy(ROOT / name, copy / name)
    return copy


def _build(tree: pathlib.Path, hook: str, output: pathlib.Path) -> pathlib.Path:
    command = [sys.executable, "-c", _BUILD.format(f"b.{hook}"), str(output)]
    done = subprocess.run(command, cwd=tree, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return output / done.stdout.splitlines()[-1]


def test_tasks_and_configs_are_relative_links() -> None:
    for name in ("tasks", "gin_configs"):
        assert (ROOT / "flanjax" / name).readlink() == pathlib.Path("..") / name


def test_a_wheel_holds_every_file(tree: pathlib.Path, tmp_path: pathlib.Path) -> None:
    with zipfile.ZipFile(_build(tree, "build_wheel", tmp_path)) as wheel:
        names = set(wheel.namelist())
        (entry_points,) = (name for name in names if name.endswith("entry_points.txt"))
        scripts = configparser.ConfigParser()
        scripts.read_string(wheel.read(entry_points).decode())
    assert {name for name in names if ".dist-info/" not in name} == _expected_files()
    assert dict(scripts["console_scripts"]) == {"flanjax": "flanjax.cli.main:main"}


def test_a_source_distribution_holds_every_file(tree: pathlib.Path, tmp_path: pathlib.Path) -> None:
    with tarfile.open(_build(tree, "build_sdist", tmp_path)) as archive:
        names = {member.name.partition("/")[2] for member in archive if member.isfile()}
    assert {name for name in names if name.startswith("flanjax/")} == _expected_files()


def test_constraints_pin_every_dependency_of_the_core_and_the_tests() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"]
    wanted = [*project["dependencies"], *extras["dev"], *extras["browser"]]
    names = {word.partition(">")[0].lower().replace("_", "-") for word in wanted}
    for version in ("py311", "py312", "py313"):
        text = (ROOT / "constraints" / f"{version}.txt").read_text(encoding="utf-8")
        pinned = {line.partition("==")[0].lower().replace("_", "-") for line in text.splitlines()}
        assert names - pinned == set()
