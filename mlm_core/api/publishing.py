"""Publishing a finished run, or any model directory, on the Hub."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from mlm_core.errors import RequestError

if TYPE_CHECKING:
    from mlm_core.config.config import Config
    from mlm_core.model.source import ModelSource


def publish(directory: Path, config: Config, *, overwrite: bool = False) -> str:
    """Publish a model directory; return the repository's address.

    Args:
        directory: of a run or of a model.
        config: names the directory as the model, and the repository; `also_h5` and `hub_private` count, too.
        overwrite: publish even if others have changed the repository since this run last saw it.

    Raises:
        RequestError: the directory holds no model, or publishing cannot work.
        RunError: the model did not reach the Hub.
    """
    from mlm_core.hub.model_files import has_tokenizer, published_files
    from mlm_core.hub.publisher import Publisher, Target
    from mlm_core.model.find_model import find_model
    from mlm_core.model.source import load_model_source
    from mlm_core.progress import Progress
    from mlm_core.training.run_record import config_of, read_facts

    if not directory.is_dir():
        fix = "give the directory of a run or of a model"
        raise RequestError(
            "no such directory", code="missing_model", option="RUN", value=str(directory), fix=fix
        )
    files = find_model(config)
    _check(config)
    facts = read_facts(directory)
    recorded = config_of(facts, directory) if facts is not None else config
    also_h5 = config.also_h5 or recorded.also_h5
    if config.also_h5:
        from mlm_core.registry import find_engine

        find_engine(config.backend or "tf").write_h5(directory)
    progress, repository = Progress.of(config), str(config.hub_model_id)
    with progress.phase("looking at the model"):
        model = load_model_source(config, files) if has_tokenizer(directory) else None
    tokenizer = model.tokenizer if model is not None else None
    # For its errors: a repository that exists would stay empty.
    published_files(directory, tokenizer, repository, also_h5=also_h5)
    # Never as run.json says: who may see a model is for this user alone to say.
    target = Target(repository, config.hub_private, also_h5)
    publisher = Publisher(target, tokenizer, directory if facts is not None else None, progress)
    publisher.check()
    return publisher.finish(directory, "Model", card=_card(publisher.name, model), overwrite=overwrite)


def _check(config: Config) -> None:
    from mlm_core.hub.request import check_publishing

    try:
        check_publishing(config)
    except RequestError as error:
        # The user did not type these options here.
        if error.option == "--push-to-hub":
            error.option = None
            error.fix = "unset it" if error.code == "hub_offline" else error.fix
        elif error.option == "--hub-model-id":
            error.option = "REPO"
        raise


def _card(repository: str, model: ModelSource | None) -> str:
    """The card of a model without a record of its training."""
    from mlm_core.hub.card import CardFacts, model_card
    from mlm_core.model.architectures import length_limit

    facts = CardFacts(
        name=repository.rpartition("/")[2],
        where=repository,
        summary="A masked language model.",
        mask=model.tokenizer.mask_token if model is not None else "<mask>",
        length=length_limit(model.config) if model is not None else None,
    )
    return model_card(facts)
