"""One page that shows runs and compares them: self-contained, readable without scripts too.

The page loads nothing: styles, scripts and data are in it, and its own content security policy
allows no more than those, by their digests. Charts are drawn by uPlot, which stands here with its
licence; every number that matters is in tables besides, which need no script.
"""

from __future__ import annotations

import base64
import functools
import hashlib
import json
import math
from collections.abc import Iterable, Sequence
from datetime import datetime
from html import escape
from importlib import resources
from typing import Final

from training_metrics.drawing import drawing
from training_metrics.judging import Verdict
from training_metrics.runs import Run, count_epochs
from training_metrics.summary import ranking

COLOURS: Final = 10
"""Colours of runs in the style sheet; with more runs they come again."""

WORDS: Final = {
    Verdict.DIVERGED: ("bad", "diverged"),
    Verdict.OVERFITTED: ("bad", "overfits"),
    Verdict.WORSENED: ("bad", "validation worsened"),
    Verdict.LEARNED_LITTLE: ("warn", "learned little"),
    Verdict.STILL_FALLING: ("note", "still falling"),
}
"""Each verdict's weight in the style sheet, and its words."""


def render(*, runs: Sequence[Run], title: str, made_at: datetime) -> str:
    """Return the page as HTML; `made_at` has a time zone. At least one run."""
    style = _asset("uplot/uPlot.min.css") + "\n" + _asset("page.css")
    library, script = _asset("uplot/uPlot.iife.min.js"), _asset("page.js")
    # In a script element only `<` can end it or begin a comment.
    data = json.dumps(drawing(runs), separators=(",", ":"), allow_nan=False).replace("<", "\\u003c")
    policy = "; ".join(
        (
            "default-src 'none'",
            f"script-src {_digest(library)} {_digest(script)}",
            f"style-src {_digest(style)}",
            "base-uri 'none'",
            "form-action 'none'",
        )
    )
    return "\n".join(
        (
            "<!doctype html>",
            '<html lang="en">',
            "<head>",
            '<meta charset="utf-8">',
            f'<meta http-equiv="Content-Security-Policy" content="{policy}">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            '<meta name="color-scheme" content="light dark">',
            f"<title>{escape(title)}</title>",
            f"<style>{style}</style>",
            "</head>",
            "<body>",
            *_header(runs=runs, title=title, made_at=made_at),
            "<main>",
            *_overview(runs),
            *_charts(runs),
            *_epochs(runs),
            *_missing(runs),
            *_explanation(runs),
            "</main>",
            f'<script type="application/json" id="drawing">{data}</script>',
            # The MIT licence asks for its text in every copy.
            f"<!--\nuPlot\n{_asset('uplot/LICENSE').replace('--', '- -')}-->",
            f"<script>{library}</script>",
            f"<script>{script}</script>",
            "</body>",
            "</html>",
            "",
        )
    )


@functools.cache
def _asset(name: str) -> str:
    return resources.files("training_metrics").joinpath(name).read_text(encoding="utf-8")


def _digest(content: str) -> str:
    digest = hashlib.sha256(content.encode()).digest()
    return f"'sha256-{base64.b64encode(digest).decode()}'"


def _header(*, runs: Sequence[Run], title: str, made_at: datetime) -> Iterable[str]:
    count = "one run" if len(runs) == 1 else f"{len(runs)} runs"
    yield "<header>"
    yield f"<h1>{escape(title)}</h1>"
    yield (
        f"<p>Training and validation metrics of {count}. Made"
        f' <time datetime="{made_at.isoformat()}">{made_at:%Y-%m-%d %H:%M %Z}</time>.</p>'
    )
    yield "</header>"


def _overview(runs: Sequence[Run]) -> Iterable[str]:
    yield '<section aria-labelledby="runs-title">'
    yield '<h2 id="runs-title">What the curves say</h2>'
    yield f"{_scrollable('The runs in numbers')}<table>"
    yield (
        '<thead><tr><th scope="col">Run</th><th scope="col">Verdict</th>'
        '<th scope="col" class="number">Best step</th>'
        '<th scope="col" class="number">Best loss</th>'
        '<th scope="col" class="number">Final training loss</th>'
        '<th scope="col" class="number">Final validation loss</th>'
        '<th scope="col" class="number">Final perplexity</th>'
        '<th scope="col" class="number">Steps</th>'
        '<th scope="col" class="number">Epochs</th></tr></thead><tbody>'
    )
    for index, run in enumerate(runs):
        yield _overview_row(run, index=index)
    yield "</tbody></table></div>"
    findings = [(run, one) for run in runs for one in run.judgements]
    if findings:
        yield '<ul class="findings">'
        for run, one in findings:
            weight, words = WORDS[one.verdict]
            yield (
                f'<li><span class="chip {weight}">{words}</span>'
                f" <strong>{escape(run.name)}</strong>: {escape(one.message)}.</li>"
            )
        yield "</ul>"
    ranked = ranking(runs)
    if len(ranked) > 1:
        name, loss = ranked[0]
        yield (
            f"<p>Lowest validation loss: <strong>{escape(name)}</strong> with {_text(loss)}."
            " Losses compare only between runs that were validated on the same data with the same"
            " kind of model.</p>"
        )
    yield "</section>"


