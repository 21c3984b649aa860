"""One engine's part of the comparison, for every architecture in turn, in a process of its own.

    engine_side.py train BACKEND DIRECTORY TEXT       examine, train, and see whether dropout is keyed
    engine_side.py open BACKEND DIRECTORY TRAINED_BY  what it says with the weights that an engine trained

Every outcome is a file below DIRECTORY; what fails leaves its reason in the place of a result.
"""

from __future__ import annotations

import shutil
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))
sys.path.insert(0, str(Path(__file__).parent))

from architectures import LONG, SETTINGS, write_architecture

from mlm_core import Config, load_engine
from mlm_core.engine import Engine
from mlm_core.parity.side import work


def train(engine: Engine, directory: Path, name: str, text: str) -> None:
    """The side of a comparison in DIRECTORY/NAME/BACKEND."""
    model = write_architecture(directory / name / f"{engine.name}-model", name)
    steps, micro_batches = (200, 2) if name in LONG else (12, 1)
    config = Config(
        dataset=text, model=str(model), from_scratch=True, dropout=0.0, max_steps=steps, block_size=16,
        batch_size=8, learning_rate=5e-3, warmup_steps=2, weight_decay=0.1, threads=2, device="cpu",
        quiet=True, test_size=0.1, gradient_accumulation_steps=micro_batches,
    )  # fmt: skip
    work(engine, config, directory / name / engine.name)


def open_trained(engine: Engine, directory: Path, name: str, by: str) -> None:
    """Logits of a model that an engine trained: a batch with padding, plain `from_pretrained` in PyTorch."""
    trained = directory / name / by / "run"
    logits = np.asarray(_logits(engine, trained))
    np.save(directory / name / f"{by}-in-{engine.name}.npy", logits)


def batch() -> dict[str, np.ndarray]:
    """Rows of different lengths, filled up."""
    ids = np.random.RandomState(3).randint(5, 25, size=(3, 16))
    mask = np.ones_like(ids)
    mask[1, 12:] = mask[2, 7:] = 0
    return {"input_ids": ids * mask, "attention_mask": mask}


def _logits(engine: Engine, trained: Path) -> Any:
    if engine.name == "torch":
        import torch
        from transformers import AutoModelForMaskedLM

        model = AutoModelForMaskedLM.from_pretrained(trained).eval()
        with torch.no_grad():
            return model(**{key: torch.from_numpy(value) for key, value in batch().items()}).logits
    import mlm_tf

    return mlm_tf.from_pretrained(trained)(batch(), training=False).logits


def each(directory: Path, engine: Engine, part: Callable[[str], None]) -> None:
    """Do something for every architecture; one that fails does not stop the others."""
    for name in SETTINGS:
        (directory / name).mkdir(parents=True, exist_ok=True)
        try:
            part(name)
        except Exception:
            shutil.rmtree(directory / name / engine.name / "run", ignore_errors=True)
            (directory / name / f"{engine.name}.failed").write_text(traceback.format_exc(), encoding="utf-8")


def main(task: str, backend: str, directory: Path, what: str) -> None:
    """Do one task for every architecture."""
    engine = load_engine(backend)
    do = {"train": train, "open": open_trained}[task]
    each(directory, engine, lambda name: do(engine, directory, name, what))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], Path(sys.argv[3]), sys.argv[4])
