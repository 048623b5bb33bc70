"""The report as one self-contained HTML page: no script, no request."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape

from flanjax import html_page
from flanjax.base import listed
from flanjax.evaluation.comparison import (
    Change,
    ClusterRow,
    Stages,
    change_text,
    cluster_change,
    compare,
    is_clear,
    runs_text,
    score_text,
    task_change,
)
from flanjax.evaluation.plot import bar_plot
from flanjax.evaluation.results import Certificate, ClusterReport, TaskReport

_NUM_EXAMPLES_SHOWN = 3
_CHARS_SHOWN = 1200


def render_page(
    stages: Stages, *, facts: Mapping[str, str], certificate: Certificate | None
) -> str:
    """Returns the page; every text of data or configuration is escaped.

    Args:
      stages: What was scored, first to last.
      facts: Facts of the run, shown as they are.
      certificate: What was trained on and held out.
    """
    rows = compare(stages, certificate)
    held_out = [row.cluster for row in rows if row.status == "held out"]
    clusters = listed([row.cluster for row in rows], 3)
    title = f"{held_out[0]} held out" if held_out else f"Scores of {clusters}"
    body = [
        f"<h1>{escape(title)}</h1>",
        f'<p class="soft">{escape(_subtitle(rows, stages, facts))}</p>',
        *(_cluster(row) for row in rows),
        _certificate(certificate),
        f'<section><h2>How to read this</h2><ul class="soft">{_READING}</ul></section>',
        _facts(facts),
    ]
    return html_page.document(title, "flanjax report", body)


def _subtitle(rows: Sequence[ClusterRow], stages: Stages, facts: Mapping[str, str]) -> str:
    num_tasks = sum(len(row.tasks()) for row in rows)
    clusters = "1 cluster" if len(rows) == 1 else f"{len(rows)} clusters"
    tasks = "1 task" if num_tasks == 1 else f"{num_tasks} tasks"
    return " ".join(
        filter(None, [f"{tasks} in {clusters}; stages: {', '.join(stages)}.", runs_text(facts)])
    )


def _cluster(row: ClusterRow) -> str:
    reports = list(row.stages.values())
    first, last = reports[0], reports[-1]
    shots = f"{last.num_shots}-shot" if last.num_shots else "zero-shot"
    tag = ""
    if row.status:
        kind = " held" if row.status == "held out" else ""
        tag = f'<span class="tag{kind}">{escape(row.status)}</span>'
    cards = [_task(name, found) for name, found in row.tasks().items()]
    table = _all_numbers(row)
    return (
        f'<section><div class="head"><h2>{escape(row.cluster)}</h2>{tag}</div>'
        f'<p class="soft">{escape(last.split)} split, {shots}; '
        f"mean of {_plural(len(last.tasks), 'task')}</p>"
        f'<div class="head"><span class="big">{_big(reports)}</span>'
        f"{_badge(cluster_change(first, last)) if len(reports) > 1 else ''}</div>"
        + _unshared(row)
        + _not_scored(last)
        + "".join(cards)
        + f"<details><summary>All numbers of {escape(row.cluster)} in one table</summary>"
        f"{table}</details></section>"
    )


def _unshared(row: ClusterRow) -> str:
    """Says so where a change leaves out tasks that its two stages did not score alike."""
    ends = next(iter(row.stages)), list(row.stages)[-1]
    alone = [
        name
        for name, found in row.tasks().items()
        if not found.keys() >= set(ends) or task_change(*(found[end] for end in ends)) is None
    ]
    if not alone:
        return ""
    names = escape(", ".join(alone))
    return f'<p class="soft">The change leaves out what only one stage scored so: {names}.</p>'


def _not_scored(report: ClusterReport) -> str:
    """Says which tasks the mean is without."""
    if not report.not_scored:
        return ""
    told = ", ".join(f"{name} ({why.rstrip('.')})" for name, why in report.not_scored.items())
    return f'<p class="soft">Not scored, and not in the mean: {escape(told)}.</p>'


def _big(reports: Sequence[ClusterReport]) -> str:
    last = f"{reports[-1].mean:.1f}"
    if len(reports) == 1:
        return last
    return (
        f'<span class="was">{reports[0].mean:.1f}</span> '
        f'<span class="arrow" aria-label="to">\u2192</span> {last}'
    )


def _badge(change: Change | None) -> str:
    if change is None:
        return ""
    if not is_clear(change):
        kind, note = "", "no clear change"
        if change.standard_error is None:
            note = "error unknown"
    elif change.value > 0:
        kind, note = " good", "better"
    else:
        kind, note = " bad", "worse"
    return f'<span class="tag{kind}">{change_text(change)} \u00b7 {note}</span>'


def _task(name: str, found: Mapping[str, TaskReport]) -> str:
    tasks = list(found.values())
    last = tasks[-1]
    how = "rank classification" if last.mode == "rank" else "generation"
    names = "".join(f'<div class="row">{escape(stage)}</div>' for stage in found)
    numbers = "".join(
        f'<div class="row"><b>{score_text(task.mean)}</b>'
        + (
            f' <span class="soft error">\u00b1 {task.standard_error:.1f}</span>'
            if task.standard_error is not None
            else ""
        )
        + "</div>"
        for task in tasks
    )
    badge = _badge(task_change(tasks[0], last)) if len(tasks) > 1 else ""
    return (
        f'<article class="card"><div class="head"><h3>{escape(name)}</h3>{badge}</div>'
        f'<p class="soft">{escape(last.metric)} \u00b7 {how} \u00b7 '
        f"{_plural(last.num_examples, 'example')} in {_plural(len(last.templates), 'template')}</p>"
        f'<div class="plot"><div class="names">{names}</div>{bar_plot(found)}'
        f'<div class="numbers">{numbers}</div></div>'
        f'<div class="key soft">{_key(last)}</div>{_notes(last)}'
        f"{_templates(found)}{_examples(found)}</article>"
    )


def _key(task: TaskReport) -> str:
    keys = []
    for kind, value in (("chance", task.chance), ("majority", task.majority)):
        if value is not None:
            keys.append(
                '<span><svg width="22" height="10" aria-hidden="true">'
                f'<line class="{kind}" x1="0" x2="22" y1="5" y2="5"/></svg>'
                f"{kind} {score_text(value)}</span>"
            )
    keys.append(f"<span>standard deviation over templates {score_text(task.template_std)}</span>")
    return "".join(keys)


def _notes(task: TaskReport) -> str:
    notes = []
    if task.num_inverted:
        notes.append(f"{_plural(task.num_inverted, 'inverted template')} not scored.")
    if task.num_unsampled is None:
        notes.append(f"Further records than {task.num_examples} may be there; none was drawn.")
    elif task.num_unsampled:
        notes.append(f"{_plural(task.num_unsampled, 'further record')} not drawn.")
    if task.num_truncated:
        total = task.num_examples * len(task.templates)
        done = (
            "fill the input length, perhaps cut to it"
            if task.judged_by
            else ("were cut to the input length")
        )
        notes.append(f"{task.num_truncated} of {total} prompts {done}.")
    if task.not_numbers:
        notes.append(f"No finite number: {', '.join(task.not_numbers)}.")
    if task.judged_by:
        notes.append(f"Judged by {task.judged_by}'s metric functions, whose values stand as given.")
    if task.num_shots_dropped:
        dropped = _plural(task.num_shots_dropped, "exemplar")
        notes.append(f"{dropped} left out of prompts that had no room.")
    notes += [
        f"{_plural(count, 'record')} left out: {reason}" + ("" if reason.endswith(".") else ".")
        for reason, count in task.left_out.items()
    ]
    return f'<p class="soft">{escape(" ".join(notes))}</p>' if notes else ""


def _templates(found: Mapping[str, TaskReport]) -> str:
    scores = {
        stage: {template.template: template.score for template in task.templates}
        for stage, task in found.items()
    }
    rows = []
    for template in list(found.values())[-1].templates:
        cells = [score_text(scores[stage].get(template.template)) for stage in found]
        rows.append(
            f'<tr><td class="number">{template.template}</td>'
            f'<td class="wording">{escape(template.wording)}</td>'
            f"{html_page.number_cells(cells)}</tr>"
        )
    heads = '<th scope="col" class="number">#</th><th scope="col">wording</th>'
    heads += html_page.number_heads(found)
    return html_page.folded(
        f"{_plural(len(rows), 'template')}, one by one", html_page.table(heads, rows, "Templates")
    )


def _examples(found: Mapping[str, TaskReport]) -> str:
    """Returns the first few records in their first wording, with answers."""
    answers = {
        stage: {(row["uid"], row["template"]): row["prediction"] for row in task.predictions}
        for stage, task in found.items()
    }
    last = list(found.values())[-1]
    wording = last.templates[0].template
    shown = [row for row in last.predictions if row["template"] == wording][:_NUM_EXAMPLES_SHOWN]
    blocks = []
    for row in shown:
        said = "".join(
            f"<dt>{escape(stage)}</dt><dd>{_text(answers[stage][row['uid'], wording])}</dd>"
            for stage in found
            if (row["uid"], wording) in answers[stage]
        )
        expected = " | ".join(row["references"])
        blocks.append(
            f"<pre>{_text(row['inputs'])}</pre><dl><dt>expected</dt>"
            f"<dd>{_text(expected)}</dd>{said}</dl>"
        )
    return html_page.folded(f"{_plural(len(blocks), 'example')} with answers", "".join(blocks))


def _text(text: str) -> str:
    if not text.strip():
        return "<em>(empty)</em>"
    more = len(text) - _CHARS_SHOWN
    return escape(text[:_CHARS_SHOWN]) + (f" <em>({more} characters more)</em>" if more > 0 else "")


def _all_numbers(row: ClusterRow) -> str:
    stages = list(row.stages)
    names = ["chance", "majority", *stages]
    names += ["change"] if len(stages) > 1 else []
    names += ["std", "best", "worst"]
    rows = []
    for name, found in row.tasks().items():
        tasks = list(found.values())
        last = tasks[-1]
        cells = [score_text(last.chance), score_text(last.majority)]
        for stage in stages:
            there = found.get(stage)
            cells.append(
                score_text(there.mean, there.standard_error) if there else score_text(None)
            )
        if len(stages) > 1:
            begin, end = found.get(stages[0]), found.get(stages[-1])
            cells.append(change_text(task_change(begin, end) if begin and end else None))
        cells.append(score_text(last.template_std))
        cells += [
            f"{score_text(template.score)} (#{template.template})"
            for template in (last.best_template, last.worst_template)
        ]
        rows.append(
            f'<tr><th scope="row">{escape(name)}</th><td>{escape(last.metric)}</td>'
            f"{html_page.number_cells(cells)}</tr>"
        )
    heads = '<th scope="col">task</th><th scope="col">metric</th>'
    heads += html_page.number_heads(names)
    return html_page.table(heads, rows, f"All numbers of {row.cluster}")


def _certificate(certificate: Certificate | None) -> str:
    if certificate is None:
        return ""
    if certificate.held_out is None:
        intro = "No cluster was held out: nothing scored here counts as unseen."
    else:
        intro = (
            f"Training never saw the cluster {certificate.held_out} "
            f"({', '.join(certificate.tested)})"
        )
        if certificate.corpus_closure:
            intro += ", nor a task built on one of its source texts."
        else:
            intro += "; that it saw none of its source texts was not asked for."
    dropped = [
        f'<tr><th scope="row">{escape(task)}</th><td>{escape(reason)}</td></tr>'
        for task, reason in certificate.dropped.items()
    ]
    heads = '<th scope="col">left out of both</th><th scope="col">why</th>'
    return (
        '<section><h2>What training saw</h2><div class="card">'
        f"<p>{escape(intro)}</p><dl><dt>catalogue</dt><dd>{escape(certificate.catalogue)}</dd>"
        f"<dt>ablation</dt><dd>{escape(certificate.ablation or 'none')}</dd>"
        f"<dt>trained on ({len(certificate.trained)})</dt>"
        f"<dd>{escape(', '.join(certificate.trained))}</dd></dl>"
        + (
            html_page.table(heads, dropped, "Tasks left out")
            if dropped
            else "<p>No task was left out.</p>"
        )
        + "</div></section>"
    )


_READING = """
<li>Scores run from 0 to 100. A bar is the mean over templates, each dot below it one template,
the whisker one standard error over examples.</li>
<li>Rank classification takes the option with the highest log-likelihood, summed over its tokens
and not divided by their number; of equal options the first.</li>
<li>Chance is what a uniform choice would score. Majority is the better of always giving the most
frequent answer and always choosing the most frequent position.</li>
<li>The error of a change compares the same examples one by one where both stages scored them.
A change is called clear beyond two standard errors.</li>
"""


def _facts(facts: Mapping[str, str]) -> str:
    rows = [
        f'<tr><th scope="row">{escape(name)}</th><td class="fact">{escape(value)}</td></tr>'
        for name, value in facts.items()
    ]
    heads = '<th scope="col">fact</th><th scope="col">value</th>'
    table = html_page.table(heads, rows, "Facts of the run")
    return f'<section><h2>The run</h2><div class="card">{table}</div></section>' if rows else ""


def _plural(number: int, noun: str) -> str:
    return f"{number:,} {noun}" + ("" if number == 1 else "s")
