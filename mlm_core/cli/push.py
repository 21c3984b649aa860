"""mlm push."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlm_core.cli.request import Request
from mlm_core.config.config import Config
from mlm_core.errors import RequestError

if TYPE_CHECKING:
    from mlm_core.model.source import ModelSource


def run(request: Request) -> dict[str, Any]:
    """Publish a model directory."""
    directory = Path(request.arguments["run"])
    repository = request.arguments["repository"] or directory.absolute().name
    given: dict[str, Any] = {"hub_model_id": repository, "model": str(directory), "push_to_hub": True}
    config = Config(**request.given, **given)
    from mlm_core.hub.model_files import has_tokenizer, published_files
    from mlm_core.hub.publisher import Publisher, Target
    from mlm_core.hub.request import check_publishing
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
    facts = read_facts(directory)
    recorded = config_of(facts, directory) if facts is not None else config
    also_h5 = config.also_h5 or recorded.also_h5
    if config.also_h5:
        from mlm_core.registry import find_engine

        find_engine(config.backend or "tf").write_h5(directory)
    progress = Progress.of(config)
    with progress.phase("looking at the model"):
        model = load_model_source(config, files) if has_tokenizer(directory) else None
    tokenizer = model.tokenizer if model is not None else None
    # For its errors: a repository that exists would stay empty.
    published_files(directory, tokenizer, repository, also_h5=also_h5)
    # Never as run.json says: who may see a model is for this user alone to say.
    target = Target(repository, config.hub_private, also_h5)
    publisher = Publisher(target, tokenizer, directory if facts is not None else None, progress)
    publisher.check()
    card, overwrite = _card(publisher.name, model), request.arguments["overwrite"]
    return {"hub_url": publisher.finish(directory, "Model", card=card, overwrite=overwrite)}


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


def show(results: dict[str, Any]) -> None:
    """Print the address of the model."""
    print(f"published at {results['hub_url']}")
