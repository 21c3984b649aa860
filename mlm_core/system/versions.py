"""Package versions for the record of a run."""

from __future__ import annotations

import platform
from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, version

CORE_PACKAGES = ("mlm", "transformers", "tokenizers", "datasets", "safetensors", "huggingface_hub", "numpy")


def core_versions() -> dict[str, str]:
    """The versions of Python and of the core's packages; imports none of them."""
    return {"python": platform.python_version()} | installed_versions(CORE_PACKAGES)


def installed_versions(packages: Iterable[str]) -> dict[str, str]:
    """The versions of those of these packages that are installed; imports none of them."""
    found = {}
    for package in packages:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found
