"""Publishing from a Keras `fit` of one's own."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import tf_keras as keras
import transformers

from mlm_core.errors import RequestError
from mlm_core.hub.callback import CallbackPublisher
from mlm_core.hub.card import Row
from mlm_core.metrics.json_values import finite
from mlm_core.metrics.sums import MaskedSums
from mlm_core.model.directory import write_model
from mlm_tf.engine import TensorFlowEngine
from mlm_tf.weights import export


class PushToHubCallback(transformers.PushToHubCallback):
    """transformers' callback, without git: the last weights always arrive, or `fit` fails.

    What is published is `model.safetensors`, which PyTorch opens as well. Versions before the last are sent
    beside the training, which they never stop.

    Args:
        output_dir: where the model is saved.
        save_strategy: when, besides the end: "no", after every "epoch", or every `save_steps` "steps".
        save_steps: between two versions.
        tokenizer: saved and published with the model.
        hub_model_id: the repository, as ORG/NAME; None: the user's own, called as the directory.
        hub_token: in the place of HF_TOKEN and of what `hf auth login` has kept.
        checkpoint: keep Keras's own checkpoint in the directory; it is not published.
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
        checkpoint: bool = False,
        *,
        hub_private: bool = True,
        **model_card_args: Any,
    ) -> None:
        # Not the constructor of transformers' callback: it clones the repository.
        keras.callbacks.Callback.__init__(self)
        if checkpoint and str(getattr(save_strategy, "value", save_strategy)).lower() != "epoch":
            fix = "leave it out, or save after every epoch"
            raise RequestError(
                "needs save_strategy epoch", code="contradiction", option="checkpoint", fix=fix
            )
        self._publisher = CallbackPublisher(
            output_dir,
            save_strategy,
            save_steps,
            tokenizer,
            hub_model_id,
            hub_token,
            hub_private,
            model_card_args,
            TensorFlowEngine.packages,
        )
        self.output_dir, self.tokenizer, self.checkpoint = Path(output_dir), tokenizer, checkpoint
        self.hub_model_id = self._publisher.hub_model_id
        self._step = 0
        self._rows: list[Row] = []

    def on_train_begin(self, logs: Any = None) -> None:
        """Begin to count."""
        self._step, self._rows = 0, []

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """Publish a version if one is due."""
        self._step += 1
        self._publisher.after_step(self._step, self._write, self._rows)

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Publish a version if one is due."""
        losses = {name: finite(float((logs or {}).get(name, math.nan))) for name in ("loss", "val_loss")}
        scores: tuple[float | None, ...] = ()
        if "val_loss_sum" in (logs or {}):
            sums = (float(logs["val_loss_sum"]), int(logs["val_correct"]), int(logs["val_masked_tokens"]))
            held_out = MaskedSums(*sums)
            scores = (finite(held_out.perplexity), finite(held_out.accuracy))
        self._rows.append(Row(self._step, epoch + 1, losses["loss"], losses["val_loss"], *scores))
        self._publisher.after_epoch(epoch + 1, self._write, self._rows)
        if self.checkpoint:
            self.model._save_checkpoint(str(self.output_dir / "checkpoint"), epoch)

    def on_train_end(self, logs: Any = None) -> None:
        """Publish the model.

        Raises:
            RunError: it is saved, but did not reach the Hub.
        """
        self._publisher.at_end(self._write, self._rows)

    def _write(self, directory: Path) -> None:
        architecture = type(self.model).__name__.removeprefix("TF")
        write_model(directory, export(self.model), self.model.config, self.tokenizer, architecture)
