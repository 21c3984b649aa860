"""The publishing options of a run, and the error of a run that was not published."""

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
    """Check the publishing options; sends no request.

    Raises:
        RequestError: there is no token, the Hub is switched off, or the repository has no valid name.
    """
    if config.push_to_hub:
        check_access()
        repository_name(config, None)


def repository_name(config: Config, run: Path | None) -> str:
    """The name of the repository of a run.

    Raises:
        RequestError: no option names it, or the name is invalid.
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
            "not a valid repository name",
            code="hub_name",
            option="--hub-model-id",
            value=name,
            fix="use letters, digits, - _ and ., for example ORG/NAME",
        )
    return name


def publisher_of(
    config: Config, tokenizer: Tokenizer, run: Path | None, progress: Progress
) -> Publisher | None:
    """Make the publisher of a run and check it with the Hub; None without `--push-to-hub`.

    Args:
        config: of the run.
        tokenizer: of its model.
        run: the directory of a run that resumes; None: a new run.
        progress: shows warnings.

    Raises:
        RequestError: publishing cannot work.
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
    """Error: a run's model is complete, but not on the Hub.

    Args:
        error: the cause; None: the upload was interrupted.
        run: the directory of the model.
        repository: the intended repository.
        config: of the run; the suggested command repeats its options.
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