def _overview_row(run: Run, *, index: int) -> str:
    chips = [
        f'<span class="chip {weight}">{words}</span>'
        for weight, words in (WORDS[one.verdict] for one in run.judgements)
    ] or ['<span class="chip good">nothing stands out</span>' if run.curves else "no metrics"]
    best = run.best
    validation = run.validations[0] if run.validations else None
    longest = max(run.curves, key=len, default=None)
    epochs = count_epochs(run)
    last = validation or run.training
    cells = (
        _count(best.step) if best else "–",
        f"{_text(best.loss)} <small>{escape(best.curve)}</small>" if best else "–",
        _text(run.training.losses[-1]) if run.training else "–",
        _text(validation.losses[-1]) if validation else "–",
        f"{_text(last.perplexities[-1])} <small>{last.kind}</small>" if last else "–",
        _count(len(longest)) if longest else "–",
        str(epochs) if epochs else "–",
    )
    return (
        f'<tr><th scope="row"><span class="swatch run-{index % COLOURS}"></span>'
        f"{escape(run.name)}</th><td>{' '.join(chips)}</td>"
        + "".join(f'<td class="number">{cell}</td>' for cell in cells)
        + "</tr>"
    )


def _charts(runs: Sequence[Run]) -> Iterable[str]:
    yield '<section aria-labelledby="charts-title">'
    yield '<h2 id="charts-title">Curves</h2>'
    yield (
        "<noscript><p>The curves need JavaScript; the tables on this page hold the numbers."
        "</p></noscript>"
    )
    yield '<form id="controls" hidden>'
    yield "<fieldset><legend>Runs</legend>"
    for index, run in enumerate(runs):
        yield (
            f'<label><input type="checkbox" name="run" value="{index}" checked>'
            f' <span class="swatch run-{index % COLOURS}"></span>{escape(run.name)}</label>'
        )
    yield "</fieldset>"
    yield _choice("curves", "Curves", (("smoothed", "smoothed"), ("measured", "as measured")))
    yield _choice("axis", "Along", (("step", "steps"), ("epoch", "epochs")))
    yield _choice("scale", "Scale", (("linear", "linear"), ("log", "logarithmic")))
    yield '<div class="cursor"><label for="cursor">Read at</label>'
    yield '<input type="range" id="cursor" min="0" max="0" value="0">'
    yield '<button type="button" id="nearer">Zoom in here</button>'
    yield '<button type="button" id="farther">Zoom out</button>'
    yield '<button type="button" id="whole">Whole run</button></div>'
    yield "</form>"
    for measure, heading in (("loss", "Loss"), ("perplexity", "Perplexity")):
        yield f'<figure id="{measure}" hidden><figcaption>{heading}</figcaption>'
        yield (
            f'<div class="chart" role="img" aria-label="{heading} of'
            f" {len(runs)} run{'s' if len(runs) > 1 else ''} by step; the tables below hold"
            ' the numbers"></div></figure>'
        )
    yield (
        '<p class="key" id="key" hidden><span class="line training"></span> training'
        ' <span class="line validation"></span> validation'
        ' <span class="best">◆</span> best step'
        ' <span class="wrong">✕</span> diverged from here'
        ' <span class="wrong">▲</span> overfits from here</p>'
    )
    yield '<div id="readout" hidden>'
    yield f"{_scrollable('The curves where you read them')}<table><caption></caption>"
    yield (
        '<thead><tr><th scope="col">Run</th><th scope="col">Curve</th>'
        '<th scope="col" class="number">Step</th><th scope="col" class="number">Loss</th>'
        '<th scope="col" class="number">Perplexity</th></tr></thead><tbody></tbody></table>'
        "</div></div>"
    )
    yield "</section>"


