"""Texts and tables of a report as HTML."""

from __future__ import annotations

import re
from collections.abc import Iterable
from html import escape

from kdsearch.report.formats.cells import flat
from kdsearch.report.tables import Table
from kdsearch.texts import literal


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
    body = f"<p>{text(found.caption)}</p>{_grid(found) if found.rows else ''}{items(found.notes, 'notes')}"
    if open_:
        return f'<section id="table-{slug(found.key)}"><h2>{text(found.title)}</h2>{body}</section>'
    return f'<details id="table-{slug(found.key)}"><summary>{text(found.title)}</summary>{body}</details>'


def slug(key: str) -> str:
    """A key as an id."""
    return re.sub(r"[^a-z0-9]+", "-", key.lower()).strip("-")


def _grid(found: Table) -> str:
    headings, rows = flat(found)
    head = "".join(f'<th scope="col">{text(heading)}</th>' for heading in headings)
    lines = []
    for row, (name, *cells) in zip(found.rows, rows, strict=True):
        values = "".join(f"<td>{text(cell)}</td>" for cell in cells)
        kind = ' class="context"' if row.context else ""
        lines.append(f'<tr{kind}><th scope="row">{text(name)}</th>{values}</tr>')
    return (
        f'<div class="wide" tabindex="0" role="region" aria-label="{text(found.title)}"><table>'
        f"<caption>{text(found.title)}</caption><thead><tr>{head}</tr></thead><tbody>{''.join(lines)}</tbody></table></div>"
    )
