"""mlm evaluate."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from mlm_core.cli import Request
from mlm_core.config import Config
from mlm_core.errors import RequestError


def run(request: Request) -> dict[str, Any]:
    """Evaluate a run on its held-out text, or any model directory on a given text."""
    given = Config.from_dict(request.given)
    from mlm_core.model_source import check_model
    from mlm_core.registry import find_engine
    from mlm_core.run_directory import config_of, read_facts

    model = request.arguments["run"]
    check_model(model)
    path = Path(model)
    if given.text_column is not None and given.dataset is None:
        raise RequestError(
            "names a column of no dataset", code="usage", option="--text-column", fix="give --dataset, too"
        )
    facts = read_facts(path) if path.is_dir() else None
    if facts is None and given.dataset is None:
        raise RequestError(
            "is not a run, so it has no held-out text of its own",
            code="not_a_run",
            option="RUN",
            value=model,
            fix="check the name, or say what to evaluate on with --dataset",
        )
    config = _evaluation_config(config_of(facts, path) if facts is not None else Config(), given, model)
    engine = find_engine(config.backend)
    if given.dataset is not None:
        config = replace(config, dataset=given.dataset, text_column=given.text_column)
        return engine.evaluator(config, whole=True).evaluate().as_results()
    assert facts is not None
    try:
        evaluator = engine.evaluator(config, fingerprint=facts["data"].get("fingerprint"))
    except RequestError as error:
        if error.code == "missing_file":
            error.message = "the text this run was trained on is no longer there"
            error.fix = "put it back, or say what to evaluate on with --dataset"
        raise
    return evaluator.evaluate().as_results()


def _evaluation_config(trained: Config, given: Config, model: str) -> Config:
    """Of the training run, what decides the text and its masks stays; where and how is asked anew."""
    return replace(
        trained,
        model=model,
        from_scratch=False,
        output_dir=None,
        overwrite=False,
        backend=given.backend,
        device=given.device,
        threads=given.threads,
        quiet=given.quiet,
        verbose=given.verbose,
        batch_size=given.batch_size or trained.batch_size,
    )


def show(results: dict[str, Any]) -> None:
    """Print the numbers."""
    for name, value in results.items():
        shown = "not finite" if value is None else f"{value:,}" if isinstance(value, int) else f"{value:.6g}"
        print(f"{name:14} {shown}")
