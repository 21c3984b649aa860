"""What a model fills into the masks of texts: plain lists and dicts that a notebook shows as a table."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from mlm_core.system.html import table
from mlm_core.visible import probability


class Answers(list[Any]):
    """The result of `Run.fill`, in the format of the fill-mask pipeline.

    For one text with one mask: a list of `{score, token, token_str, sequence}` in order of falling score. For
    one text with several masks, a list of such lists; for several texts, a list of the results of each.
    """

    def _repr_html_(self) -> str:
        """A row for each answer; a heading for each mask if there are several."""
        masks = list(_masks(self))
        shown = [_rows(fills, several=len(masks) > 1) for fills in masks]
        return table(("score", "token", "text"), [row for rows in shown for row in rows])


def _masks(found: list[Any]) -> Iterator[list[Mapping[str, Any]]]:
    """The answers of each mask of each text, in order."""
    if found and isinstance(found[0], Mapping):
        yield found
        return
    for inner in found:
        yield from _masks(inner)


def _rows(fills: list[Mapping[str, Any]], *, several: bool) -> list[tuple[str, str, str]]:
    rows = [(probability(fill["score"], 4), _quoted(fill["token_str"]), fill["sequence"]) for fill in fills]
    return [*rows, ("", "", "")] if several else rows


def _quoted(token: str) -> str:
    """A token without the spaces around it; blank tokens in quotes."""
    return token.strip() or repr(token)
