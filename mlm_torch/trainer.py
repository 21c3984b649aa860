"""Training with `transformers.Trainer`."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any, final

import torch
import transformers

from mlm_core.config.config import Config, required
from mlm_core.errors import RequestError, first_line
from mlm_core.metrics.sums import MaskedSums
from mlm_core.optimization.dropout import DropoutNoise, RowNoise, noise_seed
from mlm_core.optimization.loss_scale import LossScale
from mlm_core.ranks.ranks import Ranks
from mlm_core.trainer import Trainer
from mlm_core.training.checkpoint import Moments
from mlm_core.training.loop import TrainingLoop
from mlm_core.training.setup import EvaluationSetup, TrainingSetup
from mlm_torch.dropout import keyed_dropout
from mlm_torch.feed import PlannedLoader, evaluation_loader
from mlm_torch.optimizer import TableSchedule, build_optimizer
from mlm_torch.replicas import leaves_parameters_out, repeated_layers, replicate, reshard, shard
from mlm_torch.weights import (
    assign_moments,
    export_moments,
)


@final
class TorchTrainer(Trainer):
    """The core's trainer in PyTorch."""

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
        self._optimizer = build_optimizer(model, setup.config)
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
            schedule = TableSchedule(self._optimizer, setup.learning_rates[first_step:])
            trainer.optimizer, trainer.lr_scheduler = self._optimizer, schedule
            trainer.add_callback(_Report(trainer, loop))
            trainer.train()

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
        return MaskedLMTrainer(self.network.model, arguments, setup, self.ranks, self._evaluated_batch)


