"""The command line, generated from the table of commands and the config's options."""

from __future__ import annotations

import argparse
import sys
from typing import Any, NoReturn

from mlm_core.cli.commands import COMMANDS, Command
from mlm_core.cli.help import HelpFormatter, add_arguments, closing
from mlm_core.cli.request import Request
from mlm_core.config.config import Config
from mlm_core.config.option_names import flag_of, unknown_option
from mlm_core.config.secrets import secret_error
from mlm_core.errors import RequestError
from mlm_core.system.streams import write_output
from mlm_core.visible import holds_secret

_WORDS = ("help", "version")
"""Commands that other programs have, for options of this one."""

_TOP = ("-h", "--help", "-V", "--version")
"""Options without a command."""

_MEANT = {
    "benchmark": "compare",
    "check": "doctor",
    "eval": "evaluate",
    "finetune": "train",
    "fine-tune": "train",
    "info": "doctor",
    "predict": "fill",
    "publish": "push",
    "resume": "train --resume",
    "run": "train",
    "test": "evaluate",
    "tokenize": "prepare",
    "upload": "push",
}
"""What other programs call the commands."""


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        """Raise argparse's complaint as a RequestError, so that all errors read alike."""
        raise RequestError(message, code="usage", fix=f"see {self.prog} --help")

    def _print_message(self, message: str, file: Any = None) -> None:
        # argparse would end with 0 even if the help could not be written.
        if message and file in (None, sys.stdout):
            write_output(message, plain=True)
        else:
            super()._print_message(message, file)


def build_parser() -> argparse.ArgumentParser:
    """The parser of every command."""
    parser = _Parser(
        prog="mlm",
        usage="mlm COMMAND [OPTIONS]",
        description="Train masked language models with PyTorch or TensorFlow.",
        epilog="mlm help COMMAND shows the options of a command. A first run: mlm train",
        formatter_class=HelpFormatter,
        allow_abbrev=False,
        add_help=False,
    )
    commands = parser.add_subparsers(
        dest="command", prog="mlm", title="Commands", metavar="COMMAND", parser_class=_Parser
    )
    others = parser.add_argument_group("Other options")
    others.add_argument("-V", "--version", action="store_true", help="print the version")
    others.add_argument("-h", "--help", action="help", help="print this help")
    for name, command in COMMANDS.items():
        subparser = commands.add_parser(
            name,
            help=command.summary,
            description=f"{command.summary[0].upper()}{command.summary[1:]}.",
            usage=_usage(name, command),
            epilog=closing(command),
            formatter_class=HelpFormatter,
            allow_abbrev=False,
            add_help=False,
        )
        add_arguments(subparser, command)
    return parser


def _usage(name: str, command: Command) -> str:
    words = [argument.usage for argument in command.arguments if argument.positional]
    return " ".join(["mlm", name, *words, "[OPTIONS]"])


def parse_request(parser: argparse.ArgumentParser, words: list[str]) -> Request:
    """The request in these words.

    Raises:
        RequestError: an unknown command or option, or an option without its value.
    """
    _check_words(words)
    words = _plain(words)
    _check_command(words)
    values, unknown = parser.parse_known_args([_dashed(word) for word in words])
    if values.version:
        _print_version(as_json="--json" in words)
    if values.command is None:
        parser.print_help(sys.stderr)
        raise SystemExit(2)
    command = COMMANDS[values.command]
    unknown = _take_late_words(command, values, unknown)
    if unknown:
        raise _unknown(unknown[0], values.command)
    given = {name: value for name in command.options if (value := getattr(values, name)) is not None}
    arguments = {
        name: value
        for name, value in vars(values).items()
        if name not in {*command.options, "command", "json", "version"}
    }
    return Request(values.command, given, values.json, arguments)


def _check_words(words: list[str]) -> None:
    for word in words:
        try:
            word.encode()
        except UnicodeEncodeError:
            fix = "use names and texts in UTF-8"
            raise RequestError("is not UTF-8 text", code="not_utf8", value=ascii(word), fix=fix) from None
        if holds_secret(word):
            raise secret_error()


