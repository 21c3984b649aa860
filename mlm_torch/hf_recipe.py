"""The Hugging Face recipe in PyTorch, a baseline: stock class, collator and `Trainer`."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from typing import Any

import transformers

from mlm_core.compare.hf_recipe import StepClock, recipe_rows
from mlm_core.config.config import required
from mlm_core.training.setup import TrainingSetup
from mlm_torch.machine import set_up
from mlm_torch.weights import assign, specs


def train_hf_recipe(setup: TrainingSetup, step_done: Callable[[float], None]) -> None:
    """See `Engine.train_hf_recipe`."""
    config = setup.config
    device = set_up(config.device, config.threads)
    model = transformers.AutoModelForMaskedLM.from_config(setup.model.config)
    assign(model, setup.model.starting_weights(specs(model), config.seed).weights)
    with tempfile.TemporaryDirectory() as scratch:
        _train(model, setup, scratch, device.type == "cpu", StepClock(step_done))


def _train(model: Any, setup: TrainingSetup, scratch: str, on_cpu: bool, clock: StepClock) -> None:
    config = setup.config
    collator = transformers.DataCollatorForLanguageModeling(
        tokenizer=setup.model.tokenizer, mlm_probability=config.mlm_probability
    )
    arguments = transformers.TrainingArguments(
        output_dir=scratch,
        learning_rate=required(config.learning_rate),
        weight_decay=config.weight_decay,
        per_device_train_batch_size=required(config.batch_size),
        gradient_accumulation_steps=config.gradient_accumulation_steps,
        max_steps=setup.plan.steps,
        # A step with fewer blocks would count as a full step.
        dataloader_drop_last=True,
        bf16=config.precision == "bf16",
        fp16=config.precision == "fp16",
        use_cpu=on_cpu,
        seed=config.seed,
        save_strategy="no",
        report_to=[],
        disable_tqdm=True,
    )
    trainer = transformers.Trainer(model, arguments, data_collator=collator, train_dataset=recipe_rows(setup))
    trainer.remove_callback(transformers.PrinterCallback)
    trainer.add_callback(_Clock(clock))
    trainer.train()


class _Clock(transformers.TrainerCallback):
    def __init__(self, clock: StepClock) -> None:
        self._clock = clock

    def on_train_begin(self, *_: Any, **__: Any) -> None:
        """Start the clock: the first step begins."""
        self._clock.begin()

    def on_step_end(self, *_: Any, **__: Any) -> None:
        """Report a finished step."""
        self._clock.end()
