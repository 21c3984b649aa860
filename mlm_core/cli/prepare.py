"""mlm prepare."""

from __future__ import annotations

import json
from typing import Any

from mlm_core.cli.request import Request, whole_number
from mlm_core.config.config import Config

_LONGEST = 300
"""The number of characters of a text that are shown."""


def run(request: Request) -> dict[str, Any]:
    """Read, split, tokenize and group the text as training does, and keep the blocks in the cache."""
    config = Config(**request.given)
    shown = whole_number(request.arguments["show"], "--show", least=0)
    from mlm_core.cli.sample import sample_blocks, sample_documents
    from mlm_core.compat.transformers import import_without_frameworks
    from mlm_core.data.sources import load_source
    from mlm_core.model.find_model import find_model
    from mlm_core.progress import Progress
    from mlm_core.system.cache import cache_directory
    from mlm_core.training.crowding import warn_of_crowding
    from mlm_core.training.setup import training_setup

    files = find_model(config)
    progress = Progress.of(config)
    warn_of_crowding(config, progress)
    source = load_source(config, progress=progress)
    with progress.phase("loading transformers", logged=False):
        import_without_frameworks()
    setup = training_setup(config, source, progress, files=files)
    return {
        "source": setup.source.name,
        "fingerprint": setup.source.fingerprint,
        "cache": str(cache_directory()),
        "stores": {
            part: vars(facts) | {"dropped_tokens": facts.dropped_tokens, "padding": facts.padding}
            for part, facts in setup.stores.items()
        },
        "summary": [f"{part} text: {facts}" for part, facts in setup.stores.items()],
        "documents": sample_documents(setup, shown),
        "blocks": sample_blocks(setup, shown),
    }


def show(results: dict[str, Any]) -> None:
    """Print the sample, then what was prepared."""
    for number, document in enumerate(results["documents"], 1):
        print(f"document {number} of the training text")
        raw = document["raw"]
        print(f"  raw        {_cut(raw if isinstance(raw, str) else json.dumps(raw, ensure_ascii=False))}")
        print(f"  text       {_cut(document['text'])}")
        print(f"  tokens     {_cut(' '.join(document['tokens']))}")
        print(f"  ids        {_cut(' '.join(map(str, document['token_ids'])))}")
    for block in results["blocks"]:
        print(f"block {block['block']}")
        print(f"  grouped    {_cut(block['text'])}")
        print(f"  masked     {_cut(block['masked'])}")
        print(f"  to guess   {_cut(', '.join(map(_guess, block['to_guess'])))}")
    for line in results["summary"]:
        print(line)
    print(f"kept in {results['cache']}; mlm train with the same options reads it from there")


def _guess(slot: dict[str, Any]) -> str:
    seen, wanted = slot["seen"], slot["token"]
    return repr(wanted) if seen != wanted else f"{wanted!r} (unchanged)"


def _cut(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]} ... ({len(text):,} characters)"
