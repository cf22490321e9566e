"""One HTML file with all that a reviewer asks: question, answer, figures, protocol, seeds, cost, provenance."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from html import unescape
from importlib.resources import files
from pathlib import Path
from typing import Any

from kdsearch.figures.files import drawn
from kdsearch.figures.view import view
from kdsearch.ledger.records import StudyResults
from kdsearch.page.markup import code, definitions, items, slug, table, text
from kdsearch.page.paper import latex, paragraph
from kdsearch.page.provenance import provenance, repeating, seeds
from kdsearch.report.build import build
from kdsearch.report.configurations import BEST_WITHOUT
from kdsearch.report.selection import Selection
from kdsearch.report.tables import Report

FIRST = ("comparison", "published", "leading")
"""Tables that stand open at the head, the others unfold."""

BESIDE = ("leaderboard", "differences", "seeds", "inflation", "luck", "importance", "effects", "pairs")
"""Figures in the order in which they are read; others follow by name."""


_IN_NOTEBOOKS = (
    ".kdsearch table caption{position:absolute;clip-path:inset(50%)}.kdsearch .wide{overflow-x:auto}"
    ".kdsearch th:first-child{text-align:left}.kdsearch .context{font-style:italic;opacity:.75}"
    ".kdsearch summary{cursor:pointer;font-weight:600}"
)


def page(results: StudyResults, figures: Path | None = None, *, mix_code: bool = False) -> str:
    """The report of a study as one HTML document that needs no network; with the figures of a folder.

    A figure that cannot be drawn is named with the reason.
    """
    report = build(results, mix_code=mix_code)
    selection = view(results, mix_code=mix_code).selection
    lost: dict[str, str] = {}
    shown: dict[str, Any] = {}
    if figures is not None:
        shown = dict(drawn(results, figures, failed=lambda name, error: lost.update({name: str(error)})))
    order = sorted(shown, key=lambda name: (BESIDE.index(name) if name in BESIDE else len(BESIDE), name))
    parts = [
        _head(report, selection),
        *(table(report.table(key)) for key in FIRST if any(own.key == key for own in report.tables)),
        _figures([(name, shown[name]) for name in order], lost),
        _section("Protocol", items(report.notes)),
        _section("Seeds", definitions(seeds(results, selection))),
        _further(report),
        _section("Cost", items(report.closing)),
        _section("Provenance", definitions(provenance(results, selection))),
        _repeat(report, results),
        _paper(report, selection),
    ]
    return _document(report, "".join(parts), scripts=bool(shown))


def fragment(report: Report) -> str:
    """Answer and tables for a page of somebody else, as a notebook."""
    parts = [f"<h2>{text(report.title)}</h2>"]
    if report.answer is not None:
        parts.append(f"<p><strong>{text(report.answer.sentence)}</strong> {text(report.answer.numbers)}</p>")
    parts.append(items(report.notes))
    parts += [table(own, open_=own.key in FIRST) for own in report.tables]
    return f'<div class="kdsearch"><style>{_IN_NOTEBOOKS}</style>{"".join(parts)}{items(report.closing)}</div>'


def _head(report: Report, selection: Selection) -> str:
    at = datetime.now(UTC)
    lines = [f"<h1>{text(report.title)}</h1>", f'<p class="question">{text(_question(selection))}</p>']
    if report.answer is not None:
        lines.append(f'<p class="answer">{text(report.answer.sentence)} {text(report.answer.numbers)}</p>')
        lines.append(items([*report.answer.remarks, *filter(None, [report.answer.edge])]))
    else:
        lines.append(f'<p class="answer">{text(_so_far(selection))}</p>')
    said = f"{report.description}. As of {at:%Y-%m-%d %H:%M} UTC."
    return f'<header>{"".join(lines)}<p class="data">{text(said)}</p></header>'


def _so_far(selection: Selection) -> str:
    """What is to be said in place of an answer."""
    study = selection.study
    if study.phase == "finished":
        return "The study ended without a result: the protocol below says why."
    going = "was stopped" if study.stop_requested else "still runs"
    return f"There is no result yet: the study {going}, in its phase {study.phase}."


def _question(selection: Selection) -> str:
    """What the study asks, in a sentence."""
    study = selection.study
    metric, names = study.metric, ", ".join(study.settings.space)
    if study.settings.question == BEST_WITHOUT:
        asked = "Does distillation help, against the best configuration that does without it"
    elif study.settings.off:
        asked = "Does distillation help, all else equal"
    else:
        asked = "Which configuration is best"
    return f"{asked}? Searched: {names}; judged by {metric}, {'lower' if selection.minimizes else 'higher'} is better."


def _section(title: str, body: str) -> str:
    return f'<section id="{slug(title)}"><h2>{text(title)}</h2>{body}</section>' if body else ""


def _figures(found: Sequence[tuple[str, Any]], lost: Mapping[str, str]) -> str:
    return _section("Figures", "".join(_figure(name, figure) for name, figure in found) + items(lost.values()))


def _figure(name: str, figure: Any) -> str:
    """A figure whose title is text of the page: it wraps, and a screen reader reads it."""
    meta = figure.layout.meta
    title, said = text(name), ""
    if isinstance(meta, Mapping) and meta.get("kind") == "kdsearch":
        # They are escaped already, for plotly reads tags too.
        title, said = meta["title"], "".join(f"<br><span>{line}</span>" for line in meta["lines"])
        top = max(10, figure.layout.margin.t - meta["top"] + 42)
        height = figure.layout.height - figure.layout.margin.t + top
        figure.update_layout(title=None, height=height, margin_t=top, meta=None)
    # Nothing in it ends a script. Of plotly's two writers this one knows numbers of any size.
    document = re.sub("<(?=[/!])", r"\\u003c", figure.to_json(engine="json"))
    height = figure.layout.height or 450
    return (
        f'<figure id="figure-{slug(name)}"><figcaption><strong>{title}</strong>{said}</figcaption>'
        f'<div class="plot" tabindex="0" role="img" aria-label="{title}" style="height:{height}px"></div>'
        f'<script type="application/json">{document}</script></figure>'
    )


def _further(report: Report) -> str:
    others = [own for own in report.tables if own.key not in FIRST]
    return _section("Further tables", "".join(table(own, open_=False) for own in others))


def _repeat(report: Report, results: StudyResults) -> str:
    commands = [repeating(results.study)]
    commands += list(filter(None, (report.answer.train, report.answer.export))) if report.answer is not None else []
    return _section("How to repeat it", "".join(code(command, "command") for command in commands if command))


def _paper(report: Report, selection: Selection) -> str:
    said = paragraph(report, selection)
    if said is None:
        return ""
    source = latex(report)
    body = f"<p>{text(said)}</p>" + (code(source, "LaTeX table") if source else "")
    return _section("How to report this in a paper", body)


def _document(report: Report, body: str, *, scripts: bool) -> str:
    beside = files("kdsearch.page")
    style = (beside / "style.css").read_text(encoding="utf-8")
    own = (beside / "script.js").read_text(encoding="utf-8")
    links = "".join(f'<a href="#{name}">{text(title)}</a>' for name, title in _headings(body))
    plotly = f"<script>{_plotly()}</script>" if scripts else ""
    return (
        f'<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"><title>{text(report.title)}</title>'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<meta name="color-scheme" content="light dark"><link rel="icon" href="data:,">'
        f'<style>{style}</style></head><body><a class="skip" href="#report">Skip to the report</a>'
        f'<nav aria-label="Parts">{links}</nav><main id="report">{body}</main>'
        f"{plotly}<script>{own}</script></body></html>\n"
    )


def _headings(body: str) -> Iterator[tuple[str, str]]:
    for name, title in re.findall(r'<section id="([\w-]+)"><h2>([^<]*)</h2>', body):
        yield name, unescape(title)


def _plotly() -> str:
    from plotly.offline import get_plotlyjs

    return str(get_plotlyjs())
