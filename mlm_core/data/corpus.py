"""English prose that every Python installation carries, in two parts.

`python:reference` is Python's language reference by topic, `python:library` what the standard library says
of itself in docstrings and comments. No passage is in both: the starter model has read the second only.
"""

from __future__ import annotations

import ast
import re
import sysconfig
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import groupby
from pathlib import Path

REFERENCE = "python:reference"
LIBRARY = "python:library"

_EXCLUDED = {"__pycache__", "_vendor", "dist-packages", "pydoc_data", "site-packages"}
"""What is not the library's own, and the other part."""

_FEWEST_WORDS = 5
"""A text with fewer words is a label, not prose."""

_PASSAGE = 8
"""As many words in a row that are the same are taken from the same text."""

_LEAST_PROSE = 0.7
"""Share of a comment's words that are letters: below it the comment is code."""

_WORD = re.compile(r"[(\"'`]*[A-Za-z][A-Za-z'\u2019/-]*[)\"'`]*[.,:;?!]*")


def language_reference() -> list[str]:
    """The language reference, a document for each topic, no paragraph twice; [] where it is missing."""
    try:
        from pydoc_data.topics import topics
    except ImportError:
        # Some distributions package pydoc apart.
        return []
    return _documents(iter(_without_repeats(topics).values()))


def _without_repeats(topics: Mapping[str, str]) -> dict[str, str]:
    """Each paragraph in one topic only, the shortest that has it: some topics are chapters of others.

    Otherwise what is held out would be trained on, too.
    """
    seen: set[str] = set()
    kept = {}
    for name in sorted(topics, key=lambda name: (len(topics[name]), name)):
        paragraphs = [" ".join(paragraph.split()) for paragraph in re.split(r"\n\s*\n", topics[name])]
        kept[name] = " ".join(dict.fromkeys(text for text in paragraphs if text not in seen))
        seen.update(paragraphs)
    return {name: kept[name] for name in sorted(kept)}


def library_texts() -> list[str]:
    """Docstrings and comments of the standard library, none twice, without what the reference says, too."""
    known = {passage for document in language_reference() for passage in _passages(document)}
    documents = dict.fromkeys(_documents(_library()))
    return [document for document in documents if known.isdisjoint(_passages(document))]


PARTS: dict[str, Callable[[], list[str]]] = {REFERENCE: language_reference, LIBRARY: library_texts}
"""Documents by the name of the part."""


def _documents(texts: Iterator[str]) -> list[str]:
    documents = (" ".join(text.split()) for text in texts)
    return [document for document in documents if len(document.split()) >= _FEWEST_WORDS]


def _passages(document: str) -> Iterator[tuple[str, ...]]:
    words = re.findall(r"[a-z]+", document.lower())
    return (tuple(words[start : start + _PASSAGE]) for start in range(len(words) - _PASSAGE + 1))


def _library() -> Iterator[str]:
    library = Path(sysconfig.get_paths()["stdlib"])
    for path in sorted(library.rglob("*.py")):
        if _EXCLUDED.isdisjoint(path.relative_to(library).parts):
            try:
                source = path.read_bytes()
            except OSError:
                continue
            yield from _docstrings(source)
            yield from _comments(source.decode("utf-8", "replace").splitlines())


def _docstrings(source: bytes) -> Iterator[str]:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", SyntaxWarning)
            tree = ast.parse(source)
    except (SyntaxError, ValueError):
        return
    pending: list[ast.stmt | ast.Module] = [tree]
    while pending:
        node = pending.pop()
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            text = ast.get_docstring(node, clean=False)
            if text:
                yield text
            pending.extend(reversed(node.body))


def _comments(lines: Sequence[str]) -> Iterator[str]:
    """Lines of nothing but comment, as many as follow each other, where they are prose."""
    bare = (line.strip() for line in lines)
    for is_comment, group in groupby(bare, lambda line: re.match(r"#[^!]|#$", line) is not None):
        if is_comment:
            # An empty comment line ends a paragraph, and what is drawn is no text.
            yield from filter(
                _is_prose, "\n".join(line.strip("#").strip(" -=*") for line in group).split("\n\n")
            )


def _is_prose(text: str) -> bool:
    words = text.split()
    return sum(map(bool, map(_WORD.fullmatch, words))) >= _LEAST_PROSE * len(words)
