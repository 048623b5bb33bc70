"""The page to browse a catalogue holds any text, and lets none of it run."""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import html.parser
import json
import re

import pytest

from flanjax.data.catalogue import Catalogue
from flanjax.data.task import TaskCluster, Template
from flanjax.explore.content import content
from flanjax.explore.page import embedded, render_page
from flanjax.explore.samples import sample
from flanjax.tasks.flan2021 import CATALOGUE as FLAN

EVIL = "</script><script>alert(1)</script><img src=x onerror=alert(2)><!--<script>&\u2028\"'"


class Elements(html.parser.HTMLParser):
    """Collects elements, and the text of style sheets and scripts."""

    def __init__(self, text: str):
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.raw: list[tuple[str, str]] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data):
        if self.tags and self.tags[-1][0] in ("style", "script") and data.strip():
            self.raw.append((self.tags[-1][1].get("type") or self.tags[-1][0], data))

    def named(self, tag: str) -> list[dict[str, str | None]]:
        return [attrs for found, attrs in self.tags if found == tag]


def evil_page() -> str:
    task = FLAN.task("sst2")
    templates = (Template(EVIL + "{sentence}", "{answer}"), *task.templates[1:])
    task = dataclasses.replace(
        task, templates=templates, citation=EVIL, corpora=(EVIL,), license=EVIL
    )
    task = dataclasses.replace(task, examples=({"sentence": EVIL + "\ud83d", "label": 1},))
    catalogue = Catalogue(EVIL, (TaskCluster(EVIL + "c", (task,)),))
    return render_page(content(catalogue, {task.name: sample(task)}, place=EVIL))


@pytest.fixture(scope="module")
def flan() -> str:
    sampled = {task.name: sample(task) for task in FLAN.tasks()}
    return render_page(content(FLAN, sampled, place="flan2021"))


def test_all_of_flan_2021_fits_into_five_megabytes(flan: str) -> None:
    assert len(flan.encode("utf-8")) < 5_000_000
    (data,) = (json.loads(text) for kind, text in Elements(flan).raw if kind == "application/json")
    assert len(data["tasks"]) == 70
    assert sum(len(data["wordings"][task["wording"]]) for task in data["tasks"]) == 700


def test_the_policy_lets_run_what_stands_there_and_nothing_else(flan: str) -> None:
    elements = Elements(flan)
    (policy,) = (each["content"] for each in elements.named("meta") if "http-equiv" in each)
    rules = dict(rule.strip().split(" ", 1) for rule in str(policy).split(";"))
    texts = dict(elements.raw)
    assert [kind for kind, _ in elements.raw] == ["style", "application/json", "script"]
    for kind in ("style", "script"):
        digest = base64.b64encode(hashlib.sha256(texts[kind].encode()).digest()).decode()
        assert rules.pop(f"{kind}-src") == f"'sha256-{digest}'"
    assert rules == {
        "default-src": "'none'", "img-src": "data:", "base-uri": "'none'", "form-action": "'none'",
    }  # fmt: skip
    assert flan.index("http-equiv") < flan.index("<style>")


def test_the_page_asks_for_nothing_from_outside(flan: str) -> None:
    elements = Elements(flan)
    assert not {tag for tag, _ in elements.tags} & {"img", "iframe", "object", "embed", "base"}
    assert elements.named("link") == [{"rel": "icon", "href": "data:,"}]
    assert not any("src" in attrs or "style" in attrs for _, attrs in elements.tags)
    own = [text for kind, text in elements.raw if kind != "application/json"]
    assert re.findall(r"https?:[^\"]*", "".join(own)) == ["http://www.w3.org/2000/svg"]
    assert not re.search(r"url\(|@import|\bfetch\(|XMLHttpRequest|import\(", "".join(own))


def test_text_reaches_the_page_as_text(flan: str) -> None:
    (script,) = (text for kind, text in Elements(flan).raw if kind == "script")
    assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\b", script)
    assert "</script" not in script and "<!--" not in script


def test_hostile_text_stays_text() -> None:
    page = evil_page()
    elements = Elements(page)
    assert [kind for kind, _ in elements.raw] == ["style", "application/json", "script"]
    assert elements.named("img") == []
    (data,) = (json.loads(text) for kind, text in elements.raw if kind == "application/json")
    assert data["tasks"][0]["citation"] == data["place"] == EVIL
    assert data["wordings"][0][0]["inputs"][0] == [EVIL, "sentence"]
    assert data["tasks"][0]["samples"][0]["values"]["sentence"] == EVIL + "\ud83d"
    page.encode("utf-8")


def test_data_that_stands_in_a_script_holds_no_tag() -> None:
    text = embedded({"a": "</script><!--", "half": "\udc00é"})
    assert "<" not in text and "é" in text
    assert json.loads(text) == {"a": "</script><!--", "half": "\udc00é"}
