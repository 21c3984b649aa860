"""Documents from wherever the text is."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlm_core.corpus import embedded_documents
from mlm_core.errors import RequestError

EMBEDDED = "embedded corpus"
_TEXT, _JSON_LINES = {".txt", ".text", ".md"}, {".jsonl", ".json", ".ndjson"}


@dataclass(frozen=True)
class Source:
    """Text to work on.

    Attributes:
        name: what the user calls it.
        documents: its texts, in order, none empty.
        fingerprint: blake2b (16 bytes, hex) over the documents.
    """

    name: str
    documents: list[str]
    fingerprint: str


def check_source(dataset: str | None) -> None:
    """Refuse a dataset that can be seen to be wrong without reading it.

    Raises:
        RequestError: no such file, a directory, an unknown kind of file, or an empty one.
    """
    if dataset is None:
        return
    path = Path(dataset)
    try:
        path.stat()
    except OSError:
        # Not there, or a name no file can have.
        raise RequestError(
            "no such file",
            code="missing_file",
            option="--dataset",
            value=dataset,
            fix="give a text or JSON-lines file",
        ) from None

    def refusal(message: str, code: str, fix: str | None = None) -> RequestError:
        return RequestError(message, code=code, option="--dataset", value=dataset, fix=fix)

    if not path.is_file():
        raise refusal("is not a file", "not_a_file", "give a text or JSON-lines file")
    if path.suffix.lower() not in _TEXT | _JSON_LINES:
        kinds = " ".join(sorted(_TEXT | _JSON_LINES))
        raise refusal("unknown kind of file", "unknown_format", f"the name must end in one of {kinds}")
    if path.stat().st_size == 0:
        raise refusal("the file is empty", "empty_file", "give a file with at least two documents")


def load_source(dataset: str | None, text_column: str | None) -> Source:
    """Read every document of a local file, or of the embedded corpus where `dataset` is None.

    Raises:
        RequestError: the file cannot be read, is malformed, or holds no text.
    """
    check_source(dataset)
    if dataset is None:
        documents, name = embedded_documents(), EMBEDDED
    else:
        lines = _lines(Path(dataset))
        if Path(dataset).suffix.lower() in _JSON_LINES:
            lines = _json_texts(dataset, lines, text_column)
        documents, name = [text for line in lines if (text := line.strip())], dataset
    if text_column is not None and (dataset is None or Path(dataset).suffix.lower() in _TEXT):
        raise RequestError(
            f"{name} has no columns",
            code="usage",
            option="--text-column",
            value=text_column,
            fix="leave it out",
        )
    for number, text in enumerate(documents, 1):
        _check_text(name, number, text)
    if not documents:
        raise RequestError("holds no text", code="empty_file", option="--dataset", value=name)
    return Source(name, documents, fingerprint_of(documents))


def _check_text(name: str, number: int, text: str) -> None:
    """Refuse what no tokenizer takes: half of a surrogate pair, or bytes of a binary file."""
    if "\x00" not in text and (text.isascii() or not any("\ud800" <= sign <= "\udfff" for sign in text)):
        return
    raise RequestError(
        f"document {number} is not text: it holds characters that no text has",
        code="malformed_file",
        option="--dataset",
        value=name,
        fix="remove it",
    )


def fingerprint_of(texts: Iterable[str]) -> str:
    """blake2b (16 bytes, hex) over texts, each with its length, so that their borders count."""
    digest = hashlib.blake2b(digest_size=16)
    for text in texts:
        content = text.encode("utf-8", "surrogatepass")
        digest.update(len(content).to_bytes(8, "little"))
        digest.update(content)
    return digest.hexdigest()


def _lines(path: Path) -> list[str]:
    try:
        # Only "\n" ends a document; str.splitlines would also cut at form feeds and the like.
        with path.open(encoding="utf-8-sig", newline="") as file:
            return file.read().split("\n")
    except UnicodeDecodeError as error:
        message = f"is not UTF-8 text (byte {error.start})"
    except OSError as error:
        message = f"cannot be read ({error.strerror})"
    raise RequestError(message, code="unreadable_file", option="--dataset", value=str(path))


def _json_texts(dataset: str, lines: list[str], text_column: str | None) -> list[str]:
    rows = [_row(dataset, number, line) for number, line in enumerate(lines, 1) if line.strip()]
    if not rows:
        return []
    column = text_column or _only_candidate(dataset, rows[0])
    if not any(_has(row, column) for row in rows):
        raise RequestError(
            f"{dataset} has no such column",
            code="missing_column",
            option="--text-column",
            value=column,
            fix=_choices(_candidates(rows[0])),
        )
    return [_text(dataset, number, row, column) for number, row in enumerate(rows, 1)]


def _has(row: dict[str, Any], column: str) -> bool:
    value: Any = row
    for part in column.split("."):
        if not isinstance(value, dict) or part not in value:
            return False
        value = value[part]
    return True


def _row(dataset: str, number: int, line: str) -> dict[str, Any]:
    try:
        row = json.loads(line)
    except ValueError as error:
        reason = f"line {number} is not JSON ({error})"
    else:
        if isinstance(row, dict):
            return row
        reason = f"line {number} is not a JSON object"
    raise RequestError(
        reason, code="malformed_file", option="--dataset", value=dataset, fix="write one JSON object a line"
    )


def _text(dataset: str, number: int, row: dict[str, Any], column: str) -> str:
    """The text of a row; empty where it has none."""
    value: Any = row
    for part in column.split("."):
        value = value.get(part) if isinstance(value, dict) else None
    if value is None or isinstance(value, str):
        return value or ""
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        return " ".join(value)
    raise RequestError(
        f"row {number} of {dataset} holds no text there",
        code="wrong_column",
        option="--text-column",
        value=column,
        fix=_choices(_candidates(row)),
    )


def _only_candidate(dataset: str, row: dict[str, Any]) -> str:
    candidates = _candidates(row)
    if "text" in candidates:
        return "text"
    if len(candidates) == 1:
        return candidates[0]
    message = "several columns could be the text" if candidates else "no column holds text"
    raise RequestError(
        message, code="ambiguous_column", option="--dataset", value=dataset, fix=_choices(candidates)
    )


def _candidates(row: dict[str, Any], prefix: str = "") -> list[str]:
    found = []
    for name, value in row.items():
        if isinstance(value, dict):
            found += _candidates(value, f"{prefix}{name}.")
        elif isinstance(value, str) or (
            isinstance(value, list) and value and all(isinstance(item, str) for item in value)
        ):
            found.append(prefix + name)
    return found


def _choices(candidates: list[str]) -> str | None:
    return f"choose with --text-column: {', '.join(candidates)}" if candidates else None
