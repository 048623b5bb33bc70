"""A catalogue to browse, as one HTML page that asks for nothing from outside."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping
from importlib import resources
from typing import Any

from flanjax import html_page

SCRIPTS = (
    "dom", "state", "search", "wording", "plot", "list", "overview", "task", "mixture", "main"
)  # fmt: skip
"""The parts of the page's script, in the order in which they stand in it."""


def render_page(content: Mapping[str, Any]) -> str:
    """Returns the page.

    Its script runs by its hash alone, so nothing that data or a catalogue holds
    could run, even if it were taken for markup.

    Args:
      content: What `flanjax.explore.content.content` returns.
    """
    style, script = _asset("style.css"), _script()
    policy = (
        f"default-src 'none'; style-src {_hash(html_page.STYLE + style)}; "
        f"script-src {_hash(script)}; img-src data:; base-uri 'none'; form-action 'none'"
    )
    head = (
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
        '<link rel="icon" href="data:,">\n'
    )
    body = [
        _asset("body.html"),
        f'<script type="application/json" id="content">{embedded(content)}</script>',
        f"<script>{script}</script>",
    ]
    return html_page.document(content["name"], "flanjax tasks", body, style=style, head=head)


def embedded(content: Mapping[str, Any]) -> str:
    r"""Returns JSON that may stand in a script element, whatever it holds.

    No "<" is left, so it can neither end the element nor begin another; half of
    a surrogate pair, which UTF-8 cannot hold, is written as an escape.
    """
    text = json.dumps(content, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    text = text.replace("<", "\\u003c")
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def _script() -> str:
    parts = "\n".join(_asset(f"script/{name}.js") for name in SCRIPTS)
    return f'(() => {{\n"use strict";\n{parts}}})();\n'


def _hash(text: str) -> str:
    digest = hashlib.sha256(text.encode("utf-8")).digest()
    return f"'sha256-{base64.b64encode(digest).decode('ascii')}'"


def _asset(name: str) -> str:
    return resources.files("flanjax.explore").joinpath(name).read_text("utf-8")
