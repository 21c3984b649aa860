"""The embedded corpus: English prose that comes with every Python installation, in two parts.

`python:reference` is Python's language reference by topic. `python:library` is the docstrings and comments of
the standard library. No passage is in both; the starter model was trained on the second part only.
"""

from __future__ import annotations

import ast
import re
import sysconfig
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import groupby
from pathlib import Path

from mlm_core.config.data import DataConfig

_PREFIX = "python:"
"""The start of the names of the parts; no name on the Hub has it."""

REFERENCE = "python:reference"
LIBRARY = "python:library"

_EXCLUDED = {"__pycache__", "_vendor", "dist-packages", "pydoc_data", "site-packages"}
"""Directories of other packages, and of the other part (pydoc_data)."""

_FEWEST_WORDS = 5
"""A text with fewer words is a label, not prose, and is left out."""

_PASSAGE = 8
"""Two texts that share this many words in a row count as sharing a passage."""

_LEAST_PROSE = 0.7
"""The smallest share of words made of letters in a comment of prose; below it, the comment is code."""

_WORD = re.compile(r"[(\"'`]*[A-Za-z][A-Za-z'\u2019/-]*[)\"'`]*[.,:;?!]*")


def language_reference() -> list[str]:
    """The language reference, one document for each topic, no paragraph twice; empty where it is missing."""
    try:
        from pydoc_data.topics import topics
    except ImportError:
        # Some distributions package pydoc separately.
        return []
    return _documents(iter(_without_repeats(topics).values()))


def _without_repeats(topics: Mapping[str, str]) -> dict[str, str]:
    """The topics with each paragraph kept in the shortest topic only: some topics are chapters of others.

    Otherwise, text that is held out would also be trained on.
    """
    seen: set[str] = set()
    kept = {}
    for name in sorted(topics, key=lambda name: (len(topics[name]), name)):
        paragraphs = [" ".join(paragraph.split()) for paragraph in re.split(r"\n\s*\n", topics[name])]
        kept[name] = " ".join(dict.fromkeys(text for text in paragraphs if text not in seen))
        seen.update(paragraphs)
    return {name: kept[name] for name in sorted(kept)}


def library_texts() -> list[str]:
    """Docstrings and comments of the standard library; none twice, none with a passage of the reference."""
    known = {passage for document in language_reference() for passage in _passages(document)}
    documents = dict.fromkeys(_documents(_library()))
    return [document for document in documents if known.isdisjoint(_passages(document))]


PARTS: dict[str, Callable[[], list[str]]] = {REFERENCE: language_reference, LIBRARY: library_texts}
"""The documents of each part, by the part's name."""


def embedded_part(config: DataConfig) -> str | None:
    """The part that `--dataset` names, whether it exists or not; without a dataset, the reference.

    Returns:
        The part's name; None: the dataset is not the embedded corpus.
    """
    if config.dataset is None:
        return REFERENCE
    return config.dataset if config.dataset.startswith(_PREFIX) else None


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
    """Consecutive lines that hold only a comment, joined, where they are prose."""
    bare = (line.strip() for line in lines)
    for is_comment, group in groupby(bare, lambda line: re.match(r"#[^!]|#$", line) is not None):
        if is_comment:
            # An empty comment line ends a paragraph; drawn lines are stripped.
            yield from filter(
                _is_prose, "\n".join(line.strip("#").strip(" -=*") for line in group).split("\n\n")
            )


def _is_prose(text: str) -> bool:
    words = text.split()
    return sum(map(bool, map(_WORD.fullmatch, words))) >= _LEAST_PROSE * len(words)
