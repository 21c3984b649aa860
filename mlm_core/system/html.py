"""Tables in HTML, for notebooks; every cell is escaped."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

from mlm_core.visible import visible


def table(headings: Sequence[object], rows: Iterable[Sequence[object]], caption: str = "") -> str:
    """A table in HTML.

    Args:
        headings: of the columns; empty: the first cell of each row is its heading.
        rows: the cells, as text.
        caption: above the table; "": none.
    """
    parts = [f"<caption>{text(caption)}</caption>"] if caption else []
    if headings:
        parts.append("<thead><tr>" + "".join(f"<th>{text(cell)}</th>" for cell in headings) + "</tr></thead>")
    body = []
    for row in rows:
        cells = [f"<td>{text(cell)}</td>" for cell in row]
        if not headings:
            cells[0] = f'<th scope="row">{text(row[0])}</th>'
        body.append(f"<tr>{''.join(cells)}</tr>")
    return f"<table>{''.join(parts)}<tbody>{''.join(body)}</tbody></table>"


def text(value: object) -> str:
    """The value as text in HTML: escaped, without what controls a terminal, and without secrets."""
    return escape(visible(str(value)))
