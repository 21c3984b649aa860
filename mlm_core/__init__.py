"""Masked language models, trained with PyTorch or TensorFlow: everything that decides the result.

from mlm_core import train

run = train("posts.jsonl", backend="tf")
run.fill("The Milky Way is a <mask> galaxy.")

`train` has every option of `mlm train`. `Run.open("runs/tf")` opens an earlier run.
With `load_engine` and `Config`, trainers, evaluators and predictors can be made one by one.
`mlm_core` itself imports no framework.
"""

from typing import TYPE_CHECKING

from mlm_core.lazy import lazy_names

if TYPE_CHECKING:
    from mlm_core.api.run import Run
    from mlm_core.api.train import train
    from mlm_core.config.config import Config
    from mlm_core.errors import MlmError, RequestError, RunError
    from mlm_core.registry import load_engine

__all__ = ["Config", "MlmError", "RequestError", "Run", "RunError", "load_engine", "train"]
__version__ = "0.1.0"

# On first use: `mlm` first gets ready for Ctrl-C.
__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "Config": "mlm_core.config.config",
        "Run": "mlm_core.api.run",
        "load_engine": "mlm_core.registry",
        "train": "mlm_core.api.train",
    }
    | dict.fromkeys(("MlmError", "RequestError", "RunError"), "mlm_core.errors"),
)
