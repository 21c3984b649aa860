"""Versions that belong to a run's record."""

from __future__ import annotations

import platform
from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, version

CORE_PACKAGES = ("mlm", "transformers", "tokenizers", "datasets", "safetensors", "huggingface_hub", "numpy")


def core_versions() -> dict[str, str]:
    """Python's version and those of the core's packages; nothing is imported."""
    return {"python": platform.python_version()} | installed_versions(CORE_PACKAGES)


def installed_versions(packages: Iterable[str]) -> dict[str, str]:
    """The versions of those packages that are installed; nothing is imported."""
    found = {}
    for package in packages:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found
