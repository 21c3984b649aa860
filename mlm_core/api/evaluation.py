"""Evaluators of a finished run or of any model: which text, which options of the run count, which do not."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlm_core.config.config import Config
from mlm_core.errors import RequestError

if TYPE_CHECKING:
    from mlm_core.engine import Engine
    from mlm_core.trainer import Trainer

_TEXT = ("dataset", "dataset_config", "dataset_revision", "split", "text_column")
"""Options that select the text."""

_CUT = ("block_size", "last_block")
"""Options that say how other text is cut into blocks; by default it is cut as in the run."""

EVALUATION = (
    *("backend", *_TEXT, "num_proc", "model_revision", "allow_pickle", "trust_remote_code", *_CUT),
    *("batch_size", "device", "precision", "threads", "quiet", "verbose"),
)
"""The options that an evaluation takes."""


def evaluation_options(values: Mapping[str, Any]) -> Config:
    """The options of an evaluation.

    Raises:
        RequestError: an evaluation has no such option, or a value is wrong.
    """
    config = Config(**values)
    for name in values:
        if name not in EVALUATION:
            raise RequestError(
                "is decided by the run; an evaluation has no such option",
                code="unknown_option",
                option=name,
                fix=f"leave it out, or choose from {', '.join(EVALUATION)}",
            )
    return config


def evaluator_of(
    model: str, given: Config, dataset: Any = None, *, own_text: Any = None, engine: Engine | None = None
) -> Trainer:
    """An evaluator of a run on its held-out text, or of any model on a given text.

    Args:
        model: the directory of a run or of a model, or a Hub name.
        given: the options of this evaluation; others are the run's.
        dataset: other text as an object, in place of `given.dataset`.
        own_text: the run's own text as an object, where it was given as one.
        engine: computes; None: `given.backend` names it.

    Raises:
        RequestError: the data, the model or an option is wrong.
        RunError: see `prepare_process`.
    """
    from mlm_core.model.find_model import find_model
    from mlm_core.progress import Progress
    from mlm_core.registry import find_engine
    from mlm_core.training.run_files import foreign_weights
    from mlm_core.training.run_record import config_of, read_facts

    other = dataset is not None or given.dataset is not None
    find_model(replace(given, model=model))
    path = Path(model)
    if not other:
        _check_no_choice_of_text(given)
    facts = read_facts(path) if path.is_dir() else None
    if facts is None and not other:
        raise _no_text(model, path)
    warning = foreign_weights(path, facts) if facts is not None else None
    if warning is not None:
        Progress.of(given).warn(warning)
    config = _evaluation_config(config_of(facts, path) if facts is not None else Config(), given, model)
    engine = engine or find_engine(config.backend)
    if other:
        chosen = {name: getattr(given, name) for name in _CUT if name in given.given}
        config = replace(config, test_size=None, **{name: getattr(given, name) for name in _TEXT}, **chosen)
        return engine.evaluator(config, dataset, whole=True)
    assert facts is not None
    return _held_out_evaluator(engine, config, facts["data"], own_text)


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


def _held_out_evaluator(engine: Engine, config: Config, data: dict[str, Any], own_text: Any) -> Trainer:
    """An evaluator on a run's own held-out text."""
    from mlm_core.data.sources import FROM_PYTHON

    if data.get("source") == FROM_PYTHON and own_text is None:
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
        return engine.evaluator(config, own_text, fingerprint=data["fingerprint"])
    except RequestError as error:
        if error.code == "missing_file":
            error.message = "the text of this run no longer exists"
            error.fix = "put it back, or give --dataset to evaluate on other text"
        raise


def _check_no_choice_of_text(given: Config) -> None:
    for name in (*_TEXT, *_CUT):
        if name in given.given:
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
