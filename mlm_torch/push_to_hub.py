"""Publishing from a `transformers.Trainer` of one's own."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import transformers

from mlm_core.hub.callback import CallbackPublisher
from mlm_core.hub.card import Row
from mlm_core.model.directory import write_model
from mlm_torch.engine import TorchEngine
from mlm_torch.weights import export


class PushToHubCallback(transformers.TrainerCallback):
    """The same as TensorFlow's callback: the last weights always arrive, or `train` fails.

    What is published is the model alone, where `TrainingArguments(push_to_hub=True)` would add
    `training_args.bin`. Versions before the last are sent beside the training, which they never stop.

    Args:
        output_dir: where the model is saved.
        save_strategy: when, besides the end: "no", after every "epoch", or every `save_steps` "steps".
        save_steps: between two versions.
        tokenizer: saved and published with the model.
        hub_model_id: the repository, as ORG/NAME; None: the user's own, called as the directory.
        hub_token: in the place of HF_TOKEN and of what `hf auth login` has kept.
        hub_private: who may read the repository, if it is made.
        model_card_args: metadata of the card: `language`, `license`, `tags`, `finetuned_from`, `dataset`.

    Raises:
        RequestError: an argument is wrong, or the Hub refuses.
    """

    def __init__(
        self,
        output_dir: str | Path,
        save_strategy: str = "epoch",
        save_steps: int | None = None,
        tokenizer: Any = None,
        hub_model_id: str | None = None,
        hub_token: str | None = None,
        *,
        hub_private: bool = True,
        **model_card_args: Any,
    ) -> None:
        self._publisher = CallbackPublisher(
            output_dir,
            save_strategy,
            save_steps,
            tokenizer,
            hub_model_id,
            hub_token,
            hub_private,
            model_card_args,
            TorchEngine.packages,
        )
        self.output_dir, self.tokenizer = Path(output_dir), tokenizer
        self.hub_model_id = self._publisher.hub_model_id

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
            RunError: it is saved, but did not reach the Hub.
        """
        if state.is_world_process_zero:
            self._publisher.at_end(self._writer(objects["model"]), _rows(state.log_history))

    def _writer(self, model: Any) -> Callable[[Path], None]:
        def write(directory: Path) -> None:
            write_model(directory, export(model), model.config, self.tokenizer, type(model).__name__)

        return write


def _rows(history: Sequence[Mapping[str, Any]]) -> list[Row]:
    """What Trainer has logged, a row for each evaluation, or for each loss where there is none."""
    # The mean over all of the training is all there is where nothing was due before its end.
    key = next((key for key in ("eval_loss", "loss") if any(key in line for line in history)), "train_loss")
    rows, loss = [], None
    for line in history:
        loss = line.get("train_loss" if key == "train_loss" else "loss", loss)
        if key in line:
            rows.append(Row(line["step"], float(line["epoch"]), loss, line.get("eval_loss")))
    return rows
