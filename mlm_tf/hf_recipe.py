"""The Hugging Face recipe in TensorFlow, a baseline: stock class, collator, `compile` and `fit`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import tf_keras as keras
import transformers

from mlm_core.compare.hf_recipe import StepClock, recipe_rows
from mlm_core.config.config import required
from mlm_core.training.setup import TrainingSetup
from mlm_tf.machine import set_up
from mlm_tf.model import POLICIES
from mlm_tf.weights import assign, specs


def train_hf_recipe(setup: TrainingSetup, step_done: Callable[[float], None]) -> None:
    """See `Engine.train_hf_recipe`."""
    config = setup.config
    set_up(config.device, config.threads)
    keras.mixed_precision.set_global_policy(POLICIES[config.precision])
    # Not from_pretrained: its loader cannot read the files of newer safetensors.
    model = transformers.TFAutoModelForMaskedLM.from_config(setup.model.config)
    model.build_in_name_scope()
    assign(model, setup.model.starting_weights(specs(model), config.seed).weights)
    collator = transformers.DataCollatorForLanguageModeling(
        tokenizer=setup.model.tokenizer, mlm_probability=config.mlm_probability, return_tensors="tf"
    )
    # Keras has no accumulation, so a step is one batch. An epoch's last batch is dropped, as in the recipe.
    batches = model.prepare_tf_dataset(
        recipe_rows(setup), shuffle=True, batch_size=setup.plan.batch_size, collate_fn=collator
    )
    model.compile(
        optimizer=transformers.AdamWeightDecay(
            learning_rate=required(config.learning_rate), weight_decay_rate=config.weight_decay
        )
    )
    epochs = -(-setup.plan.steps // len(batches))
    model.fit(batches, epochs=epochs, verbose=0, callbacks=[_Clock(StepClock(step_done))])


class _Clock(keras.callbacks.Callback):
    def __init__(self, clock: StepClock) -> None:
        super().__init__()
        self._clock = clock

    def on_train_begin(self, logs: Any = None) -> None:
        """Start the clock: the first step begins."""
        self._clock.begin()

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """Report a finished step."""
        self._clock.end()
