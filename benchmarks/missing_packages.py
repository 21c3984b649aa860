"""What the tests and benchmarks of one engine need and this Python lacks: prints one requirement per line.

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
    """The requirements of the core and of one engine, and of installing and testing the project."""
    facts = tomllib.loads(PROJECT.read_text(encoding="utf-8"))
    project = facts["project"]
    own = [*project["dependencies"], *project["optional-dependencies"][engine]]
    return [*facts["build-system"]["requires"], *own, "pytest"]


def missing(requirements: Iterable[str]) -> Iterator[str]:
    """The requirements that are not installed, or that are installed in an unsuitable version."""
    for text in requirements:
        requirement = Requirement(text)
        if requirement.marker is not None and not requirement.marker.evaluate():
            # Of another system.
            continue
        try:
            if not requirement.specifier.contains(version(requirement.name), prereleases=True):
                yield f"{text} (installed: {version(requirement.name)})"
        except PackageNotFoundError:
            yield text


if __name__ == "__main__":
    print("\n".join(missing(needed(sys.argv[1]))))
