"""Options of publishing on the Hub."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from mlm_core.config.options import option


@dataclass(frozen=True, kw_only=True)
class HubConfig:
    """Whether and where the model is published."""

    push_to_hub: bool = option(
        False, "publish the trained model on the Hub", affects="nothing", per_start=True
    )
    hub_model_id: str | None = option(
        None,
        "repository on the Hub, for example ORG/NAME",
        affects="nothing",
        metavar="ORG/NAME",
        default_text="the name of the output directory, in your account",
        per_start=True,
    )
    hub_private: bool = option(
        True,
        "make a new repository private; --hub-public makes it public",
        default_text="private",
        affects="nothing",
        opposite="--hub-public",
        per_start=True,
    )
    hub_strategy: Literal["end", "epoch", "checkpoint"] = option(
        "end",
        "end: publish the trained model; epoch, checkpoint: also publish after every epoch or checkpoint",
        affects="nothing",
        per_start=True,
    )
    also_h5: bool = option(
        False,
        "also write tf_model.h5, for TensorFlow users without this package; needs --backend tf",
        affects="nothing",
    )
