"""Versions that belong to a run's record."""

from __future__ import annotations

import platform
from importlib.metadata import PackageNotFoundError, version

CORE_PACKAGES = ("mlm", "transformers", "tokenizers", "datasets", "safetensors", "huggingface_hub", "numpy")


def core_versions() -> dict[str, str]:
    """Python's version and those of the core's packages; nothing is imported."""
    found = {"python": platform.python_version()}
    for package in CORE_PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found
