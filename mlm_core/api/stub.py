"""Writes `train.pyi`, the signature of `train` for editors and type checkers; `python -m mlm_core.api.stub`.

Editors do not run code, so they would see no options. A test checks that the file is up to date.
"""

from __future__ import annotations

import inspect
import re
import textwrap
from pathlib import Path

from mlm_core.api.train import train

STUB = Path(__file__).with_name("train.pyi")

_HEAD = '''"""Written by `python -m mlm_core.api.stub` from the options; do not edit."""

import os
from typing import Any, Literal

from mlm_core.api.run import Run

'''

_QUOTED = re.compile(r"'([^']*)'")


def stub() -> str:
    """The content of `train.pyi`."""
    lines = []
    for parameter in inspect.signature(train).parameters.values():
        if parameter.kind is parameter.KEYWORD_ONLY and "*," not in lines:
            lines.append("*,")
        hint = inspect.formatannotation(parameter.annotation)
        lines.append(_QUOTED.sub(r'"\1"', f"{parameter.name}: {hint} = {parameter.default!r},"))
    described = str(train.__doc__)
    body = [f'"""{described.rstrip()}', '"""']
    return f"{_HEAD}def train(\n{_indented(lines)}\n) -> Run:\n{_indented(body)}\n"


def _indented(parts: list[str]) -> str:
    return textwrap.indent("\n".join(parts), "    ")


if __name__ == "__main__":
    STUB.write_text(stub(), encoding="utf-8")
