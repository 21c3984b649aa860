"""What `--help` shows: a command's arguments in groups, the common ones first, and examples at the end."""

from __future__ import annotations

import argparse
import re
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

_NARROW, _NARROW_INDENT = 66, 8
"""Columns of a line below which the help of an option is under its name, and the columns before it there."""

_QUOTED = re.compile(r"""(?:"[^"]*"|'[^']*'|\S)+""")
"""A word of a command line; a text in quotes is one."""

_LEAST = 20
"""Columns of a line on the narrowest terminal."""

_FEW = 12
"""Up to this number of options, all are in one group."""


class HelpFormatter(argparse.RawDescriptionHelpFormatter):
    """argparse's layout with whole words, and one name for each on/off option."""

    def __init__(self, prog: str) -> None:
        width = help_width()
        indent = _INDENT if width >= _NARROW else _NARROW_INDENT
        super().__init__(prog, max_help_position=indent, width=width)

    def _split_lines(self, text: str, width: int) -> list[str]:
        return textwrap.wrap(text, width, break_on_hyphens=False, break_long_words=False)

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        return "\n".join(line if line.startswith(" ") else _filled(line, width) for line in text.split("\n"))

    def _format_action_invocation(self, action: argparse.Action) -> str:
        if isinstance(action, argparse.BooleanOptionalAction):
            return action.option_strings[0]
        named = super()._format_action_invocation(action)
        if len(named) + 2 <= self._width:
            return named
        # A list of choices, broken between them.
        spaced = textwrap.wrap(named.replace("|", "| "), self._width - _NARROW_INDENT, break_long_words=False)
        return f"\n{' ' * _NARROW_INDENT}".join(part.replace("| ", "|") for part in spaced)


def help_width() -> int:
    """Columns of a line of help."""
    return max(_LEAST, min(shutil.get_terminal_size().columns, _WIDEST) - 2)


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
    examples = "\n".join(map(_example, command.examples))
    return f"{command.notes}\n\nExamples:\n{examples}".lstrip()


def _filled(text: str, width: int) -> str:
    return textwrap.fill(text, width, break_on_hyphens=False, break_long_words=False)


def _example(line: str) -> str:
    """A command that can be copied; where it is too long, a backslash ends each of its lines but the last."""
    room = help_width() - 2
    if len(line) <= room + 2:
        return f"  {line}"
    lines = [""]
    for word in _QUOTED.findall(line):
        if lines[-1] and len(lines[-1]) + 1 + len(word) > room:
            lines.append("")
        lines[-1] += f" {word}" if lines[-1] else word
    return " \\\n".join(f"  {part}" for part in lines)


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
