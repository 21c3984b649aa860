"""mlm fill."""

from __future__ import annotations

from typing import Any

from mlm_core.cli import Request
from mlm_core.config import Config
from mlm_core.errors import RequestError


def run(request: Request) -> dict[str, Any]:
    """Fill the blanks of each text."""
    given = Config.from_dict(request.given)
    arguments = request.arguments
    top_k = _top_k(arguments["top_k"])
    from mlm_core.registry import find_engine

    engine = find_engine(given.backend)
    predictor = engine.predictor(arguments["run"], device=given.device, threads=given.threads)
    return {"results": predictor.fill(arguments["texts"], top_k=top_k, targets=arguments["targets"])}


def show(results: dict[str, Any]) -> None:
    """Print a line per answer."""
    for result in results["results"]:
        blanks = result if result and isinstance(result[0], list) else [result]
        for blank in blanks:
            for fill in blank:
                print(f"{fill['score']:.4f}  {fill['token_str'].strip():16}  {fill['sequence']}")


def _top_k(text: str) -> int:
    if text.isascii() and text.isdigit() and int(text) >= 1:
        return int(text)
    raise RequestError(
        "must be a whole number of at least 1", code="invalid_type", option="--top-k", value=text
    )
