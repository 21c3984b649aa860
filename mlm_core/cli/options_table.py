"""The table of options in the README; `python -m mlm_core.cli.options_table README.md` updates it."""

from __future__ import annotations

import sys
from pathlib import Path

from mlm_core.cli.parser import COMMANDS
from mlm_core.config.config import Config
from mlm_core.config.options import Option

BEGIN, END = "<!-- options -->", "<!-- end of options -->"

_GROUPS = {
    "DataConfig": "Text",
    "ModelConfig": "Model",
    "MaskingConfig": "Masking",
    "OptimizationConfig": "Optimisation",
    "RuntimeConfig": "Where and how",
    "HubConfig": "On the Hub",
}


def options_table() -> str:
    """The table, in Markdown."""
    lines = ["| option | default | meaning | also for |", "|---|---|---|---|"]
    group = ""
    for option in Config.options().values():
        if option.group != group:
            group = option.group
            lines.append(f"| **{_GROUPS[group]}** | | | |")
        lines.append(f"| `{option.flag}` | {_default(option)} | {_help(option)} | {_commands(option)} |")
    return "\n".join(lines)


def with_table(readme: str) -> str:
    """A README with the table between its two markers brought up to date."""
    before, _, rest = readme.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n{options_table()}\n{END}{after}"


def _default(option: Option) -> str:
    shown = option.shown_default
    if shown is None:
        return ""
    return ("on" if shown else "off") if option.type is bool else f"{shown}"


def _help(option: Option) -> str:
    choices = f" ({', '.join(option.choices)})" if option.choices and ":" not in option.help else ""
    return (option.help + choices).replace("|", "\\|")


def _commands(option: Option) -> str:
    others = (name for name, (_, options) in COMMANDS.items() if name != "train" and option.name in options)
    return " ".join(others)


if __name__ == "__main__":
    path = Path(sys.argv[1])
    path.write_text(with_table(path.read_text(encoding="utf-8")), encoding="utf-8")
