"""One rank of several: trains what it is asked to, and prints a JSON line for each job.

python rank_worker.py BACKEND DEVICES JOBS; JOBS is a JSON list of {"options": {...}} with, if wanted,
{"signal": "SIGTERM", "rank": 1, "step": 3} for a signal that a rank sends itself after a step, or, with
"agreeing": true, when the ranks have computed the step and come to agree on it, and
{"own": {"1": {...}}} for options of one rank alone.
"""

import json
import os
import signal
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))
sys.path.insert(0, str(Path(__file__).parents[2]))
os.environ["HF_HUB_OFFLINE"] = "1"

from mlm_core import Config, load_engine
from mlm_core.errors import MlmError
from mlm_core.ranks.launch import launched
from mlm_core.training import loop


def main() -> None:
    backend, devices, jobs = sys.argv[1], int(sys.argv[2]), json.loads(sys.argv[3])
    engine, rank = load_engine(backend), launched().rank
    if devices > 1:
        import tensorflow as tf

        (processor,) = tf.config.list_physical_devices("CPU")
        logical = [tf.config.LogicalDeviceConfiguration()] * devices
        tf.config.set_logical_device_configuration(processor, logical)
    for number, job in enumerate(jobs):
        said = outcome(engine, rank, job)
        print(json.dumps({"job": number} | said), flush=True)


def stopping(step: int, number: int):
    """The agreement of the ranks, before which this one sends itself a signal at a step."""
    agree, calls = loop.agree, []

    def agreeing(*arguments):
        calls.append(1)
        if len(calls) == step:
            os.kill(os.getpid(), number)
        return agree(*arguments)

    return agreeing


def outcome(engine, rank: int, job: dict) -> dict:
    def on_step(done) -> None:
        if done.line["step"] == job.get("step") and rank == job["rank"] and not job.get("agreeing"):
            os.kill(os.getpid(), getattr(signal, job["signal"]))

    if job.get("agreeing") and rank == job["rank"]:
        loop.agree = stopping(job["step"], getattr(signal, job["signal"]))
    options = job["options"] | job.get("own", {}).get(str(rank), {})
    try:
        result = engine.trainer(Config(**options)).train(on_step)
    except MlmError as error:
        facts = {"error": error.code, "option": error.option, "message": str(error)}
        return facts | {"exit": error.exit_code, "said_by": error.said_by}
    return {"run": str(result.run_dir), "loss": result.after.loss, "steps": result.steps}


if __name__ == "__main__":
    main()
