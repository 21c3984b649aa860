"""A run in Python: its options, result and history, and what its model can do."""

from __future__ import annotations

from collections.abc import Sequence
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlm_core.config.arguments import as_name
from mlm_core.errors import RequestError
from mlm_core.visible import visible

if TYPE_CHECKING:
    from mlm_core.api.answers import Answers
    from mlm_core.api.plot import Plot
    from mlm_core.api.start import Started
    from mlm_core.config.config import Config
    from mlm_core.config.runtime import Device
    from mlm_core.engine import Engine
    from mlm_core.metrics.sums import MaskedSums
    from mlm_core.predictor import Predictor
    from mlm_core.training.results import TrainingResult


class Run:
    """A run: `train(...)` returns one, `Run.open("runs/torch")` opens an earlier one, of either backend.

    A notebook shows a run as a table with its loss curve. Its files are read when they are asked for, so a
    run that still trains in another process can be watched.
    """

    def __init__(
        self,
        directory: Path,
        *,
        backend: str | None = None,
        device: Device = "auto",
        threads: int | None = None,
        result: TrainingResult | None = None,
        text: Any = None,
    ) -> None:
        self._directory = directory
        self._chosen = backend
        self._device = device
        self._threads = threads
        self._result = result
        self._text = text
        self._predictor: Predictor | None = None

    @classmethod
    def open(
        cls,
        directory: str | PathLike[str],
        *,
        backend: str | None = None,
        device: Device = "auto",
        threads: int | None = None,
    ) -> Run:
        """Open a run that was trained earlier, here or elsewhere, by this API or by the command.

        Args:
            directory: of the run.
            backend: fills and evaluates; None: the backend that this process works with, else the run's.
            device: for filling and evaluating; see `--device`.
            threads: for filling and evaluating; see `--threads`.

        Raises:
            RequestError: the directory holds no run, or its record is damaged.
        """
        from mlm_core.config.config import Config

        chosen = Config(backend=backend, device=device, threads=threads)
        run = cls(
            Path(as_name("directory", directory)),
            backend=chosen.backend,
            device=chosen.device,
            threads=chosen.threads,
        )
        run._facts()
        return run

    @property
    def directory(self) -> Path:
        """The run's directory, with the model, `run.json` and `metrics.jsonl`."""
        return self._directory

    @property
    def config(self) -> Config:
        """Every option of the run, resolved.

        Raises:
            RequestError: `run.json` cannot be read.
        """
        from mlm_core.training.run_record import config_of

        return config_of(self._facts(), self._directory)

    @property
    def result(self) -> TrainingResult | None:
        """The evaluations before and after training, and the number of steps; None: it has not finished.

        Raises:
            RequestError: `run.json` cannot be read.
        """
        if self._result is not None:
            return self._result
        from mlm_core.training.results import recorded_result

        try:
            return recorded_result(self._directory, self._facts())
        except (KeyError, TypeError, ValueError):
            return None

    @property
    def history(self) -> list[dict[str, Any]]:
        """A row for each optimizer step and each evaluation: `pandas.DataFrame(run.history)` takes them.

        A step has `step`, `epoch`, `loss`, `masked_tokens`, `learning_rate`, `grad_norm` and
        `tokens_per_second`; an evaluation has `step`, `eval_loss`, `eval_perplexity`, `eval_accuracy` and
        `eval_masked_tokens`. A value that is unknown or not finite is None.
        """
        from mlm_core.api.history import history_of

        return history_of(self._metrics)

    def plot(self) -> Plot:
        """The loss over the steps, in training and on held-out text; `.save("loss.svg")` writes it.

        Raises:
            RequestError: no loss is known yet.
        """
        from mlm_core.api.history import loss_plot

        return loss_plot(self._metrics, str(self._directory))

    def fill(
        self,
        texts: str | Sequence[str],
        *,
        top_k: int = 5,
        targets: str | Sequence[str] | None = None,
    ) -> Answers:
        """Find the most likely tokens for each `<mask>`; the first call loads the model.

        Args:
            texts: one text or several, each with one or more masks, written `<mask>` or `[MASK]`.
            top_k: how many tokens for each mask.
            targets: consider only this word, or these; None: all tokens.

        Returns:
            For one text, the result of the fill-mask pipeline: a list of `{score, token, token_str,
            sequence}` in order of falling score, or a list of such lists if it has several masks. For several
            texts, a list of these results.

        Raises:
            RequestError: a text has no mask or is too long, or an argument is wrong.
            RunError: this process works with another backend, or memory runs out.
        """
        from mlm_core.api.answers import Answers

        if self._predictor is None:
            self._predictor = self._engine().predictor(
                self._directory, device=self._device, threads=self._threads
            )
        found = self._predictor.fill(texts, top_k=top_k, targets=targets)
        return Answers(found[0] if isinstance(texts, str) else found)

    def evaluate(self, dataset: Any = None, **options: Any) -> MaskedSums:
        """Evaluate the model on the run's held-out text, with its fixed masks, or on another text.

        Args:
            dataset: another text, as in `train`; None: the run's held-out text.
            options: the options of `mlm evaluate`: `text_column`, `split`, `batch_size`, `precision`, ...

        Raises:
            RequestError: the text or an option is wrong, or the run's text no longer exists.
            RunError: this process works with another backend, or memory runs out.
        """
        from mlm_core.api.evaluation import evaluation_options, evaluator_of
        from mlm_core.api.start import named_text

        named, text = named_text(dataset)
        own = {"device": self._device, "threads": self._threads}
        given = evaluation_options(own | named | options)
        engine = self._engine(given.backend)
        return evaluator_of(str(self._directory), given, text, own_text=self._text, engine=engine).evaluate()

    def report(self, path: str | PathLike[str] | None = None) -> Path:
        """The run's report, a page for a browser; return its path.

        Args:
            path: write the report there, made again from the run's files; None: the one that training wrote.

        Raises:
            RequestError: the run has none, for example as it has not finished.
            RunError: it cannot be written.
        """
        from mlm_core.api.pages import report_path, write_page

        return report_path(self._directory) if path is None else write_page(self._directory, path)

    def push_to_hub(
        self, hub_model_id: str | None = None, *, private: bool = True, overwrite: bool = False
    ) -> str:
        """Publish the model on the Hub; return the address of its repository.

        Args:
            hub_model_id: the repository, for example "ORG/NAME"; None: the directory's name, in your account.
            private: whether a new repository is private.
            overwrite: publish even if others have changed the repository since this run last saw it.

        Raises:
            RequestError: there is no token, or the run has no model.
            RunError: the model did not reach the Hub.
        """
        from mlm_core.api.publishing import publish
        from mlm_core.config.config import Config

        name = self._directory.absolute().name if hub_model_id is None else hub_model_id
        config = Config(model=str(self._directory), hub_model_id=name, hub_private=private, push_to_hub=True)
        return publish(self._directory, config, overwrite=overwrite)

    def resume(self, dataset: Any = None, **options: Any) -> Run:
        """Go on with the run from its newest checkpoint; return it again, trained.

        Args:
            dataset: the run's text, where it was given as an object in another process; None: as recorded.
            options: the options of `train`; what is not given is as in the run. `epochs=5,
                allow_change="epochs"` trains a finished run for longer.

        Raises:
            RequestError: an option or the text has changed, or there is nothing to resume.
            RunError: training failed.
        """
        from mlm_core.api.start import start

        text = self._text if dataset is None else dataset
        return run_of(start(text, {"output_dir": self._directory, "resume": True} | options))

    def __repr__(self) -> str:
        try:
            result = self.result
        except RequestError as error:
            return f"<{type(self).__name__} {visible(str(self._directory))}: {error.message}>"
        shown = result.summary() if result is not None else "not finished"
        return f"<{type(self).__name__} {visible(str(self._directory))}: {shown}>"

    def _repr_html_(self) -> str:
        from mlm_core.api.run_html import run_html
        from mlm_core.system.html import text

        try:
            source = str((self._facts().get("data") or {}).get("source"))
            shown = run_html(str(self._directory), source, self.config, self.result)
        except RequestError as error:
            return f"<p>{text(error)}</p>"
        try:
            return shown + self.plot()._repr_html_()
        except RequestError:
            # It has no step yet.
            return shown

    def __dir__(self) -> list[str]:
        return [name for name in super().__dir__() if not name.startswith("_") or name.endswith("__")]

    @property
    def _metrics(self) -> Path:
        from mlm_core.training.run_files import METRICS

        return self._directory / METRICS

    def _facts(self) -> dict[str, Any]:
        from mlm_core.api.record import facts_of

        return facts_of(self._directory)

    def _engine(self, backend: str | None = None) -> Engine:
        from mlm_core.api.record import engine_for

        return engine_for(self._directory, backend or self._chosen)


def run_of(started: Started) -> Run:
    """The run of a training that has just ended; it fills and evaluates where the training computed."""
    return Run(
        started.result.run_dir,
        backend=started.result.backend,
        device=started.config.device,
        threads=started.config.threads,
        result=started.result,
        text=started.text,
    )
