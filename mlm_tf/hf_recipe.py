"""The Hugging Face recipe in TensorFlow: Keras `compile` and `fit`, with stock collator and model classes."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import tf_keras as keras
import transformers

from mlm_core.compare.hf_recipe import LEARNING_RATE, WEIGHT_DECAY, StepClock, block_rows, stock_collator
from mlm_core.config.config import required

if TYPE_CHECKING:
    from mlm_core.training.setup import TrainingSetup


def train_hf_recipe(setup: TrainingSetup, step_done: Callable[[float], None]) -> None:
    """See `Engine.train_hf_recipe`."""
    # Imported here: benchmarks time processes that need the stock functions below alone.
    from mlm_tf.machine import allow_tf32, set_up
    from mlm_tf.model import POLICIES
    from mlm_tf.weights import assign, specs

    config = setup.config
    set_up(config.device, config.threads)
    allow_tf32(config.precision == "tf32")
    keras.mixed_precision.set_global_policy(POLICIES[config.precision])
    # transformers' own loader cannot read files that newer versions of safetensors wrote.
    model = transformers.TFAutoModelForMaskedLM.from_config(setup.model.config)
    model.build_in_name_scope()
    assign(model, setup.model.starting_weights(specs(model), config.seed).weights)
    # Keras has no gradient accumulation: a step is one batch. The last, smaller batch of an epoch is dropped,
    # as in the guide.
    batches = model.prepare_tf_dataset(
        block_rows(setup.train.blocks),
        shuffle=True,
        batch_size=setup.plan.batch_size,
        collate_fn=stock_collator(setup.model.tokenizer, config.mlm_probability, "tf"),
    )
    stock_compile(model, required(config.learning_rate), config.weight_decay)
    epochs = -(-setup.plan.steps // len(batches))
    model.fit(batches, epochs=epochs, verbose=0, callbacks=[StepCallback(StepClock(step_done))])


def stock_compile(
    model: Any, learning_rate: float = LEARNING_RATE, weight_decay: float = WEIGHT_DECAY
) -> None:
    """Compile a TensorFlow model of transformers with `AdamWeightDecay` and the model's own loss."""
    optimizer = transformers.AdamWeightDecay(learning_rate=learning_rate, weight_decay_rate=weight_decay)
    model.compile(optimizer=optimizer)


class StepCallback(keras.callbacks.Callback):
    """Tells a clock when training starts and when a batch is done."""

    def __init__(self, clock: StepClock) -> None:
        super().__init__()
        self._clock = clock

    def on_train_begin(self, logs: Any = None) -> None:
        """Start timing the first step."""
        self._clock.start()

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """A step is done."""
        self._clock.step_done()
