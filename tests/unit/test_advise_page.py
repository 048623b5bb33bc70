"""An advice in words, and as a page: its numbers, and nothing from outside."""

from __future__ import annotations

import re

import numpy as np
import pytest

from flanjax.engine import advise_text
from flanjax.engine.advise import Advice, Choice, Rows, advise
from flanjax.engine.advise_page import render_page
from flanjax.engine.advise_text import Sampled, cells, mark, verdict
from tests.unit.test_report import Reader

EVIL = "<script>alert('x')</script>&\""


def sampled(name: str = "songs") -> Sampled:
    rng = np.random.default_rng(0)
    lengths = 1 + np.stack([rng.exponential(60, 700), rng.exponential(9, 700)], axis=1)
    lengths = lengths.astype(np.int64)
    family = "encoder-decoder"
    return Sampled(name, family, lengths, {name: lengths}, {name: 1234}, {name: 1.0})


@pytest.fixture(scope="module")
def advice() -> Advice:
    return advise(sampled().drawn, Rows(256, 64, 32))


def choice(inputs: int, fill: float, cut: float = 0.0, attention: float = 1.0) -> Choice:
    return Choice(
        inputs, 16, 8, inputs + 16, fill, 0.97, cut, cut / 2, 0.125, 2.5, 12345, attention
    )


NOW = choice(128, 0.5)


def test_cells_are_rounded_and_scaled():
    advice = Advice(NOW, (choice(256, 0.875, 0.012, 1.5),), None, 0.01, 2.0)
    assert cells(advice, advice.choices[0]) == (
        "272", "256 + 16", "8", "87.5", "97.0", "1.20", "0.60", "12.50", "2.5", "12.3k", "1.50x",
    )  # fmt: skip
    assert len(advise_text.COLUMNS) == len(cells(advice, NOW))


def test_marks_tell_the_recommended_choice_and_the_run_as_it_is():
    other = choice(256, 0.9)
    advice = Advice(NOW, (other,), other, 0.01, 2.0)
    assert [mark(advice, each) for each in (other, NOW, choice(1, 0.1))] == [">", "*", ""]
    assert mark(advice._replace(recommended=NOW), NOW) == ">*"


SLOTS = "For the slots of now that is"
VERDICTS = {
    "more": (
        "Take 256 + 16: it fills 60.0 % of slots and cuts 0.80 % of prompts and 0.40 % of "
        f"targets. {SLOTS} 20.0 % more tokens, with 1.50 times the attention a token."
    ),
    "fewer": (
        f"Take 64 + 16: it fills 48.0 % of slots and cuts nothing. {SLOTS} 4.0 % fewer tokens, "
        "with 0.50 times the attention a token."
    ),
    "as many": (
        f"Take 64 + 16: it fills 50.0 % of slots and cuts nothing. {SLOTS} as many tokens, with "
        "0.50 times the attention a token."
    ),
    "stay, and nothing is fuller": (
        "Stay with 128 + 16: it fills 50.0 % of slots and cuts nothing."
    ),
    "stay": (
        "Stay with 128 + 16: it fills 50.0 % of slots and cuts nothing. 999 + 16 would fill "
        "90.0 %, but with 3.00 times the attention."
    ),
}


@pytest.mark.parametrize(
    ("found", "is_taken", "said"),
    [
        (choice(256, 0.6, 0.008, 1.5), True, "more"),
        (choice(64, 0.48, 0.0, 0.5), True, "fewer"),
        (choice(64, 0.5002, 0.0, 0.5), True, "as many"),
        (choice(999, 0.9, 0.0, 3.0), False, "stay"),
        (choice(999, 0.504, 0.0, 3.0), False, "stay, and nothing is fuller"),
    ],
)
def test_the_verdict_says_what_to_do_and_what_it_changes(found, is_taken, said):
    advice = Advice(NOW, (found,), found if is_taken else NOW, 0.01, 2.0)
    assert verdict(advice) == VERDICTS[said]


