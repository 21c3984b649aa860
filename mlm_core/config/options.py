"""An option is defined once, as a dataclass field. This file checks its values from CLI, YAML and Python."""

from __future__ import annotations

import dataclasses
import inspect
import math
import types
import typing
from dataclasses import dataclass, field
from typing import Any, Literal

from mlm_core.config.secrets import secret_error
from mlm_core.config.wrong_values import wrong_value
from mlm_core.errors import RequestError
from mlm_core.visible import holds_secret

Affects = Literal["result", "rounding", "nothing"]
"""What a change of the option changes: the result, only its last bits, or neither."""

_WORDS = {int: "a whole number", float: "a number", str: "text", bool: "true or false"}
_NUMBERS = {int: "__index__", float: "__float__"}
"""The method of what is a number of a type without rounding."""
_LONGEST_NUMBER = 60
"""Characters of a number that is given as text."""
_TRUE, _FALSE = ("true", "yes", "on", "1"), ("false", "no", "off", "0")


@dataclass(frozen=True)
class Option:
    """One option: its Python name, type, limits and help.

    Attributes:
        name: in Python, with underscores.
        type: of a value: bool, int, float or str.
        hint: its type hint, for example `int | None`.
        optional: whether None is allowed.
        choices: the allowed values; () for any.
        group: name of the dataclass that defines the option, for example "DataConfig".

    The other attributes are the arguments of `option`.
    """

    name: str
    type: type
    hint: Any
    optional: bool
    choices: tuple[str, ...]
    default: Any
    fallback: Any
    help: str
    affects: Affects
    minimum: float | None
    maximum: float | None
    above: float | None
    opposite: str | None
    metavar: str | None
    default_text: str | None
    per_start: bool
    group: str

    @property
    def flag(self) -> str:
        """The option as written on the command line."""
        return "--" + self.name.replace("_", "-")

    @property
    def title(self) -> str:
        """The heading of its group in `--help` and the documentation, for example "Data"."""
        return self.group.removesuffix("Config")

    @property
    def shown_default(self) -> str:
        """The default as `--help` and the documentation show it; "" if there is none."""
        default = self.default if self.default is not None else self.fallback
        if self.default_text is not None or default is None:
            return self.default_text or ""
        return ("on" if default else "off") if self.type is bool else str(default)

    @property
    def shown_value(self) -> str:
        """A placeholder for the value in `--help`: the choices, N, X or a word."""
        if self.metavar is not None or self.choices:
            return self.metavar or "|".join(self.choices)
        return {int: "N", float: "X"}.get(self.type, self.name.rpartition("_")[2].upper())


def option(
    default: Any,
    help: str,
    *,
    fallback: Any = None,
    affects: Affects = "result",
    minimum: float | None = None,
    maximum: float | None = None,
    above: float | None = None,
    opposite: str | None = None,
    metavar: str | None = None,
    default_text: str | None = None,
    per_start: bool = False,
) -> Any:
    """A dataclass field that is an option.

    Args:
        default: the field's default. None means "not given": the run then uses what the model recommends,
            else `fallback`.
        help: a phrase without its default, shown by `--help` and in the documentation.
        fallback: the value used when the user gives none and the model recommends none.
        affects: what a change of this option changes.
        minimum, maximum: inclusive limits.
        above: an exclusive lower limit.
        opposite: the flag that sets a bool to False; None: `--no-...`.
        metavar: a placeholder for the value in `--help`; None: derived from the type or the name.
        default_text: the default in words, where it is not one value.
        per_start: whether a start of a run needs it in its own words; a resumed run never takes it from its
            record. Every permission is such an option, and so is everything about publishing.
    """
    metadata = {
        "help": help,
        "fallback": fallback,
        "affects": affects,
        "minimum": minimum,
        "maximum": maximum,
        "above": above,
        "opposite": opposite,
        "metavar": metavar,
        "default_text": default_text,
        "per_start": per_start,
    }
    return field(default=default, metadata=metadata)


