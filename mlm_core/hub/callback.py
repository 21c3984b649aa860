"""Publishing from a training loop of one's own: what the callbacks of both frameworks have in common."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from mlm_core.config.config import Config
from mlm_core.errors import MlmError, RequestError
from mlm_core.hub.card import CardFacts, Row, write_card
from mlm_core.hub.model_files import PLACEHOLDER, published_files
from mlm_core.hub.publisher import Publisher, Target
from mlm_core.hub.repository import check_access
from mlm_core.hub.request import not_published, repository_name
from mlm_core.progress import Progress
from mlm_core.system.versions import core_versions, installed_versions

SaveStrategy = Literal["no", "epoch", "steps"]

_METADATA = {
    "language": "language",
    "license": "license",
    "tags": "tags",
    "finetuned_from": "base_model",
    "dataset": "datasets",
}
"""What transformers' callbacks call metadata of the card, and what the card calls it."""


class CallbackPublisher:
    """Saves a model in a directory and keeps a repository on the Hub in step with it.

    Args:
        output_dir: the directory.
        save_strategy: when, besides the end: "no", after every "epoch", or every `save_steps` "steps".
        save_steps: between two versions.
        tokenizer: saved and published with the model; None: it is not.
        hub_model_id: the repository; None: the user's own, called as the directory.
        hub_token: in the place of the one that is found.
        hub_private: who may read the repository, if it is made.
        card: metadata of the card: `language`, `license`, `tags`, `finetuned_from`, `dataset`.
        packages: of the framework, whose versions the card gives.

    Raises:
        RequestError: an argument is wrong, or the Hub refuses.
    """

    def __init__(
        self,
        output_dir: str | Path,
        save_strategy: str,
        save_steps: int | None,
        tokenizer: Any,
        hub_model_id: str | None,
        hub_token: str | None,
        hub_private: bool,
        card: Mapping[str, Any],
        packages: Sequence[str],
    ) -> None:
        # An enumeration of transformers says its word as value.
        self._strategy = str(getattr(save_strategy, "value", save_strategy)).lower()
        self._steps = save_steps
        self._check_arguments(card)
        self.directory = Path(output_dir)
        name = repository_name(Config(hub_model_id=hub_model_id, output_dir=str(output_dir)), None)
        check_access(hub_token)
        self._tokenizer = tokenizer
        self._versions = core_versions() | installed_versions(packages)
        self._card = {_METADATA[key]: _as_list(key, value) for key, value in card.items()}
        self.directory.mkdir(parents=True, exist_ok=True)
        progress = Progress(quiet=False, verbose=False, logging_steps=1)
        target = Target(name, hub_private, token=hub_token)
        self._publisher = Publisher(target, tokenizer, self.directory, progress)
        self._publisher.check()

    @property
    def hub_model_id(self) -> str:
        """The repository, as far as its name is known."""
        return self._publisher.name

    def after_step(self, step: int, write: Callable[[Path], None], rows: Sequence[Row]) -> None:
        """Publish a version, beside the work, if one is due after step `step`, counted from 1."""
        if self._strategy == "steps" and self._steps and step % self._steps == 0:
            self._offer(f"Step {step}", write, rows)

    def after_epoch(self, epoch: int, write: Callable[[Path], None], rows: Sequence[Row]) -> None:
        """Publish a version, beside the work, if one is due after epoch `epoch`, counted from 1."""
        if self._strategy == "epoch":
            self._offer(f"Epoch {epoch}", write, rows)

    def at_end(self, write: Callable[[Path], None], rows: Sequence[Row]) -> str:
        """Save and publish the model, whatever is on its way; returns the address of the repository.

        Raises:
            RunError: the model is saved, but did not reach the Hub.
        """
        self._save(write, rows)
        try:
            url = self._publisher.finish(self.directory, "End of training")
        except (MlmError, OSError) as error:
            raise not_published(error, self.directory, self.hub_model_id) from None
        print(f"published at {url}")
        return url

    def _offer(self, what: str, write: Callable[[Path], None], rows: Sequence[Row]) -> None:
        self._save(write, rows)
        self._publisher.offer(what, self._copy)

    def _save(self, write: Callable[[Path], None], rows: Sequence[Row]) -> None:
        write(self.directory)
        mask = getattr(self._tokenizer, "mask_token", None) or "<mask>"
        facts = CardFacts(
            name=self.hub_model_id.rpartition("/")[2],
            summary="A masked language model.",
            mask=mask,
            rows=rows,
            versions=self._versions,
            more=self._card,
        )
        write_card(self.directory, facts)

    def _copy(self, directory: Path) -> None:
        for name, content in published_files(self.directory, self._tokenizer, PLACEHOLDER).items():
            if isinstance(content, Path):
                shutil.copy(content, directory / name)
            else:
                (directory / name).write_bytes(content)

    def _check_arguments(self, card: Mapping[str, Any]) -> None:
        if self._strategy not in ("no", "epoch", "steps"):
            raise RequestError(
                "must be one of no, epoch, steps",
                code="invalid_choice",
                option="save_strategy",
                value=self._strategy,
            )
        if self._strategy == "steps" and not (isinstance(self._steps, int) and self._steps > 0):
            raise RequestError(
                "must be a whole number of at least 1 where save_strategy is steps",
                code="out_of_range",
                option="save_steps",
                value=self._steps,
            )
        for name in card:
            if name not in _METADATA:
                fix = f"the names are {', '.join(_METADATA)}"
                raise RequestError("no such argument", code="unknown_option", option=name, fix=fix)


def _as_list(key: str, value: Any) -> Any:
    """A single tag as a list of one."""
    return [value] if key == "tags" and isinstance(value, str) else value
