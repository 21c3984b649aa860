"""Training with `transformers.Trainer`."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, final

import numpy as np
import torch
import transformers
from numpy.typing import NDArray

from mlm_core.batch import Batch
from mlm_core.checkpoint import Moments
from mlm_core.config import Config, decided
from mlm_core.course import Course
from mlm_core.initialization import ModelOutline, Weights
from mlm_core.job import EvaluationJob, TrainingJob
from mlm_core.loss_scale import LossScale
from mlm_core.metrics import MaskedSums
from mlm_core.parity.examination import Examination
from mlm_core.trainer import Trainer
from mlm_torch.dropout import keyed_dropout
from mlm_torch.feed import PlannedLoader, evaluation_loader
from mlm_torch.head import SparseHead
from mlm_torch.machine import keep_freed_memory, set_up
from mlm_torch.model import add_up_lookups, build_model
from mlm_torch.optimizer import TableSchedule, build_optimizer
from mlm_torch.products import speed_up_products
from mlm_torch.weights import (
    assign,
    assign_moments,
    export,
    export_gradients,
    export_moments,
    outline,
)


@final
class TorchTrainer(Trainer):
    """The core's trainer on PyTorch."""

    _model: Any = None
    _device: torch.device
    _optimizer: Any = None

    def _build(self) -> ModelOutline:
        config = self.job.config
        self._device = set_up(config.device, config.threads)
        source = self.job.model
        model = build_model(source.config, source.name, config.precision, source.code)
        self._model = model.to(self._device)
        if self._on_cpu():
            keep_freed_memory()
            speed_up_products(self._model)
            if not config.compile:
                add_up_lookups(self._model)
        if config.compile:
            # Without the head, whose positions come from a hook: it is one large product, as fast by itself.
            self._model.base_model.compile(dynamic=False)
        return outline(self._model)

    def _assign(self, weights: Weights) -> None:
        assign(self._model, weights)

    def _weights(self) -> Mapping[str, Any]:
        return export(self._model)

    def _architecture(self) -> str:
        return str(type(self._model).__name__)

    def _on_cpu(self) -> bool:
        return self._device.type == "cpu"

    def _fit(self, course: Course, moments: Moments | None) -> None:
        job, first_step = course.job, course.first_step
        self._model.witness = course.recorder.witness
        self._optimizer = build_optimizer(self._model, job.config)
        self._optimizer.loss_scale = course.loss_scale
        if moments is not None:
            assign_moments(self._optimizer, self._model, moments, first_step)
        with tempfile.TemporaryDirectory() as scratch:
            arguments = _training_arguments(job, job.plan.steps - first_step, scratch, self._on_cpu())
            trainer = MaskedLMTrainer(self._model, arguments, job, self._evaluated_batch)
            trainer.first_step = first_step
            trainer.loss_scale = course.loss_scale
            schedule = TableSchedule(self._optimizer, job.learning_rates[first_step:])
            trainer.optimizer, trainer.lr_scheduler = self._optimizer, schedule
            trainer.add_callback(_Report(trainer, course))
            trainer.train()

    def _moments(self) -> Moments:
        return export_moments(self._optimizer, self._model)

    def _examine(self, batch: Batch) -> Examination:
        self._model.zero_grad()
        output = self._model.eval()(**self._tensors(batch))
        output.loss.backward()
        gradients = export_gradients(self._model)
        self._model.zero_grad()
        sums = MaskedSums(float(output.loss_sum), int(output.correct), int(output.masked_tokens))
        return Examination(output.logits.detach().cpu().numpy(), sums, gradients)

    def _slot_logits(self, batch: Batch) -> NDArray[np.float32]:
        # Not inference mode: what a class keeps from one pass to the next (ESM does) must serve training,
        # too.
        with torch.no_grad():
            return self._model.eval()(**self._tensors(batch)).logits.cpu().numpy()

    @contextmanager
    def _in_float32(self) -> Iterator[None]:
        before, self._model.precision = self._model.precision, torch.float32
        try:
            yield
        finally:
            self._model.precision = before

    def _use_head(self, *, sparse: bool, probe: Batch) -> None:
        deep = not self.job.config.compile
        head = SparseHead.of(self._model, self._tensors(probe), deep=deep) if sparse else None
        self._model.sparse_head = head

    def _tensors(self, batch: Batch) -> dict[str, torch.Tensor]:
        return {name: torch.from_numpy(array).to(self._device) for name, array in batch.items()}

    def _evaluate(self) -> MaskedSums:
        with tempfile.TemporaryDirectory() as scratch:
            arguments = _arguments(self.job.config, scratch, self._on_cpu())
            trainer = MaskedLMTrainer(self._model, arguments, self.job, self._evaluated_batch)
            trainer.evaluate()
            return trainer.evaluated


