"""What a report reads of `run.json`, which may be damaged, or somebody else's."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from mlm_core.system.json_files import BadJsonError, checked

T = TypeVar("T")


@dataclass(frozen=True)
class Answer:
    """A token that may fill a mask, and its probability."""

    token: str
    score: float


@dataclass(frozen=True)
class Filled:
    """What a model fills in.

    Attributes:
        answers: the most likely tokens, in order of falling probability.
        score: the probability of the right word; None: unknown.
        rank: the place of the right word among all tokens, from 1; None: unknown.
    """

    answers: list[Answer]
    score: float | None = None
    rank: int | None = None


@dataclass(frozen=True)
class Example:
    """A sentence with `<mask>`, the right word, and what was filled in."""

    text: str
    word: str | None = None
    before: Filled | None = None
    after: Filled | None = None


@dataclass(frozen=True)
class Data:
    """The text and the model."""

    source: str | None = None
    fingerprint: str | None = None
    model: str | None = None
    documents: int | None = None
    train_blocks: int | None = None
    test_blocks: int | None = None


@dataclass(frozen=True)
class Results:
    """What came of the training."""

    backend: str | None = None
    steps: int | None = None
    model_step: int | None = None
    new_steps: int | None = None
    training_seconds: float | None = None
    batch_seconds: float | None = None


@dataclass(frozen=True)
class Facts:
    """What is read of `run.json`; a part is empty where it is missing."""

    config: dict[str, Any] = field(default_factory=dict)
    data: Data = field(default_factory=Data)
    results: Results = field(default_factory=Results)
    examples: list[Example] = field(default_factory=list)
    versions: dict[str, str] = field(default_factory=dict)
    devices: list[str] = field(default_factory=list)
    ranks: int | None = None
    mlm_head: str | None = None
    finished: str | None = None


def recorded(facts: Mapping[str, Any]) -> Facts:
    """The facts of a run, part by part: a part that is not what it should be is left out."""
    return Facts(
        config=_part(facts, "config", dict[str, Any], {}),
        data=_part(facts, "data", Data, Data()),
        results=_part(facts, "results", Results, Results()),
        examples=_part(facts, "examples", list[Example], []),
        versions=_part(facts, "versions", dict[str, str], {}),
        devices=_part(facts, "devices", list[str], []),
        ranks=_part(facts, "ranks", int, None),
        mlm_head=_part(facts, "mlm_head", str, None),
        finished=_part(facts, "finished", str, None),
    )


def _part(facts: Mapping[str, Any], name: str, kind: Any, otherwise: T) -> T:
    """A part of the facts; `otherwise` where it is missing, or not what it should be."""
    found = facts.get(name)
    try:
        return otherwise if found is None else checked(found, kind)
    except BadJsonError:
        return otherwise
