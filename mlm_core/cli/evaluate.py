"""mlm evaluate."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlm_core.cli.request import Request
from mlm_core.config.config import Config
from mlm_core.errors import RequestError

if TYPE_CHECKING:
    from mlm_core.engine import Engine
    from mlm_core.trainer import Trainer

_TEXT = ("dataset", "dataset_config", "dataset_revision", "split", "text_column")
"""Options that select the text."""

_CUT = ("block_size", "last_block")
"""Options that say how other text is cut into blocks; by default it is cut as in the run."""


def run(request: Request) -> dict[str, Any]:
    """Evaluate a run on its held-out text, or any model directory on a given text."""
    given = given_config(request)
    from mlm_core.model.find_model import find_model
    from mlm_core.progress import Progress
    from mlm_core.registry import find_engine
    from mlm_core.training.run_files import foreign_weights
    from mlm_core.training.run_record import config_of, read_facts

    model = request.arguments["run"]
    find_model(replace(given, model=model))
    path = Path(model)
    if given.dataset is None:
        _check_no_choice_of_text(request.given)
    facts = read_facts(path) if path.is_dir() else None
    if facts is None and given.dataset is None:
        raise _no_text(model, path)
    warning = foreign_weights(path, facts) if facts is not None else None
    if warning is not None:
        Progress.of(given).warn(warning)
    config = _evaluation_config(config_of(facts, path) if facts is not None else Config(), given, model)
    engine = find_engine(config.backend)
    if given.dataset is not None:
        chosen = {name: getattr(given, name) for name in _CUT if name in request.given}
        config = replace(config, test_size=None, **{name: getattr(given, name) for name in _TEXT}, **chosen)
        return _results(engine.evaluator(config, whole=True), request.arguments)
    assert facts is not None
    return _results(_held_out_evaluator(engine, config, facts["data"]), request.arguments)


def given_config(request: Request) -> Config:
    """The options that a request gives.

    Raises:
        RequestError: an option is wrong.
    """
    return Config.from_dict(request.given)


def _no_text(model: str, path: Path) -> RequestError:
    """Error: there is no record of a run, so no text to evaluate on."""
    from mlm_core.model.find_model import STARTER

    if path.is_dir():
        message, fix = "is not a run, so there is no held-out text", "check the name, or give --dataset"
    elif model == STARTER:
        message, fix = "has no held-out text", "give --dataset"
    else:
        message = "no such directory"
        fix = "give the directory of a run; for a model on the Hub, give --dataset"
    return RequestError(
        message, code="not_a_run", option="RUN", value=model, fix=f"{fix} to evaluate on other text"
    )


def _held_out_evaluator(engine: Engine, config: Config, data: dict[str, Any]) -> Trainer:
    """An evaluator on a run's own held-out text."""
    from mlm_core.data.sources import FROM_PYTHON

    if data.get("source") == FROM_PYTHON:
        raise RequestError(
            f"was trained on a {FROM_PYTHON}, which was not saved",
            code="no_dataset",
            option="RUN",
            value=config.model,
            fix="give --dataset to evaluate on other text",
        )
    if data.get("fingerprint") is None:
        raise RequestError(
            "its run.json does not record which text it was trained on",
            code="no_dataset",
            option="RUN",
            value=config.model,
            fix="give --dataset to evaluate on other text",
        )
    try:
        return engine.evaluator(config, fingerprint=data["fingerprint"])
    except RequestError as error:
        if error.code == "missing_file":
            error.message = "the text of this run no longer exists"
            error.fix = "put it back, or give --dataset to evaluate on other text"
        raise


def _results(evaluator: Trainer, arguments: dict[str, Any]) -> dict[str, Any]:
    names = arguments["metric"]
    if not names:
        return evaluator.evaluate().to_dict()
    from mlm_core.metrics.named import NamedMetrics

    options = _metric_options(arguments["metric_option"] or [])
    metrics = NamedMetrics(names, options, evaluator.setup.model.tokenizer)
    return evaluator.evaluate().to_dict() | {"metrics": evaluator.measure(metrics)}


def _metric_options(written: list[str]) -> dict[str, Any]:
    from mlm_core.system.json_files import BadJsonError
    from mlm_core.system.yaml_files import parse_yaml

    options = {}
    for item in written:
        name, equals, value = item.partition("=")
        if not (name and equals):
            raise RequestError(
                "must have the form NAME=VALUE",
                code="invalid_type",
                option="--metric-option",
                value=item,
                fix="for example average=macro",
            )
        try:
            options[name] = parse_yaml(value)
        except BadJsonError:
            options[name] = value
    return options


def _check_no_choice_of_text(given: dict[str, Any]) -> None:
    for name in (*_TEXT, *_CUT):
        if name in given:
            flag = Config.options()[name].flag
            raise RequestError(
                "requires --dataset", code="usage", option=flag, fix="give --dataset, or leave it out"
            )


def _evaluation_config(trained: Config, given: Config, model: str) -> Config:
    """The run's options for the text and its masks, with this request's options for how to compute."""
    return replace(
        trained,
        model=model,
        model_revision=given.model_revision,
        allow_pickle=given.allow_pickle,
        trust_remote_code=given.trust_remote_code,
        from_scratch=False,
        output_dir=None,
        overwrite=False,
        backend=given.backend,
        device=given.device,
        precision=given.precision,
        compile=False,
        threads=given.threads,
        quiet=given.quiet,
        verbose=given.verbose,
        num_proc=given.num_proc,
        batch_size=given.batch_size or trained.batch_size,
    )


def show(results: dict[str, Any]) -> None:
    """Print the numbers."""
    own = {name: value for name, value in results.items() if name != "metrics"}
    for name, value in [*own.items(), *results.get("metrics", {}).items()]:
        print(f"{name:14} {_shown(value)}")


def _shown(value: Any) -> str:
    if value is None:
        return "not finite"
    return (
        f"{value:.6g}" if isinstance(value, float) else f"{value:,}" if isinstance(value, int) else str(value)
    )
