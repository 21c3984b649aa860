"""TensorFlow through Ray Train: python ray_tensorflow.py RUN WORKERS [--use-gpu] -- the words of `mlm train`.

Ray starts the workers, on any machines of its cluster, and starts them again if one is lost. RUN and
MLM_CACHE are on a disk that all machines share. Ray sets TF_CONFIG in every worker.
"""

from __future__ import annotations

import sys
from typing import Any

from ray.train import FailureConfig, RunConfig, ScalingConfig
from ray.train.tensorflow import TensorflowTrainer


def train(given: dict[str, Any]) -> None:
    """Train in one worker. Words are those of the command line, so that errors are its errors, too."""
    from mlm_core.__main__ import main

    code = main(["train", "--backend", "tf", "--output-dir", given["run"], "--resume", *given["words"]])
    if code:
        raise RuntimeError(f"mlm train ended with exit code {code}")


if __name__ == "__main__":
    split = sys.argv.index("--")
    run, workers, *more = sys.argv[1:split]
    TensorflowTrainer(
        train,
        train_loop_config={"run": run, "words": sys.argv[split + 1 :]},
        scaling_config=ScalingConfig(num_workers=int(workers), use_gpu="--use-gpu" in more),
        run_config=RunConfig(failure_config=FailureConfig(max_failures=3)),
    ).fit()
