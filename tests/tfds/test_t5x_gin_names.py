"""Names in the gin files that T5X reads: SeqIO's own, and flanjax's mixtures."""

from __future__ import annotations

import inspect
import io
import re
from typing import Any

import pytest
from gin import config_parser

from flanjax import gin_statements
from flanjax.tasks.flan2021 import CATALOGUE

pytestmark = pytest.mark.filterwarnings("default")  # TensorFlow's own warnings

FILES = {path.name: path for path in sorted((gin_statements.config_dir() / "t5x").glob("*.gin"))}

_TASKS = "|".join(sorted((task.name for task in CATALOGUE.tasks()), key=len, reverse=True))
_CLUSTERS = "|".join(cluster.name for cluster in CATALOGUE.clusters)
_TEMPLATES = max(len(task.templates) for task in CATALOGUE.tasks())
NAMES = re.compile(
    rf"({_TASKS})_({_TEMPLATES}templates|template_[0-{_TEMPLATES - 1}])(_5_shot)?"
    rf"|({CATALOGUE.name}|{_CLUSTERS})_{_TEMPLATES}templates(_5_shot)?"
    rf"|{CATALOGUE.name}_hold_out_({_CLUSTERS})_{_TEMPLATES}templates(_5_shot)?_(train|eval)"
)
"""Tasks, then mixtures, then hold-outs."""


class _Values(config_parser.ParserDelegate):
    def configurable_reference(self, scoped_configurable_name: str, evaluate: bool) -> str:
        return f"@{scoped_configurable_name}"

    def macro(self, macro_name: str) -> str:
        return f"%{macro_name}"


def bindings(name: str) -> list[Any]:
    source = io.StringIO(FILES[name].read_text("utf-8"))
    statements = config_parser.ConfigParser(source, _Values())
    return [s for s in statements if isinstance(s, config_parser.BindingStatement)]


@pytest.mark.parametrize("name", FILES)
def test_what_is_bound_of_seqio_is_there(name: str) -> None:
    import seqio

    for statement in bindings(name):
        owner, _, attribute = statement.selector.rpartition(".")
        if owner == "seqio":
            parameters = inspect.signature(getattr(seqio, attribute)).parameters
            assert statement.arg_name in parameters


def test_some_file_binds_something_of_seqio() -> None:
    assert any(s.selector == "seqio.Evaluator" for name in FILES for s in bindings(name))


@pytest.mark.parametrize("name", FILES)
def test_every_mixture_and_task_has_a_name_of_the_scheme(name: str) -> None:
    fields = ("MIXTURE_OR_TASK_NAME", "mixture_or_task_name")
    named = [s.value for s in bindings(name) if (s.arg_name or s.selector) in fields]
    named += re.findall(r"flan2021_\w+shot_train", FILES[name].read_text("utf-8"))
    assert named
    for mixture in named:
        assert NAMES.fullmatch(mixture), mixture


@pytest.mark.parametrize(
    "name",
    ["flan2021", "flan2021_9templates", "rte_template_10", "flan2021_hold_out_nli_10templates"],
)
def test_another_name_is_noticed(name: str) -> None:
    assert not NAMES.fullmatch(name)
