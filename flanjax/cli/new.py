"""`flanjax tasks new`: begins a task in a file of its own."""

from __future__ import annotations

import contextlib
import keyword
import os
import pathlib
import re
from collections.abc import Mapping
from typing import NamedTuple

import click

import flanjax
from flanjax.cli import skeleton
from flanjax.cli.options import (
    examples,
    json_option,
)
from flanjax.cli.output import print_json
from flanjax.data.task import Mode

_OWN_TASKS = pathlib.Path(flanjax.__file__).parent / "tasks"
_OWN_TESTS = pathlib.Path("tests/catalog")


class _Layout(NamedTuple):
    """Where the files of a new task go.

    Attributes:
      task: Its module.
      records: The records that its test renders.
      test: Its test.
      catalogue: The module with the CATALOGUE that is to hold it.
      catalog: What --catalog calls it.
      records_from_test: The records' path as the test sees it.
      package: What modules are imported from: "" for relative imports.
    """

    task: pathlib.Path
    records: pathlib.Path
    test: pathlib.Path
    catalogue: pathlib.Path
    catalog: str
    records_from_test: str
    package: str


@click.command()
@click.argument("place", metavar="CLUSTER/NAME")
@click.option(
    "--dir",
    "folder",
    type=click.Path(file_okay=False),
    default="tasks",
    show_default=True,
    metavar="DIR",
    help="The package of tasks; it is made where there is none.",
)
@click.option(
    "--mode",
    type=click.Choice(["rank", "generate"]),
    default="rank",
    show_default=True,
    help="Whether the model chooses among options or writes freely.",
)
@json_option
@examples(
    "flanjax tasks new reviews/film_praise",
    "# fill in tasks/reviews/film_praise.py, then",
    "python -m pytest tasks/reviews/film_praise_test.py",
)
def new(place: str, folder: str, mode: Mode, as_json: bool) -> None:
    """Begin the task NAME in CLUSTER: its file, three records and a test.

    The test fails until ten wordings are written. Nothing is overwritten.
    """
    cluster, name = _parse_place(place)
    directory = pathlib.Path(folder)
    if not directory.resolve().name.isidentifier():
        raise ValueError(
            f"--dir must name a package, got {folder!r}; use letters, digits and underscores."
        )
    layout = _layout(directory, cluster, name)
    is_new_cluster = not layout.task.parent.exists()
    is_new_catalogue = not layout.catalogue.exists()
    contents = _contents(layout, cluster, name, mode, is_new_catalogue)
    _write_all(contents)
    to_add = () if is_new_catalogue else _lines_to_add(layout, cluster, name, is_new_cluster)
    if as_json:
        files = [str(path) for path in contents]
        print_json({"files": files, "add": to_add, "catalog": layout.catalog})
        return
    for path in contents:
        click.echo(f"wrote {path}")
    if to_add:
        click.echo("\n  ".join([f"add to {layout.catalogue}:", *to_add]))
    click.echo(f"fill in {layout.task}, then run: python -m pytest {layout.test}")
    click.echo(f"with its data: flanjax tasks check --catalog={layout.catalog} --data_dir=DIR")


def _lines_to_add(
    layout: _Layout, cluster: str, name: str, is_new_cluster: bool
) -> tuple[str, str]:
    """Returns what a user's catalogue still lacks: an import and an entry."""
    entry = f'{name.upper()}, in TaskCluster("{cluster}", ...)'
    if is_new_cluster:
        entry = skeleton.cluster_line(cluster, name) + ","
    return skeleton.import_line(f"{layout.package}.{cluster}.{name}", name), entry


def _parse_place(place: str) -> tuple[str, str]:
    cluster, _, name = place.partition("/")
    for part in (cluster, name):
        if keyword.iskeyword(part):
            raise ValueError(
                f"a task must not be named by a word of Python, got {part!r} in {place!r}; choose "
                "another."
            )
        if not re.fullmatch(r"[a-z][a-z0-9_]*", part):
            raise ValueError(
                f"a task must be named CLUSTER/NAME in small letters, digits and underscores, "
                f"got {place!r}; write it as in reviews/film_praise."
            )
    return cluster, name


def _layout(directory: pathlib.Path, cluster: str, name: str) -> _Layout:
    home = directory / cluster
    if directory.resolve() == _OWN_TASKS.resolve():
        tests = pathlib.Path(os.path.relpath(directory.resolve().parent)) / _OWN_TESTS
        return _Layout(
            task=home / f"{name}.py",
            records=tests / "records" / f"{name}.jsonl",
            test=tests / f"test_{name}.py",
            catalogue=directory / "flan2021.py",
            catalog="flanjax.tasks.flan2021:CATALOGUE",
            records_from_test=f"records/{name}.jsonl",
            package="flanjax.tasks",
        )
    return _Layout(
        task=home / f"{name}.py",
        records=home / f"{name}.jsonl",
        test=home / f"{name}_test.py",
        catalogue=directory / "catalogue.py",
        catalog=f"{_module_of(directory)}.catalogue:CATALOGUE",
        records_from_test=f"{name}.jsonl",
        package="",
    )


def _module_of(directory: pathlib.Path) -> str:
    """Returns the package's name as seen from here, or else from its parent."""
    path = directory.resolve()
    here = pathlib.Path.cwd()
    is_below = path != here and path.is_relative_to(here)
    return ".".join(path.relative_to(here).parts) if is_below else path.name


def _contents(
    layout: _Layout, cluster: str, name: str, mode: Mode, is_new_catalogue: bool
) -> dict[pathlib.Path, str]:
    """Returns path -> text of every file to write, in order."""
    directory = layout.catalogue.parent
    contents = {}
    for package in (directory, layout.task.parent):
        if not (package / "__init__.py").exists():
            contents[package / "__init__.py"] = ""
    contents[layout.task] = skeleton.task_file(cluster, name, mode)
    contents[layout.records] = skeleton.records_file(mode)
    module = f"{layout.package}.{cluster}.{name}" if layout.package else f".{name}"
    contents[layout.test] = skeleton.test_file(
        cluster, name, module=module, records=layout.records_from_test
    )
    if is_new_catalogue:
        contents[layout.catalogue] = skeleton.catalogue_file(cluster, name)
    return contents


def _write_all(contents: Mapping[pathlib.Path, str]) -> None:
    """Writes every file, or none where one is there or cannot be written.

    Raises:
      ValueError: A file is there already.
    """
    for path in contents:
        if path.exists():
            raise ValueError(
                f"a new task must not overwrite a file, got {path}; choose another name."
            )
    with contextlib.ExitStack() as undo:
        asides = {path: path.with_name(path.name + ".partial") for path in contents}
        for path, text in contents.items():
            _make_folders(path.parent, undo)
            undo.callback(asides[path].unlink, missing_ok=True)
            asides[path].write_text(text, "utf-8")
        for path, aside in asides.items():
            os.replace(aside, path)
            undo.callback(path.unlink)
        undo.pop_all()


def _make_folders(folder: pathlib.Path, undo: contextlib.ExitStack) -> None:
    missing = [path for path in (folder, *folder.parents) if not path.exists()]
    for path in reversed(missing):
        path.mkdir()
        undo.callback(path.rmdir)
