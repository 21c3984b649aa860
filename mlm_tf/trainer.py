"""Training with Keras `fit`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, final

import tf_keras as keras

from mlm_core.config.config import required
from mlm_core.errors import RequestError
from mlm_core.metrics.sums import MaskedSums
from mlm_core.trainer import Trainer
from mlm_core.training.checkpoint import Moments
from mlm_core.training.loop import TrainingLoop
from mlm_core.training.setup import EvaluationSetup, TrainingSetup
from mlm_tf.feed import distributed_dataset
from mlm_tf.model import check_trainable
from mlm_tf.network import TensorFlowNetwork
from mlm_tf.optimizer import build_optimizer
from mlm_tf.weights import (
    assign_moments,
    canonical_names,
    export_moments,
    trained_variables,
)


@final
class TensorFlowTrainer(Trainer):
    """The core's trainer in TensorFlow."""

    network: TensorFlowNetwork
    _test_data: Any = None

    def _prepare(self) -> None:
        setup, model = self.setup, self.network.model
        if setup.config.compile and self.network.on_cpu() and self.network.strategy.num_replicas_in_sync > 1:
            raise RequestError(
                "XLA cannot compile a sum over several replicas on a CPU",
                code="not_compiled",
                option="--compile",
                fix="leave it out, or train in one process",
            )
        self._test_data = distributed_dataset(
            model, setup.test, setup.evaluation_keys, 1, self.network.strategy
        )
        with self.network.strategy.scope():
            self._compile(setup, model)

    def _compile(self, setup: EvaluationSetup, model: Any) -> None:
        # Keras makes them where they are first asked for, which would be in a replica.
        _ = model.totals
        model.reports_sums = True
        # A step's sums are the same in all replicas; Keras would add them up.
        model.distribute_reduction_method = "first"
        if not isinstance(setup, TrainingSetup):
            model.compile()
            return
        check_trainable(setup.model.config, setup.model.name)
        model.micro_batches = setup.config.gradient_accumulation_steps
        model.micro_batch_rows = required(setup.config.batch_size)
        optimizer = build_optimizer(canonical_names(model), setup.config, setup.learning_rates)
        model.compile(optimizer, jit_compile=setup.config.compile)
        # With float16, compile wraps the optimizer in Keras's own loss scaling; this undoes it.
        model.optimizer = optimizer

    def _fit(self, loop: TrainingLoop, moments: Moments | None) -> None:
        plan, first_step, model = loop.setup.plan, loop.first_step, self.network.model
        model.verifier = loop.recorder.verifier
        with self.network.strategy.scope():
            # Otherwise Keras creates the moments while it traces the first step, and traces the step twice.
            model.optimizer._create_all_weights(trained_variables(model))
        if moments is not None:
            assign_moments(model, moments, first_step)
        if loop.loss_scale is not None:
            with self.network.strategy.scope():
                model.optimizer.scale_loss(loop.loss_scale.value)
        # For Keras the run, or the rest of it, is one epoch; the plan holds the real epochs.
        model.fit(
            distributed_dataset(
                model,
                loop.setup.train,
                plan.all_keys(first_step),
                model.micro_batches,
                self.network.strategy,
            ),
            steps_per_epoch=plan.steps - first_step,
            callbacks=_untimed(model, _Report(loop)),
            shuffle=False,
            verbose=0,
        )

    def _moments(self) -> Moments:
        return export_moments(self.network.model)

    def _evaluate(self) -> MaskedSums:
        model = self.network.model
        sums = model.evaluate(
            self._test_data,
            steps=len(self.setup.evaluation_keys),
            callbacks=_untimed(model, _Evaluation(self._evaluated_batch)),
            return_dict=True,
            verbose=0,
        )
        return _sums(sums)


def _untimed(model: Any, callback: keras.callbacks.Callback) -> keras.callbacks.CallbackList:
    """The callback, of which Keras does not warn where it takes longer than a step, as for a checkpoint."""
    callbacks = keras.callbacks.CallbackList([callback], add_history=True, model=model)
    callbacks._check_timing = False
    return callbacks


class _Report(keras.callbacks.Callback):
    """Reports each step to the training loop."""

    # Else Keras would read all numbers at every step.
    _supports_tf_logs = True

    def __init__(self, loop: TrainingLoop) -> None:
        super().__init__()
        self._loop = loop
        self._step = loop.first_step

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """Report a step."""
        self._step += 1
        self._loop.step_done(self._step, lambda: (_sums(logs), float(logs["grad_norm"])))
        if self._loop.loss_scale is not None:
            self.model.optimizer.scale_loss(self._loop.loss_scale.value)


class _Evaluation(keras.callbacks.Callback):
    """Reports each batch of an evaluation."""

    _supports_tf_logs = True

    def __init__(self, evaluated_batch: Callable[[], None]) -> None:
        super().__init__()
        self._evaluated_batch = evaluated_batch

    def on_test_batch_end(self, batch: int, logs: Any = None) -> None:
        """Report a batch."""
        self._evaluated_batch()


def _sums(logs: Mapping[str, Any]) -> MaskedSums:
    return MaskedSums(float(logs["loss_sum"]), int(logs["correct"]), int(logs["masked_tokens"]))
