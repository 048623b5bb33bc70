"""The page of a catalogue, used as a person would: by mouse, keys, and links."""

from __future__ import annotations

import dataclasses
import itertools
import re

import pytest
from playwright.sync_api import Page, expect

from flanjax.data.catalogue import Catalogue
from flanjax.data.render import render
from flanjax.data.task import Record, Task, TaskCluster, Template
from flanjax.explore.content import content
from flanjax.explore.page import render_page
from flanjax.explore.samples import sample
from flanjax.tasks.flan2021 import CATALOGUE

PHONE = {"width": 390, "height": 844}
VIEWS = (
    "", "#q=translate", "#task=rte", "#task=opinion_abstracts_rotten_tomatoes&part=about",
    "#task=dart&template=3&shots=2", "#view=mixture", "#view=mixture&hold_out=summarization",
    "#task=missing", "#view=mixture&hold_out=missing",
)  # fmt: skip

_RENDERED = """async (view) => {
  const changed = new Promise((done) => addEventListener('hashchange', done, {once: true}));
  location.hash = view;
  await changed;
  return [...document.querySelectorAll('.filled')].map((card) =>
    ['.prompt', '.target'].map((part) => card.querySelector(part).textContent));
}"""
"""Shows a view and returns every rendered prompt and target that then stands there."""


def tasks_listed(page: Page) -> list[str]:
    return page.locator("#list .name").all_inner_texts()


def hits(page: Page) -> str:
    return page.get_by_role("status").filter(has_text="task").first.inner_text()


def focus_is(page: Page, *, text: str | re.Pattern[str] = "", identity: str = "") -> None:
    """Waits for the focus: a link's view is shown after its key press."""
    place = page.locator(":focus")
    if text:
        expect(place).to_have_text(text)
    if identity:
        expect(place).to_have_id(identity)


def focused_id(page: Page) -> str:
    return page.evaluate("document.activeElement.id || document.activeElement.tagName")


def test_all_tasks_stand_in_the_list_by_cluster(open_page, flan):
    page = open_page(flan)
    assert tasks_listed(page) == [task.name for task in CATALOGUE.tasks()]
    heads = page.locator("#list h2").all_inner_texts()
    assert [head.split()[0] for head in heads] == [c.name for c in CATALOGUE.clusters]
    assert page.title() == "flan2021 \u00b7 flanjax tasks"
    assert hits(page) == "70 tasks"


@pytest.mark.parametrize(
    ("words", "found"),
    [
        ("sst2", {"sst2"}),
        ("commitmentBANK", {"cb"}),
        ("matthews", {"cola"}),
        ("coreference", {task.name for task in CATALOGUE.cluster("coreference").tasks}),
        ('"on the way out of the cinema"', {"sst2"}),
        ("cinema pleased", {"sst2"}),
        ("no such words anywhere", set()),
    ],
)
def test_search_finds_names_clusters_metrics_corpora_and_wordings(open_page, flan, words, found):
    page = open_page(flan)
    page.get_by_role("searchbox", name="Search the tasks").press_sequentially(words)
    assert set(tasks_listed(page)) == found
    assert hits(page).startswith(f"{len(found)} of 70 tasks, ")


def test_a_found_template_is_marked_and_a_link_leads_to_it(open_page, flan):
    page = open_page(flan)
    page.get_by_role("searchbox").fill('"on the way out of the cinema"')
    assert hits(page) == "1 of 70 tasks, 1 template"
    assert page.locator("#panel mark").inner_text() == "on the way out of the cinema"
    page.locator("#panel .found a").click()
    card = page.locator("#template-3")
    expect(card).to_be_in_viewport()
    expect(card).to_have_class(re.compile("open"))
    focus_is(page, text="Template 3")
    assert page.evaluate("location.hash").endswith("&task=sst2&template=3")


def test_filters_combine_and_are_counted(open_page, flan):
    page = open_page(flan)
    page.get_by_label("Mode").select_option("rank classification")
    page.get_by_label("Metric").select_option("mean_f1")
    assert tasks_listed(page) == ["cb"]
    page.get_by_label("has inverted").check()
    assert hits(page) == "1 of 70 tasks"
    assert page.locator("summary").inner_text() == "Filters (3 on)"
    page.get_by_label("evaluation only").check()
    assert tasks_listed(page) == []
    page.get_by_role("button", name="Clear").click()
    assert hits(page) == "70 tasks"
    page.get_by_label("evaluation only").check()
    assert tasks_listed(page) == ["wsc273"]


def test_every_filter_is_what_it_says(open_page, flan):
    page = open_page(flan, "#is=inverted")
    inverted = [t.name for t in CATALOGUE.tasks() if any(each.inverted for each in t.templates)]
    assert tasks_listed(page) == inverted
    page.evaluate(_RENDERED, "is=extractive")
    assert tasks_listed(page) == [t.name for t in CATALOGUE.tasks() if t.is_extractive]
    page.evaluate(_RENDERED, "is=variant&cluster=closed_book_qa")
    assert tasks_listed(page) == ["arc_challenge", "arc_easy"]


