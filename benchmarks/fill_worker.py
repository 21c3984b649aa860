"""A variant of `fill.py`, in a process of its own: `fill_worker.py OWNER:FRAMEWORK:HOW DIRECTORY`.

OWNER is `mlm` (this project's predictor) or `pipeline` (transformers' fill-mask pipeline). HOW is `one` (one
sentence per call) or `many` (all in one call). A unit of work is all sentences. Notes the best score of each.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from rounds import Rounds

TOP = 5
"""Answers per blank: the default of the pipeline."""

Fill = Callable[[list[str]], list[Any]]


def mlm(model: str, framework: str) -> Fill:
    """What `mlm fill` does."""
    from mlm_core import load_engine

    predictor = load_engine(framework).predictor(model)
    return lambda texts: predictor.fill(texts, top_k=TOP)


def pipeline_torch(model: str, sentences: int) -> Fill:
    """The pipeline as in the guide, with the whole list as one batch."""
    from mlm_core import load_engine

    load_engine("torch").prepare_process()
    from transformers import pipeline

    return _listed(pipeline("fill-mask", model), batch_size=sentences)


def pipeline_tf(model: str, sentences: int) -> Fill:
    """The same in TensorFlow, where the pipeline ignores the batch size and takes the texts one by one."""
    import mlm_tf

    # transformers' own TensorFlow loader cannot read every `model.safetensors`.
    network = mlm_tf.from_pretrained(model)
    from transformers import AutoTokenizer, pipeline

    tokenizer = AutoTokenizer.from_pretrained(model)
    filler = pipeline("fill-mask", model=network, tokenizer=tokenizer, framework="tf", dtype=None)
    return _listed(filler, batch_size=sentences)


def _listed(filler: Any, batch_size: int) -> Fill:
    def fill(texts: list[str]) -> list[Any]:
        if len(texts) == 1:
            return [filler(texts[0], top_k=TOP)]
        return list(filler(texts, top_k=TOP, batch_size=batch_size))

    return fill


def main(variant: str, directory: str) -> None:
    """Fill blanks until no further unit is due."""
    owner, framework, how = variant.split(":")
    model = str(Path(directory) / "model")
    sentences: list[str] = json.loads((Path(directory) / "sentences.json").read_text(encoding="utf-8"))
    rounds = Rounds(warm_up=1)
    if owner == "mlm":
        fill = mlm(model, framework)
    else:
        fill = (pipeline_torch if framework == "torch" else pipeline_tf)(model, len(sentences))
    rounds.note(scores=[answers[0]["score"] for answers in fill(sentences)])
    calls = [sentences] if how == "many" else [[sentence] for sentence in sentences]
    while True:
        for texts in calls:
            fill(texts)
        rounds.unit_done()


if __name__ == "__main__":
    main(*sys.argv[1:])
