"""mlm push."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mlm_core.cli.request import Request
from mlm_core.config.config import Config


def run(request: Request) -> dict[str, Any]:
    """Publish a model directory."""
    directory = Path(request.arguments["run"])
    repository = request.arguments["repository"] or directory.absolute().name
    given: dict[str, Any] = {"hub_model_id": repository, "model": str(directory), "push_to_hub": True}
    config = Config(**request.given, **given)
    from mlm_core.api.publishing import publish

    return {"hub_url": publish(directory, config, overwrite=request.arguments["overwrite"])}


def show(results: dict[str, Any]) -> None:
    """Print the address of the model."""
    print(f"published at {results['hub_url']}")