class MaskedLMTrainer(transformers.Trainer):
    """`transformers.Trainer` with the plan's batches; it reports sums, not means of means.

    Attributes:
        noise_by_row: whether dropout noise belongs to the row; runs of earlier versions drew it by the pass.
        first_step: optimizer steps done before this process.
        loss_scale: multiplies the loss; None: no scale.
        evaluated: the sums of the last evaluation.
    """

    def __init__(
        self,
        model: Any,
        arguments: transformers.TrainingArguments,
        setup: EvaluationSetup,
        ranks: Ranks,
        evaluated_batch: Callable[[], None],
    ) -> None:
        self._loader = evaluation_loader(setup.test, setup.evaluation_keys, ranks)
        self._ranks = ranks
        super().__init__(model, arguments, eval_dataset=self._loader.dataset, compute_metrics=self._sum_up)
        self.remove_callback(transformers.PrinterCallback)
        # The model divides the loss by the masked tokens of the whole accumulated batch; Trainer must not
        # divide.
        self.model_accepts_loss_kwargs = True
        self._setup = setup
        self._evaluated_batch = evaluated_batch
        self._micro_batch = 0
        self._heads = int(getattr(model.config, "num_attention_heads", None) or 1)
        self.noise_by_row = True
        self.first_step = 0
        self.loss_scale: LossScale | None = None
        self._sums: list[tuple[torch.Tensor, torch.Tensor, torch.Tensor]] = []
        self.evaluated = MaskedSums()

    def get_train_dataloader(self) -> PlannedLoader:
        """The plan's batches in the plan's order."""
        assert isinstance(self._setup, TrainingSetup)
        accumulated = self._setup.config.gradient_accumulation_steps
        return PlannedLoader(self._setup.train, self._setup.plan, accumulated, self.first_step, self._ranks)

    def get_eval_dataloader(self, eval_dataset: Any = None) -> Any:
        """The held-out blocks with their fixed masks."""
        return self._loader

    def training_step(self, model: Any, inputs: Any, num_items_in_batch: Any = None) -> torch.Tensor:
        """Train on a micro-batch, with keyed dropout."""
        with self._keyed_dropout(inputs):
            self._micro_batch += 1
            return super().training_step(model, inputs, num_items_in_batch)

    def _keyed_dropout(self, inputs: Any) -> AbstractContextManager[None]:
        step, seed, device = (
            self.first_step + self.state.global_step,
            self._setup.config.seed,
            self.args.device,
        )
        own = device.type != "cpu" or self._setup.config.compile
        if own or self.model.is_gradient_checkpointing:
            # PyTorch's own noise is drawn for all rows at once, so each rank has its own. A checkpointed
            # layer runs twice, and PyTorch repeats its own noise only.
            return keyed_dropout(noise_seed(seed, step, self._micro_batch, self._ranks.rank), None, device)
        key = noise_seed(seed, step, self._micro_batch)
        if not self.noise_by_row:
            return keyed_dropout(key, DropoutNoise(key), device)
        rows = RowNoise(seed, step, self._micro_batch, inputs["block_key"].numpy(), self._heads)
        return keyed_dropout(key, rows, device)

    def _wrap_model(self, model: Any, training: bool = True, dataloader: Any = None) -> Any:
        # Trainer would wrap it through accelerate, which averages the gradients; and not at all if an
        # evaluation has prepared the model before.
        if self._ranks.count == 1 or not training or self._setup.config.shard:
            return super()._wrap_model(model, training, dataloader)
        return replicate(model, unused=self._leaves_parameters_out())

    def _leaves_parameters_out(self) -> bool:
        config = self.model.config
        if self._setup.config.compile or getattr(config, "layerdrop", None):
            # Trying would compile a pass that is never used; layers are dropped at random.
            return True
        probe = next(iter(self.get_eval_dataloader()))
        return leaves_parameters_out(self.model, self._prepare_inputs(probe))

    def _get_grad_norm(self, model: Any, grad_norm: Any = None) -> None:
        # transformers 5 would compute a second norm, and multiply every gradient by 1. The optimizer's is
        # reported.
        return None

    def compute_loss(
        self, model: Any, inputs: Any, return_outputs: bool = False, num_items_in_batch: Any = None
    ) -> Any:
        """The loss divided by the masked tokens of the accumulated batch; records the sums."""
        output = model(**inputs, num_items_in_batch=num_items_in_batch)
        loss = output.loss
        if model.training:
            self._sums.append((output.loss_sum.detach(), output.correct, output.masked_tokens))
            if self.loss_scale is not None:
                loss = loss * self.loss_scale.value
        return (loss, output) if return_outputs else loss

    def take_step_sums(self) -> MaskedSums:
        """The sums of the micro-batches since the last call."""
        taken, self._sums, self._micro_batch = self._sums, [], 0
        losses, correct, counts = (torch.stack(column) for column in zip(*taken, strict=True))
        sums = MaskedSums(float(losses.double().sum()), int(correct.sum()), int(counts.sum()))
        return sums.over(self._ranks)

    def prediction_step(
        self, model: Any, inputs: Any, prediction_loss_only: bool, ignore_keys: Any = None
    ) -> Any:
        """Return the batch's sums `[1, 3]` float64 as its predictions."""
        with torch.no_grad():
            output = model(**self._prepare_inputs(inputs))
        parts = (output.loss_sum.double(), output.correct.double(), output.masked_tokens.double())
        sums = torch.stack(parts)[None]
        self._evaluated_batch()
        # Trainer gathers them from all ranks. It calls compute_metrics only if there are labels, so the sums
        # are passed as labels as well. It would gather a loss for each row, of which ranks may have
        # different numbers.
        return None, sums, sums

    def _sum_up(self, prediction: transformers.EvalPrediction) -> dict[str, float]:
        loss, correct, count = prediction.predictions.sum(axis=0)
        self.evaluated = MaskedSums(float(loss), int(correct), int(count))
        return {}


class _Report(transformers.TrainerCallback):
    """Reports each step to the training loop."""

    def __init__(self, trainer: MaskedLMTrainer, loop: TrainingLoop) -> None:
        self._trainer = trainer
        self._loop = loop

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Report a step."""
        optimizer = self._trainer.optimizer
        # Trainer may have wrapped the optimizer.
        clipped: Any = getattr(optimizer, "optimizer", optimizer)
        norm = float(clipped.grad_norm)
        step = self._trainer.first_step + state.global_step
        self._loop.step_done(step, self._trainer.take_step_sums(), norm)


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