def options_of(cls: type) -> dict[str, Option]:
    """The options of a dataclass by name, in the order of its fields."""
    groups = {name: base for base in reversed(cls.__mro__) for name in inspect.get_annotations(base)}
    hints = typing.get_type_hints(cls)
    return {
        item.name: _option_of(item, hints[item.name], groups[item.name].__name__)
        for item in dataclasses.fields(cls)
    }


def _option_of(item: dataclasses.Field[Any], hint: Any, group: str) -> Option:
    written, optional = hint, False
    if isinstance(hint, types.UnionType):
        optional = True
        (hint,) = (part for part in typing.get_args(hint) if part is not type(None))
    choices: tuple[str, ...] = ()
    if typing.get_origin(hint) is Literal:
        choices, hint = typing.get_args(hint), str
    return Option(
        name=item.name,
        type=hint,
        hint=written,
        optional=optional,
        choices=choices,
        default=item.default,
        group=group,
        **item.metadata,
    )


def check(option: Option, value: Any) -> Any:
    """The value, converted to the option's type and checked against its limits.

    Text is converted: the command line gives text, and so does YAML for `2e-5`. Any other value must already
    have the type, but a whole number is accepted as a float.

    Raises:
        RequestError: the value has the wrong type or exceeds the limits.
    """
    if value is None and option.optional:
        return None
    if hasattr(value, "item") and getattr(value, "shape", None) == ():
        # A number of numpy or of a framework.
        value = value.item()
    converted = _convert(option, value)
    if option.choices and converted not in option.choices:
        raise _error(option, value, f"must be one of {', '.join(option.choices)}", "invalid_choice")
    if isinstance(converted, (int, float)) and not isinstance(converted, bool):
        _check_limits(option, value, converted)
    return converted


def _convert(option: Option, value: Any) -> Any:
    wrong = wrong_value(option.name, value, _WORDS[option.type], option.flag)
    if option.type is bool:
        if isinstance(value, str) and value.lower() in _TRUE + _FALSE:
            return value.lower() in _TRUE
        if not isinstance(value, bool):
            raise wrong
        return value
    if isinstance(value, bool):
        raise wrong
    if option.type is str:
        # A pathlib.Path from Python is accepted as text.
        if not isinstance(value, str) and not hasattr(value, "__fspath__"):
            raise wrong
        return _text(option, str(value))
    if not isinstance(value, str) and (not hasattr(value, _NUMBERS[option.type]) or hasattr(value, "shape")):
        raise wrong
    if _is_huge(value) or (isinstance(value, str) and len(value) > _LONGEST_NUMBER):
        shown = f"{value[:9]}..." if isinstance(value, str) else None
        raise _error(option, shown, "has too many digits", "out_of_range")
    try:
        number = option.type(value)
    except (TypeError, ValueError, OverflowError):
        raise wrong from None
    if not math.isfinite(number):
        raise wrong
    return number


def _is_huge(value: Any) -> bool:
    """Whether a number does not fit into 64 bits; Python cannot even print some of them."""
    return isinstance(value, int) and not -(2**63) <= value < 2**63


def _text(option: Option, value: str) -> str:
    if not value:
        raise _error(option, value, "must not be empty", "invalid_type")
    if "\0" in value or (not value.isprintable() and any(ord(sign) < 32 for sign in value)):
        raise _error(option, ascii(value), "must not have control characters", "invalid_type")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise _error(option, ascii(value), "must be UTF-8", "invalid_type") from None
    if holds_secret(value):
        raise secret_error(option.flag)
    return value


def _check_limits(option: Option, value: Any, number: float) -> None:
    if option.minimum is not None and number < option.minimum:
        raise _error(option, value, f"must be at least {option.minimum}", "out_of_range")
    if option.above is not None and number <= option.above:
        raise _error(option, value, f"must be more than {option.above}", "out_of_range")
    if option.maximum is not None and number > option.maximum:
        raise _error(option, value, f"must be at most {option.maximum}", "out_of_range")


def _error(option: Option, value: Any, message: str, code: str) -> RequestError:
    return RequestError(message, code=code, option=option.flag, value=repr(value) if value == "" else value)
