"""The command line, generated from the config's dataclasses. No numpy, no framework on this path."""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass, field
from typing import Any, NoReturn

from mlm_core.config.config import Config
from mlm_core.config.option_names import flag_of, unknown_option
from mlm_core.config.options import Option
from mlm_core.errors import RequestError

_TEXT = ("dataset", "dataset_config", "dataset_revision", "split", "text_column", "num_proc")
_LOADED = ("model_revision", "allow_pickle", "trust_remote_code")
_EVALUATE = (
    "backend",
    *_TEXT,
    *_LOADED,
    "block_size",
    "last_block",
    "batch_size",
    "device",
    "precision",
    "threads",
    "quiet",
    "verbose",
)
_PREPARE = (
    *(name for name, option in Config.options().items() if option.group in ("DataConfig", "MaskingConfig")),
    *("model", *_LOADED, "from_scratch", "seed", "quiet", "verbose"),
)
_FILL = ("backend", *_LOADED, "device", "threads", "quiet", "verbose")
_PUSH = ("trust_remote_code", "hub_private", "also_h5", "backend", "quiet", "verbose")

_PARITY = tuple(
    name
    for name, option in Config.options().items()
    if option.affects == "plan" or name in ("device", "threads", "num_proc", "quiet", "verbose")
)

_NOT_COMPARED = ("epochs", "max_steps", "load_best_model_at_end")
"""How long a column trains is said in rounds."""

_COMPARE = (
    *(name for name in _PARITY if name not in _NOT_COMPARED),
    *("mlm_head", "compile", "output_dir", "overwrite"),
)

COMMANDS = {
    "train": ("train a model, evaluate it before and after, fill a blank", tuple(Config.options())),
    "evaluate": ("perplexity and accuracy of a run on its own held-out text, or on other text", _EVALUATE),
    "fill": ("fill the blank in a text", _FILL),
    "prepare": ("tokenise and group once, ahead of training; show what becomes of a document", _PREPARE),
    "parity": ("train with two backends and say whether they compute the same", _PARITY),
    "compare": ("train with several backends in turns and say which is faster here", _COMPARE),
    "push": ("publish a run's model, or any model directory, on the Hub", _PUSH),
    "doctor": ("what is installed, which devices, what would fail and its fix", ()),
}


@dataclass(frozen=True)
class Request:
    """A parsed command line.

    Attributes:
        command: "train", "evaluate", ...
        given: the config options that were given, as text, by name.
        json: whether to print one JSON object.
        arguments: what the command takes besides config options.
    """

    command: str
    given: dict[str, Any] = field(default_factory=dict)
    json: bool = False
    arguments: dict[str, Any] = field(default_factory=dict)


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        """Raise argparse's complaint as ours, so that every error reads alike."""
        raise RequestError(message, code="usage", fix=f"see {self.prog} --help")


def whole_number(text: str, option: str, *, least: int) -> int:
    """The number in an argument that is no config option.

    Raises:
        RequestError: it is not a whole number, or too small.
    """
    if text.isascii() and text.isdigit() and int(text) >= least:
        return int(text)
    message = f"must be a whole number of at least {least}"
    raise RequestError(message, code="invalid_type", option=option, value=text)


def build_parser() -> argparse.ArgumentParser:
    """The parser of every command."""
    parser = _Parser(
        prog="mlm", description="Masked language models with PyTorch or TensorFlow.", allow_abbrev=False
    )
    parser.add_argument("--version", action="store_true", help="print the version")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", parser_class=_Parser)
    for name, (summary, options) in COMMANDS.items():
        command = commands.add_parser(name, help=summary, description=summary, allow_abbrev=False)
        _add_arguments(command, name)
        for option_name in options:
            _add_option(command, Config.options()[option_name])
        command.add_argument(
            "--json", action="store_true", help="one JSON object on stdout, messages on stderr"
        )
    return parser


def parse_request(parser: argparse.ArgumentParser, words: list[str]) -> Request:
    """The request in these words.

    Raises:
        RequestError: an unknown command or option, or an option without its value.
    """
    values, unknown = parser.parse_known_args([_dashed(word) for word in words])
    if values.version:
        from mlm_core import __version__

        print(f"mlm {__version__}")
        raise SystemExit(0)
    if values.command is None:
        parser.print_help(sys.stderr)
        raise SystemExit(2)
    options = COMMANDS[values.command][1]
    if values.command == "fill":
        # argparse takes RUN alone for all positional words where an option follows it.
        values.texts += [word for word in unknown if _is_text(word)]
        unknown = [word for word in unknown if not _is_text(word)]
    if values.command == "push" and values.repository is None and unknown and _is_text(unknown[0]):
        # The same with RUN and REPO.
        values.repository = unknown.pop(0)
    if unknown:
        raise _unknown(unknown[0], values.command)
    given = {name: value for name in options if (value := getattr(values, name)) is not None}
    arguments = {
        name: value
        for name, value in vars(values).items()
        if name not in {*options, "command", "json", "version"}
    }
    return Request(values.command, given, values.json, arguments)