def test_the_verdict_says_where_the_run_as_it_is_cuts_too_much():
    now, taken = choice(128, 0.5, 0.02), choice(256, 0.6)
    assert verdict(Advice(now, (taken,), taken, 0.01, 2.0)).startswith(
        "The run as it is cuts 2.00 % of prompts and 1.00 % of targets, of which 1.00 % are "
        "allowed. Take 256 + 16: it fills 60.0 %"
    )


def test_the_verdict_names_the_nearest_where_all_cut_too_much():
    advice = Advice(choice(1, 0.5, 0.3), (choice(256, 0.9, 0.02),), None, 0.01, 2.0)
    assert verdict(advice).startswith(
        "No choice cuts at most 1.00 % of examples on each side; 256 + 16 comes nearest with "
        "2.00 %."
    )


def test_the_page_asks_for_nothing_from_outside_and_runs_nothing(advice):
    text = render_page(advice, sampled())
    tags = Reader(text).tags
    assert not {tag for tag, _ in tags} & {"script", "link", "img", "iframe", "object", "embed"}
    assert not any(name in attrs for _, attrs in tags for name in ("src", "href", "onclick"))
    assert not re.search(r"https?:|url\(|@import", text)


def test_the_page_holds_every_number_of_the_table_and_the_gin_lines(advice):
    reader = Reader(render_page(advice, sampled()))
    for each in advice.listed():
        for cell in cells(advice, each):
            assert cell in reader.text
    assert advice.recommended is not None
    for line in advice.recommended.gin_lines():
        assert line in reader.text
    assert verdict(advice) in reader.text.replace("\u00a0", " ")
    assert "1,234" in reader.text


def test_the_page_marks_the_caps_of_now_and_the_proposed_ones(advice):
    text = render_page(advice, sampled())
    for cap in (advice.current.inputs, advice.current.targets):
        assert f">now {cap}</text>" in text
    assert advice.recommended is not None and advice.recommended != advice.current
    for cap in (advice.recommended.inputs, advice.recommended.targets):
        assert f">proposed {cap}</text>" in text
    stay = advice._replace(recommended=advice.current)
    assert "proposed" not in render_page(stay, sampled())


def test_a_cap_stands_in_the_histogram_where_its_length_stands():
    from flanjax.engine.advise_plot import histogram

    text = histogram(np.array([1, 1, 16, 255]), [("now", 16)], label="x")
    (place,) = re.findall(r'<line class="now" x1="([\d.]+)%"', text)
    assert float(place) == pytest.approx(50)  # 16 is half way from 1 to 256
    shares = [float(found) for found in re.findall(r": ([\d.]+) % of examples", text)]
    assert sum(shares) == 100 and shares[0] == 50


def test_the_page_escapes_every_text_that_comes_from_data_or_configuration(advice):
    text = render_page(advice, sampled(EVIL), missing={EVIL: EVIL})
    assert "<script" not in text
    assert text.count("&lt;script&gt;") >= 6
    Reader(text)


def test_the_page_can_be_read_without_seeing_it(advice):
    reader = Reader(render_page(advice, sampled()))
    plots = [attrs for tag, attrs in reader.tags if tag == "svg" and attrs.get("role") == "img"]
    hidden = [a for tag, a in reader.tags if tag == "svg" and a.get("aria-hidden") == "true"]
    assert len(plots) == 4
    assert len(plots) + len(hidden) == [tag for tag, _ in reader.tags].count("svg")
    assert f"{advice.current.inputs} + {advice.current.targets} fills" in plots[2]["aria-label"]
    assert all("scope" in attrs for tag, attrs in reader.tags if tag == "th")


@pytest.mark.parametrize("limit", [0.0, 0.01])
@pytest.mark.parametrize("is_causal", [False, True])
def test_a_page_is_drawn_of_any_lengths(is_causal, limit):
    for lengths in ([[1, 1]], [[5, 1], [5, 1]], [[9000, 2]], [[3, 9000], [2, 1]]):
        drawn = np.array(lengths)
        found = advise(drawn, Rows(64, 16, 8, is_causal=is_causal), max_truncation=limit)
        text = render_page(found, sampled()._replace(drawn=drawn, lengths={"songs": drawn}))
        Reader(text)
        assert "nan" not in text and "inf" not in text
