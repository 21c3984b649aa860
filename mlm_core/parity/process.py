"""Runs an engine's worker in a process of its own, because a process holds one framework."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from mlm_core.config.config import Config
from mlm_core.errors import MlmError, RunError
from mlm_core.parity.worker import CONFIG, steps_done
from mlm_core.system.child_processes import child_environment, python_command

_INTERVAL = 0.5
"""Seconds between looks at a worker's steps."""


def run_worker(backend: str, config: Config, directory: Path, at_step: Callable[[int], None]) -> None:
    """Run `mlm_core.parity.worker.work` in another process, which leaves its results in a new directory.

    Args:
        backend: the name of the engine.
        config: every option.
        directory: receives the results.
        at_step: is told twice a second how many steps are done.

    Raises:
        MlmError: the engine's error in that process.
        RunError: the process ended without reporting an error.
    """
    directory.mkdir()
    options = replace(config, backend=backend, quiet=True).to_dict()
    (directory / CONFIG).write_text(json.dumps(options), encoding="utf-8")
    command = python_command("-m", "mlm_core.parity.worker", str(directory))
    with subprocess.Popen(
        command,
        env=child_environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
    ) as process:
        try:
            while True:
                try:
                    out, log = process.communicate(timeout=_INTERVAL)
                    break
                except subprocess.TimeoutExpired:
                    at_step(steps_done(directory))
        except BaseException:
            # Whatever ends this process also ends the worker.
            process.kill()
            raise
    if process.returncode == 0:
        return
    try:
        facts = json.loads(out)
    except ValueError:
        last = (log.strip().splitlines() or [f"exit code {process.returncode}"])[-1]
        raise RunError(f"its process ended ({last})", code="side_failed", value=backend) from None
    error = MlmError(facts.pop("message"), **facts)
    error.exit_code = process.returncode
    raise error
