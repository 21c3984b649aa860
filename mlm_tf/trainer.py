"""Training with Keras `fit`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, final

import numpy as np
import tensorflow as tf
import tf_keras as keras
from numpy.typing import NDArray

from mlm_core.batch import Batch
from mlm_core.checkpoint import Moments
from mlm_core.course import Course
from mlm_core.initialization import ModelOutline, Weights
from mlm_core.job import TrainingJob
from mlm_core.metrics import MaskedSums
from mlm_core.parity.examination import Examination
from mlm_core.trainer import Trainer
from mlm_tf.feed import planned_dataset
from mlm_tf.head import SparseHead
from mlm_tf.machine import set_up
from mlm_tf.model import build_model, check_trainable
from mlm_tf.optimizer import build_optimizer
from mlm_tf.weights import (
    assign,
    assign_moments,
    canonical_names,
    export,
    export_gradients,
    export_moments,
    outline,
    trained_variables,
)


@final
class TensorFlowTrainer(Trainer):
    """The core's trainer on TensorFlow."""

    _model: Any = None
    _cpu: bool = True
    _test_data: Any = None

    def _build(self) -> ModelOutline:
        job = self.job
        self._cpu = set_up(job.config.device, job.config.threads)
        self._model = build_model(job.model.config, job.model.name, job.config.seed, job.config.precision)
        self._test_data = planned_dataset(self._model, job.test, job.evaluation_keys)
        if isinstance(job, TrainingJob):
            check_trainable(job.model.config, job.model.name)
            names = canonical_names(self._model)
            self._model.micro_batches = job.config.gradient_accumulation_steps
            optimizer = build_optimizer(names, job.config, job.learning_rates)
            self._model.compile(optimizer, jit_compile=job.config.compile)
            # In float16 Keras would put an optimizer around it that scales the loss in a way of its own.
            self._model.optimizer = optimizer
        else:
            self._model.compile()
        return outline(self._model)

    def _assign(self, weights: Weights) -> None:
        assign(self._model, weights)

    def _weights(self) -> Mapping[str, Any]:
        return export(self._model)

    def _architecture(self) -> str:
        return str(type(self._model).__name__.removeprefix("TF"))

    def _on_cpu(self) -> bool:
        return self._cpu

    def _fit(self, course: Course, moments: Moments | None) -> None:
        plan, first_step = course.job.plan, course.first_step
        self._model.witness = course.recorder.witness
        # Keras would make the moments while it traces the first step, and trace it a second time for that.
        self._model.optimizer._create_all_weights(trained_variables(self._model))
        if moments is not None:
            assign_moments(self._model, moments, first_step)
        if course.loss_scale is not None:
            self._model.optimizer.scale_loss(course.loss_scale.value)
        # To Keras a run, or what is left of it, is one epoch; the plan knows the epochs.
        self._model.fit(
            planned_dataset(self._model, course.job.train, plan.all_keys(first_step)),
            steps_per_epoch=plan.steps - first_step,
            callbacks=[_Report(course)],
            shuffle=False,
            verbose=0,
        )

    def _moments(self) -> Moments:
        return export_moments(self._model)

    def _examine(self, batch: Batch) -> Examination:
        output, gradients = self._model.loss_gradients(_tensors(batch))
        sums = MaskedSums(float(output.loss_sum), int(output.correct), int(output.masked_tokens))
        return Examination(output.logits.numpy(), sums, export_gradients(self._model, gradients))

    def _slot_logits(self, batch: Batch) -> NDArray[np.float32]:
        return self._model(_tensors(batch), training=False).logits.numpy()

    def _use_head(self, *, sparse: bool, probe: Batch) -> None:
        self._model.sparse_head = SparseHead.of(self._model, _tensors(probe)) if sparse else None

    def _evaluate(self) -> MaskedSums:
        shown = [_Evaluation(self._evaluated_batch)]
        return _sums(self._model.evaluate(self._test_data, callbacks=shown, return_dict=True, verbose=0))


class _Report(keras.callbacks.Callback):
    """Passes on what happens."""

    def __init__(self, course: Course) -> None:
        super().__init__()
        self._course = course
        self._step = course.first_step

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """Report a step."""
        self._step += 1
        self._course.step_done(self._step, _sums(logs), float(logs["grad_norm"]))
        if self._course.loss_scale is not None:
            self.model.optimizer.scale_loss(self._course.loss_scale.value)


class _Evaluation(keras.callbacks.Callback):
    """Passes on how far an evaluation is."""

    def __init__(self, evaluated_batch: Callable[[], None]) -> None:
        super().__init__()
        self._evaluated_batch = evaluated_batch

    def on_test_batch_end(self, batch: int, logs: Any = None) -> None:
        """Report a batch."""
        self._evaluated_batch()


def _tensors(batch: Batch) -> dict[str, tf.Tensor]:
    return {name: tf.constant(array) for name, array in batch.items()}


def _sums(logs: Mapping[str, Any]) -> MaskedSums:
    return MaskedSums(float(logs["loss_sum"]), int(logs["correct"]), int(logs["masked_tokens"]))
