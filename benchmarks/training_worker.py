"""A variant of `training_step.py`, in a process of its own.

    training_worker.py VARIANT MODEL BLOCKS TEXT BATCH PASSES

VARIANT is one of
    mlm:torch|tf:float32|bf16:sparse|dense     this project
    guide:torch|tf:float32|bf16                the recipe of Hugging Face
    kerashub:float32|bf16:tensorflow|torch|jax[:xla]
                                               KerasHub's RobertaMaskedLM through fit, on Keras' backends
    products:torch|tf:float32|bf16             matrix products alone, of the model's shapes: the limit

On a GPU the recipe in TensorFlow, and KerasHub, compute float32 products as TF32, TensorFlow's default. The
others do not.
"""

from __future__ import annotations

import os
import sys
import tempfile
from typing import Any

import numpy as np
from inputs import BLOCK, INNER, LAYERS, SLOTS, VOCABULARY, WIDTH
from rounds import Rounds

WARM_UP = 3
MANY = 10**6
"""Steps: more than a benchmark asks for."""


def mlm(rounds: Rounds, model: str, text: str, batch: int, backend: str, precision: str, head: str) -> None:
    """A whole run of this project: digests, metrics, progress."""
    from mlm_core import Config, load_engine

    with tempfile.TemporaryDirectory() as scratch:
        config = Config(
            dataset=text, model=model, from_scratch=True, max_steps=MANY, batch_size=batch, block_size=BLOCK,
            precision=precision, mlm_head=head, save_steps=MANY, quiet=True, test_size=0.002,
            output_dir=f"{scratch}/run",
        )  # fmt: skip
        load_engine(backend).trainer(config).train(on_step=lambda _: rounds.unit_done())


def hf_recipe_torch(rounds: Rounds, model: str, blocks: str, batch: int, precision: str) -> None:
    """Trainer, with a batch of 16 blocks by default; the guide has 8."""
    from mlm_core import load_engine
    from mlm_core.compare.hf_recipe import block_rows, stock_collator

    load_engine("torch")
    from transformers import AutoConfig, AutoModelForMaskedLM, AutoTokenizer

    from mlm_torch.hf_recipe import StepCallback, stock_trainer

    network = AutoModelForMaskedLM.from_config(AutoConfig.from_pretrained(model))
    with tempfile.TemporaryDirectory() as scratch:
        stock_trainer(
            network, stock_collator(AutoTokenizer.from_pretrained(model)), scratch,
            train_rows=block_rows(np.load(blocks)), callbacks=[StepCallback(rounds.clock)],
            per_device_train_batch_size=batch, num_train_epochs=1000, bf16=precision == "bf16",
        ).train()  # fmt: skip


def hf_recipe_tf(rounds: Rounds, model: str, blocks: str, batch: int, precision: str) -> None:
    """`compile` and `fit`."""
    from mlm_core import load_engine
    from mlm_core.compare.hf_recipe import block_rows, stock_collator

    load_engine("tf")
    import tf_keras as keras
    from transformers import AutoConfig, AutoTokenizer, TFAutoModelForMaskedLM

    from mlm_tf.hf_recipe import StepCallback, stock_compile

    if precision == "bf16":
        keras.mixed_precision.set_global_policy("mixed_bfloat16")
    network = TFAutoModelForMaskedLM.from_config(AutoConfig.from_pretrained(model))
    collator = stock_collator(AutoTokenizer.from_pretrained(model), return_tensors="tf")
    rows = block_rows(np.load(blocks))
    batches = network.prepare_tf_dataset(rows, shuffle=True, batch_size=batch, collate_fn=collator)
    stock_compile(network)
    network.fit(x=batches, epochs=1000, verbose=0, callbacks=[StepCallback(rounds.clock)])


def kerashub(
    rounds: Rounds, blocks: str, batch: int, precision: str, backend: str, compiled: str = ""
) -> None:
    """RobertaMaskedLM and Keras 3's AdamW, with as many masked positions as 15% of a block are."""
    os.environ |= {"KERAS_BACKEND": backend, "TF_CPP_MIN_LOG_LEVEL": "3"}
    import keras
    import keras_hub
    import tensorflow as tf

    class Report(keras.callbacks.Callback):
        def on_train_batch_end(self, *_: Any, **__: Any) -> None:
            rounds.unit_done()

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


def products(rounds: Rounds, batch: int, passes: int, framework: str, precision: str) -> None:
    """The products of a forward pass with the sparse head; a unit of work is `passes` of them."""
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
        rounds.unit_done()


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


def main(variant: str, model: str, blocks: str, text: str, batch: int, passes: int) -> None:
    """Work until no further unit is due."""
    # Other variants use the GPU's memory too, and TensorFlow would take all of it.
    os.environ["TF_FORCE_GPU_ALLOW_GROWTH"] = "true"
    kind, *parts = variant.split(":")
    rounds = Rounds(WARM_UP)
    if kind == "mlm":
        mlm(rounds, model, text, batch, *parts)
    elif kind == "guide":
        (hf_recipe_torch if parts[0] == "torch" else hf_recipe_tf)(rounds, model, blocks, batch, parts[1])
    elif kind == "kerashub":
        kerashub(rounds, blocks, batch, *parts)
    else:
        products(rounds, batch, passes, *parts)


if __name__ == "__main__":
    main(*sys.argv[1:5], int(sys.argv[5]), int(sys.argv[6]))
