"""gin files and command-line bindings to one frozen Experiment.

Only gin's parser is used. Nothing is registered and no global state is
written, so one load never touches another.
"""

from __future__ import annotations

import dataclasses
import importlib
import re
import typing
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from flanjax import gin_statements, gin_values
from flanjax.data.task import nearest
from flanjax.experiment import CONFIGS, Experiment
from flanjax.gin_statements import Binding
from flanjax.gin_values import REQUIRED, GinError, Macro, Reference

_ROOT = "Experiment"


class Resolved(NamedTuple):
    """What some gin files and bindings come to.

    Attributes:
      experiment: The run.
      text: The bindings in force as a gin file that resolves to the same
        experiment, each with its origin and what it overrode.
    """

    experiment: Experiment
    text: str


def load(
    gin_files: Sequence[str],
    bindings: Sequence[str],
    *,
    search_paths: Sequence[str] = (),
    allowed_modules: Sequence[str] = (),
) -> Resolved:
    """Returns the experiment that gin files and bindings describe.

    Args:
      gin_files: Paths; a later file overrides an earlier one.
      bindings: Command-line bindings such as "TRAIN_STEPS=100" or
        "T5Config.d_model = 64"; they override every file.
      search_paths: More folders in which files and includes are looked for.
      allowed_modules: Modules that gin files may import besides flanjax;
        what lies in an allowed package is allowed.

    Raises:
      GinError: Anything is missing, misspelt, of the wrong type, bound twice
        in a file, not allowed or refused by a config; one line with its file
        and line. Nothing is imported or built before all is checked.
    """
    statements = gin_statements.read(gin_files, bindings, search_paths=search_paths)
    _check_names(statements.bindings)
    for entry in statements.imports:
        _check_import(entry, allowed=("flanjax", *allowed_modules))
    table = _Table(statements.bindings)
    start = gin_files[0] if gin_files else gin_statements.COMMAND_LINE
    _check_circles(table)
    _check_given(table, start=start)
    _check_types(table)
    _check_reached(table)
    for entry in statements.imports:
        _import(entry)
    return Resolved(_build(_ROOT, table, place=start), _as_text(table))


class _Table:
    """Which bindings are in force, and which reach the experiment.

    Attributes:
      in_force: Key -> binding.
      overridden: Key -> what it overrode, the newest first.
      reached: Keys of the fields and macros that the experiment is made of,
        and names of the configs it refers to.
    """

    def __init__(self, bindings: Iterable[Binding]):
        self.in_force: dict[str, Binding] = {}
        self.overridden: dict[str, list[Binding]] = {}
        for binding in bindings:
            held = self.in_force.get(binding.key)
            if held and binding.value == REQUIRED and held.value is not None:
                continue  # a need that is met already
            if held and held.value != REQUIRED:
                self.overridden.setdefault(binding.key, []).insert(0, held)
            self.in_force[binding.key] = binding
        self.reached: set[str] = set()
        self._reach(_ROOT)

    def fields(self, owner: str) -> list[Binding]:
        """Returns the bindings in force of a config's fields."""
        return [binding for binding in self.in_force.values() if binding.owner == owner]

    def follow(self, binding: Binding) -> Binding:
        """Returns the binding that a binding's macros lead to at last."""
        while isinstance(binding.value, Macro) and binding.value != REQUIRED:
            binding = self.in_force[binding.value.name]
        return binding

    def value(self, binding: Binding) -> Any:
        """Returns a binding's value, macros inside containers replaced."""
        given = self.follow(binding)
        if isinstance(given.value, dict):
            return {key: self._part(given, value) for key, value in given.value.items()}
        if isinstance(given.value, (list, tuple)):
            return type(given.value)(self._part(given, value) for value in given.value)
        return given.value

    def _part(self, whole: Binding, value: Any) -> Any:
        return self.value(dataclasses.replace(whole, value=value))

    def _reach(self, name: str) -> None:
        self.reached.add(name)
        for binding in [self.in_force[name]] if name in self.in_force else self.fields(name):
            self.reached.add(binding.key)
            for part in gin_values.parts(binding.value):
                if part != REQUIRED and part.name not in self.reached:
                    self._reach(part.name)


def _check_names(bindings: Sequence[Binding]) -> None:
    """Refuses configs, fields and macros that nobody knows."""
    parts = [
        (part, binding.place) for binding in bindings for part in gin_values.parts(binding.value)
    ]
    bound = {binding.name for binding in bindings if not binding.owner}
    read = {part.name for part, _ in parts if isinstance(part, Macro)}
    for binding in bindings:
        if binding.owner:
            _check_field(binding)
        elif binding.name not in read:
            raise GinError(
                f"{binding.place}: macro must be read by some binding, got {binding.name}; "
                f"{nearest(binding.name, read - {REQUIRED.name})}"
            )
    for part, place in parts:
        if isinstance(part, Macro) and part != REQUIRED and part.name not in bound:
            raise GinError(
                f"{place}: macro must be bound somewhere, got {part}; {nearest(part.name, bound)}"
            )
        if isinstance(part, Reference) and part.name not in CONFIGS:
            raise GinError(
                f"{place}: reference must name a config, got {part}; {nearest(part.name, CONFIGS)}"
            )
        if isinstance(part, Reference) and not part.is_called:
            raise GinError(f"{place}: reference must be called, got {part}; write @{part.name}().")


def _check_field(binding: Binding) -> None:
    if binding.owner not in CONFIGS:
        raise GinError(
            f"{binding.place}: binding must name a config, got {binding.key}; "
            f"{nearest(binding.owner, CONFIGS)}"
        )
    fields = _annotations(binding.owner)
    if binding.name not in fields:
        raise GinError(
            f"{binding.place}: binding must name a field of {binding.owner}, got {binding.name}; "
            f"{nearest(binding.name, fields)}"
        )


