"""Texts and tables of a report as HTML."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace
from html import escape

from kdsearch.report.formats.cells import flat
from kdsearch.report.tables import Table
from kdsearch.texts import literal

MOST_ROWS = 250
"""Of a table: ten thousand rows would be most of a page that nobody reads to its end."""


def text(words: str) -> str:
    """A text in which nothing is markup."""
    return escape(literal(words))


def items(lines: Iterable[str], kind: str = "") -> str:
    """A list, or nothing where it would be empty."""
    rows = "".join(f"<li>{text(line)}</li>" for line in lines)
    return f"<ul{f' class={kind!r}' if kind else ''}>{rows}</ul>" if rows else ""


def definitions(pairs: Iterable[tuple[str, str]]) -> str:
    """Names with what they are; those that are not known are left out."""
    rows = "".join(f"<div><dt>{text(name)}</dt><dd>{text(value)}</dd></div>" for name, value in pairs if value)
    return f"<dl>{rows}</dl>"


def code(command: str, name: str) -> str:
    """A command or source that a button copies."""
    return f'<div class="code"><pre tabindex="0" aria-label="{text(name)}"><code>{text(command)}</code></pre></div>'


def table(found: Table, *, open_: bool = True) -> str:
    """A table with its heading, caption and notes; one that is not ``open_`` unfolds."""
    notes = items([*_cut(found), *found.notes], "notes")
    body = f"<p>{text(found.caption)}</p>{_grid(found) if found.rows else ''}{notes}"
    if open_:
        return f'<section id="table-{slug(found.key)}"><h2>{text(found.title)}</h2>{body}</section>'
    return f'<details id="table-{slug(found.key)}"><summary>{text(found.title)}</summary>{body}</details>'


def _cut(found: Table) -> list[str]:
    """Say how many rows are left out, and where they are."""
    left = len(found.rows) - MOST_ROWS
    return [f"{left:,} further rows are not shown here: kdsearch report -o report.csv has them."] if left > 0 else []


def slug(key: str) -> str:
    """A key as an id."""
    return re.sub(r"[^a-z0-9]+", "-", key.lower()).strip("-")


def _grid(found: Table) -> str:
    headings, rows = flat(replace(found, rows=found.rows[:MOST_ROWS], digits=found.decimals))
    head = "".join(f'<th scope="col">{text(heading)}</th>' for heading in headings)
    lines = []
    for row, (name, *cells) in zip(found.rows, rows, strict=False):
        values = "".join(f"<td>{text(cell)}</td>" for cell in cells)
        kind = ' class="context"' if row.context else ""
        lines.append(f'<tr{kind}><th scope="row">{text(name)}</th>{values}</tr>')
    return (
        f'<div class="wide" tabindex="0" role="region" aria-label="{text(found.title)}"><table>'
        f"<caption>{text(found.title)}</caption><thead><tr>{head}</tr></thead><tbody>{''.join(lines)}</tbody></table></div>"
    )
