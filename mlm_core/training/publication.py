"""Publishing the model of a run: versions while it trains, its final model, or a model on request."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Self

from mlm_core.errors import MlmError
from mlm_core.hub.card import CardFacts, write_card
from mlm_core.hub.publisher import Publisher, Target
from mlm_core.hub.request import not_published, publisher_of, repository_name
from mlm_core.metrics.sums import MaskedSums
from mlm_core.progress import Progress
from mlm_core.report.metrics import read_metrics
from mlm_core.system.interruption import ended_by_signals
from mlm_core.training.results import TrainingResult
from mlm_core.training.run_card import write_run_card
from mlm_core.training.run_files import METRICS
from mlm_core.training.setup import EvaluationSetup, TrainingSetup
from mlm_core.visible import quantity

WriteModel = Callable[[Path, Mapping[str, Any]], None]
"""Writes a model with these weights to a directory."""


class Publication:
    """Publishes the versions and the final model of a run that was started with `--push-to-hub`.

    Args:
        publisher: of the run.
        setup: of the run.
        write_model: writes a version's model.
        versions: of packages; the model card lists them.
        progress: shows warnings.
    """

    def __init__(
        self,
        publisher: Publisher,
        setup: TrainingSetup,
        write_model: WriteModel,
        versions: Mapping[str, str],
        progress: Progress,
    ) -> None:
        self._publisher = publisher
        self._setup = setup
        self._write_model = write_model
        self._versions = versions
        self._progress = progress

    @classmethod
    def of(
        cls,
        setup: TrainingSetup,
        run: Path | None,
        write_model: WriteModel,
        versions: Mapping[str, str],
        progress: Progress,
    ) -> Self | None:
        """The publication that a run's options request, checked with the Hub; None without `--push-to-hub`.

        `run` is the directory of a run that resumes, else None.

        Raises:
            RequestError: publishing cannot work.
        """
        publisher = publisher_of(setup.config, setup.model.tokenizer, run, progress)
        return cls(publisher, setup, write_model, versions, progress) if publisher is not None else None

    def keep_in(self, run: Path) -> None:
        """Note in the run's directory what the Hub holds."""
        self._publisher.keep_in(run)

    def abandon(self) -> None:
        """The run ended early: abandon a version that is still being uploaded."""
        self._publisher.abandon()

    def version(self, step: int, weights: Mapping[str, Any], held_out: MaskedSums | None, run: Path) -> None:
        """Publish the weights after a step in the background.

        Args:
            step: optimizer steps done.
            weights: by canonical name.
            held_out: their evaluation; None: they were not evaluated.
            run: the run's directory.
        """

        def write(path: Path) -> None:
            self._write_model(path, weights)
            metrics = read_metrics(run / METRICS)
            write_run_card(path, self._setup, step, held_out, self._versions, metrics, run.absolute().name)

        self._publisher.offer(f"Step {step:,} of {self._setup.plan.steps:,}", write)

    def finish(self, result: TrainingResult) -> TrainingResult:
        """Publish the final model; return the result with its address.

        Raises:
            RunError: the model is saved, but did not reach the Hub.
        """
        where = (result.run_dir, self._publisher.name, self._setup.config)
        try:
            with ended_by_signals():
                url = self._publisher.finish(result.run_dir, f"Trained for {quantity(result.steps, 'step')}")
        except (MlmError, OSError) as error:
            raise not_published(error, *where) from None
        except (KeyboardInterrupt, SystemExit):
            self._progress.warn(str(not_published(None, *where)))
            raise
        return replace(result, hub_url=url)


def publish_on_request(
    setup: EvaluationSetup,
    run: Path | None,
    write: Callable[[Path], None],
    progress: Progress,
    *,
    hub_model_id: str | None,
    private: bool | None,
) -> str:
    """Publish the model of a run, or a model that no run has saved; return the repository's address.

    Args:
        setup: names the model and, by its config, the repository.
        run: directory of a finished run; None: `write` makes a temporary one.
        write: writes the current model, `tf_model.h5` included where that was requested.
        progress: shows warnings.
        hub_model_id, private: override the config; None: they do not.

    Raises:
        RequestError: there is no token, or no name for the repository.
        RunError: the model did not reach the Hub.
    """
    config, model = setup.config, setup.model
    name = hub_model_id or repository_name(config, run)
    target = Target(name, config.hub_private if private is None else private, config.also_h5)
    publisher = Publisher(target, model.tokenizer, run, progress)
    publisher.check()
    if run is not None:
        return publisher.finish(run, "Model")
    with tempfile.TemporaryDirectory() as scratch:
        write(Path(scratch))
        summary = f"A {model.config.model_type} masked language model."
        name = publisher.name.rpartition("/")[2]
        write_card(Path(scratch), CardFacts(name, summary, model.tokenizer.mask_token))
        return publisher.finish(Path(scratch), "Model")
