"""All options of a run in one flat, checked, immutable object; each group has a file of its own.

A field that is None was not given: the run then uses what the model recommends, else the field's `fallback`.
`affects` says what a change of the option changes: the result ("result"), only its last bits ("rounding"),
or neither ("nothing").
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self, TypeVar

from mlm_core.config.data import DataConfig
from mlm_core.config.hub import HubConfig
from mlm_core.config.masking import MaskingConfig
from mlm_core.config.model import ModelConfig
from mlm_core.config.optimization import OptimizationConfig
from mlm_core.config.option_names import flag_of, unknown_option
from mlm_core.config.options import Option, check, options_of
from mlm_core.config.runtime import RuntimeConfig
from mlm_core.config.signature import documented, signature_of
from mlm_core.config.wrong_values import given_by_place
from mlm_core.errors import RequestError

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class Config(HubConfig, RuntimeConfig, OptimizationConfig, ModelConfig, MaskingConfig, DataConfig):
    """All options of a run: `Config(dataset="posts.jsonl", learning_rate=3e-5)`.

    Raises:
        RequestError: a name is unknown, or a value has the wrong type, exceeds its limits or contradicts
            another value.
    """

    def __new__(cls, *args: Any, **values: Any) -> Self:
        """Check the names first: a name from another trainer gets a better answer than Python's TypeError."""
        if args:
            raise given_by_place(args[0])
        for name in values:
            if name not in cls.options():
                raise unknown_option(name, (spec.flag for spec in cls.options().values()))
        config = super().__new__(cls)
        names = frozenset(values)
        if names == cls.options().keys():
            # dataclasses.replace passes every value. Those that were not given have their defaults.
            names = frozenset(name for name, spec in cls.options().items() if values[name] != spec.default)
        object.__setattr__(config, "_given", names)
        return config

    def __post_init__(self) -> None:
        for name, spec in self.options().items():
            object.__setattr__(self, name, check(spec, getattr(self, name)))
        if self.mask_replace_prob + self.random_replace_prob > 1.0 + 1e-9:
            raise RequestError(
                f"plus --mask-replace-prob {self.mask_replace_prob} is more than 1",
                code="out_of_range",
                option="--random-replace-prob",
                value=self.random_replace_prob,
                fix="make the sum 1 or less",
            )
        if self.compile and self.verify_batches:
            raise RequestError(
                "cannot observe the batches of a compiled step",
                code="contradiction",
                option="--verify-batches",
                fix="leave out one of --verify-batches and --compile",
            )

    def __repr__(self) -> str:
        """Only the options that differ from their defaults."""
        values = ((name, getattr(self, name), spec.default) for name, spec in self.options().items())
        shown = [f"{name}={value!r}" for name, value, default in values if value != default]
        return f"{type(self).__name__}({', '.join(shown)})"

    @property
    def given(self) -> frozenset[str]:
        """The names of the options that were given, including those given their default value."""
        given: frozenset[str] = self._given  # type: ignore[attr-defined]
        return given

    @classmethod
    def options(cls) -> dict[str, Option]:
        """Every option by name, group by group."""
        return _OPTIONS

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """A config from option names with dashes or underscores, for example from a YAML file.

        Raises:
            RequestError: a name is unknown or given twice, or a value is wrong.
        """
        return cls(**cls.named(values))

    @classmethod
    def named(cls, values: Mapping[str, Any]) -> dict[str, Any]:
        """The values under their Python names.

        Raises:
            RequestError: a name is unknown, or given twice.
        """
        named: dict[str, Any] = {}
        for written, value in values.items():
            name = str(written).replace("-", "_")
            if name not in cls.options():
                raise unknown_option(str(written), (spec.flag for spec in cls.options().values()))
            if name in named:
                raise RequestError("is given twice", code="duplicate_option", option=flag_of(name))
            named[name] = value
        return named

    def to_dict(self) -> dict[str, Any]:
        """The options as plain JSON values."""
        return dataclasses.asdict(self)

    def resolved(self, recommended: Mapping[str, Any]) -> Self:
        """The config with every open value filled in: the recommended value, else the fallback.

        Args:
            recommended: values that the model recommends, by option name.
        """
        filled = {
            name: recommended.get(name, spec.fallback)
            for name, spec in self.options().items()
            if getattr(self, name) is None and (name in recommended or spec.fallback is not None)
        }
        # Epochs that the user gave win over a recommended number of steps.
        if self.epochs is not None and self.max_steps is None:
            filled.pop("max_steps", None)
        return dataclasses.replace(self, **filled)


def required(value: T | None) -> T:
    """A value that is never None in a resolved config."""
    assert value is not None
    return value


_GROUPS = ("DataConfig", "ModelConfig", "MaskingConfig", "OptimizationConfig", "RuntimeConfig", "HubConfig")
"""In the order of the documentation and of `--help`."""

_OPTIONS = dict(sorted(options_of(Config).items(), key=lambda item: _GROUPS.index(item[1].group)))

# Without these, `__new__` and its `**values` would hide the options from `help()` and from completion.
Config.__doc__ = documented(Config.__doc__, _OPTIONS)
setattr(Config, "__signature__", signature_of(_OPTIONS))  # noqa: B010 - mypy knows no such attribute
