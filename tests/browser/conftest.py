"""A headless Chromium, and pages opened in it that log what they do."""

from __future__ import annotations

import os
import pathlib
import shutil
from collections.abc import Callable, Iterator

import pytest
from click.testing import CliRunner
from playwright.sync_api import Browser, Page, sync_playwright

from flanjax.cli.main import main

_VARIABLE = "FLANJAX_CHROMIUM"
_FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
DESKTOP = {"width": 1280, "height": 800}

Open = Callable[..., Page]


def _chromium() -> str:
    named = os.environ.get(_VARIABLE)
    found = shutil.which(named) if named else shutil.which("chromium")
    assert found, (
        f"{_VARIABLE} must name a Chromium, got {named or 'nothing, and there is no chromium'}; "
        "install the package chromium or set it."
    )
    return found


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Chromium, started once."""
    path = _chromium()
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=path, args=_FLAGS)
        yield started
        started.close()


@pytest.fixture(scope="session")
def flan(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """The page of FLAN 2021, as the command writes it."""
    out = tmp_path_factory.mktemp("flan2021")
    result = CliRunner().invoke(main, ["tasks", "explore", f"--out={out}"])
    assert result.exit_code == 0, result.output
    return out / "index.html"


@pytest.fixture
def open_page(browser: Browser) -> Iterator[Open]:
    """Opens a file; afterwards no page may have asked for another or complained."""
    contexts, requests, complaints = [], [], []

    def open_(path: pathlib.Path, hash_: str = "", *, size: dict[str, int] | None = None) -> Page:
        context = browser.new_context(viewport=size or DESKTOP)
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(10_000)
        page.on("request", lambda request: requests.append(request.url))
        page.on("console", lambda message: complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("dialog", lambda dialog: complaints.append(dialog.message))
        page.goto(path.as_uri() + hash_)
        return page

    yield open_
    for context in contexts:
        for page in context.pages:
            assert page.evaluate("performance.getEntriesByType('resource').length") == 0
        context.close()
    assert complaints == []
    assert {url.partition(":")[0] for url in requests} <= {"file", "data"}
    assert {url.partition("#")[0].rpartition("/")[2] for url in requests} <= {"index.html", ","}
