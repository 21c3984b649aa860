"""Reading YAML that a user wrote or was given: plain values, of bounded size, every key once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mlm_core.system.json_files import BadJsonError, read_bounded

LARGEST = 2**20
"""Bytes of a file."""
_VALUES = 10_000
"""Values in a file, each counted as often as aliases repeat it: ten lines of aliases can mean billions."""


class BadYamlError(BadJsonError):
    """The content is not the YAML that it should be; the message says what is wrong, as a clause."""


def read_yaml(path: Path) -> Any:
    """Read and parse a file.

    Raises:
        OSError: it cannot be read, or is not a regular file.
        BadJsonError: it is too large, or see `parse_yaml`.
    """
    try:
        text = read_bounded(path, LARGEST).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise BadYamlError(f"it is not UTF-8 (byte {error.start})") from None
    return parse_yaml(text)


def parse_yaml(text: str) -> Any:
    """Parse YAML into plain values.

    Raises:
        BadYamlError: it is not YAML, is nested too deeply, has a key twice or too many values.
    """
    # Late: importing yaml takes 15 ms.
    import yaml

    try:
        value = yaml.load(text, Loader=_loader())
        _check_size([value])
    except BadYamlError:
        raise
    except RecursionError:
        raise BadYamlError("it is nested too deeply") from None
    except (ValueError, TypeError, AttributeError, yaml.YAMLError) as error:
        # Besides YAMLError: dates like 2024-13-45, numbers of 5,000 digits, keys that are lists.
        raise BadYamlError(f"it is not YAML ({_shortened(error)})") from None
    return value


def _shortened(error: Exception) -> str:
    return " ".join(str(error).split())[:200]


def _loader() -> Any:
    import yaml

    class Loader(yaml.SafeLoader):
        """The safe loader; a key that is given twice is an error."""

        def construct_mapping(self, node: Any, deep: bool = False) -> Any:
            """Construct a mapping whose keys are unique."""
            seen = set()
            for key, _ in node.value:
                if key.value in seen and isinstance(key.value, str) and key.tag != "tag:yaml.org,2002:merge":
                    raise BadYamlError(f"it has {key.value[:50]} twice (line {key.start_mark.line + 1})")
                if isinstance(key.value, str):
                    seen.add(key.value)
            return super().construct_mapping(node, deep=deep)

    return Loader


def _check_size(level: list[Any]) -> None:
    count = 0
    while level:
        count += len(level)
        if count > _VALUES:
            raise BadYamlError(f"it has more than {_VALUES:,} values, or is nested in itself")
        level = [
            inner
            for item in level
            if isinstance(item, (dict, list, set, tuple))
            for inner in (item.values() if isinstance(item, dict) else item)
        ][: _VALUES + 1]
