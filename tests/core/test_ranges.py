"""The versions that are tested, and those that pyproject.toml allows."""

import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def allowed(*extras):
    lists = [PROJECT["dependencies"], *(PROJECT["optional-dependencies"][extra] for extra in extras)]
    return [Requirement(line) for requirements in lists for line in requirements]


def pinned(name):
    lines = (ROOT / name).read_text(encoding="utf-8").splitlines()
    pins = [line.split("==") for line in lines if not line.startswith("#")]
    return {canonicalize_name(package): Version(number) for package, number in pins}


@pytest.mark.parametrize(
    ("name", "extras"),
    [
        ("constraints.txt", ("torch", "tf")),
        ("constraints-newest.txt", ("torch",)),
        ("constraints-lowest.txt", ("torch", "tf")),
    ],
)
def test_what_is_tested_is_allowed(name, extras):
    pins = pinned(name)
    for requirement in allowed(*extras):
        assert requirement.specifier.contains(pins[canonicalize_name(requirement.name)]), requirement


def test_the_lowest_that_is_allowed_is_tested():
    pins = pinned("constraints-lowest.txt")
    for requirement in allowed("torch", "tf"):
        floors = [Version(part.version) for part in requirement.specifier if part.operator == ">="]
        assert floors or requirement.name == "transformers"
        assert all(pins[canonicalize_name(requirement.name)] == floor for floor in floors), requirement


def test_the_newest_major_version_that_is_allowed_is_tested():
    pins = pinned("constraints-newest.txt")
    for name in ("transformers", "datasets", "huggingface_hub"):
        (requirement,) = (found for found in allowed() if found.name == name)
        (cap,) = (Version(part.version) for part in requirement.specifier if part.operator == "<")
        assert pins[canonicalize_name(name)].major == cap.major - 1


def test_the_linter_is_the_same_before_a_commit_as_in_the_gate():
    (revision,) = re.findall(r"rev: v(\S+)", (ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8"))
    assert f"ruff=={revision}" in PROJECT["optional-dependencies"]["test"]
