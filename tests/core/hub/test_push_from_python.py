"""`Run.push_to_hub`, with a server on this machine instead of the Hub; no framework is needed."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from hub_faults import TOKEN
from hub_pushes import REPOSITORY

EARLIER = Path(__file__).parents[2] / "data" / "earlier" / "torch" / "finished"
PUSH = """
import json, sys
from mlm_core import RequestError, Run
arguments = json.loads(sys.argv[2])
try:
    print(Run.open(sys.argv[1]).push_to_hub(*arguments.pop("names"), **arguments))
except RequestError as error:
    print(error)
"""


@pytest.fixture
def push_run(hub, tmp_path):
    """A function that publishes a run from a Python process, and returns the address, or the error."""
    run = shutil.copytree(EARLIER, tmp_path / "posts")
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("HF_")}
    home = {"HF_HOME": str(tmp_path / "home"), "HOME": str(tmp_path / "home")}

    def push(*names, token=TOKEN, **options):
        done = subprocess.run(
            [sys.executable, "-c", PUSH, str(run), json.dumps({"names": names} | options)],
            capture_output=True, text=True, check=True, env=inherited | home | hub.environment(token),
        )  # fmt: skip
        return done.stdout.strip()

    return push


def test_a_run_is_published_privately_unless_asked(push_run, hub):
    assert push_run(REPOSITORY) == f"{hub.url}/{REPOSITORY}"
    assert hub.models[REPOSITORY].private
    assert "model.safetensors" in hub.files(REPOSITORY) and "run.json" not in hub.files(REPOSITORY)
    assert push_run(private=False) == f"{hub.url}/me/posts"
    assert not hub.models["me/posts"].private


def test_what_cannot_be_published_is_answered_in_a_line(push_run, hub):
    assert push_run("a/b/c").startswith("REPO a/b/c: ")
    assert push_run(REPOSITORY, private="maybe").startswith("--hub-private maybe: must be true or false")
    assert hub.models == {}
