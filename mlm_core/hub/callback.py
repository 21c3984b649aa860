"""Publishing from the user's own training loop: what the callbacks of both frameworks share."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

from mlm_core.config.config import Config
from mlm_core.errors import MlmError, RequestError
from mlm_core.hub.card import CardFacts, Row, write_card
from mlm_core.hub.model_files import PLACEHOLDER, published_files
from mlm_core.hub.publisher import Publisher, Target
from mlm_core.hub.repository import check_access
from mlm_core.hub.request import not_published, repository_name
from mlm_core.model.initialization import Weights
from mlm_core.model.write_model import write_model
from mlm_core.progress import Progress
from mlm_core.system.versions import core_versions, installed_versions

_METADATA = {
    "language": "language",
    "license": "license",
    "tags": "tags",
    "finetuned_from": "base_model",
    "dataset": "datasets",
}
"""Card metadata: the argument of transformers' callbacks, and the card's own key."""


class HubCallback:
    """The arguments of both frameworks' `PushToHubCallback`, which inherit this class.

    Args:
        output_dir: where the model is saved.
        save_strategy: when to publish before the end: "no", after every "epoch", or every `save_steps`
            "steps". The end always publishes.
        save_steps: steps between two versions.
        tokenizer: saved and published with the model; None: no tokenizer is.
        hub_model_id: the repository, for example ORG/NAME; None: the user's own, named after the directory.
        hub_token: used instead of HF_TOKEN and of the token that `hf auth login` has stored.
        hub_private: whether a new repository is private.
        model_card_args: metadata of the card: `language`, `license`, `tags`, `finetuned_from`, `dataset`.

    Attributes:
        packages: of the framework; the card lists their versions.
        class_prefix: what the framework's class name has in front of the PyTorch class name.

    Raises:
        RequestError: an argument is wrong, or the Hub refuses.
    """

    packages: ClassVar[Sequence[str]]
    class_prefix: ClassVar[str] = ""

    def __init__(
        self,
        output_dir: str | Path,
        save_strategy: str = "epoch",
        save_steps: int | None = None,
        tokenizer: Any = None,
        hub_model_id: str | None = None,
        hub_token: str | None = None,
        *,
        hub_private: bool = True,
        **model_card_args: Any,
    ) -> None:
        self.output_dir, self.tokenizer = Path(output_dir), tokenizer
        strategy = strategy_word(save_strategy)
        _check_arguments(strategy, save_steps, model_card_args)
        name = repository_name(Config(hub_model_id=hub_model_id, output_dir=str(output_dir)), None)
        check_access(hub_token)
        versions = core_versions() | installed_versions(self.packages)
        card = {_METADATA[key]: _as_list(key, value) for key, value in model_card_args.items()}
        self.output_dir.mkdir(parents=True, exist_ok=True)
        target = Target(name, hub_private, token=hub_token)
        self._publisher = _LoopPublisher(
            self.output_dir, strategy, save_steps, tokenizer, target, card, versions
        )
        self.hub_model_id = self._publisher.hub_model_id

    def _write_model(self, model: Any, export: Callable[[Any], Weights], directory: Path) -> None:
        architecture = type(model).__name__.removeprefix(self.class_prefix)
        write_model(directory, export(model), model.config, self.tokenizer, architecture)


class _LoopPublisher:
    """Saves a model in a directory and publishes it from there, when a version is due.

    Args:
        directory: where the model is saved.
        strategy: "no", "epoch" or "steps".
        steps: between two versions.
        tokenizer: of the model; None: no tokenizer is published.
        target: the repository.
        card: metadata of the card, by the card's keys.
        versions: of packages, for the card.
    """

    def __init__(
        self,
        directory: Path,
        strategy: str,
        steps: int | None,
        tokenizer: Any,
        target: Target,
        card: Mapping[str, Any],
        versions: Mapping[str, str],
    ) -> None:
        self._directory = directory
        self._strategy = strategy
        self._steps = steps
        self._tokenizer = tokenizer
        self._card = card
        self._versions = versions
        progress = Progress(quiet=False, verbose=False, logging_steps=1)
        self._publisher = Publisher(target, tokenizer, directory, progress)
        self._publisher.check()

    @property
    def hub_model_id(self) -> str:
        """The repository, as far as its name is known."""
        return self._publisher.name

    def after_step(self, step: int, write: Callable[[Path], None], rows: Sequence[Row]) -> None:
        """Publish a version in the background if one is due after step `step`, counted from 1."""
        if self._strategy == "steps" and self._steps and step % self._steps == 0:
            self._offer(f"Step {step}", write, rows)

    def after_epoch(self, epoch: int, write: Callable[[Path], None], rows: Sequence[Row]) -> None:
        """Publish a version in the background if one is due after epoch `epoch`, counted from 1."""
        if self._strategy == "epoch":
            self._offer(f"Epoch {epoch}", write, rows)

    def at_end(self, write: Callable[[Path], None], rows: Sequence[Row]) -> str:
        """Save and publish the final model; return the address of the repository.

        Raises:
            RunError: the model is saved, but did not reach the Hub.
        """
        self._save(write, rows)
        try:
            url = self._publisher.finish(self._directory, "End of training")
        except (MlmError, OSError) as error:
            raise not_published(error, self._directory, self.hub_model_id) from None
        print(f"published at {url}")
        return url

    def _offer(self, what: str, write: Callable[[Path], None], rows: Sequence[Row]) -> None:
        self._save(write, rows)
        self._publisher.offer(what, self._copy)

    def _save(self, write: Callable[[Path], None], rows: Sequence[Row]) -> None:
        write(self._directory)
        mask = getattr(self._tokenizer, "mask_token", None) or "<mask>"
        facts = CardFacts(
            name=self.hub_model_id.rpartition("/")[2],
            summary="A masked language model.",
            mask=mask,
            rows=rows,
            versions=self._versions,
            more=self._card,
        )
        write_card(self._directory, facts)

    def _copy(self, directory: Path) -> None:
        for name, content in published_files(self._directory, self._tokenizer, PLACEHOLDER).items():
            if isinstance(content, Path):
                shutil.copy(content, directory / name)
            else:
                (directory / name).write_bytes(content)


def strategy_word(save_strategy: Any) -> str:
    """A `save_strategy` in lower case; transformers' enumeration has it as `value`."""
    return str(getattr(save_strategy, "value", save_strategy)).lower()


def _check_arguments(strategy: str, steps: int | None, card: Mapping[str, Any]) -> None:
    if strategy not in ("no", "epoch", "steps"):
        raise RequestError(
            "must be one of no, epoch, steps",
            code="invalid_choice",
            option="save_strategy",
            value=strategy,
        )
    if strategy == "steps" and not (isinstance(steps, int) and steps > 0):
        raise RequestError(
            "must be a whole number of at least 1 if save_strategy is steps",
            code="out_of_range",
            option="save_steps",
            value=steps,
        )
    for name in card:
        if name not in _METADATA:
            fix = f"the names are {', '.join(_METADATA)}"
            raise RequestError("no such argument", code="unknown_option", option=name, fix=fix)


def _as_list(key: str, value: Any) -> Any:
    """A single tag as a list of one."""
    return [value] if key == "tags" and isinstance(value, str) else value
