"""Publishing from the user's own Keras `fit`."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import tf_keras as keras
import transformers

from mlm_core.errors import RequestError
from mlm_core.hub.callback import HubCallback, strategy_word
from mlm_core.hub.card import Row
from mlm_core.metrics.json_values import finite
from mlm_core.metrics.sums import MaskedSums
from mlm_tf.engine import TensorFlowEngine
from mlm_tf.model import CLASS_PREFIX
from mlm_tf.weights import export


class PushToHubCallback(HubCallback, transformers.PushToHubCallback):
    """Publishes a model while `fit` trains it, without git; either the last weights arrive, or `fit` fails.

    The repository holds `model.safetensors`, which PyTorch opens as well. Earlier versions are uploaded in
    the background; they never stop the training.

    Args:
        output_dir: this and what is not named here: see `HubCallback`.
        checkpoint: keep Keras's own checkpoint in the directory; it is not published.

    Raises:
        RequestError: an argument is wrong, or the Hub refuses.
    """

    packages = TensorFlowEngine.packages
    class_prefix = CLASS_PREFIX

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
        if checkpoint and strategy_word(save_strategy) != "epoch":
            raise RequestError(
                "requires save_strategy epoch",
                code="contradiction",
                option="checkpoint",
                fix="leave it out, or save after every epoch",
            )
        HubCallback.__init__(
            self,
            output_dir,
            save_strategy,
            save_steps,
            tokenizer,
            hub_model_id,
            hub_token,
            hub_private=hub_private,
            **model_card_args,
        )
        self.checkpoint = checkpoint
        self._step = 0
        self._rows: list[Row] = []

    def on_train_begin(self, logs: Any = None) -> None:
        """Start counting steps."""
        self._step, self._rows = 0, []

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """Publish a version if one is due."""
        self._step += 1
        self._publisher.after_step(self._step, self._write, self._rows)

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Publish a version if one is due."""
        losses = {name: finite(float((logs or {}).get(name, math.nan))) for name in ("loss", "val_loss")}
        scores: tuple[float | None, ...] = ()
        totals = getattr(self.model, "totals", ())
        if totals and "val_loss" in (logs or {}):
            # The last that Keras did in the epoch is the evaluation.
            loss_sum, correct, count = (total.result().numpy() for total in totals)
            held_out = MaskedSums(float(loss_sum), int(correct), int(count))
            scores = (finite(held_out.perplexity), finite(held_out.accuracy))
        self._rows.append(Row(self._step, epoch + 1, losses["loss"], losses["val_loss"], *scores))
        self._publisher.after_epoch(epoch + 1, self._write, self._rows)
        if self.checkpoint:
            self.model._save_checkpoint(str(self.output_dir / "checkpoint"), epoch)

    def on_train_end(self, logs: Any = None) -> None:
        """Publish the model.

        Raises:
            RunError: the model is saved, but did not reach the Hub.
        """
        self._publisher.at_end(self._write, self._rows)

    def _write(self, directory: Path) -> None:
        self._write_model(self.model, export, directory)
