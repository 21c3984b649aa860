"""Documents from wherever the text is."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from mlm_core.config.config import DataConfig
from mlm_core.data.corpus import LIBRARY, PARTS, REFERENCE
from mlm_core.data.documents import BATCH, Documents, Fingerprint, ListedTexts, Texts, fingerprint_of
from mlm_core.data.errors import dataset_refusal
from mlm_core.data.file_errors import find_fault
from mlm_core.data.json_rows import JsonTexts, choose_json_column
from mlm_core.data.open_dataset import OpenedDataset, check_dataset, given_dataset, open_dataset
from mlm_core.data.tables import without_numbers
from mlm_core.data.text_column import ColumnTexts, choose_column
from mlm_core.errors import RequestError
from mlm_core.progress import Progress

FROM_PYTHON = "dataset given from Python"

_EMBEDDED = "python:"
"""What the names of the embedded corpus begin with, and no name on the Hub."""

_HELD_OUT = ("validation", "test")
"""Splits to evaluate on, the first that is there."""


@dataclass(frozen=True, eq=False)
class Source:
    """Text to work on.

    Attributes:
        name: what the user calls it.
        documents: its texts, in order, none blank.
        held_out: the dataset's own texts for evaluation; None: it has none, or a share was asked for.
    """

    name: str
    documents: Documents
    held_out: Documents | None = None

    @property
    def fingerprint(self) -> str:
        """blake2b (16 bytes, hex) over the texts."""
        if self.held_out is None:
            return self.documents.fingerprint
        return fingerprint_of([self.documents.fingerprint, self.held_out.fingerprint])


def check_source(config: DataConfig) -> None:
    """Refuse a request for text that can be seen to be wrong without reading any.

    Raises:
        RequestError: as `check_dataset`, or the embedded corpus is asked for a column or a split.
    """
    part = embedded_part(config)
    if part is None:
        check_dataset(config)
        return
    if part not in PARTS:
        raise RequestError(
            "is no part of the embedded corpus",
            code="missing_file",
            option="--dataset",
            value=part,
            fix=f"choose from {', '.join(PARTS)}",
        )
    for option, value in (
        ("--dataset-config", config.dataset_config),
        ("--dataset-revision", config.dataset_revision),
        ("--text-column", config.text_column),
        ("--split", config.split),
    ):
        if value is not None:
            raise RequestError(
                f"the embedded corpus, {part}, has none",
                code="usage",
                option=option,
                value=value,
                fix="leave it out, or give a --dataset",
            )


def load_source(config: DataConfig, dataset: Any = None, *, progress: Progress) -> Source:
    """The documents of `dataset`, else of `config.dataset`, else of the embedded corpus.

    Every text is read once: to leave blank ones out, and for the fingerprint.

    Args:
        config: where the text is.
        dataset: a `datasets.Dataset` or `DatasetDict`.
        progress: where it is said how far it is.

    Raises:
        RequestError: the text cannot be read, is malformed, or there is none.
    """
    if dataset is not None:
        opened, name = given_dataset(dataset, config.split), FROM_PYTHON
    elif (part := embedded_part(config)) is not None:
        return _embedded_source(config, part, progress)
    else:
        with progress.phase(f"opening {config.dataset}"):
            opened, name = open_dataset(config), str(config.dataset)
    train = _training_split(opened, name)
    held_out = next((split for split in _HELD_OUT if split in opened.splits and split != train), None)
    if config.test_size is not None:
        held_out = None
    _announce_splits(opened, name, train, held_out, progress)
    return Source(
        name,
        _read(opened, train, name, config, progress),
        _read(opened, held_out, name, config, progress) if held_out is not None else None,
    )


def embedded_part(config: DataConfig) -> str | None:
    """The part of the embedded corpus that is asked for, if any: without a dataset the reference."""
    if config.dataset is None:
        return REFERENCE
    return config.dataset if config.dataset.startswith(_EMBEDDED) else None


def _embedded_source(config: DataConfig, part: str, progress: Progress) -> Source:
    check_source(config)
    with progress.phase(f"collecting the embedded corpus, {part}"):
        # Some distributions package the reference apart; the library still serves.
        texts = PARTS[part]() or PARTS[LIBRARY]()
    return Source(part, _documents(ListedTexts(texts), part, progress))


def _announce_splits(
    opened: OpenedDataset, name: str, train: str, held_out: str | None, progress: Progress
) -> None:
    """Say which splits are used, and which are not, where there are several."""
    if len(opened.splits) == 1:
        return
    unused = [split for split in opened.splits if split not in (train, held_out)]
    evaluated = f"evaluated on its split {held_out}" if held_out else "a share of it held out"
    left = f"; not used: {', '.join(unused)}" if unused else ""
    progress.say(f"{name}: its split {train}, {evaluated}{left}")


def _read(opened: OpenedDataset, split: str, name: str, config: DataConfig, progress: Progress) -> Documents:
    try:
        texts = _texts(opened, split, name, config, progress)
        return _documents(texts, name, progress, lines=opened.kind == "text")
    except ValueError as error:
        # A line that is not JSON: the files know which one it is.
        fault = find_fault(opened.files) if opened.files is not None else None
        raise fault or dataset_refusal(name, f"cannot be read ({error})", "malformed_file") from None


def _training_split(opened: OpenedDataset, name: str) -> str:
    splits = list(opened.splits)
    if "train" in splits or len(splits) == 1:
        return "train" if "train" in splits else splits[0]
    raise RequestError(
        f"{name} has several splits, none of them called train",
        code="ambiguous_split",
        option="--split",
        fix=f"choose from {', '.join(splits)}",
    )


def _texts(opened: OpenedDataset, split: str, name: str, config: DataConfig, progress: Progress) -> Texts:
    rows = opened.splits[split]
    if opened.kind == "json":
        return JsonTexts(rows, choose_json_column(rows, config.text_column, name))
    if opened.kind == "text":
        if config.text_column not in (None, "text"):
            progress.say(f"{name} is plain text, a document a line: it has no column {config.text_column}")
        return ColumnTexts(rows, "text")
    likely = without_numbers(rows) if opened.kind == "csv" else None
    return ColumnTexts(rows, choose_column(rows.features, config.text_column, name, likely))


def _documents(texts: Texts, name: str, progress: Progress, *, lines: bool = False) -> Documents:
    """The rows that hold text.

    Raises:
        RequestError: there are none, or something that is not text is among them.
    """
    kept, fingerprint = [], Fingerprint()
    for row, text in enumerate(progress.track(_all(texts), "reading documents", len(texts))):
        if not text.strip():
            continue
        if lines and "\x00" in text:
            raise _no_text(name, f"line {row + 1}")
        try:
            fingerprint.add(text)
        except UnicodeEncodeError:
            raise _no_text(name, f"document {row + 1}") from None
        kept.append(row)
    if not kept:
        raise RequestError("holds no text", code="empty_file", option="--dataset", value=name)
    return Documents(texts, np.array(kept, dtype=np.int64), fingerprint.hexdigest())


def _all(texts: Texts) -> Iterator[str]:
    for start in range(0, len(texts), BATCH):
        yield from texts.fetch(np.arange(start, min(start + BATCH, len(texts))))


def _no_text(name: str, place: str) -> RequestError:
    return RequestError(
        f"{place} is not text: it holds characters that no text has",
        code="malformed_file",
        option="--dataset",
        value=name,
        fix="remove it",
    )
