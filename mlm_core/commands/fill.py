"""mlm fill."""

from __future__ import annotations

from typing import Any

from mlm_core.cli import Request
from mlm_core.config import Config
from mlm_core.errors import RequestError
from mlm_core.metrics import finite


def run(request: Request) -> dict[str, Any]:
    """Fill the blanks of each text."""
    given = Config.from_dict(request.given)
    arguments = request.arguments
    top_k = _top_k(arguments["top_k"])
    from mlm_core.registry import find_engine

    engine = find_engine(given.backend)
    predictor = engine.predictor(arguments["run"], device=given.device, threads=given.threads)
    results = predictor.fill(arguments["texts"], top_k=top_k, targets=arguments["targets"])
    return {"results": [_finite(result) for result in results]}


def show(results: dict[str, Any]) -> None:
    """Print a line per answer; a heading where there are several texts or blanks."""
    several = len(results["results"]) > 1
    for number, result in enumerate(results["results"], 1):
        blanks = result if isinstance(result[0], list) else [result]
        for place, blank in enumerate(blanks, 1):
            if several or len(blanks) > 1:
                print(f"text {number}, blank {place}")
            for fill in blank:
                # With other blanks still open, the sentence would not read.
                sentence = fill["sequence"] if len(blanks) == 1 else ""
                score = "     -" if fill["score"] is None else f"{fill['score']:.4f}"
                print(f"{score}  {fill['token_str'].strip():16}  {sentence}".rstrip())


def _finite(result: Any) -> Any:
    """The result with null for scores that JSON has no word for."""
    if isinstance(result, list):
        return [_finite(item) for item in result]
    return result | {"score": finite(result["score"])}


def _top_k(text: str) -> int:
    if text.isascii() and text.isdigit() and int(text) >= 1:
        return int(text)
    raise RequestError(
        "must be a whole number of at least 1", code="invalid_type", option="--top-k", value=text
    )
