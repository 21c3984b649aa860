"""A part of `learning.py`, in a process of its own.

    learning_worker.py DIRECTORY start SEED              draw the weights that all variants start from
    learning_worker.py DIRECTORY VARIANT SEED STEPS      train; see `learning.py` for the variants
    learning_worker.py DIRECTORY judge MODEL ...         evaluate on the held-out text

Models are directories in DIRECTORY: `start-SEED`, `VARIANT-SEED`. Ends with a line of JSON on stdout.
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

LEARNING_RATE, WEIGHT_DECAY = 1e-3, 0.01


def start(directory: Path, seed: int) -> dict[str, Any]:
    """The weights of a seed, and their digest."""
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
        sys.exit("the blocks are not those of the guide's recipe")
    trainer.specs()
    digest = _digest(trainer.network.weights())
    trainer.train()
    results = json.loads((target / "run.json").read_text(encoding="utf-8"))["results"]
    return {"starting_weights": digest, "seconds": results["training_seconds"]}


def guide_torch(directory: Path, target: Path, seed: int, steps: int) -> dict[str, Any]:
    """Trainer with the collator, as in the guide's PyTorch half."""
    os.environ["USE_TF"] = "0"
    import torch
    from transformers import (
        AutoModelForMaskedLM,
        AutoTokenizer,
        DataCollatorForLanguageModeling,
        Trainer,
        TrainingArguments,
    )  # fmt: skip

    from mlm_torch.weights import export

    source = directory / f"start-{seed}"
    tokenizer = AutoTokenizer.from_pretrained(source)
    network = AutoModelForMaskedLM.from_pretrained(source)
    digest = _digest(export(network))
    collator = DataCollatorForLanguageModeling(tokenizer=tokenizer, mlm_probability=0.15)
    with tempfile.TemporaryDirectory() as scratch:
        arguments = TrainingArguments(
            output_dir=scratch, learning_rate=LEARNING_RATE, weight_decay=WEIGHT_DECAY, max_steps=steps,
            per_device_train_batch_size=BATCH, seed=seed, save_strategy="no", report_to=[],
            disable_tqdm=True, use_cpu=not torch.cuda.is_available(),
        )  # fmt: skip
        trainer = Trainer(
            model=network, args=arguments, train_dataset=_rows(directory), data_collator=collator
        )
        begun = time.perf_counter()
        trainer.train()
    seconds = time.perf_counter() - begun
    network.save_pretrained(target)
    tokenizer.save_pretrained(target)
    return {"starting_weights": digest, "seconds": seconds}


def guide_tf(directory: Path, target: Path, seed: int, steps: int) -> dict[str, Any]:
    """compile and fit, as in the guide's TensorFlow half; schedule and AdamW's constants are Trainer's."""
    os.environ |= {"USE_TF": "1", "USE_TORCH": "0", "TF_USE_LEGACY_KERAS": "1", "TF_CPP_MIN_LOG_LEVEL": "3"}
    import tf_keras as keras
    import transformers.utils.import_utils as found

    # transformers 4.57 does not import its TensorFlow Trainer parts beside accelerate without PyTorch.
    found._accelerate_available = False
    from transformers import (
        AutoConfig,
        AutoTokenizer,
        DataCollatorForLanguageModeling,
        TFAutoModelForMaskedLM,
        create_optimizer,
    )  # fmt: skip

    from mlm_core.model.weight_files import WEIGHTS, read_weights, write_weights
    from mlm_tf.weights import assign, export

    keras.utils.set_random_seed(seed)
    source = directory / f"start-{seed}"
    network = TFAutoModelForMaskedLM.from_config(AutoConfig.from_pretrained(source))
    network.build_in_name_scope()
    # Its own from_pretrained does not open PyTorch's layout without PyTorch.
    assign(network, read_weights(source))
    digest = _digest(export(network))
    tokenizer = AutoTokenizer.from_pretrained(source)
    collator = DataCollatorForLanguageModeling(tokenizer=tokenizer, mlm_probability=0.15, return_tensors="tf")
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
    """Held-out losses of models, nats a masked token, with the same masks for all."""
    from mlm_core import Config, load_engine

    losses = {}
    for name in models:
        config = Config(
            dataset=str(directory / "text"), model=str(directory / name), batch_size=BATCH, block_size=BLOCK,
            quiet=True,
        )  # fmt: skip
        losses[name] = load_engine("torch").evaluator(config, whole=True).evaluate().mean_loss
    return losses


def _digest(weights: Mapping[str, Any]) -> str:
    """Equal for equal parameters, by canonical name, in either framework."""
    digest = hashlib.sha256()
    for name in sorted(weights):
        digest.update(name.encode() + np.ascontiguousarray(weights[name], dtype="<f4").tobytes())
    return digest.hexdigest()


def _rows(directory: Path) -> Any:
    """The training blocks as the guide has them after grouping."""
    import datasets

    ids = np.load(directory / "blocks.npy").tolist()
    ones = [[1] * BLOCK] * len(ids)
    return datasets.Dataset.from_dict({"input_ids": ids, "attention_mask": ones, "labels": ids})


def main(place: str, what: str, *words: str) -> dict[str, Any]:
    """Do the part that is asked for."""
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
    return (guide_torch if backend == "torch" else guide_tf)(directory, target, seed, rest[0])


if __name__ == "__main__":
    print(json.dumps(main(*sys.argv[1:])))