def _check_import(entry: gin_statements.Import, *, allowed: Sequence[str]) -> None:
    if not any(entry.module == name or entry.module.startswith(f"{name}.") for name in allowed):
        raise GinError(
            f"{entry.place}: import must lie in an allowed module ({', '.join(allowed)}), got "
            f"{entry.module}; remove the line or allow the module."
        )


def _import(entry: gin_statements.Import) -> None:
    try:
        importlib.import_module(entry.module)
    except ImportError as error:
        raise GinError(
            f"{entry.place}: import must name a module that can be imported, got {entry.module} "
            f"({error}); install it or mend the name."
        ) from None


def _check_circles(table: _Table) -> None:
    """Refuses macros whose values lead back to themselves."""
    for binding in table.in_force.values():
        ahead, passed = list(gin_values.parts(binding.value)), set[str]()
        while ahead:
            name = ahead.pop().name
            if name == binding.key:
                raise GinError(
                    f"{binding.place}: macro must not lead back to itself, got {name} = "
                    f"{gin_values.written(binding.value)}; give it a value."
                )
            if name in table.in_force and name not in passed:
                passed.add(name)
                ahead += gin_values.parts(table.in_force[name].value)


def _check_given(table: _Table, *, start: str) -> None:
    """Refuses an experiment whose required values are not all bound."""
    missing: dict[str, str] = {}
    for name in CONFIGS:
        bound = {binding.name: binding for binding in table.fields(name)}
        for field in dataclasses.fields(CONFIGS[name]) if name in table.reached else ():
            if field.name in bound and table.value(bound[field.name]) == REQUIRED:
                wanted = table.follow(bound[field.name])
                missing.setdefault(wanted.key, wanted.place)
            elif field.name not in bound and _has_no_default(field):
                missing.setdefault(f"{name}.{field.name}", start)
    if missing:
        keys = sorted(missing)
        raise GinError(
            f"{missing[keys[0]]}: {', '.join(keys)} must be set, got nothing; add "
            f"{' and '.join(f'{key} = ...' for key in keys)} to the gin file or pass "
            f"{' '.join(f'--gin.{key}=...' for key in keys)}"
        )


def _has_no_default(field: dataclasses.Field[Any]) -> bool:
    return field.default is field.default_factory is dataclasses.MISSING


def _check_types(table: _Table) -> None:
    """Refuses values that their fields' annotations do not allow."""
    for binding in table.in_force.values():
        if not binding.owner or table.value(binding) == REQUIRED:
            continue
        annotation = _annotations(binding.owner)[binding.name]
        try:
            gin_values.convert(table.value(binding), annotation)
        except TypeError:
            giver = table.follow(binding)
            raise GinError(
                f"{giver.place}: {giver.key} must be {gin_values.described(annotation)}, got "
                f"{gin_values.written(table.value(binding))}; {gin_values.remedy(annotation)}."
            ) from None


def _check_reached(table: _Table) -> None:
    """Refuses what is bound for this run and yet changes nothing."""
    for key, binding in table.in_force.items():
        if key not in table.reached and not binding.is_included:
            part = Reference(binding.owner) if binding.owner else Macro(binding.name)
            raise GinError(
                f"{binding.place}: {key} must reach the experiment, got no use of {part}; "
                "remove the line or refer to it."
            )


def _build(name: str, table: _Table, *, place: str) -> Any:
    """Returns a config made of its fields' bindings."""
    annotations = _annotations(name)
    values: dict[str, Any] = {}
    for binding in table.fields(name):
        value = gin_values.convert(table.value(binding), annotations[binding.name])
        if isinstance(value, Reference):
            value = _build(value.name, table, place=table.follow(binding).place)
        values[binding.name] = value
    try:
        return CONFIGS[name](**values)
    except ValueError as error:
        raise GinError(f"{_blamed(str(error), name, table) or place}: {error}") from None


def _blamed(message: str, name: str, table: _Table) -> str:
    """Returns the place of the binding that an error speaks of first, or "".

    The config's own field comes before a macro of its name, which may be for another's.
    """
    found: list[tuple[int, bool, str]] = []
    for binding in table.in_force.values():
        spelt = binding.name if binding.owner == name else binding.key
        match = re.search(rf"(?<![\w.]){re.escape(spelt)}(?!\w)", message, re.IGNORECASE)
        if match:
            place = table.follow(_innermost(binding, table)).place
            found.append((match.start(), binding.owner != name, place))
    return min(found)[-1] if found else ""


def _innermost(binding: Binding, table: _Table) -> Binding:
    """Returns `Config.name` where a binding refers to a config with a name."""
    value = table.value(binding)
    if isinstance(value, Reference):
        return table.in_force.get(f"{value.name}.name", binding)
    return binding


def _annotations(name: str) -> dict[str, Any]:
    return typing.get_type_hints(CONFIGS[name])


def _as_text(table: _Table) -> str:
    """Returns the bindings in force, macros first, with their origins.

    What the experiment does not reach is listed as comments.
    """
    used: list[str] = []
    idle: list[str] = []
    for key, binding in sorted(
        table.in_force.items(), key=lambda entry: (bool(entry[1].owner), entry[0])
    ):
        line = f"{key} = {gin_values.written(binding.value)}  # {binding.place}"
        old = table.overridden.get(key, ())
        if old:
            line += "; overrides " + ", ".join(
                f"{gin_values.written(b.value)} ({b.place})" for b in old
            )
        if key in table.reached:
            used.append(line)
        else:
            idle.append(f"# {line}")
    if idle:
        idle.insert(0, "# Not used by this experiment:")
    return "\n".join([*used, *idle]) + "\n"
