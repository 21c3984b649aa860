"""What happens in a run, line by line: `metrics.jsonl` and the console."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
import os
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Self

from mlm_core.batches.plan import PADDING_KEY
from mlm_core.batches.verifier import BatchVerifier
from mlm_core.errors import RequestError
from mlm_core.metrics.json_values import finite
from mlm_core.metrics.sums import MaskedSums
from mlm_core.progress import Progress
from mlm_core.system.files import write_atomically
from mlm_core.training.setup import TrainingSetup


class Recorder:
    """Engines report each step and each evaluation here, as sums.

    `verifier` is None unless batches are verified; the model's forward pass then notes in it what it
    receives while training. `seconds` is the time that steps have taken, evaluations left out.
    """

    def __init__(
        self,
        setup: TrainingSetup,
        metrics: Path,
        progress: Progress,
        *,
        verify: bool,
        state: Mapping[str, Any],
    ) -> None:
        self.verifier = BatchVerifier() if verify else None
        self.evaluations = [(step, MaskedSums(*sums)) for step, sums in state.get("evaluations", [])]
        self._job = setup
        self._progress = progress
        self._file = _opened_at(metrics, state.get("metrics_bytes", 0))
        self._last = time.perf_counter()
        self.seconds = 0.0

    def __enter__(self) -> Self:
        self._progress.start(self._job.plan.steps)
        self.restart_clock()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()
        self._file.close()

    def state(self) -> dict[str, Any]:
        """What a recorder that goes on from here must be given; the metrics so far are on the disk."""
        self._file.flush()
        os.fsync(self._file.fileno())
        evaluations = [(step, dataclasses.astuple(sums)) for step, sums in self.evaluations]
        size = self._file.tell()
        digest = hashlib.sha256(Path(self._file.name).read_bytes()[:size]).hexdigest()
        return {"evaluations": evaluations, "metrics_bytes": size, "metrics_digest": digest}

    @property
    def best(self) -> tuple[int, MaskedSums] | None:
        """The evaluation with the least loss, its step first; the one before training is none of them."""
        trained = [
            (step, sums) for step, sums in self.evaluations if step > 0 and math.isfinite(sums.mean_loss)
        ]
        return min(trained, key=lambda evaluation: evaluation[1].mean_loss, default=None)

    def step(self, step: int, sums: MaskedSums, grad_norm: float) -> dict[str, Any]:
        """Record optimizer step `step`, counted from 1, with the sums of its global batch.

        Returns:
            The step's line in `metrics.jsonl`.
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
            "batch_digest": self.verifier.digest() if self.verifier is not None else None,
        }
        self.seconds += now - self._last
        self._last = now
        self._write(line)
        self._progress.step(line)
        return line

    def evaluation(self, step: int, sums: MaskedSums) -> None:
        """Report an evaluation after `step` steps."""
        self.evaluations.append((step, sums))
        line = {"step": step} | {f"eval_{name}": value for name, value in sums.as_results().items()}
        self._write(line)
        self._progress.evaluation(line)
        self.restart_clock()

    def restart_clock(self) -> None:
        """Restart the step timer: the next step begins now."""
        self._last = time.perf_counter()

    def _write(self, line: dict[str, Any]) -> None:
        self._file.write(json.dumps(line, allow_nan=False).encode() + b"\n")
        self._file.flush()


def check_metrics(metrics: Path, state: Mapping[str, Any]) -> None:
    """Refuse to go on behind metrics that are not those a recorder's state speaks of.

    Raises:
        RequestError: lines are missing, or have changed.
    """
    kept = metrics.read_bytes()[: state["metrics_bytes"]] if metrics.is_file() else b""
    if hashlib.sha256(kept).hexdigest() != state["metrics_digest"]:
        raise RequestError(
            "is not what the run has written, so its lines cannot go on",
            code="damaged_metrics",
            option="--resume",
            value=str(metrics),
            fix="put it back, or begin another run in another --output-dir",
        )


def _opened_at(metrics: Path, size: int) -> BinaryIO:
    """The file of metrics, opened to write behind its first `size` bytes; what came after them is gone."""
    kept = metrics.read_bytes()[:size] if size else b""
    write_atomically(metrics, kept)
    return metrics.open("ab")
