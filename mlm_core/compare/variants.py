"""What a comparison covers: a variant for each way to train, a point for each value of a swept option.

Without a second variant, the values themselves are the variants.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from mlm_core.config.config import Config
from mlm_core.config.option_names import flag_of
from mlm_core.errors import RequestError
from mlm_core.registry import engines, find_engine

_MODIFIERS: Mapping[str, Mapping[str, Any]] = {
    **{name: {"precision": name} for name in ("float32", "tf32", "bf16", "fp16", "auto")},
    **{name: {"mlm_head": name} for name in ("sparse", "dense")},
    **{name: {"device": name} for name in ("cpu", "gpu")},
    "compile": {"compile": True},
}
"""Modifiers that may follow a backend in `--variants`, for example torch:bf16:compile."""

_SWEPT = ("batch_size", "block_size", "gradient_accumulation_steps", "threads")


@dataclass(frozen=True)
class Variant:
    """A way to train.

    Attributes:
        name: as the user wrote it, numbered if it occurs twice.
        backend: the name of the engine.
        options: the options that differ from the common ones, by name.
        hf_recipe: whether it is the Hugging Face recipe instead of this package's training.
    """

    name: str
    backend: str
    options: Mapping[str, Any]
    hf_recipe: bool = False

    def config(self, common: Config) -> Config:
        """The common options with those of this variant."""
        return replace(common, backend=self.backend, **self.options)


@dataclass(frozen=True)
class Point:
    """A value of the swept option.

    Attributes:
        option: the option's name in Python; None without a sweep.
        value: the value.
    """

    option: str | None = None
    value: Any = None

    @property
    def name(self) -> str:
        """The point as a heading; "" without a sweep."""
        return "" if self.option is None else f"{flag_of(self.option)} {self.value}"

    def config(self, common: Config) -> Config:
        """The common options at this point."""
        return common if self.option is None else replace(common, **{self.option: self.value})


def chosen_variants(
    backends: str | None, variants: str | None, baseline: str | None = None, *, least: int = 2
) -> list[Variant]:
    """The requested variants; by default one for each installed engine.

    Args:
        backends, variants, baseline: the values of the options of these names.
        least: how many variants there must be.

    Raises:
        RequestError: a backend, a modifier or the baseline is unknown, or there are fewer variants.
    """
    if backends is not None and variants is not None:
        raise RequestError(
            "cannot be combined with --backends",
            code="contradiction",
            option="--variants",
            fix="give one of them",
        )
    option = "--variants" if variants is not None else "--backends"
    written = variants if variants is not None else backends
    if written is None:
        names = sorted((name for name, engine in engines().items() if engine.available()), reverse=True)
        found = [Variant(name, name, {}) for name in names]
    else:
        found = [_variant(word.strip(), option) for word in written.split(",")]
    names = [variant.name for variant in found]
    # The same variant twice is allowed: it shows the noise.
    found = [replace(variant, name=_numbered(names, index)) for index, variant in enumerate(found)]
    found += _recipes(found, baseline)
    if len(found) < least:
        raise RequestError(
            "a comparison needs at least two variants, or one with a --sweep",
            code="out_of_range",
            option=option,
            value=",".join(names) or None,
            fix="give two or more, for example torch,tf or --variants torch,torch:bf16; or one with --sweep "
            "batch-size=8,16; mlm doctor shows what is missing",
        )
    return found


def side_by_side(variants: Sequence[Variant], points: Sequence[Point]) -> tuple[list[Variant], list[Point]]:
    """The variants and points of a comparison: of one variant, the points become variants.

    So they, too, are measured in interleaved rounds, and compared with each other.
    """
    if len(variants) > 1:
        return list(variants), list(points)
    (alone,) = variants
    names = [f"{alone.name} {point.name}" for point in points]
    return [
        replace(
            alone,
            name=_numbered(names, index),
            options={**alone.options, str(point.option): point.value},
        )
        for index, point in enumerate(points)
    ], [Point()]


def _recipes(variants: Sequence[Variant], baseline: str | None) -> list[Variant]:
    if baseline not in (None, "guide"):
        raise RequestError(
            "unknown baseline", code="out_of_range", option="--baseline", value=baseline, fix="write guide"
        )
    backends = dict.fromkeys(variant.backend for variant in variants) if baseline else {}
    return [Variant(f"guide:{backend}", backend, {}, hf_recipe=True) for backend in backends]


def _numbered(names: Sequence[str], index: int) -> str:
    name = names[index]
    return f"{name} ({names[: index + 1].count(name)})" if names.count(name) > 1 else name


def _variant(written: str, option: str) -> Variant:
    backend, *words = written.split(":")
    options: dict[str, Any] = {}
    for word in words:
        if option == "--backends" or word not in _MODIFIERS:
            raise RequestError(
                f"unknown variant modifier {word!r}",
                code="usage",
                option=option,
                value=written,
                fix=f"use --variants with {', '.join(_MODIFIERS)} after a backend, for example torch:bf16",
            )
        options |= _MODIFIERS[word]
    return Variant(written, find_engine(backend).name, options)


def chosen_points(sweep: str | None) -> list[Point]:
    """A point for each value of `--sweep`, for example batch-size=8,16,32.

    Raises:
        RequestError: the option cannot be swept, or a value is wrong.
    """
    if sweep is None:
        return [Point()]
    name, _, values = sweep.partition("=")
    option = name.strip().lstrip("-").replace("-", "_")
    if option not in _SWEPT or not values:
        raise RequestError(
            "must have the form OPTION=A,B",
            code="usage",
            option="--sweep",
            value=sweep,
            fix=f"OPTION is one of {', '.join(flag_of(known)[2:] for known in _SWEPT)}",
        )
    found = [Config.from_dict({option: value.strip()}) for value in values.split(",")]
    return [Point(option, getattr(config, option)) for config in found]
