"""The splits of a dataset: which split is trained on, which is held out, and which rows `--split` selects."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from mlm_core.data.errors import split_error
from mlm_core.errors import RequestError, first_line
from mlm_core.visible import quantity

Splits = Mapping[str, Any]
"""A `datasets.Dataset` by split name."""

_HELD_OUT = ("validation", "test")
"""The splits to evaluate on; the first that exists is used."""


def select_rows(splits: Splits, split: str | None) -> Splits:
    """The rows that a `--split` such as train[:5000] selects, called "train"; None: all splits.

    Raises:
        RequestError: the split cannot be parsed, does not exist, or selects no rows.
    """
    import datasets

    if split is None:
        return splits
    try:
        lengths = {name: len(rows) for name, rows in splits.items()}
        slices = datasets.ReadInstruction.from_spec(split).to_absolute(lengths)
    except (ValueError, AssertionError) as error:
        raise split_error(split, first_line(error)) from None
    check_once(slices, split)
    if any(part.from_ >= min(part.to, lengths[part.splitname]) for part in slices):
        raise split_error(split, f"selects no rows of {max(lengths.values()):,}")
    parts = [splits[part.splitname].select(range(part.from_, part.to)) for part in slices]
    return {"train": datasets.concatenate_datasets(parts)}


def check_once(slices: Iterable[Any], split: str) -> None:
    """Check that a `--split` selects no row twice: a document would be trained on and held out as well.

    Args:
        slices: the absolute instructions of `datasets` for it.
        split: what the user wrote.

    Raises:
        RequestError: two of its parts share rows.
    """
    taken: dict[str, list[tuple[int, int]]] = {}
    for part in slices:
        for first, end in taken.setdefault(part.splitname, []):
            shared = min(end, part.to) - max(first, part.from_)
            if shared > 0:
                raise split_error(split, f"selects {quantity(shared, 'row')} of {part.splitname} twice")
        taken[part.splitname].append((part.from_, part.to))


def training_split(names: Iterable[str], dataset: str) -> str:
    """The split to train on: "train", or the only split; `dataset` is the dataset's name in an error.

    Raises:
        RequestError: there are several splits, and none is called "train".
    """
    splits = list(names)
    if "train" in splits or len(splits) == 1:
        return "train" if "train" in splits else splits[0]
    raise RequestError(
        f"{dataset} has several splits, none of them called train",
        code="ambiguous_split",
        option="--split",
        fix=f"choose from {', '.join(splits)}",
    )


def held_out_split(names: Iterable[str], train: str) -> str | None:
    """The dataset's own split for evaluation, "validation" or else "test"; None: it has neither."""
    splits = list(names)
    return next((split for split in _HELD_OUT if split in splits and split != train), None)
