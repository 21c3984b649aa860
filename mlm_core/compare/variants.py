"""What is compared: a variant for each way to train, a point for each value of an option."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from mlm_core.config.config import Config
from mlm_core.config.option_names import flag_of
from mlm_core.errors import RequestError
from mlm_core.registry import engines, find_engine

_WORDS: Mapping[str, Mapping[str, Any]] = {
    **{name: {"precision": name} for name in ("float32", "bf16", "fp16", "auto")},
    **{name: {"mlm_head": name} for name in ("sparse", "dense")},
    **{name: {"device": name} for name in ("cpu", "gpu")},
    "compile": {"compile": True},
}
"""What may stand behind a backend in `--variants`, as torch:bf16:compile."""

_SWEPT = ("batch_size", "block_size", "gradient_accumulation_steps", "threads")


@dataclass(frozen=True)
class Variant:
    """A way to train.

    Attributes:
        name: as the user wrote it.
        backend: the engine.
        options: what differs from the other variants, by option name.
        guide: whether it is the guide's own recipe.
    """

    name: str
    backend: str
    options: Mapping[str, Any]
    guide: bool = False

    def config(self, common: Config) -> Config:
        """The options of its run."""
        return replace(common, backend=self.backend, **self.options)


@dataclass(frozen=True)
class Point:
    """A value of the option that is swept; None: nothing is.

    Attributes:
        option: its name in Python.
        value: the value.
    """

    option: str | None = None
    value: Any = None

    @property
    def name(self) -> str:
        """As a heading."""
        return "" if self.option is None else f"{flag_of(self.option)} {self.value}"

    def config(self, common: Config) -> Config:
        """The common options at this point."""
        return common if self.option is None else replace(common, **{self.option: self.value})


def chosen_variants(backends: str | None, variants: str | None, baseline: str | None = None) -> list[Variant]:
    """The variants that were asked for; without a word the engines that are installed.

    Args:
        backends, variants, baseline: as the options of these names.

    Raises:
        RequestError: something in them is no backend, no option of a variant or no baseline, or there are
            fewer than two variants.
    """
    if backends is not None and variants is not None:
        raise RequestError(
            "stands beside --backends", code="contradiction", option="--variants", fix="give one of them"
        )
    option = "--variants" if variants is not None else "--backends"
    written = variants if variants is not None else backends
    if written is None:
        names = sorted((name for name, engine in engines().items() if engine.available()), reverse=True)
        found = [Variant(name, name, {}) for name in names]
    else:
        found = [_variant(word.strip(), option) for word in written.split(",")]
    names = [variant.name for variant in found]
    # The same variant twice shows what noise there is.
    found = [replace(variant, name=_numbered(names, index)) for index, variant in enumerate(found)]
    found += _recipes(found, baseline)
    if len(found) < 2:
        raise RequestError(
            "at least two variants are compared",
            code="out_of_range",
            option=option,
            value=",".join(names) or None,
            fix="write them as torch,tf; mlm doctor says what is missing",
        )
    return found


def _recipes(variants: Sequence[Variant], baseline: str | None) -> list[Variant]:
    if baseline not in (None, "guide"):
        raise RequestError(
            "is no baseline", code="out_of_range", option="--baseline", value=baseline, fix="write guide"
        )
    backends = dict.fromkeys(variant.backend for variant in variants) if baseline else {}
    return [Variant(f"guide:{backend}", backend, {}, guide=True) for backend in backends]


def _numbered(names: Sequence[str], index: int) -> str:
    name = names[index]
    return f"{name} ({names[: index + 1].count(name)})" if names.count(name) > 1 else name


def _variant(written: str, option: str) -> Variant:
    backend, *words = written.split(":")
    options: dict[str, Any] = {}
    for word in words:
        if option == "--backends" or word not in _WORDS:
            raise RequestError(
                f"{word!r} is nothing that a variant can be",
                code="usage",
                option=option,
                value=written,
                fix=f"write --variants with {', '.join(_WORDS)} behind a backend, as torch:bf16:compile",
            )
        options |= _WORDS[word]
    return Variant(written, find_engine(backend).name, options)


def chosen_points(sweep: str | None) -> list[Point]:
    """The values of `--sweep`, as batch-size=8,16,32.

    Raises:
        RequestError: it names no option that can be swept, or no two values.
    """
    if sweep is None:
        return [Point()]
    name, _, values = sweep.partition("=")
    option = name.strip().lstrip("-").replace("-", "_")
    if option not in _SWEPT or not values:
        raise RequestError(
            "is no option with values",
            code="usage",
            option="--sweep",
            value=sweep,
            fix=f"write one of {', '.join(flag_of(known)[2:] for known in _SWEPT)}, as batch-size=8,16,32",
        )
    found = [Config.from_dict({option: value.strip()}) for value in values.split(",")]
    return [Point(option, getattr(config, option)) for config in found]
