"""An engine's side in a process of its own: a process holds one framework."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

from mlm_core.config import Config
from mlm_core.errors import MlmError, RunError
from mlm_core.parity.side import CONFIG


def work_apart(backend: str, config: Config, directory: Path) -> None:
    """Do `mlm_core.parity.side.work` in another process, which leaves its results in a new directory.

    Raises:
        MlmError: what the engine raised there.
        RunError: the process ended without a word of ours.
    """
    directory.mkdir()
    options = replace(config, backend=backend, quiet=True).to_dict()
    (directory / CONFIG).write_text(json.dumps(options), encoding="utf-8")
    command = [sys.executable, "-m", "mlm_core.parity.side", str(directory)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode == 0:
        return
    try:
        facts = json.loads(done.stdout)
    except ValueError:
        last = (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1]
        raise RunError(f"its process ended ({last})", code="side_failed", value=backend) from None
    error = MlmError(facts.pop("message"), **facts)
    error.exit_code = done.returncode
    raise error
