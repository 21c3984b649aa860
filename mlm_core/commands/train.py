"""mlm train."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mlm_core.cli import Request
from mlm_core.config import Config
from mlm_core.errors import RequestError

GUIDE_EXAMPLE = "The Milky Way is a <mask> galaxy."
CORPUS_EXAMPLE = "If the file does not <mask>, an error is raised."
"""A sentence in the manner of the embedded corpus, which knows no galaxies."""


def run(request: Request) -> dict[str, Any]:
    """Train, then fill a blank."""
    config = Config.from_dict(_file_options(request.arguments["config"]) | request.given)
    # Only now: a wrong option should not wait for imports.
    from mlm_core.registry import find_engine

    engine = find_engine(config.backend)
    result = engine.trainer(config).train()
    text = GUIDE_EXAMPLE if config.model or config.dataset else CORPUS_EXAMPLE
    predictor = engine.predictor(result.run_dir, device=config.device, threads=config.threads)
    return result.as_results() | {"example": {"text": text, "fills": predictor.fill([text], top_k=3)[0]}}


def show(results: dict[str, Any]) -> None:
    """Print the outcome and what to do with it."""
    example = results["example"]
    fills = ", ".join(f"{fill['token_str'].strip()} {fill['score']:.3f}" for fill in example["fills"])
    before, after = (_shown(results[name]) for name in ("perplexity_before", "perplexity"))
    print(f"perplexity {before} -> {after} after {results['steps']} steps")
    print(f"{example['text']}  {fills}")
    print(f"saved in {results['run_dir']}; next: mlm fill {results['run_dir']} {example['text']!r}")


def _shown(number: float | None) -> str:
    return "not finite" if number is None else f"{number:.1f}"


def _file_options(path: str | None) -> dict[str, Any]:
    if path is None:
        return {}
    import yaml

    try:
        content = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or str(error)
    except yaml.YAMLError as error:
        reason = f"is not YAML ({error})"
    else:
        if content is None:
            return {}
        if isinstance(content, dict):
            return {str(name).replace("-", "_"): value for name, value in content.items()}
        reason = "is not a mapping of options to values"
    raise RequestError(reason, code="bad_config", option="--config", value=path)
