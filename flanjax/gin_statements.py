"""Reads gin files into statements that know where they stand."""

from __future__ import annotations

import dataclasses
import difflib
import io
import pathlib
import tokenize
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from gin import config_parser

from flanjax.gin_values import GinError, Macro, Reference

COMMAND_LINE = "command line"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Binding:
    """One `owner.name = value`.

    Attributes:
      owner: A config class's name, or "" where `name` is a macro.
      name: A field or a macro.
      value: A literal that may hold Macro and Reference values.
      place: "file:line", or the command line.
      is_included: Whether it stands in a file that another one includes.
    """

    owner: str
    name: str
    value: Any
    place: str
    is_included: bool = False

    @property
    def key(self) -> str:
        return f"{self.owner}.{self.name}" if self.owner else self.name


@dataclasses.dataclass(frozen=True, kw_only=True)
class Import:
    """One `import module` and its place."""

    module: str
    place: str


@dataclasses.dataclass(frozen=True, kw_only=True)
class Statements:
    """Everything that some files and a command line say, in order.

    Attributes:
      bindings: A later one overrides an earlier one of the same key. Those of
        included files come before those of the file that includes them, and
        the command line comes last.
      imports: Import statements in order.
    """

    bindings: tuple[Binding, ...]
    imports: tuple[Import, ...]


def config_dir() -> pathlib.Path:
    """Returns the folder of the gin files that come with the package.

    An installed package carries it inside; in a clone it lies beside.
    """
    package = pathlib.Path(__file__).resolve().parent
    inside = package / "gin_configs"
    return (inside if inside.is_dir() else package.parent / "gin_configs").resolve()


def read(
    gin_files: Sequence[str], bindings: Sequence[str], *, search_paths: Sequence[str]
) -> Statements:
    """Reads gin files, what they include, and command-line bindings.

    A file that is included twice is read once, where it is first met.

    Args:
      gin_files: Paths from the working folder or a search path; a later file
        overrides an earlier one.
      bindings: `NAME = value` strings.
      search_paths: Folders tried before the package's own gin files.

    Raises:
      GinError: A file is missing or is not gin; a file includes itself; an
        include stands below a binding; a name is bound twice in one file.
    """
    folders = [*map(pathlib.Path, search_paths), config_dir()]
    reader = _Reader(folders)
    for name in gin_files:
        path = _find(name, [pathlib.Path(), *folders], what="gin file", place="")
        reader.read_file(path, including=())
    given = [_command_line_binding(text) for text in bindings]
    _check_bound_once(given)
    return Statements(bindings=(*reader.bindings, *given), imports=tuple(reader.imports))


class _Reader:
    """Gathers statements over files that include one another."""

    def __init__(self, folders: Sequence[pathlib.Path]):
        self.bindings: list[Binding] = []
        self.imports: list[Import] = []
        self._folders = folders
        self._seen: set[pathlib.Path] = set()

    def read_file(self, path: pathlib.Path, *, including: tuple[pathlib.Path, ...]) -> None:
        if path in self._seen:
            return
        self._seen.add(path)
        own: list[Binding] = []
        for statement, place in _parse(_read_text(path), name=_shown(path)):
            if isinstance(statement, config_parser.IncludeStatement):
                self._include(statement.filename, place, own, including=(*including, path))
            elif isinstance(statement, config_parser.ImportStatement):
                self.imports.append(Import(module=statement.module, place=place))
            elif isinstance(statement, config_parser.BindingStatement):
                own.append(_as_binding(statement, place, is_included=bool(including)))
        _check_bound_once(own)
        self.bindings += own

    def _include(
        self,
        name: str,
        place: str,
        own: Sequence[Binding],
        *,
        including: tuple[pathlib.Path, ...],
    ) -> None:
        folders = [including[-1].parent, *self._folders]
        path = _find(name, folders, what="include", place=f"{place}: ")
        if path in including:
            raise GinError(
                f"{place}: include must not come back to a file that is being read, got {name!r}; "
                "remove it."
            )
        if own:
            raise GinError(
                f"{place}: include must stand above every binding of its file, got {name!r} below "
                f"{own[0].key} ({own[0].place}); move it up."
            )
        self.read_file(path, including=including)


