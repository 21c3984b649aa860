"""The README's table of options; `python -m mlm_core.cli.options_table README.md` updates it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

from mlm_core.cli.commands import COMMANDS
from mlm_core.config.config import Config
from mlm_core.config.options import Option
from mlm_core.system.markdown import table, update_section

SECTION = "options"
"""The section of the README that holds the table."""


def options_table() -> str:
    """The table, in Markdown: a row for each option, and one above each group of options."""
    return table(("option", "default", "meaning", "also for"), _rows())


def _rows() -> Iterator[list[str]]:
    group = ""
    for option in Config.options().values():
        if option.title != group:
            group = option.title
            yield [f"**{group}**"]
        yield [f"`{option.flag}`", f"{option.shown_default}", _help(option), _commands(option)]


def _help(option: Option) -> str:
    choices = f" ({', '.join(option.choices)})" if option.choices and ":" not in option.help else ""
    return (option.help + choices).replace("|", "\\|")


def _commands(option: Option) -> str:
    return " ".join(
        name for name, command in COMMANDS.items() if name != "train" and option.name in command.options
    )


if __name__ == "__main__":
    update_section(Path(sys.argv[1]), SECTION, options_table())
