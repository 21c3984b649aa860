"""The Hugging Face recipe in PyTorch: transformers' Trainer, with its own collator and model classes."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import torch
import transformers

from mlm_core.compare.hf_recipe import LEARNING_RATE, WEIGHT_DECAY, StepClock, block_rows, stock_collator
from mlm_core.config.config import required
from mlm_torch.machine import allow_tf32, set_up
from mlm_torch.weights import assign, specs

if TYPE_CHECKING:
    from mlm_core.training.setup import TrainingSetup


def train_hf_recipe(setup: TrainingSetup, step_done: Callable[[float], None]) -> None:
    """See `Engine.train_hf_recipe`."""
    config = setup.config
    device = set_up(config.device, config.threads)
    allow_tf32(config.precision == "tf32")
    model = transformers.AutoModelForMaskedLM.from_config(setup.model.config)
    assign(model, setup.model.starting_weights(specs(model), config.seed).weights)
    with tempfile.TemporaryDirectory() as scratch:
        stock_trainer(
            model,
            stock_collator(setup.model.tokenizer, config.mlm_probability),
            scratch,
            train_rows=block_rows(setup.train.blocks),
            callbacks=[StepCallback(StepClock(step_done))],
            learning_rate=required(config.learning_rate),
            weight_decay=config.weight_decay,
            per_device_train_batch_size=required(config.batch_size),
            gradient_accumulation_steps=config.gradient_accumulation_steps,
            max_steps=setup.plan.steps,
            # A step of fewer blocks would count as a whole one.
            dataloader_drop_last=True,
            bf16=config.precision == "bf16",
            fp16=config.precision == "fp16",
            use_cpu=device.type == "cpu",
            seed=config.seed,
        ).train()


def stock_trainer(
    model: Any,
    collator: Any,
    scratch: str,
    *,
    train_rows: Any = None,
    test_rows: Any = None,
    callbacks: Sequence[Any] = (),
    **options: Any,
) -> Any:
    """A `transformers.Trainer` with the guide's learning rate and weight decay.

    It saves, reports and prints nothing, and computes on the GPU if there is one.

    Args:
        model: a PyTorch model of transformers.
        collator: makes batches of rows; None: transformers' default.
        scratch: an existing directory; Trainer requires one.
        train_rows, test_rows: datasets of rows, for `train` and for `evaluate`.
        callbacks: further `TrainerCallback`s.
        options: other arguments of `TrainingArguments`; they replace those above.
    """
    defaults = {
        "learning_rate": LEARNING_RATE,
        "weight_decay": WEIGHT_DECAY,
        "save_strategy": "no",
        "report_to": [],
        "disable_tqdm": True,
        "use_cpu": not torch.cuda.is_available(),
    }
    arguments = transformers.TrainingArguments(output_dir=scratch, **(defaults | options))
    trainer = transformers.Trainer(
        model,
        arguments,
        data_collator=collator,
        train_dataset=train_rows,
        eval_dataset=test_rows,
        callbacks=list(callbacks),
    )
    trainer.remove_callback(transformers.PrinterCallback)
    return trainer


class StepCallback(transformers.TrainerCallback):
    """Tells a clock when training starts and when an optimizer step is done."""

    def __init__(self, clock: StepClock) -> None:
        self._clock = clock

    def on_train_begin(self, *_: Any, **__: Any) -> None:
        """Start timing the first step."""
        self._clock.start()

    def on_step_end(self, *_: Any, **__: Any) -> None:
        """A step is done."""
        self._clock.step_done()
