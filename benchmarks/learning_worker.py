"""A part of `learning.py`, in a process of its own.

    learning_worker.py DIRECTORY start SEED              draw the weights that all variants start from
    learning_worker.py DIRECTORY VARIANT SEED STEPS      train; see `learning.py` for the variants
    learning_worker.py DIRECTORY judge MODEL ...         evaluate models on the held-out text

Models are directories in DIRECTORY: `start-SEED`, `VARIANT-SEED`. Prints a line of JSON at the end.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from inputs import BATCH, BLOCK

from mlm_core.compare.hf_recipe import block_rows, stock_collator

LEARNING_RATE, WEIGHT_DECAY = 1e-3, 0.01


def start(directory: Path, seed: int) -> dict[str, Any]:
    """Draw the weights of a seed; returns their digest."""
    from mlm_core import Config, load_engine

    config = Config(
        dataset=str(directory / "text"), model=str(directory / "shape"), from_scratch=True,
        block_size=BLOCK, seed=seed, quiet=True,
    )  # fmt: skip
    trainer = load_engine("torch").trainer(config)
    trainer.save(directory / f"start-{seed}")
    return {"starting_weights": _digest(trainer.network.weights())}


def mlm(directory: Path, target: Path, seed: int, steps: int, backend: str, precision: str) -> dict[str, Any]:
    """A run of this project."""
    from mlm_core import Config, load_engine

    config = Config(
        dataset=str(directory / "text"), model=str(directory / f"start-{seed}"), max_steps=steps,
        batch_size=BATCH, block_size=BLOCK, learning_rate=LEARNING_RATE, weight_decay=WEIGHT_DECAY,
        precision=precision, seed=seed, save_steps=steps, quiet=True, output_dir=str(target),
    )  # fmt: skip
    trainer = load_engine(backend).trainer(config)
    if not np.array_equal(trainer.setup.train.blocks, np.load(directory / "blocks.npy")):
        sys.exit("this project has other blocks than the recipe of Hugging Face")
    trainer.specs()
    digest = _digest(trainer.network.weights())
    trainer.train()
    results = json.loads((target / "run.json").read_text(encoding="utf-8"))["results"]
    return {"starting_weights": digest, "seconds": results["training_seconds"]}


def hf_recipe_torch(directory: Path, target: Path, seed: int, steps: int) -> dict[str, Any]:
    """Trainer, with the options of this benchmark."""
    from mlm_core import load_engine

    load_engine("torch")
    from transformers import AutoModelForMaskedLM, AutoTokenizer

    from mlm_torch.hf_recipe import stock_trainer
    from mlm_torch.weights import export

    source = directory / f"start-{seed}"
    tokenizer = AutoTokenizer.from_pretrained(source)
    network = AutoModelForMaskedLM.from_pretrained(source)
    digest = _digest(export(network))
    with tempfile.TemporaryDirectory() as scratch:
        trainer = stock_trainer(
            network, stock_collator(tokenizer), scratch, train_rows=_rows(directory), max_steps=steps,
            seed=seed, learning_rate=LEARNING_RATE, weight_decay=WEIGHT_DECAY,
            per_device_train_batch_size=BATCH,
        )  # fmt: skip
        begun = time.perf_counter()
        trainer.train()
    seconds = time.perf_counter() - begun
    network.save_pretrained(target)
    tokenizer.save_pretrained(target)
    return {"starting_weights": digest, "seconds": seconds}


def hf_recipe_tf(directory: Path, target: Path, seed: int, steps: int) -> dict[str, Any]:
    """`compile` and `fit`, with the schedule and the constants of AdamW that Trainer has."""
    from mlm_core import load_engine

    load_engine("tf")
    import tf_keras as keras
    from transformers import AutoConfig, AutoTokenizer, TFAutoModelForMaskedLM, create_optimizer

    from mlm_core.model.weight_files import WEIGHTS, read_weights, write_weights
    from mlm_tf.weights import assign, export

    keras.utils.set_random_seed(seed)
    source = directory / f"start-{seed}"
    network = TFAutoModelForMaskedLM.from_config(AutoConfig.from_pretrained(source))
    network.build_in_name_scope()
    # transformers' own from_pretrained does not open PyTorch's layout without PyTorch.
    assign(network, read_weights(source))
    digest = _digest(export(network))
    collator = stock_collator(AutoTokenizer.from_pretrained(source), return_tensors="tf")
    batches = network.prepare_tf_dataset(
        _rows(directory), shuffle=True, batch_size=BATCH, collate_fn=collator
    )
    optimizer, _ = create_optimizer(LEARNING_RATE, steps, 0, weight_decay_rate=WEIGHT_DECAY)
    network.compile(optimizer=optimizer)
    begun = time.perf_counter()
    network.fit(x=batches.repeat(), epochs=1, steps_per_epoch=steps, verbose=0)
    seconds = time.perf_counter() - begun
    shutil.copytree(source, target)
    write_weights(target / WEIGHTS, export(network))
    return {"starting_weights": digest, "seconds": seconds}


def judge(directory: Path, models: list[str]) -> dict[str, float]:
    """Held-out losses of models, in nats per masked token; all are evaluated with the same masks."""
    from mlm_core import Config, load_engine

    losses = {}
    for name in models:
        config = Config(
            dataset=str(directory / "text"), model=str(directory / name), batch_size=BATCH, block_size=BLOCK,
            quiet=True,
        )  # fmt: skip
        losses[name] = load_engine("torch").evaluator(config, whole=True).evaluate().loss
    return losses


def _digest(weights: Mapping[str, Any]) -> str:
    """A digest of parameters by canonical name; equal parameters have equal digests in both frameworks."""
    digest = hashlib.sha256()
    for name in sorted(weights):
        digest.update(name.encode() + np.ascontiguousarray(weights[name], dtype="<f4").tobytes())
    return digest.hexdigest()


def _rows(directory: Path) -> Any:
    return block_rows(np.load(directory / "blocks.npy"))


def main(place: str, what: str, *words: str) -> dict[str, Any]:
    """Do one part; see above."""
    directory = Path(place)
    os.environ["MLM_CACHE"] = str(directory / "cache")
    if what == "judge":
        return judge(directory, list(words))
    seed, *rest = map(int, words)
    if what == "start":
        return start(directory, seed)
    target = directory / f"{what}-{seed}"
    owner, backend, precision = what.split(":")
    if owner == "mlm":
        return mlm(directory, target, seed, rest[0], backend, precision)
    return (hf_recipe_torch if backend == "torch" else hf_recipe_tf)(directory, target, seed, rest[0])


if __name__ == "__main__":
    print(json.dumps(main(*sys.argv[1:])))