def _is_text(word: str) -> bool:
    return word == "-" or not word.startswith("-")


def _dashed(word: str) -> str:
    """An option with underscores, as Python and run_mlm.py write it, with dashes."""
    if not word.startswith("--"):
        return word
    name, equals, value = word.partition("=")
    return flag_of(name) + equals + value if "_" in name else word


def _unknown(word: str, command: str) -> RequestError:
    if not word.startswith("-"):
        fix = f"see mlm {command} --help"
        if command in ("train", "prepare", "parity", "compare"):
            fix = f"did you mean --dataset {word}? Several files go in as a glob in quotes"
        # Nobody types a token on purpose where it would be shown.
        shown = "a token" if word.startswith("hf_") else word
        return RequestError("stands alone", code="usage", value=shown, fix=fix)
    flags = [Config.options()[name].flag for name in COMMANDS[command][1]]
    return unknown_option(word.split("=")[0], [*flags, "--config", "--json"] if command == "train" else flags)


def _add_arguments(command: argparse.ArgumentParser, name: str) -> None:
    if name == "train":
        command.add_argument(
            "--config", metavar="FILE", help="YAML file of options; the command line overrules it"
        )
    if name == "prepare":
        command.add_argument("--show", default="0", metavar="N", help="documents and blocks to print")
    if name == "parity":
        command.add_argument("--backends", metavar="A,B", help="which two (default: the two installed)")
    if name == "compare":
        _add_comparison(command)
    if name in ("evaluate", "fill"):
        command.add_argument("run", metavar="RUN", help="directory of a run, or any model directory")
    if name == "push":
        command.add_argument("run", metavar="RUN", help="directory of a run, or any model directory")
        command.add_argument(
            "repository",
            metavar="REPO",
            nargs="?",
            help="repository on the Hub, as ORG/NAME; default: yours, called as RUN",
        )
        command.add_argument(
            "--overwrite",
            action="store_true",
            help="publish though others have changed the repository since this run last saw it",
        )
    if name == "evaluate":
        command.add_argument(
            "--metric",
            action="append",
            metavar="NAME_OR_PATH",
            help="a metric of the evaluate library on the masked positions; several: give it again",
        )
        command.add_argument(
            "--metric-option", action="append", metavar="NAME=VALUE", help="for these, as average=macro"
        )
    if name == "fill":
        command.add_argument(
            "texts",
            metavar="TEXT",
            nargs="*",
            help="text with <mask> for the blank; - reads lines from stdin",
        )
        command.add_argument("--file", metavar="FILE", help="text file, a text a line")
        command.add_argument("--top-k", default="5", metavar="N", help="answers for each blank (default: 5)")
        command.add_argument("--targets", nargs="+", metavar="WORD", help="consider only these words")


def _add_comparison(command: argparse.ArgumentParser) -> None:
    command.add_argument("--backends", metavar="A,B", help="which ones (default: all that are installed)")
    variants = "columns as torch:bf16,tf:bf16:compile, in the place of --backends"
    command.add_argument("--variants", metavar="A,B", help=variants)
    command.add_argument("--baseline", metavar="guide", help="columns of the guide's own recipe besides")
    sweep = "all of it for several values of an option, as batch-size=8,16"
    command.add_argument("--sweep", metavar="OPTION=A,B", help=sweep)
    command.add_argument("--from", nargs=2, metavar="REPORT", help="compare two report.json, train nothing")
    least = "exit code 1 where a column has less than X times the speed of the one it is compared with"
    command.add_argument("--fail-below", metavar="X", help=least)
    command.add_argument("--rounds", default="10", metavar="N", help="turns of each column (default: 10)")
    command.add_argument("--steps", default="5", metavar="N", help="steps in a round (default: 5)")


def _add_option(command: argparse.ArgumentParser, option: Option) -> None:
    default = option.shown_default
    text = option.help.replace("%", "%%")
    if option.type is bool:
        if option.opposite is None:
            command.add_argument(option.flag, action=argparse.BooleanOptionalAction, default=None, help=text)
            return
        name = option.name
        command.add_argument(option.flag, dest=name, action="store_const", const=True, help=text)
        command.add_argument(
            option.opposite, dest=name, action="store_const", const=False, help=argparse.SUPPRESS
        )
        return
    if default is not None:
        text += f" (default: {default})"
    metavar = "|".join(option.choices) or {int: "N", float: "X", str: "VALUE"}[option.type]
    command.add_argument(option.flag, default=None, metavar=metavar, help=text)
