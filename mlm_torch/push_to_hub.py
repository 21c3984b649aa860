"""Publishing from the user's own `transformers.Trainer`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import transformers

from mlm_core.hub.callback import HubCallback
from mlm_core.hub.card import Row
from mlm_torch.engine import TorchEngine
from mlm_torch.weights import export


class PushToHubCallback(HubCallback, transformers.TrainerCallback):
    """Publishes a model while a `Trainer` trains it; either the last weights arrive, or `train` fails.

    The repository holds only the model; `TrainingArguments(push_to_hub=True)` would add `training_args.bin`.
    Earlier versions are uploaded in the background; they never stop the training. `HubCallback` documents the
    arguments.
    """

    packages = TorchEngine.packages

    def on_step_end(self, args: Any, state: Any, control: Any, **objects: Any) -> None:
        """Publish a version if one is due."""
        self._publisher.after_step(
            state.global_step, self._writer(objects["model"]), _rows(state.log_history)
        )

    def on_epoch_end(self, args: Any, state: Any, control: Any, **objects: Any) -> None:
        """Publish a version if one is due."""
        if state.is_world_process_zero:
            epoch, rows = round(state.epoch), _rows(state.log_history)
            self._publisher.after_epoch(epoch, self._writer(objects["model"]), rows)

    def on_train_end(self, args: Any, state: Any, control: Any, **objects: Any) -> None:
        """Publish the model.

        Raises:
            RunError: the model is saved, but did not reach the Hub.
        """
        if state.is_world_process_zero:
            self._publisher.at_end(self._writer(objects["model"]), _rows(state.log_history))

    def _writer(self, model: Any) -> Callable[[Path], None]:
        return partial(self._write_model, model, export)


def _rows(history: Sequence[Mapping[str, Any]]) -> list[Row]:
    """A row for each evaluation that Trainer has logged; without evaluations, a row for each loss."""
    # Where nothing was due before the end, only the mean over the whole training is known.
    key = next((key for key in ("eval_loss", "loss") if any(key in line for line in history)), "train_loss")
    rows, loss = [], None
    for line in history:
        loss = line.get("train_loss" if key == "train_loss" else "loss", loss)
        if key in line:
            rows.append(Row(line["step"], float(line["epoch"]), loss, line.get("eval_loss")))
    return rows
