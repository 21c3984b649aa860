"""`mlm doctor --report`: what a bug report needs, as Markdown, without names of users or machines.

Of the environment, what is shown is chosen by name and by what the value looks like. Everything else is said
to be set, no more.
"""

from __future__ import annotations

import os
import platform
import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from mlm_core.system.machine import cores, processor_name
from mlm_core.system.markdown import escaped, table
from mlm_core.system.memory import free_memory
from mlm_core.system.versions import core_versions, installed_versions
from mlm_core.visible import quantity, visible

_MORE_PACKAGES = ("accelerate", "evaluate", "pyarrow", "rich", "tf-keras")

_PREFIXES = (
    *("ACCELERATE_", "CUDA_", "DATASETS_", "HF_", "HUGGINGFACE_", "KMP_", "MKL_", "MLM_", "NCCL_"),
    *("NVIDIA_", "OMP_", "OPENBLAS_", "PYTORCH_", "TF_", "TOKENIZERS_", "TORCH_", "TRANSFORMERS_", "XLA_"),
)
"""Beginnings of the names of variables that change what the program does."""

_NAMES = (
    *(
        "COLUMNS",
        "FORCE_COLOR",
        "LANG",
        "LC_ALL",
        "LD_PRELOAD",
        "LOCAL_RANK",
        "LOCAL_WORLD_SIZE",
        "MALLOC_ARENA_MAX",
        "NO_COLOR",
        "PYTHONHASHSEED",
    ),
    *(
        "PYTHONPATH",
        "PYTHONUTF8",
        "RANK",
        "TERM",
        "TMPDIR",
        "USE_TF",
        "USE_TORCH",
        "WORLD_SIZE",
        "XDG_CACHE_HOME",
    ),
    *("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"),
)
"""Further such names."""

_SECRET = re.compile(r"TOKEN(?!IZERS)|SECRET|PASSW|CREDENTIAL|AUTH|KEY|USER|PROXY|ENDPOINT|ADDR|NAME", re.I)
"""In the name of a variable whose value is not shown, whatever it looks like."""

_OF_LIBRARIES = ("CUDA_", "KMP_", "MKL_", "NCCL_", "NVIDIA_", "OMP_", "OPENBLAS_", "PYTORCH_", "TF_", "XLA_")
"""Prefixes of libraries that compute: their values are settings, and shown if they are plain."""

_SWITCH = re.compile(r"-?\d+(\.\d+)?|true|false|on|off|yes|no|none|auto|torch|tf", re.I)
"""A value that says nothing of anybody; of the other variables only such values are shown."""

_PLAIN = re.compile(r"(?!.*[A-Za-z0-9]{21})[A-Za-z0-9_.,:;+= -]{1,60}")
"""A value that is shown: numbers, words and switches, not paths and accounts, nor long random strings."""

_PATH = re.compile(r"(?<![\w.])(?:~|/)[^\s'\"`:;,|()<>\[\]]*/[^\s'\"`:;,|()<>\[\]]*")
_SYSTEM = ("/dev/", "/etc/", "/lib", "/opt/cuda", "/proc/", "/sys/", "/usr/")
"""Beginnings of paths that are alike everywhere."""


def bug_report(cache: Path, backends: Mapping[str, Mapping[str, Any]], problems: list[str]) -> str:
    """The report, with a heading.

    Args:
        cache: where prepared text is kept.
        backends: what was found of each backend.
        problems: what was found to be wrong.
    """
    versions = core_versions() | installed_versions(_MORE_PACKAGES)
    rows = [
        ("platform", f"{platform.system()} {platform.machine()}, {_system()}"),
        ("processor", f"{processor_name()}, {quantity(cores(), 'core')}"),
        ("memory", _memory()),
        ("python", f"{versions.pop('python')}, {_python()}"),
        *versions.items(),
        *(row for name, facts in backends.items() for row in _backend(name, facts)),
        ("cache", _place(cache)),
        *(("problem", problem) for problem in problems),
    ]
    shown = table(("`mlm doctor --report`", ""), [(name, escaped(anonymous(text))) for name, text in rows])
    variables = [f"- `{name}`: {text}" for name, text in environment(os.environ)]
    return "\n".join(
        [shown, "", "Environment variables:", "", *(variables or ["- none of those that matter"])]
    )


def environment(variables: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """The variables that matter, sorted by name, with what can be shown of their values."""
    for name in sorted(variables):
        if name.startswith(_PREFIXES) or name in _NAMES:
            yield visible(name).replace("`", "'"), _value(name, variables[name])


def anonymous(text: str) -> str:
    """The text without private paths, names of the user and the machine, and secrets."""
    text = _PATH.sub(
        lambda found: found[0] if found[0].startswith(_SYSTEM) else ".../" + _end(found[0]), text
    )
    for name, cover in (
        (_user(), "USER"),
        (platform.node(), "HOST"),
        (platform.node().split(".")[0], "HOST"),
    ):
        if len(name) > 1:
            text = re.sub(rf"(?<![A-Za-z0-9]){re.escape(name)}(?![A-Za-z0-9])", cover, text)
    return visible(text)


def _end(path: str) -> str:
    """The last part of a path; "": it is the home directory of somebody."""
    parts = [part for part in path.split("/") if part]
    return parts[-1] if len(parts) > 2 else ""


def _value(name: str, value: str) -> str:
    if not value:
        return "empty"
    if _SECRET.search(name):
        return "set (not shown)"
    plain = _PLAIN if name.startswith(_OF_LIBRARIES) or name in _NAMES else _SWITCH
    if plain.fullmatch(value):
        return f"`{anonymous(value)}`"
    if value.startswith(("/", "~")) and os.pathsep not in value:
        return _place(Path(value))
    return "set (not shown)"


def _place(path: Path) -> str:
    """Where a path is, without its names."""
    home = Path("~").expanduser()
    absolute = path.expanduser().absolute()
    if absolute.is_relative_to(home / ".cache"):
        return "in the user's cache directory"
    if absolute.is_relative_to(home):
        return "in the home directory"
    return "in the temporary directory" if absolute.is_relative_to("/tmp") else "outside the home directory"


def _user() -> str:
    return next(
        (os.environ[name] for name in ("USER", "LOGNAME") if os.environ.get(name)),
        Path("~").expanduser().name,
    )


def _system() -> str:
    """The system's version: of the kernel only the numbers, as its builder may have added a name."""
    numbers = re.match(r"[\d.]+", platform.release())
    libc = " ".join(filter(None, platform.libc_ver()))
    return ", ".join(filter(None, (numbers[0] if numbers else "", libc)))


def _python() -> str:
    kind = "in a virtual environment" if sys.prefix != sys.base_prefix else "not in a virtual environment"
    return f"{platform.python_implementation()}, {kind}"


def _memory() -> str:
    free = free_memory()
    return "unknown" if free is None else f"{free / 1e9:.1f} GB free"


def _backend(name: str, facts: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    versions = ", ".join(f"{package} {number}" for package, number in facts["versions"].items())
    state = f"works on {' and '.join(facts['devices'])}" if facts["works"] else "does not work"
    yield f"backend {name}", f"{state}{f' ({versions})' if versions else ''}"
    for gpu in facts["gpus"]:
        yield f"GPU of {name}", gpu