def shots_of(task: Task, record: Record, num: int) -> list[tuple[Record, ...]]:
    """Returns every order in which other records may stand before one."""
    others = [each for each in task.examples if each is not record]
    return list(itertools.permutations(others, num))


def test_what_is_rendered_is_what_a_model_reads(open_page, flan):
    page = open_page(flan)
    views = [
        (task, place, shots)
        for task in CATALOGUE.tasks()
        for place in range(len(task.examples))
        for shots in ((0, 2) if place == 0 else (0,))
    ]
    for task, place, shots in views:
        view = f"task={task.name}&sample={place}&shots={shots or ''}"
        record = task.examples[place]
        told = page.evaluate(_RENDERED, view)
        assert len(told) == 10
        for template, texts in enumerate(told):
            allowed = [
                render(task, record, template=template, shots=before)
                for before in shots_of(task, record, shots)
            ]
            assert texts in [[each.inputs, each.targets] for each in allowed]


def test_options_are_ranked_and_the_right_one_is_told(open_page, flan):
    page = open_page(flan, "#task=sst2")
    first = page.locator("#template-0 .options li")
    assert first.all_text_contents() == ["negative", "positive (right)"]
    assert page.locator("#template-8 .options li").count() == 0


def test_facts_and_lengths_of_a_task(open_page, flan):
    page = open_page(flan, "#task=rte&part=about")
    task = CATALOGUE.task("rte")
    about = page.locator(".about").inner_text()
    for fact in (task.license, task.citation, task.source.describe(), "pascal_rte", "accuracy"):
        assert fact in about
    for split in ("train 2,290", "validation 200", "test 277"):
        assert split in about
    assert "30 renders: 3 hand-written records in 10 templates." in about
    expect(page.get_by_role("img", name=re.compile("^inputs: median 34, "))).to_be_visible()
    page.get_by_role("button", name="UTF-8 bytes").click()
    expect(page.get_by_role("img", name=re.compile("^inputs: .* bytes$"))).to_be_visible()
    focus_is(page, text="UTF-8 bytes")


def test_a_switch_of_the_hold_out_changes_shares_and_reasons(open_page, flan):
    page = open_page(flan)
    page.get_by_role("link", name="Mixture").click()
    table = page.get_by_role("region", name="By task")
    assert "has no training split" in table.get_by_role("row", name="wsc273").inner_text()
    select = page.get_by_label("Held out")
    assert select.locator("option").count() == 1 + 12 + 11
    select.select_option("nli")
    assert "held out" in table.get_by_role("row", name="rte").inner_text()
    reason = "left out shares the source squad with qnli"
    assert reason in table.get_by_role("row", name="squad_v1").inner_text()
    said = "Held out nli: 47 tasks trained on, 10 tested, 13 left out."
    assert page.locator("#said").inner_text() == said
    assert page.evaluate("location.hash") == "#view=mixture&hold_out=nli"
    shares = [float(t.replace("\u00a0%", "")) for t in table.locator("td.number").all_inner_texts()
              if "%" in t]  # fmt: skip
    assert len(shares) == 47
    assert sum(shares) == pytest.approx(100, abs=0.3)
    page.go_back()
    assert page.get_by_label("Held out").input_value() == ""


def test_a_link_shows_the_view_and_back_goes_back(open_page, flan):
    page = open_page(flan, "#q=news&mode=generate&task=xsum&template=2&shots=2")
    assert page.get_by_role("searchbox").input_value() == "news"
    assert page.get_by_label("Mode").input_value() == "generate"
    assert page.get_by_role("button", name="2-shot").get_attribute("aria-pressed") == "true"
    expect(page.locator("#template-2")).to_be_in_viewport()
    page.locator("#list a", has_text="newsroom").click()
    expect(page.get_by_role("heading", name="newsroom")).to_be_visible()
    page.go_back()
    expect(page.get_by_role("heading", name="xsum")).to_be_visible()
    page.reload()
    expect(page.get_by_role("heading", name="xsum")).to_be_visible()


def test_all_can_be_done_with_keys_alone(open_page, flan):
    page = open_page(flan)
    keys = page.keyboard
    keys.press("/")
    keys.type("sentence true")
    names = tasks_listed(page)
    assert 4 < len(names) < 70
    moves = [("ArrowDown", 0), ("ArrowDown", 1), ("End", -1), ("ArrowUp", -2), ("Home", 0)]
    for key, place in moves:
        keys.press(key)
        focus_is(page, text=re.compile(f"^{re.escape(names[place])}"))
    keys.press("ArrowUp")
    focus_is(page, identity="q")
    keys.press("ArrowDown")
    keys.press("Enter")
    focus_is(page, text=names[0], identity="heading")
    keys.press("j")
    focus_is(page, text=names[1], identity="heading")
    keys.press("k")
    focus_is(page, text=names[0])
    keys.press("Tab")
    focus_is(page, text="Templates")
    keys.press("Escape")
    focus_is(page, identity="q")
    assert page.get_by_role("searchbox").input_value() == ""
    assert hits(page) == "70 tasks"


