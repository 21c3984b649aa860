"""An engine's side in a process of its own: a process holds one framework."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

from mlm_core.config.config import Config
from mlm_core.errors import MlmError, RunError
from mlm_core.parity.worker import CONFIG


def work_apart(backend: str, config: Config, directory: Path) -> None:
    """Do `mlm_core.parity.worker.work` in another process, which leaves its results in a new directory.

    Raises:
        MlmError: what the engine raised there.
        RunError: the process ended without a word of ours.
    """
    directory.mkdir()
    options = replace(config, backend=backend, quiet=True).to_dict()
    (directory / CONFIG).write_text(json.dumps(options), encoding="utf-8")
    command = [sys.executable, "-m", "mlm_core.parity.worker", str(directory)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            out, said = process.communicate()
        except BaseException:
            # Whatever ends this process ends the other one, too.
            process.kill()
            raise
    if process.returncode == 0:
        return
    try:
        facts = json.loads(out)
    except ValueError:
        last = (said.strip().splitlines() or [f"exit code {process.returncode}"])[-1]
        raise RunError(f"its process ended ({last})", code="side_failed", value=backend) from None
    error = MlmError(facts.pop("message"), **facts)
    error.exit_code = process.returncode
    raise error
