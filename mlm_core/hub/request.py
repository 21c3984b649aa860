"""What a run's options say of publishing it, and what is said where that did not work."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

from mlm_core.compat.transformers import Tokenizer
from mlm_core.config.config import Config
from mlm_core.errors import MlmError, RequestError, RunError
from mlm_core.hub.publisher import Publisher, Target
from mlm_core.hub.repository import check_access
from mlm_core.progress import Progress


def check_publishing(config: Config) -> None:
    """Refuse what can be seen to be impossible; nothing is asked.

    Raises:
        RequestError: there is no token, the Hub is not to be asked, or the repository has no name.
    """
    if config.push_to_hub:
        check_access()
        repository_name(config, None)


def repository_name(config: Config, run: Path | None) -> str:
    """The name of the repository that a run is published to.

    Raises:
        RequestError: nothing names it.
    """
    name = config.hub_model_id or Path(config.output_dir or run or "").absolute().name
    if config.hub_model_id is None and config.output_dir is None and run is None:
        raise RequestError(
            "the repository has no name",
            code="no_repository",
            option="--push-to-hub",
            fix="name it with --hub-model-id, or the run with --output-dir",
        )
    if not re.fullmatch(r"(\w[\w.-]*/)?\w[\w.-]*", name) or "--" in name or ".." in name:
        raise RequestError(
            "is no name of a repository",
            code="hub_name",
            option="--hub-model-id",
            value=name,
            fix="a name is letters, digits, - _ and ., as in ORG/NAME",
        )
    return name


def publisher_of(
    config: Config, tokenizer: Tokenizer, run: Path | None, progress: Progress
) -> Publisher | None:
    """What publishes a run, if it is to be published; asks the Hub.

    Args:
        config: of the run.
        tokenizer: of its model.
        run: its directory, where it goes on.
        progress: where it is said what goes wrong.

    Raises:
        RequestError: it is seen now that it will not work.
    """
    if not config.push_to_hub:
        return None
    target = Target(repository_name(config, None), config.hub_private, config.also_h5)
    publisher = Publisher(target, tokenizer, run, progress)
    publisher.check()
    return publisher


def not_published(
    error: Exception | None, run: Path, repository: str, config: Config | None = None
) -> RunError:
    """A run's model is complete, but not on the Hub.

    Args:
        error: what went wrong; None: it was interrupted.
        run: where the model is.
        repository: where it should be.
        config: of the run, whose options the command repeats.
    """
    code = error.code if isinstance(error, MlmError) else "system_error" if error else "interrupted"
    words = ["mlm", "push", str(run), repository]
    if code == "hub_moved_on":
        words.append("--overwrite")
    if config is not None and not config.hub_private:
        words.append("--hub-public")
    if config is not None and config.trust_remote_code:
        words.append("--trust-remote-code")
    return RunError(
        f"the model is trained and saved in {run}, but not published{f' ({error})' if error else ''}",
        code=code,
        fix=f"{shlex.join(words)} publishes it",
    )
