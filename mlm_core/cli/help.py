"""What `--help` shows: a command's arguments in groups, the common ones first, and examples at the end."""

from __future__ import annotations

import argparse
import shutil
import textwrap
from typing import Any

from mlm_core.cli.commands import COMMON, Argument, Command
from mlm_core.config.config import Config
from mlm_core.config.options import Option

_WIDEST = 100
"""Columns of a line on a wide terminal."""

_INDENT = 26
"""Columns before the help of an option."""

_FEW = 12
"""Up to this number of options, all are in one group."""


class HelpFormatter(argparse.RawDescriptionHelpFormatter):
    """argparse's layout with whole words, and one name for each on/off option."""

    def __init__(self, prog: str) -> None:
        super().__init__(prog, max_help_position=_INDENT, width=help_width())

    def _split_lines(self, text: str, width: int) -> list[str]:
        return textwrap.wrap(text, width, break_on_hyphens=False)

    def _format_action_invocation(self, action: argparse.Action) -> str:
        if isinstance(action, argparse.BooleanOptionalAction):
            return action.option_strings[0]
        return super()._format_action_invocation(action)


def help_width() -> int:
    """Columns of a line of help."""
    return min(shutil.get_terminal_size().columns, _WIDEST) - 2


def add_arguments(parser: argparse.ArgumentParser, command: Command) -> None:
    """Add a command's arguments in groups."""
    few = len(command.options) <= _FEW
    first = "Options" if few else "Common options"
    groups: dict[str, argparse._ArgumentGroup] = {}

    def group(title: str) -> argparse._ArgumentGroup:
        if title not in groups:
            groups[title] = parser.add_argument_group(title)
        return groups[title]

    for argument in command.arguments:
        title = "Arguments" if argument.positional else command.heading or first
        _add_own(group(title), argument)
    # A dict keeps the first place of each name: the common options, then the rest by group.
    for name in dict.fromkeys((*COMMON, *Config.options())):
        if name in command.options:
            option = Config.options()[name]
            title = first if few or name in COMMON else option.title
            _add_option(group(title), option, command.texts.get(name))
    others = group(first if few else "Other options")
    others.add_argument(
        "--json", action="store_true", help="print one JSON object on stdout; messages go to stderr"
    )
    others.add_argument("-h", "--help", action="help", help="print this help")


def closing(command: Command) -> str:
    """The end of a command's help: notes and examples."""
    examples = "\n".join(f"  {line}" for line in command.examples)
    notes = textwrap.fill(command.notes, help_width(), break_on_hyphens=False)
    return f"{notes}\n\nExamples:\n{examples}".lstrip()


def _add_own(group: argparse._ArgumentGroup, argument: Argument) -> None:
    facts: dict[str, Any] = {"help": _escaped(argument.help, argument.default)}
    if argument.metavar is None:
        group.add_argument(argument.name, action="store_true", **facts)
        return
    facts |= {"metavar": argument.metavar, "default": argument.default}
    if argument.values is not None:
        facts["nargs"] = argument.values
    if argument.repeatable:
        facts["action"] = "append"
    group.add_argument(argument.name, **facts)


def _add_option(group: argparse._ArgumentGroup, option: Option, special: str | None) -> None:
    default = option.shown_default if option.type is not bool or option.shown_default != "off" else ""
    text = _escaped(option.help, default) if special is None else _escaped(special)
    if option.type is not bool:
        group.add_argument(option.flag, metavar=option.shown_value, help=text)
    elif option.opposite is None:
        group.add_argument(option.flag, action=argparse.BooleanOptionalAction, default=None, help=text)
    else:
        group.add_argument(option.flag, dest=option.name, action="store_const", const=True, help=text)
        group.add_argument(
            option.opposite, dest=option.name, action="store_const", const=False, help=argparse.SUPPRESS
        )


def _escaped(text: str, default: str | None = None) -> str:
    return f"{text} (default: {default})".replace("%", "%%") if default else text.replace("%", "%%")
