"""What one engine's tests and benchmarks need and this Python has not: a requirement a line.

python benchmarks/missing_packages.py torch|tf
"""

from __future__ import annotations

import sys
import tomllib
from collections.abc import Iterable, Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from packaging.requirements import Requirement

PROJECT = Path(__file__).parents[1] / "pyproject.toml"


def needed(engine: str) -> list[str]:
    """Requirements of the core, of one engine, of installing the project and of testing it."""
    facts = tomllib.loads(PROJECT.read_text(encoding="utf-8"))
    project = facts["project"]
    own = [*project["dependencies"], *project["optional-dependencies"][engine]]
    return [*facts["build-system"]["requires"], *own, "pytest"]


def missing(requirements: Iterable[str]) -> Iterator[str]:
    """Those that are not installed, or in another version."""
    for text in requirements:
        requirement = Requirement(text)
        if requirement.marker is not None and not requirement.marker.evaluate():
            # Of another system.
            continue
        try:
            if not requirement.specifier.contains(version(requirement.name), prereleases=True):
                yield f"{text} (there is {version(requirement.name)})"
        except PackageNotFoundError:
            yield text


if __name__ == "__main__":
    print("\n".join(missing(needed(sys.argv[1]))))
