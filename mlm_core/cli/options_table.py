"""The documentation's table of options; `python -m mlm_core.cli.options_table docs/options.md` updates it."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path

from mlm_core.cli.commands import COMMANDS
from mlm_core.config.config import Config
from mlm_core.config.options import Option
from mlm_core.system.markdown import table, update_section

SECTION = "options"
"""The section of the page that holds the table."""

_DEFAULT = re.compile(r"\(default: (.*)\)$")


def options_table() -> str:
    """The table, in Markdown: a row for each option, and one above each group of options."""
    return table(("option", "default", "meaning", "also for"), _rows())


def _rows() -> Iterator[list[str]]:
    group = ""
    for option in Config.options().values():
        if option.title != group:
            group = option.title
            yield [f"**{group}**"]
        yield [f"`{option.flag}`", _defaults(option), _help(option), _commands(option)]


def _defaults(option: Option) -> str:
    """The default of `mlm train`, and those of commands in which it is another."""
    found = [option.shown_default]
    for name, command in COMMANDS.items():
        own = _DEFAULT.search(command.texts.get(option.name, ""))
        if own is not None and own[1] != option.shown_default:
            found.append(f"{name}: {own[1]}")
    return "; ".join(filter(None, found)).replace("|", "\\|")


def _help(option: Option) -> str:
    choices = f" ({', '.join(option.choices)})" if option.choices and ":" not in option.help else ""
    return (option.help + choices).replace("|", "\\|")


def _commands(option: Option) -> str:
    return " ".join(
        name for name, command in COMMANDS.items() if name != "train" and option.name in command.options
    )


if __name__ == "__main__":
    update_section(Path(sys.argv[1]), SECTION, options_table())
