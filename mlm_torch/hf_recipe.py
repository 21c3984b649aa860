"""The guide's own recipe in PyTorch, to be compared with: stock Trainer, stock collator, stock class."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from typing import Any

import transformers

from mlm_core.compare.guide import StepClock, guide_rows
from mlm_core.config import decided
from mlm_core.job import TrainingJob
from mlm_torch.machine import set_up
from mlm_torch.weights import assign, outline


def train_as_the_guide(job: TrainingJob, step_done: Callable[[float], None]) -> None:
    """See `Engine.train_as_the_guide`."""
    config = job.config
    device = set_up(config.device, config.threads)
    model = transformers.AutoModelForMaskedLM.from_config(job.model.config)
    assign(model, job.model.starting_weights(outline(model), config.seed).weights)
    with tempfile.TemporaryDirectory() as scratch:
        _train(model, job, scratch, device.type == "cpu", StepClock(step_done))


def _train(model: Any, job: TrainingJob, scratch: str, on_cpu: bool, clock: StepClock) -> None:
    config = job.config
    collator = transformers.DataCollatorForLanguageModeling(
        tokenizer=job.model.tokenizer, mlm_probability=config.mlm_probability
    )
    arguments = transformers.TrainingArguments(
        output_dir=scratch,
        learning_rate=decided(config.learning_rate),
        weight_decay=config.weight_decay,
        per_device_train_batch_size=decided(config.batch_size),
        gradient_accumulation_steps=config.gradient_accumulation_steps,
        max_steps=job.plan.steps,
        # A step of fewer blocks would count as a whole one.
        dataloader_drop_last=True,
        bf16=config.precision == "bf16",
        fp16=config.precision == "fp16",
        use_cpu=on_cpu,
        seed=config.seed,
        save_strategy="no",
        report_to=[],
        disable_tqdm=True,
    )
    trainer = transformers.Trainer(model, arguments, data_collator=collator, train_dataset=guide_rows(job))
    trainer.remove_callback(transformers.PrinterCallback)
    trainer.add_callback(_Clock(clock))
    trainer.train()


class _Clock(transformers.TrainerCallback):
    def __init__(self, clock: StepClock) -> None:
        self._clock = clock

    def on_train_begin(self, *_: Any, **__: Any) -> None:
        """The first step begins."""
        self._clock.begin()

    def on_step_end(self, *_: Any, **__: Any) -> None:
        """A step has ended."""
        self._clock.end()
