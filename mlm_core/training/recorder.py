"""Records the steps and evaluations of a run, in `metrics.jsonl` and on the console."""

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
from mlm_core.system.files import open_regular, write_atomically
from mlm_core.system.os_errors import advice, reason
from mlm_core.training.pace import Pace
from mlm_core.training.run_errors import writing
from mlm_core.training.setup import TrainingSetup


class Recorder:
    """Receives the sums of each step and each evaluation.

    Args:
        setup: of the run.
        metrics: path of `metrics.jsonl`; None: another rank writes it.
        progress: shows the lines.
        verify: whether batches are verified.
        state: of an earlier recorder, from its `state`; empty for a new run.
        first_step: number of steps already done.

    Attributes:
        verifier: the model's forward pass records in it the batches that it receives in training; None unless
            batches are verified.
        evaluations: the evaluations so far, each with its step.
        pace: how fast the steps of this process are.
    """

    def __init__(
        self,
        setup: TrainingSetup,
        metrics: Path | None,
        progress: Progress,
        *,
        verify: bool,
        state: Mapping[str, Any],
        first_step: int = 0,
    ) -> None:
        self.verifier = BatchVerifier() if verify else None
        self.evaluations = [(step, MaskedSums(*sums)) for step, sums in state.get("evaluations", [])]
        self._setup = setup
        self._progress = progress
        self._file = _opened_at(metrics, state.get("metrics_bytes", 0)) if metrics is not None else None
        self._last = time.perf_counter()
        self._first_step = first_step
        self.pace = Pace(setup.plan)

    def __enter__(self) -> Self:
        self._progress.start(self._setup.plan.steps, self._first_step)
        self.restart_clock()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()
        if self._file is not None:
            self._file.close()

    def state(self) -> dict[str, Any]:
        """The state from which a later recorder resumes; the metrics so far are flushed to disk first."""
        if self._file is None:
            return {}
        with writing(Path(self._file.name)):
            self._file.flush()
            os.fsync(self._file.fileno())
        evaluations = [(step, dataclasses.astuple(sums)) for step, sums in self.evaluations]
        size = self._file.tell()
        digest = hashlib.sha256(Path(self._file.name).read_bytes()[:size]).hexdigest()
        return {"evaluations": evaluations, "metrics_bytes": size, "metrics_digest": digest}

    @property
    def best(self) -> tuple[int, MaskedSums] | None:
        """The step and sums of the evaluation with the least loss, except the evaluation before training."""
        trained = [(step, sums) for step, sums in self.evaluations if step > 0 and math.isfinite(sums.loss)]
        return min(trained, key=lambda evaluation: evaluation[1].loss, default=None)

    def step(self, step: int, sums: MaskedSums, grad_norm: float, digest: str | None) -> dict[str, Any]:
        """Record optimizer step `step`, counted from 1, with the sums and the digest of its global batch.

        Returns:
            The step's line in `metrics.jsonl`.
        """
        plan, now = self._setup.plan, time.perf_counter()
        rows = int((plan.keys(step - 1) != PADDING_KEY).sum())
        tokens = rows * self._setup.train.blocks.shape[1]
        line = {
            "step": step,
            "epoch": plan.epoch_at(step),
            "loss": finite(sums.loss),
            "masked_tokens": sums.masked_tokens,
            "learning_rate": float(self._setup.learning_rates[step - 1]),
            "grad_norm": finite(grad_norm),
            "tokens_per_second": tokens / max(now - self._last, 1e-9),
            "batch_digest": digest,
        }
        self.pace.step(step, tokens, now - self._last)
        self._last = now
        self._write(line)
        self._progress.step(line, self.pace.tokens_per_second, self.pace.seconds_left)
        return line

    def evaluation(self, step: int, sums: MaskedSums) -> None:
        """Record an evaluation after `step` steps, which began when the step was recorded."""
        self.evaluations.append((step, sums))
        self.pace.evaluation(time.perf_counter() - self._last)
        line = {"step": step} | {f"eval_{name}": value for name, value in sums.to_dict().items()}
        self._write(line)
        self._progress.evaluation(line)
        self.restart_clock()

    def restart_clock(self) -> None:
        """Restart the step timer: the next step begins now."""
        self._last = time.perf_counter()

    def _write(self, line: dict[str, Any]) -> None:
        if self._file is None:
            return
        with writing(Path(self._file.name)):
            self._file.write(json.dumps(line, allow_nan=False).encode() + b"\n")
            self._file.flush()


def check_metrics(metrics: Path, state: Mapping[str, Any]) -> None:
    """Check that `metrics.jsonl` still begins with the lines that a recorder's state describes.

    Raises:
        RequestError: lines are missing, or have changed.
    """
    try:
        with open_regular(metrics) as file:
            kept = file.read(min(state["metrics_bytes"], os.fstat(file.fileno()).st_size))
    except FileNotFoundError:
        kept = b""
    except OSError as error:
        raise RequestError(
            f"cannot be read ({reason(error)}); nothing was changed",
            code="unreadable_metrics",
            option="--resume",
            value=str(metrics),
            fix=advice(error),
        ) from None
    if hashlib.sha256(kept).hexdigest() != state["metrics_digest"]:
        raise RequestError(
            "has changed since the run wrote it, so the run cannot append to it",
            code="damaged_metrics",
            option="--resume",
            value=str(metrics),
            fix="restore it, or start a new run in another --output-dir",
        )


def _opened_at(metrics: Path, size: int) -> BinaryIO:
    """Open the metrics file to append after its first `size` bytes; later bytes are removed."""
    with writing(metrics):
        kept = metrics.read_bytes()[:size] if size else b""
        write_atomically(metrics, kept)
        return metrics.open("ab")