def _plain(words: list[str]) -> list[str]:
    """The words, with options in place of `help`, `help COMMAND` and `version`."""
    first, rest = words[:1], words[1:]
    if first == ["version"]:
        return ["--version", *rest]
    if first != ["help"]:
        return words
    names = [word for word in rest if not word.startswith("-")]
    if len(names) > 1:
        raise RequestError("unexpected argument", code="usage", value=names[1], fix="see mlm --help")
    return [*(name for name in names if name not in _WORDS), "--help"]


def _print_version(*, as_json: bool) -> NoReturn:
    from mlm_core import __version__

    text = f'{{"version": "{__version__}"}}' if as_json else f"mlm {__version__}"
    write_output(f"{text}\n", plain=not as_json)
    raise SystemExit(0)


def _check_command(words: list[str]) -> None:
    """Refuse a command that does not exist, or an option in its place; argparse suggests nothing."""
    name = words[0] if words else "--help"
    if name in COMMANDS or name in _TOP or (name == "--json" and set(words) & set(_TOP)):
        return
    if name.startswith("-"):
        raise _misplaced(name.split("=")[0])
    # Imported only for an error: it would slow down every `mlm --help`.
    import difflib

    known = [*COMMANDS, *_WORDS]
    near = [_MEANT[name]] if name in _MEANT else difflib.get_close_matches(name, known, n=1)
    fix = f"did you mean mlm {near[0]}?" if near else f"the commands are {', '.join(known)}"
    raise RequestError("no such command", code="usage", value=name, fix=fix)


def _misplaced(option: str) -> RequestError:
    """The error for an option that is not known, or that belongs behind a command."""
    flag = flag_of(option)
    taking = [name for name, command in COMMANDS.items() if flag in command.flags]
    if taking and option.startswith("--"):
        fix = f"for example mlm {taking[0]} {flag}"
        return RequestError("comes after the command", code="usage", option=option, fix=fix)
    return unknown_option(option, [word for word in _TOP if word.startswith("--")], "mlm --help")


def _take_late_words(command: Command, values: argparse.Namespace, unknown: list[str]) -> list[str]:
    """Give words after an option to the command's last positional argument.

    Returns the words that stay unknown. argparse itself takes RUN for all positional words if an option
    follows it.
    """
    words: list[str] = [word for word in unknown if _is_text(word)]
    for argument in command.arguments:
        if argument.values == "*":
            getattr(values, argument.name).extend(words)
        elif argument.values == "?" and getattr(values, argument.name) is None:
            words = words[:1]
            setattr(values, argument.name, words[0] if words else None)
        else:
            continue
        return _without(unknown, words)
    return unknown


def _without(words: list[str], taken: list[str]) -> list[str]:
    left = list(words)
    for word in taken:
        left.remove(word)
    return left


def _is_text(word: str) -> bool:
    return word == "-" or not word.startswith("-")


def _dashed(word: str) -> str:
    """An option with dashes for the underscores that Python and run_mlm.py write."""
    if not word.startswith("--"):
        return word
    name, equals, value = word.partition("=")
    return flag_of(name) + equals + value if "_" in name else word


def _unknown(word: str, name: str) -> RequestError:
    command = COMMANDS[name]
    if word.startswith("-"):
        opposites = [
            option.opposite or f"--no-{option.flag[2:]}"
            for option in map(Config.options().get, command.options)
            if option is not None and option.type is bool
        ]
        known = [*command.flags, "--help", *opposites]
        return unknown_option(word.split("=")[0], known, f"mlm {name} --help")
    fix = f"see mlm {name} --help"
    if word == "help":
        return RequestError("unexpected argument", code="usage", value=word, fix=fix)
    if "dataset" in command.options and not any(argument.positional for argument in command.arguments):
        fix = f"did you mean --dataset {word}? Quote a glob to pass several files"
    return RequestError("unexpected argument", code="usage", value=word, fix=fix)
