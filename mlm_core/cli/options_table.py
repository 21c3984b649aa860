"""The table of options in the README; `python -m mlm_core.cli.options_table README.md` updates it."""

from __future__ import annotations

import sys
from pathlib import Path

from mlm_core.cli.commands import COMMANDS
from mlm_core.config.config import Config
from mlm_core.config.options import Option

BEGIN, END = "<!-- options -->", "<!-- end of options -->"


def options_table() -> str:
    """The table, in Markdown."""
    lines = ["| option | default | meaning | also for |", "|---|---|---|---|"]
    group = ""
    for option in Config.options().values():
        if option.title != group:
            group = option.title
            lines.append(f"| **{group}** | | | |")
        lines.append(f"| `{option.flag}` | {option.shown_default} | {_help(option)} | {_commands(option)} |")
    return "\n".join(lines)


def with_table(readme: str) -> str:
    """The README with an up-to-date table between its two markers."""
    before, _, rest = readme.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n{options_table()}\n{END}{after}"


def _help(option: Option) -> str:
    choices = f" ({', '.join(option.choices)})" if option.choices and ":" not in option.help else ""
    return (option.help + choices).replace("|", "\\|")


def _commands(option: Option) -> str:
    return " ".join(
        name for name, command in COMMANDS.items() if name != "train" and option.name in command.options
    )


if __name__ == "__main__":
    path = Path(sys.argv[1])
    path.write_text(with_table(path.read_text(encoding="utf-8")), encoding="utf-8")
