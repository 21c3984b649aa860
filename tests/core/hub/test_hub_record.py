"""The record of the repositories of a run: a push never overwrites other users' commits."""

import json
import os
import shutil
import subprocess
import sys

import pytest
from hub_faults import TOKEN
from hub_pushes import RECORD, REPOSITORY

from mlm_core.hub.record import HubRecord, Seen


def test_a_commit_between_is_not_overwritten(push, hub, directory, tmp_path):
    """A commit by somebody else, after this run last saw the repository."""
    push(directory, REPOSITORY)
    run = tmp_path / "run"
    shutil.copytree(directory, run)
    commit = hub.models[REPOSITORY].at("main").oid
    (run / "hub.json").write_text(json.dumps({REPOSITORY: {"commit": commit, "sent": {}}}))
    (run / "run.json").write_text(json.dumps(RECORD))
    (run / "vocab.txt").write_text((run / "vocab.txt").read_text() + "\nmore")
    hub.models[REPOSITORY].commit("main", "by hand", None, {"README.md": b"mine"})
    error = push(run, REPOSITORY, code=1)
    assert error["code"] == "hub_moved_on" and "--overwrite" in error["fix"]
    assert hub.files(REPOSITORY)["README.md"] == b"mine"
    push(run, REPOSITORY, "--overwrite")
    assert hub.files(REPOSITORY)["vocab.txt"].endswith(b"more")
    # That commit is now recorded.
    (run / "vocab.txt").write_text((run / "vocab.txt").read_text() + "\nmore")
    push(run, REPOSITORY)


LATE = """
import sys
from pathlib import Path
from transformers import AutoTokenizer
from mlm_core.hub.publisher import Patience, Publisher, Target
from mlm_core.progress import Progress

run, name, version = sys.argv[1:]
progress = Progress(quiet=True, verbose=False, logging_steps=1)
tokenizer = AutoTokenizer.from_pretrained(run)
publisher = Publisher(Target(name), tokenizer, Path(run), progress, Patience(attempts=1))
try:
    print(publisher.finish(Path(version), "Version"))
except Exception as error:
    print(error.code)
"""


def test_a_version_whose_answer_was_lost_is_ours(push, hub, directory, tmp_path):
    """Even if the process that sent it has ended: its record lists the uploaded files."""
    run, version = (shutil.copytree(directory, tmp_path / name) for name in ("run", "version"))
    (version / "vocab.txt").write_text((version / "vocab.txt").read_text() + "\nmore")
    (run / "run.json").write_text(json.dumps(RECORD))
    fault = hub.fail("commit", "cut after")
    environment = hub.environment(TOKEN) | {"HF_HOME": str(tmp_path / "home")}
    done = subprocess.run(
        [sys.executable, "-c", LATE, run, REPOSITORY, version],
        capture_output=True,
        text=True,
        env=os.environ | environment,
        check=False,
    )
    assert done.stdout.strip() == "hub_unreachable", done.stderr
    assert hub.files(REPOSITORY)["vocab.txt"].endswith(b"more")
    hub.faults.remove(fault)
    push(run, REPOSITORY)
    assert not hub.files(REPOSITORY)["vocab.txt"].endswith(b"more")


def test_each_repository_has_a_memory_of_its_own(push, hub, directory, tmp_path):
    run = shutil.copytree(directory, tmp_path / "run")
    (run / "run.json").write_text(json.dumps(RECORD))
    push(run, "org/one")
    push(run, "org/two")
    hub.models["org/one"].commit("main", "by hand", None, {"config.json": b"{}"})
    assert push(run, "org/one", code=1)["code"] == "hub_moved_on"


def test_what_cannot_be_noted_is_no_reason_to_fail(tmp_path):
    failures = []
    record = HubRecord(tmp_path, failures.append)
    tmp_path.rmdir()
    record.note("org/one", Seen("abc"))
    assert record.seen("org/one") == Seen("abc")
    assert [type(failure) for failure in failures] == [FileNotFoundError]


@pytest.mark.parametrize(
    "content",
    [
        '{"org/one": {"comm',
        '{"org/one": {"commit": 5}}',
        "[]",
        '{"a/b": {"commit": "x", "sent": {"f": ["a"]}}}',
    ],
)
def test_a_damaged_record_is_not_taken_for_none(push, directory, tmp_path, content):
    """Commits of others would be overwritten."""
    run = shutil.copytree(directory, tmp_path / "run")
    (run / "run.json").write_text(json.dumps(RECORD))
    (run / "hub.json").write_text(content)
    refused = push(run, REPOSITORY, code=2)
    assert refused["code"] == "damaged_record" and refused["value"] == str(run / "hub.json")
    (run / "hub.json").unlink()
    (run / "hub.json").mkdir()
    assert push(run, REPOSITORY, code=2)["code"] == "damaged_record"