def _choice(name: str, legend: str, options: Sequence[tuple[str, str]]) -> str:
    radios = "".join(
        f'<label><input type="radio" name="{name}" value="{value}"'
        f"{' checked' if number == 0 else ''}> {words}</label>"
        for number, (value, words) in enumerate(options)
    )
    return f"<fieldset><legend>{legend}</legend>{radios}</fieldset>"


def _epochs(runs: Sequence[Run]) -> Iterable[str]:
    tables = [
        (run, curve, epochs)
        for run in runs
        for curve, epochs in zip(run.curves, run.epochs, strict=True)
    ]
    yield '<section aria-labelledby="epochs-title">'
    yield '<h2 id="epochs-title">By epoch</h2>'
    if not any(epochs for _, _, epochs in tables):
        yield "<p>No table names epochs.</p>"
    for run, curve, epochs in tables:
        if not epochs:
            continue
        opened = " open" if len(runs) == 1 else ""
        yield (
            f"<details{opened}><summary>{escape(run.name)}: {escape(curve.label)}</summary>"
            f"{_scrollable(f'{run.name}, {curve.label}, by epoch')}<table>"
            '<thead><tr><th scope="col" class="number">Epoch</th>'
            '<th scope="col" class="number">Steps</th>'
            '<th scope="col" class="number">Mean loss</th>'
            '<th scope="col" class="number">Lowest loss</th>'
            '<th scope="col" class="number">Last loss</th>'
            '<th scope="col" class="number">Mean perplexity</th></tr></thead><tbody>'
        )
        for one in epochs:
            cells = (
                _count(one.steps),
                _text(one.mean_loss),
                _text(one.lowest_loss),
                _text(one.last_loss),
                _text(one.mean_perplexity),
            )
            yield (
                f'<tr><th scope="row" class="number">{one.epoch}</th>'
                + "".join(f'<td class="number">{cell}</td>' for cell in cells)
                + "</tr>"
            )
        yield "</tbody></table></div></details>"
    yield "</section>"


def _missing(runs: Sequence[Run]) -> Iterable[str]:
    notes = [(run, note) for run in runs for note in run.notes]
    if not notes:
        return
    yield '<section aria-labelledby="notes-title">'
    yield '<h2 id="notes-title">Missing or odd</h2><ul>'
    for run, note in notes:
        place = f" <small>{escape(note.file)}</small>" if note.file else ""
        yield f"<li><strong>{escape(run.name)}</strong>: {escape(note.message)}.{place}</li>"
    yield "</ul></section>"


def _explanation(runs: Sequence[Run]) -> Iterable[str]:
    windows = sorted({course.window for run in runs for course in run.courses})
    limits = runs[0].limits
    yield '<section aria-labelledby="how-title">'
    yield '<h2 id="how-title">How this was made</h2><ul>'
    if windows and windows[-1] > 1:
        yield (
            "<li>A smoothed curve is the mean of"
            f" {' or '.join(_count(window) for window in windows if window > 1)} points around"
            " each step, as many on either side, so that nothing is delayed.</li>"
        )
    yield (
        "<li>Long curves are drawn through the first, the lowest, the highest and the last point of"
        " each stretch: no extreme is lost. Tables and verdicts are made from every point.</li>"
    )
    yield (
        "<li>Best is the step with the lowest smoothed validation loss; without validation metrics,"
        " the lowest training loss, which says little of new data.</li>"
    )
    yield (
        f"<li>A run diverged when its training loss ends {limits.rise_of_gain:.0%} of what it had"
        f" fallen, and {limits.rise_of_lowest:.0%} of its lowest, above its lowest, or is no"
        " number. It overfits when its validation loss ends"
        f" {limits.validation_rise:.0%} above its lowest while the training loss goes on falling."
        f" Either must stand out {limits.noise:g} times from the noise of the curve.</li>"
    )
    yield "<li>Perplexity is e to the power of the loss: lower is better.</li>"
    yield "</ul></section>"


def _scrollable(label: str) -> str:
    """Return the beginning of what scrolls where a table is too wide; the keyboard scrolls it."""
    return f'<div class="wide" role="region" tabindex="0" aria-label="{escape(label)}">'


def _text(value: float) -> str:
    if not math.isfinite(value):
        return "no number"
    return f"{value:#.4g}" if abs(value) < 10_000 else f"{value:.4g}"


def _count(value: int) -> str:
    return f"{value:,}"
