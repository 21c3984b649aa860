"""The framework-free core of mlm: everything that decides the result of a training run.

from mlm_core import Config, load_engine
trainer = load_engine("tf").trainer(Config(dataset="posts.jsonl"))
trainer.train()
"""

from mlm_core.config.config import Config
from mlm_core.errors import MlmError, RequestError, RunError
from mlm_core.registry import load_engine

__all__ = ["Config", "MlmError", "RequestError", "RunError", "load_engine"]
__version__ = "0.1.0"
