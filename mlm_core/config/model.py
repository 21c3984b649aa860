"""Options of the model."""

from __future__ import annotations

from dataclasses import dataclass

from mlm_core.config.options import option


@dataclass(frozen=True, kw_only=True)
class ModelConfig:
    """Which model is trained."""

    model: str | None = option(
        None, "model directory or name on the Hub", default_text="starter, a small RoBERTa bundled with mlm"
    )
    model_revision: str | None = option(None, "branch, tag or commit of a model on the Hub")
    allow_pickle: bool = option(
        False,
        "read pytorch_model.bin, as data only, where there is no model.safetensors; needs --backend torch",
        affects="nothing",
        per_start=True,
    )
    trust_remote_code: bool = option(
        False,
        "run the code in the model's repository, at the commit given by --model-revision; needs "
        "--backend torch",
        affects="nothing",
        per_start=True,
    )
    from_scratch: bool = option(
        False,
        "use the model's architecture and tokenizer, but not its weights; without --model: a small RoBERTa "
        "whose tokenizer is learned from the text",
    )
    dropout: float | None = option(
        None,
        "rate of every dropout layer of the model",
        minimum=0.0,
        maximum=0.99,
        default_text="the model's own rates",
    )
