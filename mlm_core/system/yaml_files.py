"""Reading YAML that may be damaged, or was made by somebody else.

Size, depth and numbers are bounded, keys are unique, and an alias can only repeat a single value, so that no
text grows when it is read. Reading ends with the content or with a `BadYamlError`.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

from mlm_core.system.json_files import BadJsonError, read_bounded

LARGEST = 100_000
"""Bytes of a file; a file with every option has 5,000. The parser takes about 10 s for a million."""

_DEPTH = 20
_LONGEST_NUMBER = 60
"""Characters."""


class BadYamlError(BadJsonError):
    """The content of a file is not what it should be; the message says what is wrong, as a clause."""


def read_yaml(path: Path) -> Any:
    """Read and parse a file.

    Raises:
        OSError: it cannot be read, or is not a regular file.
        BadJsonError: it is too large, not UTF-8, or see `parse_yaml`.
    """
    try:
        text = read_bounded(path, LARGEST).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise BadYamlError(f"it is not UTF-8 (byte {error.start})") from None
    return parse_yaml(text)


def parse_yaml(text: str) -> Any:
    """Parse one YAML document of plain values.

    Raises:
        BadYamlError: it is not YAML, is nested too deeply, has a key twice, or a value that cannot be read.
    """
    import yaml

    loader = _opened(text)
    try:
        return loader.get_single_data()
    except BadYamlError:
        raise
    except RecursionError:
        raise BadYamlError("it is nested too deeply") from None
    except yaml.MarkedYAMLError as error:
        problem = " ".join((error.problem or error.context or "cannot be parsed").split())
        raise BadYamlError(f"{_place(error.problem_mark)}{problem}") from None
    except Exception as error:
        # The constructors of tags (!!int, !!timestamp, ...) raise what Python raises, of any type.
        raise BadYamlError(" ".join(f"a value cannot be read ({error})".split())) from None
    finally:
        loader.dispose()


def _opened(text: str) -> Any:
    import yaml

    try:
        return _loader()(text)
    except yaml.YAMLError:
        # The reader refuses control characters as soon as it is made.
        raise BadYamlError("it has control characters") from None


def _place(mark: Any) -> str:
    return f"line {mark.line + 1}: " if mark is not None else ""


@cache
def _loader() -> Any:
    # Late: importing YAML takes time, and most commands read no such file.
    import yaml

    class Loader(yaml.SafeLoader):
        """Of plain values, without aliases of lists and mappings, and without keys that are given twice."""

        depth = 0

        def compose_node(self, parent: Any, index: Any) -> Any:
            event: Any = self.peek_event()  # type: ignore[no-untyped-call]
            alias = event if isinstance(event, yaml.AliasEvent) else None
            self.depth += 1
            if self.depth > _DEPTH:
                raise BadYamlError(f"it is nested more than {_DEPTH} levels deep")
            node = super().compose_node(parent, index)
            self.depth -= 1
            if alias is not None and not isinstance(node, yaml.ScalarNode):
                name = str(alias.anchor)[:50]
                raise BadYamlError(f"{_place(alias.start_mark)}the alias *{name} repeats a list or a mapping")
            return node

        def construct_mapping(self, node: Any, deep: bool = False) -> Any:
            seen = set()
            for key, _ in node.value if isinstance(node, yaml.MappingNode) else ():
                known = (key.tag, key.value) if isinstance(key, yaml.ScalarNode) else None
                if known is not None and known in seen:
                    raise BadYamlError(f"{_place(key.start_mark)}the key {key.value[:50]!r} is given twice")
                seen.add(known)
            return super().construct_mapping(node, deep)

        def construct_number(self, node: Any) -> Any:
            written = self.construct_scalar(node)
            if len(written) > _LONGEST_NUMBER:
                raise BadYamlError(f"{_place(node.start_mark)}a number has {len(written)} characters")
            if ":" in written:
                # In YAML 1.1 the number 90, in base 60; whoever writes 1:30 hardly means that.
                return written
            whole = node.tag.endswith(":int")
            return self.construct_yaml_int(node) if whole else self.construct_yaml_float(node)

    for kind in ("int", "float"):
        Loader.add_constructor(f"tag:yaml.org,2002:{kind}", Loader.construct_number)
    return Loader
