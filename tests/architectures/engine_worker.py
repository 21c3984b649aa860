"""One engine's part of the comparison of all architectures, in a process of its own.

    engine_worker.py train BACKEND WORKER DIRECTORY TEXT         first batch, training, is dropout keyed?
    engine_worker.py open BACKEND WORKER DIRECTORY WORKERS ...   logits with the weights that WORKERS trained

WORKER is the name of this worker. Every outcome is a file in DIRECTORY/ARCHITECTURE. If there is none,
WORKER.failed gives the reason.
"""

from __future__ import annotations

import json
import sys
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from architectures import LONG, SETTINGS, padded_batch, write_architecture

from mlm_core import Config, load_engine
from mlm_core.engine import Engine
from mlm_core.model.dropout_rates import set_dropout
from mlm_core.parity.worker import work


def train(engine: Engine, worker: str, place: Path, text: str) -> None:
    """Write a worker's part of a comparison to PLACE/WORKER; PLACE/WORKER.keyed: is dropout keyed?"""
    model = write_architecture(place / f"{worker}-model", place.name)
    steps, micro_batches = (200, 2) if place.name in LONG else (12, 1)
    config = Config(
        dataset=text, model=str(model), from_scratch=True, dropout=0.0, max_steps=steps, block_size=16,
        batch_size=8, gradient_accumulation_steps=micro_batches, learning_rate=5e-3, warmup_steps=2,
        weight_decay=0.1, threads=2, device="cpu", quiet=True, test_size=0.1,
    )  # fmt: skip
    work(engine, config, place / worker)
    (place / f"{worker}.keyed").write_text(json.dumps(_dropout_is_keyed(engine, place / worker / "start")))


def open_trained(engine: Engine, worker: str, place: Path, trained_by: Sequence[str]) -> None:
    """Write the logits of each worker's trained model for a batch with padding."""
    for other in trained_by:
        logits = _logits(engine, place / other / "run")
        np.save(place / f"{other}-in-{worker}.npy", np.asarray(logits))


def _logits(engine: Engine, trained: Path) -> Any:
    """The logits of a trained model for the padded batch; in PyTorch with plain `from_pretrained`."""
    if engine.name == "torch":
        import torch
        from transformers import AutoModelForMaskedLM

        model = AutoModelForMaskedLM.from_pretrained(trained).eval()
        with torch.no_grad():
            return model(**{name: torch.from_numpy(array) for name, array in padded_batch().items()}).logits
    import mlm_tf

    return mlm_tf.from_pretrained(trained)(padded_batch(), training=False).logits


def _dropout_is_keyed(engine: Engine, start: Path) -> bool:
    """Whether dropout noise depends on its key only, and differs between keys."""
    from transformers import AutoConfig

    config = AutoConfig.from_pretrained(start)
    set_dropout(config, 0.3)
    config.save_pretrained(start)
    if engine.name == "torch":
        import numpy_engine_torch as numpy_engine
    else:
        import numpy_engine_tf as numpy_engine
    forward = numpy_engine.noisy_model(start)
    ids = padded_batch()["input_ids"][:1]
    first = forward(ids, seed=1, step=4, micro_batch=0)
    other = forward(ids, seed=1, step=5, micro_batch=0)
    again = forward(ids, seed=1, step=4, micro_batch=0)
    return bool((first == again).all() and (first != other).any())


def each(worker: str, directory: Path, do: Callable[[Path], None]) -> None:
    """Do something for every architecture; a failure does not stop the others."""
    for name in SETTINGS:
        place = directory / name
        place.mkdir(parents=True, exist_ok=True)
        try:
            do(place)
        except Exception:
            (place / f"{worker}.failed").write_text(traceback.format_exc(), encoding="utf-8")


def known_to(engine: Engine, worker: str, directory: Path) -> None:
    """Record the architectures that have a masked-LM class in this framework."""
    if engine.name == "torch":
        from transformers import MODEL_FOR_MASKED_LM_MAPPING as MAPPING
    else:
        from transformers import TF_MODEL_FOR_MASKED_LM_MAPPING as MAPPING
    known = sorted(config.model_type for config in MAPPING)
    (directory / f"{worker}.architectures").write_text(json.dumps(known))


def main(task: str, backend: str, worker: str, directory: Path, *more: str) -> None:
    """Do one task for every architecture."""
    engine = load_engine(backend)
    engine.devices()
    if task == "train":
        known_to(engine, worker, directory)
        each(worker, directory, lambda place: train(engine, worker, place, more[0]))
    else:
        each(worker, directory, lambda place: open_trained(engine, worker, place, more))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3], Path(sys.argv[4]), *sys.argv[5:])
