"""The training step in `transformers.Trainer`."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import torch
import transformers

from mlm_core.batches.masking import IGNORED
from mlm_core.compat.transformers import computes_twice
from mlm_core.metrics.sums import MaskedSums
from mlm_core.optimization.dropout import DropoutNoise, RowNoise, noise_seed
from mlm_core.optimization.loss_scale import LossScale
from mlm_core.ranks.ranks import Ranks
from mlm_core.training.late_steps import StepValues
from mlm_core.training.setup import EvaluationSetup, TrainingSetup
from mlm_torch.dropout import keyed_dropout
from mlm_torch.feed import PlannedLoader, evaluation_loader
from mlm_torch.graph import NotRecordedError, RecordedPass
from mlm_torch.machine import read_later
from mlm_torch.replicas import leaves_parameters_out, replicate


class MaskedLMTrainer(transformers.Trainer):
    """`transformers.Trainer` with the plan's batches; it reports sums, not means of means.

    Attributes:
        noise_by_row: whether dropout noise belongs to the row; runs of earlier versions drew it by the pass.
        first_step: optimizer steps done before this process.
        loss_scale: multiplies the loss; None: no scale.
        records: whether a compiled pass is recorded as a CUDA graph.
        evaluated: the sums of the last evaluation.
    """

    def __init__(
        self,
        model: Any,
        arguments: transformers.TrainingArguments,
        setup: EvaluationSetup,
        ranks: Ranks,
        evaluated_batch: Callable[[], None],
        warn: Callable[[str], None],
    ) -> None:
        self._pinned = arguments.device.type == "cuda"
        self._loader = evaluation_loader(setup.test, setup.evaluation_keys, ranks, pinned=self._pinned)
        self._ranks = ranks
        super().__init__(model, arguments, eval_dataset=self._loader.dataset, compute_metrics=self._sum_up)
        self.remove_callback(transformers.PrinterCallback)
        # The model divides the loss by the masked tokens of the whole accumulated batch; Trainer must not
        # divide.
        self.model_accepts_loss_kwargs = True
        self._setup = setup
        self._evaluated_batch = evaluated_batch
        self._micro_batch = 0
        self._warn = warn
        self._compiled = False
        self._recorded: RecordedPass | None = None
        self.records = False
        self._heads = int(getattr(model.config, "num_attention_heads", None) or 1)
        self.noise_by_row = True
        self.first_step = 0
        self.loss_scale: LossScale | None = None
        self._sums: list[torch.Tensor] = []
        self.evaluated = MaskedSums()

    def get_train_dataloader(self) -> PlannedLoader:
        """The plan's batches in the plan's order."""
        assert isinstance(self._setup, TrainingSetup)
        accumulated = self._setup.config.gradient_accumulation_steps
        setup, pinned = self._setup, self._pinned
        return PlannedLoader(
            setup.train, setup.plan, accumulated, self.first_step, self._ranks, pinned=pinned
        )

    def get_eval_dataloader(self, eval_dataset: Any = None) -> Any:
        """The held-out blocks with their fixed masks."""
        return self._loader

    def training_step(self, model: Any, inputs: Any, num_items_in_batch: Any = None) -> torch.Tensor:
        """Train on a micro-batch, with keyed dropout."""
        if self._setup.config.compile and not self._compiled:
            self._compile(model, inputs, num_items_in_batch)
        with self._keyed_dropout(inputs):
            self._micro_batch += 1
            if self._recorded is None:
                return super().training_step(model, inputs, num_items_in_batch)
            # An evaluation may have come between.
            model.train()
            loss, sums = self._recorded(inputs | {"num_items_in_batch": num_items_in_batch})
            self._sums.append(sums.clone())
            return loss

    def _compile(self, model: Any, inputs: Any, count: Any) -> None:
        # The pass in which PyTorch compiles draws other noise than the same pass later.
        super().training_step(model, inputs, count)
        if self.records:
            try:
                self._recorded = self._recorded_pass(model, inputs, count)
                optimizer = self._own_optimizer()
                optimizer.gradients_stay, optimizer.warn = True, self._warn
            except NotRecordedError as error:
                self.model.kept_gradients = ()
                self._warn(f"--compile: no CUDA graph of a step is used: {error}")
        self._sums.clear()
        model.zero_grad()
        self._compiled = True

    def _recorded_pass(self, model: Any, inputs: Any, count: Any) -> RecordedPass:
        gradients = [part.grad for part in model.parameters() if part.grad is not None]
        self.model.kept_gradients = gradients
        fixed = self._prepare_inputs(inputs) | {"num_items_in_batch": count}

        def run(inputs: Any) -> tuple[torch.Tensor, torch.Tensor]:
            output = model(**inputs)
            output.loss.backward()
            return output.loss.detach(), _sums_of(output)

        def seed() -> None:
            with self._keyed_dropout(inputs):
                pass

        return RecordedPass(run, fixed, gradients, seed)

    def forget_recording(self) -> None:
        """Free what a recorded step keeps."""
        if self._recorded is not None:
            self._recorded = None
            self._own_optimizer().forget_recording()
            self.model.kept_gradients = ()
            self.model.zero_grad()

    def _own_optimizer(self) -> Any:
        # Trainer may have wrapped it.
        return getattr(self.optimizer, "optimizer", self.optimizer)

    def _keyed_dropout(self, inputs: Any) -> AbstractContextManager[None]:
        step, seed, device = (
            self.first_step + self.state.global_step,
            self._setup.config.seed,
            self.args.device,
        )
        own = device.type != "cpu" or self._setup.config.compile
        if own or computes_twice(self.model):
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
            self._sums.append(_sums_of(output))
            if self.loss_scale is not None:
                loss = loss * self.loss_scale.value
        return (loss, output) if return_outputs else loss

    def take_step(self) -> StepValues:
        """The sums of the micro-batches since the last call, and the norm of their gradient."""
        taken, self._sums, self._micro_batch = self._sums, [], 0
        norm = self._own_optimizer().grad_norm.double()
        read = read_later(torch.cat([torch.stack(taken).sum(0), norm.view(1)]))

        def values() -> tuple[MaskedSums, float]:
            loss, correct, count, norm = read()
            return MaskedSums(loss, int(correct), int(count)).over(self._ranks), norm

        return values

    def _get_num_items_in_batch(self, batch_samples: list[Any], device: torch.device) -> Any:
        if not self._pinned or self._ranks.count > 1:
            return super()._get_num_items_in_batch(batch_samples, device)
        counts = [(batch["labels"] != IGNORED).sum() for batch in batch_samples]
        return torch.stack(counts).sum().pin_memory().to(device, non_blocking=True)

    def _get_learning_rate(self) -> float:
        # Trainer asks after every step, and nobody reads it. Of a rate on a GPU it would wait for the step.
        return 0.0

    def floating_point_ops(self, inputs: Any) -> int:
        """0: Trainer would count the parameters at every step, for a log that nobody reads."""
        return 0

    def _prepare_inputs(self, inputs: Any) -> Any:
        # Pinned, so the host need not wait for them.
        return {name: tensor.to(self.args.device, non_blocking=True) for name, tensor in inputs.items()}

    def prediction_step(
        self, model: Any, inputs: Any, prediction_loss_only: bool, ignore_keys: Any = None
    ) -> Any:
        """Return the batch's sums `[1, 3]` float64 as its predictions."""
        with torch.no_grad():
            output = model(**self._prepare_inputs(inputs))
        sums = _sums_of(output)[None]
        self._evaluated_batch()
        # Trainer gathers them from all ranks. It calls compute_metrics only if there are labels, so the sums
        # are passed as labels as well. It would gather a loss for each row, of which ranks may have
        # different numbers.
        return None, sums, sums

    def _sum_up(self, prediction: transformers.EvalPrediction) -> dict[str, float]:
        loss, correct, count = prediction.predictions.sum(axis=0)
        self.evaluated = MaskedSums(float(loss), int(correct), int(count))
        return {}


def _sums_of(output: Any) -> torch.Tensor:
    """Loss, right predictions and masked tokens of a pass, `[3]` float64; counts are exact in it."""
    parts = (output.loss_sum.detach(), output.correct, output.masked_tokens)
    return torch.stack([part.double() for part in parts])
