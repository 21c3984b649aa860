"""A model directory, a server instead of the Hub, and `mlm push` in its own process."""

import json
import os
import subprocess
import sys

import pytest
from hub_faults import TOKEN
from hub_pushes import READER
from hub_repositories import User
from hub_server import HubServer
from tiny_models import write_model


@pytest.fixture(scope="module")
def directory(tmp_path_factory):
    """A model directory that also holds private files."""
    path = write_model(tmp_path_factory.mktemp("models") / "tiny", "bert")
    settings = json.loads((path / "config.json").read_text())
    (path / "config.json").write_text(json.dumps(settings | {"_name_or_path": str(path)}))
    (path / "training_args.bin").write_bytes(b"pickle")
    (path / "optimizer.pt").write_bytes(b"pickle")
    (path / "notes.txt").write_text("mine")
    (path / ".env").write_text(f"HF_TOKEN={TOKEN}")
    (path / "checkpoints").mkdir()
    (path / "checkpoints" / "model.safetensors").write_bytes(b"")
    return path


@pytest.fixture
def hub():
    users = {TOKEN: User("me", organizations=("org",)), READER: User("reader", "read", ("org",))}
    with HubServer(users=users) as server:
        yield server


@pytest.fixture
def push(hub, tmp_path):
    """A function that runs `mlm push` and returns the repository's address, or the error."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("HF_")}
    home = {"HF_HOME": str(tmp_path / "home"), "HOME": str(tmp_path / "home")}

    def run(*words, code=0, token=TOKEN, **environment):
        done = subprocess.run(
            [sys.executable, "-m", "mlm_core", "push", *map(str, words), "--json"],
            capture_output=True,
            text=True,
            env=inherited | home | hub.environment(token) | environment,
            check=False,
        )
        assert done.returncode == code, done.stderr
        assert not any(secret in done.stdout + done.stderr for secret in (TOKEN, READER))
        answer = json.loads(done.stdout)
        if code == 0:
            return answer["hub_url"]
        lines = done.stderr.splitlines()
        assert lines[-1].startswith("mlm: error: ") and "Traceback" not in done.stderr
        return answer["error"]

    return run
