"""Runs the programs in examples/, tiny."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from command_line import ENGINES
from example_programs import EXAMPLES, TINY, Programs, repository
from tiny_models import write_model


@pytest.fixture(scope="session")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The directory of what the programs write."""
    return tmp_path_factory.mktemp("examples")


@pytest.fixture(scope="session")
def programs(cache: Path, place: Path, jsonl: Path) -> Iterator[Programs]:
    """All programs, the longest first."""
    model = write_model(place / "model", "roberta", dropout=0.1)
    work = ("--dataset", jsonl, "--model", model, *TINY)
    with ThreadPoolExecutor(2) as pool:
        found = Programs(pool)
        handed = (*work, "--learning-rate", "3e-3", "--output-dir", place / "handed", "--text", "the <mask>")
        found.start("hand_over", EXAMPLES / "hand_over.py", *handed)
        code = repository(place / "repository")
        compared = ("two_commits.py", "before", "after", "--report", place / "commits", "--fail-below", "0.9")
        found.start(
            "two_commits", code / "examples" / compared[0], *compared[1:], *work, "--rounds", 2, "--steps", 2
        )
        for backend in ENGINES:
            shared = ("--backend", backend, "--threads", 1, "--output-dir")
            own = ("--stories", 100, "--epochs", 6, *shared, place / f"own-{backend}")
            found.start(f"own_language-{backend}", EXAMPLES / "own_language.py", *own)
            continued = ("--epochs", 3, *shared, place / f"continued-{backend}")
            found.start(f"continue_pretraining-{backend}", EXAMPLES / "continue_pretraining.py", *continued)
        # One engine alone makes the whole of what three stages have made.
        whole = ("--epochs", 3, "--lr-scheduler", "constant", "--dropout", 0, "--learning-rate", "3e-3")
        whole += ("--backend", "torch", "--output-dir", place / "whole", "--json")
        found.start("whole", "-m", "mlm_core", "train", *work, *whole)
        yield found
