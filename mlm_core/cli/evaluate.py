"""mlm evaluate."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mlm_core.cli.request import Request
from mlm_core.config.config import Config
from mlm_core.errors import RequestError

if TYPE_CHECKING:
    from mlm_core.trainer import Trainer


def run(request: Request) -> dict[str, Any]:
    """Evaluate a run on its held-out text, or any model directory on a given text."""
    given = given_config(request)
    from mlm_core.api.evaluation import evaluator_of

    return _results(evaluator_of(request.arguments["run"], given), request.arguments)


def given_config(request: Request) -> Config:
    """The options that a request gives.

    Raises:
        RequestError: an option is wrong.
    """
    return Config.from_dict(request.given)


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
