"""The framework-free core of mlm: everything that decides the result of a training run.

from mlm_core import Config, load_engine
trainer = load_engine("tf").trainer(Config(dataset="posts.jsonl"))
trainer.train()
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mlm_core.config.config import Config
    from mlm_core.errors import MlmError, RequestError, RunError
    from mlm_core.registry import load_engine

__all__ = ["Config", "MlmError", "RequestError", "RunError", "load_engine"]
__version__ = "0.1.0"

_MODULES = {"Config": "config.config", "load_engine": "registry"} | dict.fromkeys(
    ("MlmError", "RequestError", "RunError"), "errors"
)


def __getattr__(name: str) -> Any:
    # Imported on first use: `mlm` first gets ready for Ctrl-C.
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
