"""Names in the gin files that T5X reads: SeqIO's own, and flanjax's mixtures."""

from __future__ import annotations

import inspect
import io
import re
from typing import Any

import pytest
from gin import config_parser

from flanjax import gin_statements

pytestmark = pytest.mark.filterwarnings("default")  # TensorFlow's own warnings

FILES = {path.name: path for path in sorted((gin_statements.config_dir() / "t5x").glob("*.gin"))}


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
def test_every_mixture_and_task_is_registered(name: str) -> None:
    import seqio

    from flanjax.tasks import seqio_mixtures

    fields = ("MIXTURE_OR_TASK_NAME", "mixture_or_task_name")
    named = [s.value for s in bindings(name) if (s.arg_name or s.selector) in fields]
    named += re.findall(r"flan2021_\w+shot_train", FILES[name].read_text("utf-8"))
    assert named
    for mixture in named:
        assert mixture in (*seqio_mixtures.REGISTERED.tasks, *seqio_mixtures.REGISTERED.mixtures)
        seqio.get_mixture_or_task(mixture)


def test_the_vocabulary_is_the_one_that_t5x_compares_with() -> None:
    import seqio

    from flanjax.tasks import seqio_mixtures

    mixture = seqio.get_mixture_or_task(seqio_mixtures.REGISTERED.mixtures[0])
    path = "gs://t5-data/vocabs/cc_all.32000.100extra/sentencepiece.model"
    for feature in mixture.output_features.values():
        assert feature.vocabulary == seqio.SentencePieceVocabulary(path)


def test_names_in_the_document_are_registered() -> None:
    from flanjax.tasks import seqio_mixtures

    text = (gin_statements.config_dir().parent / "docs/from_t5x.md").read_text("utf-8")
    known = {*seqio_mixtures.REGISTERED.tasks, *seqio_mixtures.REGISTERED.mixtures}
    named = set(re.findall(r"`((?:rte|flan2021)_\w+)`", text))
    assert len(named) > 8
    assert named <= known