def test_tab_goes_from_top_to_bottom_and_the_focus_can_be_seen(open_page, flan):
    page = open_page(flan)
    seen = []
    for _ in range(13):
        page.keyboard.press("Tab")
        assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") != "none"
        seen.append(focused_id(page))
    assert seen == [
        "skip", "to-tasks", "to-mixture", "q", "SUMMARY", "cluster", "mode", "metric",
        "INPUT", "INPUT", "INPUT", "INPUT", "A",
    ]  # fmt: skip
    focus_is(page, text=re.compile("^anli_r1"))
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.ariaLabel") == "Tasks"
    page.locator("#skip").focus()
    page.keyboard.press("Enter")
    focus_is(page, identity="heading")


@pytest.mark.parametrize("view", VIEWS)
def test_a_phone_needs_no_sideways_scrolling(open_page, flan, view):
    page = open_page(flan, view, size=PHONE)
    assert page.evaluate("document.documentElement.scrollWidth") == PHONE["width"]
    too_wide = """[...document.querySelectorAll('body *')].filter((node) =>
      !node.closest('.scroll, pre, .hidden, svg') && node.checkVisibility() &&
      node.getBoundingClientRect().right > innerWidth).map((node) => node.outerHTML)"""
    assert page.evaluate(too_wide) == []


def test_a_phone_goes_from_the_list_to_a_task_and_back(open_page, flan):
    page = open_page(flan, size=PHONE)
    expect(page.get_by_label("Mode")).to_be_hidden()
    page.locator("#list a", has_text="squad_v1").click()
    expect(page.get_by_role("heading", name="squad_v1")).to_be_visible()
    expect(page.locator("#list")).to_be_hidden()
    page.get_by_role("link", name="All tasks").click()
    expect(page.locator("#list")).to_be_visible()


@pytest.mark.parametrize("view", VIEWS)
def test_everything_has_a_name_for_a_screen_reader(open_page, flan, view):
    page = open_page(flan, view)
    nameless = """[...document.querySelectorAll('input, select, button, a, svg, [role=region]')]
      .filter((node) => node.checkVisibility() && !(node.labels?.length || node.ariaLabel ||
        node.ariaHidden === 'true' ||
        (!node.matches('input, select') && node.textContent.trim())))
      .map((node) => node.outerHTML)"""
    assert page.evaluate(nameless) == []
    ids = page.evaluate("[...document.querySelectorAll('[id]')].map((node) => node.id)")
    assert len(ids) == len(set(ids))
    assert page.locator("h1").count() == page.locator("#heading").count() == 1


def test_the_table_sorts_by_its_heads(open_page, flan):
    page = open_page(flan)
    names = page.locator("table.tasks tbody th")
    head = page.get_by_role("button", name="train examples")
    head.click()
    sizes = page.locator("table.tasks tbody tr td:nth-child(5)").all_inner_texts()
    numbers = [int(size.replace(",", "")) for size in sizes if size != "\u2013"]
    assert numbers == sorted(numbers) and len(numbers) == 69
    page.get_by_role("button", name=re.compile("^task")).click()
    listed = names.all_inner_texts()
    assert listed == sorted(listed) != [task.name for task in CATALOGUE.tasks()]


EVIL = "</script><img src=x onerror=\"document.title='bad'\"><b>bold</b>"


_HOSTILE_VIEWS = (
    "task=constructor", "task=constructor&part=about&unit=constructor", "view=mixture",
    "q=%3Cimg+src%3Dx", "task=%3Cimg+src%3Dx+onerror%3Dalert(1)%3E",
    "view=mixture&hold_out=%3Cb%3E", "is=constructor&sort=constructor",
)  # fmt: skip


def test_hostile_text_is_shown_and_never_run(open_page, tmp_path):
    base = CATALOGUE.task("sst2")
    task = dataclasses.replace(
        base,
        name="constructor",
        templates=(Template(EVIL + "{sentence}"), *base.templates[1:]),
        examples=({"sentence": EVIL, "label": 1},),
        license=EVIL,
        corpora=(EVIL,),
        citation=EVIL,
    )
    catalogue = Catalogue(EVIL, (TaskCluster(EVIL + "!", (task,)),))
    path = tmp_path / "index.html"
    found = content(catalogue, {task.name: sample(task)}, place=EVIL)
    path.write_text(render_page(found), encoding="utf-8")
    page = open_page(path)
    assert page.locator("h1").inner_text() == EVIL
    for view in _HOSTILE_VIEWS:
        page.evaluate(_RENDERED, view)
        assert page.locator("img, b").count() == 0
        assert page.title() != "bad"
    page.evaluate(_RENDERED, "task=constructor")
    assert page.locator("#template-0 .prompt").text_content() == EVIL + EVIL
