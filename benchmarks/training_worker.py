"""A variant of `training_step.py`, in a process of its own.

    training_worker.py VARIANT MODEL BLOCKS TEXT BATCH PASSES

VARIANT is one of
    mlm:torch|tf:float32|bf16:sparse|dense     this project
    guide:torch|tf:float32|bf16                the masked-language-modeling guide's own recipe
    kerashub:float32|bf16:tensorflow|torch|jax[:xla]
                                               KerasHub's RobertaMaskedLM through fit, on Keras' backends
    products:torch|tf:float32|bf16             matrix products alone, at the model's shapes: the limit

On a GPU float32 products are TF32 in the guide's TensorFlow half and in KerasHub, as TensorFlow has it by
itself, and nowhere else.
"""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from inputs import BLOCK, INNER, LAYERS, SLOTS, VOCABULARY, WIDTH
from rounds import Turns

WARM = 3
MANY = 10**6
"""Steps: more than will be asked for."""


def mlm(turns: Turns, model: str, text: str, batch: int, backend: str, precision: str, head: str) -> None:
    """A run of this project, whole: digests, metrics, progress."""
    from mlm_core import Config, load_engine

    with tempfile.TemporaryDirectory() as scratch:
        config = Config(
            dataset=text, model=model, from_scratch=True, max_steps=MANY, batch_size=batch, block_size=BLOCK,
            precision=precision, mlm_head=head, save_steps=MANY, quiet=True, test_size=0.002,
            output_dir=f"{scratch}/run",
        )  # fmt: skip
        load_engine(backend).trainer(config).train(on_step=lambda _: turns.worked())


def guide_torch(turns: Turns, model: str, blocks: str, batch: int, precision: str) -> None:
    """Trainer with the collator, as in the guide's PyTorch half; a batch of 16 in the place of 8."""
    os.environ["USE_TF"] = "0"
    from transformers import (
        AutoConfig,
        AutoModelForMaskedLM,
        AutoTokenizer,
        DataCollatorForLanguageModeling,
        Trainer,
        TrainerCallback,
        TrainingArguments,
    )  # fmt: skip

    class Report(TrainerCallback):
        def on_step_end(self, *_: Any, **__: Any) -> None:
            turns.worked()

    tokenizer = AutoTokenizer.from_pretrained(model)
    network = AutoModelForMaskedLM.from_config(AutoConfig.from_pretrained(model))
    collator = DataCollatorForLanguageModeling(tokenizer=tokenizer, mlm_probability=0.15)
    with tempfile.TemporaryDirectory() as scratch:
        arguments = TrainingArguments(
            output_dir=scratch, learning_rate=2e-5, weight_decay=0.01, per_device_train_batch_size=batch,
            num_train_epochs=1000, save_strategy="no", report_to=[], disable_tqdm=True,
            bf16=precision == "bf16", use_cpu=not _gpu_for_torch(),
        )  # fmt: skip
        Trainer(
            model=network, args=arguments, train_dataset=_rows(blocks), data_collator=collator,
            callbacks=[Report()],
        ).train()  # fmt: skip


def guide_tf(turns: Turns, model: str, blocks: str, batch: int, precision: str) -> None:
    """compile and fit, as in the guide's TensorFlow half."""
    os.environ |= {"USE_TF": "1", "USE_TORCH": "0", "TF_USE_LEGACY_KERAS": "1", "TF_CPP_MIN_LOG_LEVEL": "3"}
    import tf_keras as keras
    import transformers.utils.import_utils as found

    # transformers 4.57 does not import its TensorFlow Trainer parts beside accelerate without PyTorch.
    found._accelerate_available = False
    from transformers import (
        AdamWeightDecay,
        AutoConfig,
        AutoTokenizer,
        DataCollatorForLanguageModeling,
        TFAutoModelForMaskedLM,
    )  # fmt: skip

    class Report(keras.callbacks.Callback):
        def on_train_batch_end(self, *_: Any) -> None:
            turns.worked()

    if precision == "bf16":
        keras.mixed_precision.set_global_policy("mixed_bfloat16")
    tokenizer = AutoTokenizer.from_pretrained(model)
    network = TFAutoModelForMaskedLM.from_config(AutoConfig.from_pretrained(model))
    collator = DataCollatorForLanguageModeling(tokenizer=tokenizer, mlm_probability=0.15, return_tensors="tf")
    batches = network.prepare_tf_dataset(_rows(blocks), shuffle=True, batch_size=batch, collate_fn=collator)
    network.compile(optimizer=AdamWeightDecay(learning_rate=2e-5, weight_decay_rate=0.01))
    network.fit(x=batches, epochs=1000, verbose=0, callbacks=[Report()])


