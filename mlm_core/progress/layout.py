"""The text of a row in the columns of a terminal: parts in fixed places, the less important ones left out."""

from __future__ import annotations

from collections.abc import Mapping

from mlm_core.progress.rows import Row

_ORDER = ("mark", "description", "bar", "count", "loss", "speed", "left")
"""The parts from left to right."""

_IMPORTANT = ("count", "loss", "left", "mark", "description", "bar", "speed")
"""The parts in the order in which they get room."""

_LEAST_BAR, _WIDEST_BAR = 8, 40
"""Columns of the bar."""

_LEAST_DESCRIPTION = 12
"""Columns below which a description that is cut is left out."""

_ECHO = 3
"""Columns that stay free at the right edge: a terminal shows ^C there."""

_NARROW = 50
"""Columns below which a terminal is narrow."""

_WIDTHS = {"loss": 12, "speed": 16, "left": 12}
_NARROW_WIDTHS = {"loss": 10, "speed": 16, "left": 9}
"""Columns that parts of a training row keep free, so that nothing moves when numbers get longer."""

_STYLES = {"mark": "progress.spinner", "count": "progress.download", "left": "progress.remaining"}


def parts(row: Row, width: int, mark: str, *, plain: bool = False) -> list[tuple[str, str]]:
    """The texts of a row, each with its style (rich's name); joined, they have less than `width` columns.

    Args:
        row: what is shown.
        width: columns of the terminal.
        mark: a character that tells that the operation is under way; "": it has ended.
        plain: only ASCII.
    """
    texts, room = _texts(row, mark, _WIDTHS if width >= _NARROW else _NARROW_WIDTHS), width - _ECHO
    kept: dict[str, str] = {}
    for name in _IMPORTANT:
        if name == "bar" and row.total:
            if _columns(kept | {"bar": "-" * _LEAST_BAR}) <= room:
                kept["bar"] = ""
        elif name in texts:
            free = room - _columns(kept | {name: ""})
            text = _cut(texts[name], free, plain=plain) if name == "description" else texts[name]
            if len(text) <= free and text:
                kept[name] = text
    bar = min(_WIDEST_BAR, room - _columns(kept)) if "bar" in kept else 0
    found: list[tuple[str, str]] = []
    for name in _ORDER:
        if name not in kept:
            continue
        if found:
            found.append((" " if found[-1][0] == mark and len(found) == 1 else "  ", ""))
        if name == "bar":
            found += _bar(row, bar, plain=plain)
        else:
            found.append((kept[name], _STYLES.get(name, "")))
    return found


def clock(seconds: float) -> str:
    """A time as a clock shows it: 0:12, 12:05 or 2:03:10."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def count(row: Row) -> str:
    """How much of a row's work is done; "": it has no known end."""
    if not row.total:
        return ""
    whole = f"{row.total:,}"
    return f"{row.done:>{len(whole)},}/{whole}"


def loss(row: Row) -> str:
    """The loss of a training row; "": there is none yet."""
    return f"loss {row.loss}" if row.loss else ""


def speed(row: Row) -> str:
    """The speed of a training row; "": it is not known yet."""
    return f"{row.speed:,.0f} tokens/s" if row.speed is not None else ""


def left(row: Row) -> str:
    """The time that a training row has left; "": it is not known yet."""
    return f"{clock(row.left)} left" if row.left is not None else ""


def _texts(row: Row, mark: str, widths: Mapping[str, int]) -> dict[str, str]:
    texts = {"mark": mark, "description": row.description, "count": count(row)}
    if row.paced:
        shown = {"loss": loss(row), "speed": speed(row), "left": left(row)}
        # Nothing moves any more in a row that has ended.
        texts |= {name: text.ljust(widths[name]) if mark else text for name, text in shown.items()}
    return {name: text for name, text in texts.items() if text}


def _columns(kept: dict[str, str]) -> int:
    """Columns of the parts and of the spaces between them."""
    spaces = 2 * (len(kept) - 1) - (1 if "mark" in kept and len(kept) > 1 else 0)
    return sum(map(len, kept.values())) + max(0, spaces)


def _cut(text: str, room: int, *, plain: bool) -> str:
    """The text, or its beginning; "": hardly anything of it has room."""
    if len(text) <= room:
        return text
    end = "..." if plain else "…"
    return text[: room - len(end)] + end if room >= _LEAST_DESCRIPTION else ""


def _bar(row: Row, width: int, *, plain: bool) -> list[tuple[str, str]]:
    done = min(width, round(width * row.done / (row.total or 1)))
    full, empty = ("#", "-") if plain else ("━", "─")
    style = "bar.finished" if row.done == row.total else "bar.complete"
    return [(full * done, style), (empty * (width - done), "bar.back")]
