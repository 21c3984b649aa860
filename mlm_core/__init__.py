"""The framework-free core of mlm: everything that decides the result of a training run.

from mlm_core import Config, load_engine
trainer = load_engine("tf").trainer(Config(dataset="posts.jsonl"))
trainer.train()
"""

from typing import TYPE_CHECKING, Any

from mlm_core.config.config import Config
from mlm_core.errors import MlmError, RequestError, RunError

if TYPE_CHECKING:
    from mlm_core.registry import load_engine

__all__ = ["Config", "MlmError", "RequestError", "RunError", "load_engine"]
__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    # Imported on first use: the registry takes a third of the time of `mlm --help`.
    if name != "load_engine":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from mlm_core.registry import load_engine

    return load_engine
