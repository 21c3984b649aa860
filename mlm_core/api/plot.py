"""A drawing that a notebook shows and a file keeps."""

from __future__ import annotations

from base64 import b64encode
from os import PathLike
from pathlib import Path

from mlm_core.api.written import write_text_file
from mlm_core.system.html import text


class Plot:
    """A drawing in SVG. A notebook shows it as the value of a cell; `save` writes it.

    Args:
        svg: the drawing, as the text of an SVG file.
        title: what it shows, in words.
    """

    def __init__(self, svg: str, title: str) -> None:
        self.svg = svg
        self.title = title

    def __repr__(self) -> str:
        return f"<{type(self).__name__}: {self.title}>"

    def _repr_svg_(self) -> str:
        return self.svg

    def _repr_html_(self) -> str:
        # An image keeps its styles and names to itself; in the page they would change other drawings.
        data = b64encode(self.svg.encode()).decode()
        return (
            f'<img src="data:image/svg+xml;base64,{data}" alt="{text(self.title)}" style="max-width: 100%">'
        )

    def save(self, path: str | PathLike[str]) -> Path:
        """Write the drawing as an SVG file; return its path.

        Raises:
            RequestError: the name does not end in .svg.
            RunError: the file cannot be written.
        """
        return write_text_file(path, self.svg, ".svg")
