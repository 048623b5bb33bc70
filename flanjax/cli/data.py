"""`flanjax data`: the group of verbs that look at what training reads."""

from __future__ import annotations

import click

from flanjax.cli.advise import advise
from flanjax.cli.peek import peek


@click.group()
def data() -> None:
    """Look at the rows that training reads."""


for _verb in (peek, advise):
    data.add_command(_verb)
