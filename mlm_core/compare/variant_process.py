"""The process of a variant: `mlm_core.compare.worker` with the variant's options."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from mlm_core.compare.protocol import CONFIG
from mlm_core.compare.rounds import WorkerProcess
from mlm_core.compare.variants import Variant
from mlm_core.config.config import Config
from mlm_core.system.child_processes import python_command


class VariantProcess(WorkerProcess):
    """Trains a variant in rounds.

    Args:
        variant: what to train.
        config: the options that all variants share.
        directory: a new directory for its files.

    Attributes:
        variant: what it trains.
        products: operations a second in matrix products alone, measured after the warm-up and each round.
    """

    def __init__(self, variant: Variant, config: Config, directory: Path) -> None:
        directory.mkdir(parents=True)
        given = {"config": variant.config(config).to_dict(), "hf_recipe": variant.hf_recipe}
        (directory / CONFIG).write_text(json.dumps(given), encoding="utf-8")
        command = python_command("-m", "mlm_core.compare.worker", str(directory))
        super().__init__(command, directory / "log")
        self.variant = variant
        self.products: list[float] = []

    def _heard(self, event: str, facts: dict[str, Any]) -> None:
        super()._heard(event, facts)
        self.products += facts.get("products", [])
