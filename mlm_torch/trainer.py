"""Training with `transformers.Trainer`."""

from __future__ import annotations

import tempfile
from typing import Any, final

import transformers

from mlm_core.config.config import Config, required
from mlm_core.errors import RequestError, first_line
from mlm_core.metrics.sums import MaskedSums
from mlm_core.trainer import Trainer
from mlm_core.training.checkpoint import Moments
from mlm_core.training.loop import TrainingLoop
from mlm_core.training.setup import EvaluationSetup, TrainingSetup
from mlm_torch.graph import may_record
from mlm_torch.network import TorchNetwork
from mlm_torch.optimizer import TableSchedule, build_optimizer
from mlm_torch.replicas import repeated_layers, reshard, shard
from mlm_torch.step import MaskedLMTrainer
from mlm_torch.weights import (
    assign_moments,
    export_moments,
)


@final
class TorchTrainer(Trainer):
    """The core's trainer in PyTorch."""

    network: TorchNetwork
    _optimizer: Any = None

    def _prepare(self) -> None:
        if self.setup.config.shard and self.ranks.count > 1:
            model = self.network.model
            try:
                shard(model, repeated_layers(model.base_model))
            except (ValueError, NotImplementedError, RuntimeError, TypeError) as error:
                raise RequestError(
                    f"the model cannot be sharded ({first_line(error)})",
                    code="no_shards",
                    option="--shard",
                    fix="leave it out",
                ) from error

    def _fit(self, loop: TrainingLoop, moments: Moments | None) -> None:
        setup, first_step, model = loop.setup, loop.first_step, self.network.model
        model.verifier = loop.recorder.verifier
        # The optimizer takes the parameters as they are now.
        reshard(model)
        model.kept_gradients = ()
        records = may_record(model, setup.config, self.ranks.count, self.network.device)
        self._optimizer = build_optimizer(model, setup.config, recorded=records)
        self._optimizer.loss_scale = loop.loss_scale
        if moments is not None:
            assign_moments(self._optimizer, model, moments, first_step)
        with tempfile.TemporaryDirectory() as scratch:
            arguments = _training_arguments(
                setup, setup.plan.steps - first_step, scratch, self.network.on_cpu()
            )
            trainer = self._trainer(arguments, setup)
            trainer.first_step = first_step
            trainer.noise_by_row = loop.noise_by_row
            trainer.loss_scale = loop.loss_scale
            trainer.records = records
            schedule = TableSchedule(self._optimizer, setup.learning_rates[first_step:])
            trainer.optimizer, trainer.lr_scheduler = self._optimizer, schedule
            trainer.add_callback(_Report(trainer, loop))
            try:
                trainer.train()
            finally:
                # A recording keeps the memory of a whole pass, and a full set of gradients.
                trainer.forget_recording()

    def _moments(self) -> Moments:
        return export_moments(self._optimizer, self.network.model)

    def _evaluate(self) -> MaskedSums:
        with tempfile.TemporaryDirectory() as scratch:
            arguments = _arguments(self.setup.config, scratch, self.network.on_cpu())
            trainer = self._trainer(arguments, self.setup)
            try:
                trainer.evaluate()
            finally:
                reshard(self.network.model)
            return trainer.evaluated

    def _trainer(self, arguments: transformers.TrainingArguments, setup: EvaluationSetup) -> MaskedLMTrainer:
        return MaskedLMTrainer(
            self.network.model, arguments, setup, self.ranks, self._evaluated_batch, self._progress.warn
        )


class _Report(transformers.TrainerCallback):
    """Reports each step to the training loop."""

    def __init__(self, trainer: MaskedLMTrainer, loop: TrainingLoop) -> None:
        self._trainer = trainer
        self._loop = loop

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Report a step."""
        self._loop.step_done(self._trainer.first_step + state.global_step, self._trainer.take_step())


def _training_arguments(
    setup: TrainingSetup, steps: int, scratch: str, on_cpu: bool
) -> transformers.TrainingArguments:
    return _arguments(
        setup.config,
        scratch,
        on_cpu,
        max_steps=steps,
        gradient_accumulation_steps=setup.config.gradient_accumulation_steps,
        # The optimizer clips.
        max_grad_norm=0.0,
    )


def _arguments(config: Config, scratch: str, on_cpu: bool, **more: Any) -> transformers.TrainingArguments:
    arguments = transformers.TrainingArguments(
        output_dir=scratch,
        per_device_train_batch_size=required(config.batch_size),
        per_device_eval_batch_size=required(config.batch_size),
        use_cpu=on_cpu,
        seed=config.seed,
        save_strategy="no",
        logging_strategy="no",
        logging_nan_inf_filter=False,
        remove_unused_columns=False,
        disable_tqdm=True,
        report_to=[],
        **more,
    )
    if arguments.n_gpu > 1:
        # Trainer would split each batch over all GPUs; the plan's batches must stay whole.
        arguments._n_gpu = 1
    return arguments
