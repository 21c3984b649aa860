"""mlm train."""

from __future__ import annotations

import shlex
from collections.abc import Collection
from pathlib import Path
from typing import Any

from mlm_core.cli.request import Request
from mlm_core.config.config import Config
from mlm_core.config.options import check
from mlm_core.errors import MlmError, RequestError
from mlm_core.system.os_errors import reason
from mlm_core.visible import duration, probability, quantity


def run(request: Request) -> dict[str, Any]:
    """Train, then fill a blank."""
    config = given_config(request)
    # Imported only now: a wrong option is reported at once.
    from mlm_core.registry import find_engine
    from mlm_core.training.example import example_for
    from mlm_core.training.recorded_options import with_recorded
    from mlm_core.training.setup import TrainingSetup

    config = with_recorded(config)
    engine = find_engine(config.backend)
    trainer = engine.trainer(config)
    result = trainer.train()
    if not trainer.ranks.first:
        return result.as_results() | {"example": None}
    assert isinstance(trainer.setup, TrainingSetup)
    example = example_for(trainer.setup)
    predictor = engine.predictor(result.run_dir, device=config.device, threads=config.threads)
    try:
        fills = predictor.fill([example.text], top_k=3)[0]
    except MlmError:
        # The sentence does not suit every model; it may be too long. The run is complete all the same.
        return result.as_results() | {"example": None}
    if isinstance(fills[0], list):
        # The mask token is a word of the sentence, too.
        return result.as_results() | {"example": None}
    return result.as_results() | {"example": {"text": example.text, "word": example.word, "fills": fills}}


def given_config(request: Request) -> Config:
    """The options that a request gives, in its words and its file.

    Raises:
        RequestError: the file cannot be used, or an option is wrong.
    """
    return Config(**_file_options(request.arguments["config"], request.given) | request.given)


def show(results: dict[str, Any]) -> None:
    """Print the outcome and a next command."""
    before, after = (_shown(results[name]) for name in ("perplexity_before", "perplexity"))
    print(f"perplexity {before} -> {after}, {quantity(results['steps'], 'step')}{_pace(results)}")
    example = results["example"]
    if example is not None:
        fills = "  ".join(
            f"{fill['token_str'].strip()!r} {probability(fill['score'], 3)}" for fill in example["fills"]
        )
        true = f"  (the word is {example['word']!r})" if example["word"] is not None else ""
        print(f"{example['text']}  {fills}{true}")
        again = shlex.join(["mlm", "fill", str(results["run_dir"]), example["text"]])
        print(f"saved in {results['run_dir']}; next: {again}")
    else:
        print(f"saved in {results['run_dir']}")
    if results["hub_url"] is not None:
        print(f"published at {results['hub_url']}")


def _pace(results: dict[str, Any]) -> str:
    """How long the steps of this start took, and how fast they were."""
    new, speed = results["new_steps"], results["tokens_per_second"]
    if not new or speed is None:
        return ""
    before = "" if new == results["steps"] else f", the last {new:,}"
    return f"{before} in {duration(results['training_seconds'])}, {speed:,.0f} tokens/s"


def _shown(number: float | None) -> str:
    return "not finite" if number is None else f"{number:.1f}"


def _file_options(path: str | None, overriding: Collection[str] = ()) -> dict[str, Any]:
    """The options in the file of `--config`; values that the command line overrides are not checked."""
    if path is None:
        return {}
    from mlm_core.system.json_files import BadJsonError
    from mlm_core.system.yaml_files import read_yaml

    try:
        content = read_yaml(Path(path))
    except OSError as error:
        cause = f"cannot be read ({reason(error)})"
    except BadJsonError as error:
        cause = f"cannot be used: {error}"
    else:
        if content is None or isinstance(content, dict):
            return _options_in(path, content or {}, overriding)
        cause = "is not a mapping of options to values"
    fix = "write one line for each option, for example learning-rate: 3e-5"
    raise RequestError(cause, code="bad_config", option="--config", value=path, fix=fix)


def _options_in(path: str, content: dict[str, Any], overriding: Collection[str]) -> dict[str, Any]:
    try:
        named = Config.named(content)
        for name in named.keys() - overriding:
            check(Config.options()[name], named[name])
        return named
    except RequestError as error:
        error.message = f"in {path}: {error.message}"
        raise
