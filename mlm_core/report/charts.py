"""Charts as SVG. Colours are in `page.css`; each chart says its content as text, too."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path

WIDTH = 480
"""Of a chart, in its own units; a unit is about one pixel."""

COLOURS = 6

_TITLE = 26
"""Height of the title and the legend in a picture that stands alone."""

_CHARACTER, _WIDEST = 6.6, 7.2
"""Width of a character of a legend, and of one on a phone, about."""


@dataclass(frozen=True)
class Chart:
    """A drawing with its title, and what it shows in words.

    Attributes:
        title: a phrase.
        described: what the drawing shows, as text.
        height: of the drawing, in units.
        parts: SVG elements.
        keys: the legend: names, in the order of their colours; empty: none is needed.
        hints: SVG elements that are seen only where the pointer is.
    """

    title: str
    described: str
    height: float
    parts: Sequence[str]
    keys: Sequence[str] = ()
    hints: Sequence[str] = ()

    def figure(self) -> str:
        """The chart in an HTML page with the style of `page.css`."""
        legend = "".join(
            f'<span class="key c{index % COLOURS}">{escape(name)}</span>'
            for index, name in enumerate(self.keys)
        )
        label = f"{escape(self.title)}. {escape(self.described)}"
        return (
            f"<figure><figcaption><b>{escape(self.title)}</b>{legend}</figcaption>"
            f'<svg role="img" viewBox="0 0 {WIDTH} {self.height:.0f}" aria-label="{label}">'
            f"{''.join([*self.parts, *self.hints])}</svg></figure>"
        )

    def picture(self) -> str:
        """The chart as an SVG file that needs nothing else; in a page, its style is for itself alone."""
        style = (Path(__file__).parent / "picture.css").read_text(encoding="utf-8")
        height = self.height + _TITLE + 16
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="-8 0 {WIDTH + 16} {height:.0f}" '
            f'width="{(WIDTH + 16) * 1.5:.0f}" height="{height * 1.5:.0f}" role="img" class="mlm-chart">'
            f"<title>{escape(self.title)}</title><desc>{escape(self.described)}</desc>"
            f"<style>{style}</style>"
            f'<rect class="ground" x="-8" y="0" width="{WIDTH + 16}" height="{height:.0f}" rx="8"/>'
            f"{self._heading()}"
            f'<g transform="translate(0 {_TITLE + 4})">{"".join(self.parts)}</g></svg>\n'
        )

    def _heading(self) -> str:
        parts, x = [text(6, 20, self.title, name="title")], WIDTH - 6.0
        for index, name in reversed(list(enumerate(self.keys))):
            x -= _CHARACTER * len(name)
            parts.append(text(x, 20, name))
            parts.append(rectangle(index, x - 20, 11, 14, 10))
            x -= 34
        return "".join(parts)


@dataclass(frozen=True)
class Bar:
    """A bar and the range of its value.

    Attributes:
        name: of the variant.
        value: length of the bar.
        low, high: ends of the whisker; equal: no whisker.
        shown: the value as text.
    """

    name: str
    value: float
    low: float
    high: float
    shown: str


_ROW, _BAR = 38, 14
"""Height of a row with a name above its bar, and of the bar."""


def bars(title: str, values: Sequence[Bar]) -> Chart:
    """Horizontal bars, one per variant, in the colours of the variants."""
    most = max(bar.high for bar in values) or 1.0
    parts = []
    for index, bar in enumerate(values):
        y = index * _ROW
        length, low, high = (WIDTH * size / most for size in (bar.value, bar.low, bar.high))
        middle = y + 20 + _BAR / 2
        parts += [
            text(0, y + 14, bar.name),
            text(WIDTH, y + 14, bar.shown, "end", name="value"),
            f'<rect class="track" x="0" y="{y + 20}" width="{WIDTH}" height="{_BAR}" rx="3"/>',
            rectangle(index, 0, y + 20, length, _BAR),
        ]
        if high > low:
            ends = "".join(f"M{end:.1f} {middle - 5:.1f}v10" for end in (low, min(high, WIDTH - 1)))
            parts.append(
                f'<path class="whisker" d="M{low:.1f} {middle:.1f}H{min(high, WIDTH - 1):.1f}{ends}"/>'
            )
    described = "; ".join(f"{bar.name}: {bar.shown}" for bar in values)
    return Chart(title, described, len(values) * _ROW + 4, parts)


def rectangle(index: int, x: float, y: float, width: float, height: float) -> str:
    """A filled rectangle in the colour of a number."""
    size = f'x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}"'
    return f'<rect class="c{index % COLOURS}" {size} rx="3"/>'


def text(
    x: float, y: float, content: str, anchor: str = "start", name: str = "", width: float | None = None
) -> str:
    """A line of text.

    Args:
        x, y: its place.
        content: the text.
        anchor: which end of it is at its place: "start", "middle" or "end".
        name: its class in the style.
        width: if it would be longer, it is drawn narrower; None: it never is.
    """
    classes = f' class="{name}"' if name else ""
    where = f' text-anchor="{anchor}"' if anchor != "start" else ""
    narrow = ""
    if width is not None and len(content) * _WIDEST > width:
        narrow = f' textLength="{width:.0f}" lengthAdjust="spacingAndGlyphs"'
    return f'<text{classes} x="{x:.1f}" y="{y:.1f}"{where}{narrow}>{escape(content)}</text>'