def kerashub(turns: Turns, blocks: str, batch: int, precision: str, backend: str, compiled: str = "") -> None:
    """RobertaMaskedLM and Keras 3's AdamW, with as many slots as 15% of a block need."""
    os.environ |= {"KERAS_BACKEND": backend, "TF_CPP_MIN_LOG_LEVEL": "3"}
    import keras
    import keras_hub
    import tensorflow as tf

    class Report(keras.callbacks.Callback):
        def on_train_batch_end(self, *_: Any, **__: Any) -> None:
            turns.worked()

    keras.config.set_dtype_policy("mixed_bfloat16" if precision == "bf16" else "float32")
    backbone = keras_hub.models.RobertaBackbone(
        vocabulary_size=VOCABULARY, num_layers=LAYERS, num_heads=WIDTH // 64, hidden_dim=WIDTH,
        intermediate_dim=INNER, max_sequence_length=512,
    )  # fmt: skip
    network = keras_hub.models.RobertaMaskedLM(backbone)
    network.compile(
        optimizer=keras.optimizers.AdamW(2e-5, weight_decay=0.01),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        jit_compile=compiled == "xla" or backend == "jax",
    )  # fmt: skip
    ids = np.load(blocks)
    draw = np.random.RandomState(0)
    positions = np.sort(np.argsort(draw.rand(*ids.shape), axis=1)[:, :SLOTS], axis=1)
    inputs = {"token_ids": ids, "padding_mask": np.ones_like(ids), "mask_positions": positions}
    labels = np.take_along_axis(ids, positions, axis=1)
    batches = tf.data.Dataset.from_tensor_slices((inputs, labels)).shuffle(2048).batch(batch, True).repeat()
    network.fit(batches.prefetch(2), epochs=1, steps_per_epoch=MANY, verbose=0, callbacks=[Report()])


def products(turns: Turns, batch: int, passes: int, framework: str, precision: str) -> None:
    """The products of a forward pass with the sparse head; a unit of work is so many passes through them."""
    tokens, masked = batch * BLOCK, batch * SLOTS
    shapes = [
        (tokens, WIDTH, WIDTH),
        (tokens, WIDTH, INNER),
        (tokens, INNER, WIDTH),
        (masked, WIDTH, VOCABULARY),
    ]
    multiply = _torch_product(precision) if framework == "torch" else _tf_product(precision)
    work = [multiply(shape) for shape in shapes] * passes
    while True:
        finished = [product() for product in work][-1]
        finished()
        turns.worked()


def _torch_product(precision: str) -> Any:
    import torch

    dtype = torch.bfloat16 if precision == "bf16" else torch.float32
    device = "cuda" if _gpu_for_torch() else "cpu"

    def of(shape: tuple[int, int, int]) -> Any:
        rows, inner, columns = shape
        one = torch.randn(rows, inner, device=device, dtype=dtype)
        other = torch.randn(columns, inner, device=device, dtype=dtype)

        def product() -> Any:
            torch.nn.functional.linear(one, other)
            return torch.cuda.synchronize if device == "cuda" else lambda: None

        return product

    return of


def _tf_product(precision: str) -> Any:
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    import tensorflow as tf

    tf.config.experimental.enable_tensor_float_32_execution(False)
    dtype = tf.bfloat16 if precision == "bf16" else tf.float32

    def of(shape: tuple[int, int, int]) -> Any:
        rows, inner, columns = shape
        one = tf.cast(tf.random.normal((rows, inner)), dtype)
        other = tf.cast(tf.random.normal((inner, columns)), dtype)
        multiply = tf.function(lambda: tf.reduce_sum(tf.matmul(one, other)[0]))

        return lambda: multiply().numpy

    return of


def _gpu_for_torch() -> bool:
    import torch

    return torch.cuda.is_available()


def _rows(blocks: str) -> Any:
    """The blocks as the guide has them after grouping."""
    import datasets

    ids = np.load(blocks).tolist()
    ones = [[1] * BLOCK] * len(ids)
    return datasets.Dataset.from_dict({"input_ids": ids, "attention_mask": ones, "labels": ids})


def main(variant: str, model: str, blocks: str, text: str, batch: int, passes: int) -> None:
    """Work until nothing more is asked for."""
    # Other variants lie in a GPU's memory, too, of which TensorFlow would take all.
    os.environ["TF_FORCE_GPU_ALLOW_GROWTH"] = "true"
    kind, *parts = variant.split(":")
    turns = Turns(WARM)
    if kind == "mlm":
        mlm(turns, model, text, batch, *parts)
    elif kind == "guide":
        (guide_torch if parts[0] == "torch" else guide_tf)(turns, model, blocks, batch, parts[1])
    elif kind == "kerashub":
        kerashub(turns, blocks, batch, *parts)
    else:
        products(turns, batch, passes, *parts)


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parent))
    main(*sys.argv[1:5], int(sys.argv[5]), int(sys.argv[6]))
