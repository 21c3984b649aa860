"""English prose that every Python installation carries: the embedded corpus."""

from __future__ import annotations

import ast
import sysconfig
import warnings
from collections.abc import Iterator
from pathlib import Path

_EXCLUDED = {
    "__pycache__",
    "_vendor",
    "dist-packages",
    "idlelib",
    "lib2to3",
    "site-packages",
    "test",
    "tests",
    "turtledemo",
}
"""Parts of the library that some installations leave out or that are not its own."""

_FEWEST_WORDS = 5
"""A docstring with fewer words is a label, not prose."""


def embedded_documents() -> list[str]:
    """The language reference by topic, then the standard library's docstrings, white space normalised."""
    texts = [*_language_reference(), *_docstrings()]
    documents = (" ".join(text.split()) for text in texts)
    return [document for document in documents if len(document.split()) >= _FEWEST_WORDS]


def _language_reference() -> list[str]:
    try:
        from pydoc_data.topics import topics
    except ImportError:
        # Some distributions package pydoc apart; the docstrings alone still serve.
        return []
    return [topics[name] for name in sorted(topics)]


def _docstrings() -> Iterator[str]:
    library = Path(sysconfig.get_paths()["stdlib"])
    for path in sorted(library.rglob("*.py")):
        if _EXCLUDED.isdisjoint(path.relative_to(library).parts):
            yield from _docstrings_of(path)


def _docstrings_of(path: Path) -> Iterator[str]:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", SyntaxWarning)
            tree = ast.parse(path.read_bytes())
    except (OSError, SyntaxError, ValueError):
        return
    pending: list[ast.stmt | ast.Module] = [tree]
    while pending:
        node = pending.pop()
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            text = ast.get_docstring(node, clean=False)
            if text:
                yield text
            pending.extend(reversed(node.body))