class MaskedLMTrainer(transformers.Trainer):
    """`transformers.Trainer` on the plan's batches, reporting sums instead of means of means."""

    def __init__(
        self,
        model: Any,
        arguments: transformers.TrainingArguments,
        job: EvaluationJob,
        evaluated_batch: Callable[[], None],
    ) -> None:
        self._loader = evaluation_loader(job.test, job.evaluation_keys)
        super().__init__(model, arguments, eval_dataset=self._loader.dataset, compute_metrics=self._sum_up)
        self.remove_callback(transformers.PrinterCallback)
        # The loss is divided by the masked tokens of the whole accumulated batch, here and not by Trainer.
        self.model_accepts_loss_kwargs = True
        self._job = job
        self._evaluated_batch = evaluated_batch
        self._micro_batch = 0
        self.first_step = 0
        self.loss_scale: LossScale | None = None
        self._sums: list[tuple[torch.Tensor, torch.Tensor, torch.Tensor]] = []
        self.evaluated = MaskedSums()

    def get_train_dataloader(self) -> PlannedLoader:
        """The plan's batches in the plan's order."""
        assert isinstance(self._job, TrainingJob)
        accumulated = self._job.config.gradient_accumulation_steps
        return PlannedLoader(self._job.train, self._job.plan, accumulated, self.first_step)

    def get_eval_dataloader(self, eval_dataset: Any = None) -> Any:
        """The held-out blocks with their fixed masks."""
        return self._loader

    def training_step(self, model: Any, inputs: Any, num_items_in_batch: Any = None) -> torch.Tensor:
        """A micro-batch, its dropout keyed."""
        step = self.first_step + self.state.global_step
        config = self._job.config
        fast = not config.compile
        with keyed_dropout(self.args.device, config.seed, step, self._micro_batch, fast=fast):
            self._micro_batch += 1
            return super().training_step(model, inputs, num_items_in_batch)

    def compute_loss(
        self, model: Any, inputs: Any, return_outputs: bool = False, num_items_in_batch: Any = None
    ) -> Any:
        """The loss over the accumulated batch's masked tokens; keeps the sums."""
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
        return MaskedSums(float(losses.double().sum()), int(correct.sum()), int(counts.sum()))

    def prediction_step(
        self, model: Any, inputs: Any, prediction_loss_only: bool, ignore_keys: Any = None
    ) -> Any:
        """The batch's sums `[1, 3]` in the place of its predictions."""
        with torch.no_grad():
            output = model(**self._prepare_inputs(inputs))
        parts = (output.loss_sum.double(), output.correct.double(), output.masked_tokens.double())
        sums = torch.stack(parts)[None]
        self._evaluated_batch()
        # Trainer calls compute_metrics only where there are labels; the sums serve as both.
        return output.loss.detach(), sums, sums

    def _sum_up(self, prediction: transformers.EvalPrediction) -> dict[str, float]:
        loss, correct, count = prediction.predictions.sum(axis=0)
        self.evaluated = MaskedSums(float(loss), int(correct), int(count))
        return {}


class _Report(transformers.TrainerCallback):
    """Passes on what happens."""

    def __init__(self, trainer: MaskedLMTrainer, course: Course) -> None:
        self._trainer = trainer
        self._course = course

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Report a step."""
        optimizer = self._trainer.optimizer
        # Trainer may have wrapped it.
        clipped: Any = getattr(optimizer, "optimizer", optimizer)
        norm = float(clipped.grad_norm)
        step = self._trainer.first_step + state.global_step
        self._course.step_done(step, self._trainer.take_step_sums(), norm)


def _training_arguments(
    job: TrainingJob, steps: int, scratch: str, on_cpu: bool
) -> transformers.TrainingArguments:
    return _arguments(
        job.config,
        scratch,
        on_cpu,
        max_steps=steps,
        gradient_accumulation_steps=job.config.gradient_accumulation_steps,
        # The optimizer clips.
        max_grad_norm=0.0,
    )


def _arguments(config: Config, scratch: str, on_cpu: bool, **more: Any) -> transformers.TrainingArguments:
    arguments = transformers.TrainingArguments(
        output_dir=scratch,
        per_device_train_batch_size=decided(config.batch_size),
        per_device_eval_batch_size=decided(config.batch_size),
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
        # Trainer would split each batch over all GPUs, which is not the plan's batch any more.
        arguments._n_gpu = 1
    return arguments
