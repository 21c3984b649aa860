"""What happens in a run, line by line: `metrics.jsonl` and the console."""

from __future__ import annotations

import json
import math
import time
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from mlm_core.batch import BatchWitness
from mlm_core.errors import RunError
from mlm_core.job import TrainingJob
from mlm_core.metrics import MaskedSums, finite
from mlm_core.plan import PADDING_KEY
from mlm_core.progress import Progress


class Recorder:
    """Engines report each step and each evaluation here, as sums.

    `witness` is None unless batches are verified; the model's forward pass then notes in it what it
    receives while training.
    """

    def __init__(self, job: TrainingJob, metrics: Path, progress: Progress, *, verify: bool) -> None:
        self.witness = BatchWitness() if verify else None
        self.evaluations: list[tuple[int, MaskedSums]] = []
        self._job = job
        self._progress = progress
        self._file = metrics.open("w", encoding="utf-8")
        self._last = time.perf_counter()

    def __enter__(self) -> Self:
        self._progress.start(self._job.plan.steps)
        self._last = time.perf_counter()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()
        self._file.close()

    def step(self, step: int, sums: MaskedSums, grad_norm: float) -> None:
        """Report optimizer step `step`, counted from 1, with the sums of its global batch.

        Raises:
            RunError: the loss or the gradient is not finite.
        """
        plan, now = self._job.plan, time.perf_counter()
        rows = int((plan.keys(step - 1) != PADDING_KEY).sum())
        tokens = rows * self._job.train.blocks.shape[1]
        line = {
            "step": step,
            "epoch": plan.epoch_at(step),
            "loss": finite(sums.mean_loss),
            "masked_tokens": sums.masked_tokens,
            "learning_rate": float(self._job.learning_rates[step - 1]),
            "grad_norm": finite(grad_norm),
            "tokens_per_second": tokens / max(now - self._last, 1e-9),
            "batch_digest": self.witness.digest() if self.witness is not None else None,
        }
        self._last = now
        self._write(line)
        if sums.masked_tokens and not (math.isfinite(sums.loss) and math.isfinite(grad_norm)):
            raise RunError(
                f"the loss at step {step} is {sums.mean_loss}, the gradient's norm {grad_norm}",
                code="not_finite",
                fix="try a lower --learning-rate or more --warmup-steps",
            )
        self._progress.step(line)

    def evaluation(self, step: int, sums: MaskedSums) -> None:
        """Report an evaluation after `step` steps."""
        self.evaluations.append((step, sums))
        line = {"step": step} | {f"eval_{name}": value for name, value in sums.as_results().items()}
        self._write(line)
        self._progress.evaluation(line)
        self._last = time.perf_counter()

    def _write(self, line: dict[str, Any]) -> None:
        self._file.write(json.dumps(line, allow_nan=False) + "\n")
        self._file.flush()
