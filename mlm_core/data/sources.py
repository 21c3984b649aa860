"""Documents from any source: local files, the Hub, an object from Python, or the embedded corpus."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from mlm_core.config.data import DataConfig
from mlm_core.data.check_source import check_source
from mlm_core.data.checked_texts import CheckedTexts, mark
from mlm_core.data.default_column import DEFAULT
from mlm_core.data.documents import BATCH, Documents, ListedTexts, Texts
from mlm_core.data.embedded_corpus import LIBRARY, PARTS, embedded_part
from mlm_core.data.errors import dataset_error
from mlm_core.data.file_errors import find_file_error
from mlm_core.data.fingerprint import Fingerprint, fingerprint_of
from mlm_core.data.json_columns import choose_json_column
from mlm_core.data.json_texts import JsonTexts
from mlm_core.data.open_dataset import OpenedDataset, given_dataset, open_dataset
from mlm_core.data.splits import held_out_split, training_split
from mlm_core.data.table_columns import choose_table_column, columns_without_numbers
from mlm_core.data.table_texts import TableTexts
from mlm_core.errors import RequestError
from mlm_core.progress import Progress
from mlm_core.visible import quantity

FROM_PYTHON = "dataset given from Python"
"""The name of a source that is an object from Python."""


@dataclass(frozen=True, eq=False)
class Source:
    """Text to train or evaluate on.

    Attributes:
        name: the user's name for it.
        documents: its texts, in order; none is blank.
        held_out: the dataset's own texts for evaluation; None: it has none, or `--test-size` is given.
    """

    name: str
    documents: Documents
    held_out: Documents | None = None

    @property
    def fingerprint(self) -> str:
        """blake2b (16 bytes, hex) over the texts, the held-out texts included."""
        if self.held_out is None:
            return self.documents.fingerprint
        return fingerprint_of([self.documents.fingerprint, self.held_out.fingerprint])


def load_source(config: DataConfig, dataset: Any = None, *, progress: Progress) -> Source:
    """The documents of `dataset`, else of `config.dataset`, else of the embedded corpus.

    Every text is read once: to leave out blank texts, and for the fingerprint.

    Args:
        config: the options that say where the text is.
        dataset: a `datasets.Dataset` or `DatasetDict`.
        progress: reports how far the reading is.

    Raises:
        RequestError: the text cannot be read or is malformed, or there is none.
        RunError: the Hub failed, or the cache cannot be written.
    """
    if dataset is not None:
        opened, name = given_dataset(dataset, config.split), FROM_PYTHON
    elif (part := embedded_part(config)) is not None:
        return _embedded_source(config, part, progress)
    else:
        with progress.phase(f"opening {config.dataset}"):
            opened, name = open_dataset(config, progress.say), str(config.dataset)
    train = training_split(opened.splits, name)
    held_out = held_out_split(opened.splits, train) if config.test_size is None else None
    _announce_splits(opened, name, train, held_out, progress)
    return Source(
        name,
        _read(opened, train, name, config, progress),
        _read(opened, held_out, name, config, progress) if held_out is not None else None,
    )


def _embedded_source(config: DataConfig, part: str, progress: Progress) -> Source:
    check_source(config)
    with progress.phase(f"collecting the embedded corpus, {part}"):
        # Some distributions package the reference separately; the library's texts are always there.
        texts = PARTS[part]() or PARTS[LIBRARY]()
    return Source(part, _documents(ListedTexts(texts), part, progress))


def _announce_splits(
    opened: OpenedDataset, name: str, train: str, held_out: str | None, progress: Progress
) -> None:
    """Where there are several splits, say which are used and which are not."""
    if len(opened.splits) == 1:
        return
    unused = [split for split in opened.splits if split not in (train, held_out)]
    evaluated = f"evaluated on its split {held_out}" if held_out else "a share of it held out"
    left = f"; not used: {', '.join(unused)}" if unused else ""
    progress.say(f"{name}: its split {train}, {evaluated}{left}")


def _read(opened: OpenedDataset, split: str, name: str, config: DataConfig, progress: Progress) -> Documents:
    try:
        texts, column = _texts(opened, split, name, config, progress)
        return _documents(texts, name, progress, column, config.text_column)
    except ValueError as error:
        # A line is not JSON; reading the files again tells which line.
        found = find_file_error(opened.files) if opened.files is not None else None
        raise found or dataset_error(name, f"cannot be read ({error})", "malformed_file") from None


def _texts(
    opened: OpenedDataset, split: str, name: str, config: DataConfig, progress: Progress
) -> tuple[Texts, str | None]:
    """The texts, and the column that they are in; None: they are lines without columns."""
    rows = opened.splits[split]
    if opened.kind == "json":
        column = choose_json_column(rows, config.text_column, name)
        return JsonTexts(rows, column), column
    if opened.kind == "text":
        if config.text_column not in (None, "text"):
            progress.say(f"{name} is plain text, one document a line; --text-column is ignored")
        return TableTexts(rows, "text"), None
    likely = None
    if opened.kind == "csv":
        named = (config.text_column or DEFAULT) in rows.column_names
        likely = rows.column_names if named else columns_without_numbers(rows)
    column = choose_table_column(rows.features, config.text_column, name, likely)
    return TableTexts(rows, column), column


def _documents(
    texts: Texts, name: str, progress: Progress, column: str | None = None, given: str | None = None
) -> Documents:
    """The rows that hold text; says from which column, and how many rows are left out.

    Raises:
        RequestError: no row holds text, or a row contains invalid characters.
    """
    kept, fingerprint, marks = [], Fingerprint(), np.empty(len(texts), dtype=np.int64)
    for row, text in enumerate(progress.track(_all(texts), "reading documents", len(texts))):
        marks[row] = mark(text)
        if not text.strip():
            continue
        if column is None and "\x00" in text:
            raise _invalid_characters(name, f"line {row + 1}")
        try:
            fingerprint.add(text)
        except UnicodeEncodeError:
            raise _invalid_characters(name, f"document {row + 1}") from None
        kept.append(row)
    if not kept:
        where = f" in its column {column}" if column is not None else ""
        raise dataset_error(name, f"holds no text{where}", "empty_file")
    left = len(texts) - len(kept)
    said = progress.warn if left > len(kept) else progress.say
    if column is not None:
        none = "has none, and is" if left == 1 else "have none, and are"
        out = f"; {left:,} of {quantity(len(texts), 'row')} {none} left out" if left else ""
        said = said if left or column not in (DEFAULT, given) else progress.detail
        said(f"{name}: the text is in column {column}{out}")
    elif left:
        blank = "is blank, and is" if left == 1 else "are blank, and are"
        said(f"{name}: {left:,} of {quantity(len(texts), 'line')} {blank} left out")
    checked = CheckedTexts(texts, marks)
    return Documents(checked, np.array(kept, dtype=np.int64), fingerprint.hexdigest())


def _all(texts: Texts) -> Iterator[str]:
    for start in range(0, len(texts), BATCH):
        yield from texts.fetch(np.arange(start, min(start + BATCH, len(texts))))


def _invalid_characters(name: str, place: str) -> RequestError:
    return dataset_error(name, f"{place} contains invalid characters", "malformed_file", "remove it")