def _find(name: str, folders: Iterable[pathlib.Path], *, what: str, place: str) -> pathlib.Path:
    tried = list(dict.fromkeys(folders))
    for folder in tried:
        if (folder / name).is_file():
            return (folder / name).resolve()
    places = ", ".join(_shown(folder.resolve()) for folder in tried)
    raise GinError(
        f"{place}{what} must be a file in a search path, got {name!r}; looked in {places}"
        f"{_remedy(name)}"
    )


def _remedy(name: str) -> str:
    if name.startswith(("t5x/examples/", "t5x/configs/")):
        return ", where T5X's own files are not: `python -m t5x.train` finds them."
    own = [str(path.relative_to(config_dir())) for path in config_dir().rglob("*.gin")]
    own = [known for known in own if not known.startswith("t5x/")]  # programs of T5X, not ours
    close = [known for known in own if name.endswith(f"/{known}") or known.endswith(f"/{name}")]
    close = close or difflib.get_close_matches(name, own, n=1, cutoff=0.85)
    return f"; did you mean {close[0]}?" if close else "."


def _shown(path: pathlib.Path) -> str:
    """Returns a path from the working folder where it lies below it."""
    here = pathlib.Path.cwd()
    return str(path.relative_to(here) if path.is_relative_to(here) else path)


def _read_text(path: pathlib.Path) -> str:
    try:
        return path.read_text("utf-8")
    except UnicodeDecodeError as error:
        line = path.read_bytes()[: error.start].count(b"\n") + 1
        raise GinError(
            f"{_shown(path)}:{line}: gin file must be UTF-8, got byte "
            f"{error.object[error.start]:#04x}; save it as UTF-8."
        ) from None


class _Values(config_parser.ParserDelegate):
    """What the parser makes of `@Name()` and `%NAME`."""

    def configurable_reference(self, scoped_configurable_name: str, evaluate: bool) -> Reference:
        return Reference(scoped_configurable_name, evaluate)

    def macro(self, macro_name: str) -> Macro:
        return Macro(macro_name)


def _parse(text: str, *, name: str) -> Iterator[tuple[Any, str]]:
    """Yields the parser's statements, each with its place.

    Raises:
      GinError: The text is not gin.
    """
    source = io.StringIO(text)
    try:
        for statement in config_parser.ConfigParser(source, _Values()):
            yield statement, f"{name}:{statement.location.line_num}"
        return
    except SyntaxError as error:
        line, reason = error.lineno or 1, error.msg
    except tokenize.TokenError as error:
        reason, (line, _) = error.args
    except (TypeError, RecursionError) as error:  # a list as a key; brackets without end
        line, reason = text[: source.tell()].count("\n"), str(error)
    lines = text.splitlines()
    written = lines[line - 1].strip() if line <= len(lines) else "the end of the file"
    why = reason.splitlines()[-1].strip().rstrip(".")
    raise GinError(
        f"{name}:{line}: statement must be NAME = value, include or import, got {written!r} "
        f"({why}); strings stand in quotes."
    )


def _as_binding(statement: Any, place: str, *, is_included: bool = False) -> Binding:
    if statement.scope:
        raise GinError(
            f"{place}: binding must have no scope, got "
            f"{statement.scope}/{statement.selector}.{statement.arg_name}; remove the scope."
        )
    owner, name = statement.selector, statement.arg_name
    if not name:
        owner, name = "", owner
    return Binding(
        owner=owner, name=name, value=statement.value, place=place, is_included=is_included
    )


def _command_line_binding(text: str) -> Binding:
    try:
        statements = [statement for statement, _ in _parse(text, name=COMMAND_LINE)]
    except GinError:
        statements = []
    if [type(entry) for entry in statements] != [config_parser.BindingStatement]:
        name, _, value = (part.strip() for part in text.partition("="))
        raise GinError(
            f"{COMMAND_LINE}: binding must be NAME=value, got {text!r}; strings stand in quotes: "
            f'--gin.{name or "NAME"}="{value or "text"!r}"'
        )
    return _as_binding(statements[0], COMMAND_LINE)


def _check_bound_once(bindings: Sequence[Binding]) -> None:
    first: dict[str, Binding] = {}
    for binding in bindings:
        earlier = first.setdefault(binding.key, binding)
        if earlier is not binding:
            raise GinError(
                f"{binding.place}: {binding.key} must be bound once, got a second binding, the "
                f"first at {earlier.place}; remove one."
            )
