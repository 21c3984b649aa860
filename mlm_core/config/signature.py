"""The options as parameters of a function, for `help()`, completion and type checkers."""

from __future__ import annotations

import inspect
import re
import textwrap
from collections.abc import Mapping, Sequence
from os import PathLike
from typing import Any

from mlm_core.config.options import Option

_PATHS = ("dataset", "model", "output_dir")
"""Options that may also be paths."""

_WIDTH = 100
_FLAG = re.compile(r"--[a-z][a-z-]*")


def hint_of(option: Option) -> Any:
    """The type hint of what Python may give for an option."""
    return str | PathLike[str] | None if option.name in _PATHS else option.hint


def signature_of(
    options: Mapping[str, Option], first: Sequence[inspect.Parameter] = (), returns: Any = None
) -> inspect.Signature:
    """A signature with a keyword parameter for each option.

    Args:
        options: by name.
        first: parameters before them; an option of the same name is left out.
        returns: the type of the result.
    """
    taken = {parameter.name for parameter in first}
    keywords = [
        inspect.Parameter(
            name, inspect.Parameter.KEYWORD_ONLY, default=option.default, annotation=hint_of(option)
        )
        for name, option in options.items()
        if name not in taken
    ]
    return inspect.Signature([*first, *keywords], return_annotation=returns)


def documented(docstring: str | None, options: Mapping[str, Option], leave_out: Sequence[str] = ()) -> str:
    """A docstring with the help and the default of every option at its end.

    Args:
        docstring: if it has `Args:`, these are its last lines; None: Python strips docstrings.
        options: by name.
        leave_out: names of options that it describes itself.
    """
    text = inspect.cleandoc(docstring or "")
    heading = [] if "Args:\n" in text else ["", "Args:"]
    described = [_described(option, options) for name, option in options.items() if name not in leave_out]
    return "\n".join([text, *heading, *described])


def _described(option: Option, options: Mapping[str, Option]) -> str:
    choices = f" ({', '.join(option.choices)})" if option.choices and ":" not in option.help else ""
    default = option.default if option.default is not None else option.fallback
    shown = option.default_text or (repr(default) if default is not None else "")
    text = f"{option.name}: {option.help}{choices}{f' (default: {shown})' if shown else ''}."
    return textwrap.fill(
        _in_python(text, options),
        _WIDTH,
        initial_indent="    ",
        subsequent_indent=" " * 8,
        break_on_hyphens=False,
        break_long_words=False,
    )


def _in_python(text: str, options: Mapping[str, Option]) -> str:
    """The help of an option with the names of other options as Python has them."""
    names = {option.flag: name for name, option in options.items()}
    names |= {option.opposite: f"{name}=False" for name, option in options.items() if option.opposite}
    return _FLAG.sub(lambda found: names.get(found[0], found[0]), text)
