"""Processes that this program starts: none runs a file of the current directory or outlives its parent."""

import ast
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from mlm_core.system.child_processes import child_environment, python_command
from mlm_core.system.scratch import left_behind, scratch_directory

ROOT = Path(__file__).parents[3]

PARENT = """
import subprocess, time
from mlm_core.system.child_processes import child_environment, python_command
code = "import time; from mlm_core.system.child_processes import end_with_parent;"
code += "end_with_parent(); print('ready', flush=True); time.sleep(60)"
child = subprocess.Popen(python_command("-c", code), env=child_environment(), stdout=subprocess.PIPE)
child.stdout.readline()
print(child.pid, flush=True)
time.sleep(60)
"""


def test_no_file_of_the_current_directory_runs(tmp_path):
    (tmp_path / "queue.py").write_text("raise SystemExit('shadowed')")
    code = "import queue, mlm_core; print(queue.__file__)"
    done = subprocess.run(
        python_command("-c", code), cwd=tmp_path, env=child_environment(), capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert str(tmp_path) not in done.stdout


def test_python_is_started_in_one_place_only():
    starting = [
        path.name
        for package in ("mlm_core", "mlm_torch", "mlm_tf")
        for path in (ROOT / package).rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.List) and any(ast.unparse(item) == "sys.executable" for item in node.elts)
    ]
    assert starting == ["child_processes.py"]


def test_a_child_ends_when_its_parent_is_killed():
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    with subprocess.Popen(
        [sys.executable, "-c", PARENT], stdout=subprocess.PIPE, text=True, env=environment
    ) as parent:
        child = int(parent.stdout.readline())
        parent.kill()
    for _ in range(200):
        if not runs(child):
            return
        time.sleep(0.1)
    os.kill(child, 9)
    pytest.fail("the child outlived its parent")


def runs(process):
    """Whether a process runs; one that has ended and waits for its parent does not."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_the_directory_of_a_killed_process_is_removed_by_the_next(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    ended = subprocess.Popen(["true"])
    ended.wait()
    left = tmp_path / f"mlm-test-{ended.pid}-abc"
    others = [tmp_path / f"mlm-test-{os.getpid()}-abc", tmp_path / f"mlm-other-{ended.pid}-abc"]
    for path in (left, *others):
        path.mkdir()
    (tmp_path / f"mlm-test-{ended.pid}-link").symlink_to(others[0])
    assert left_behind("test") == [left]
    said = []
    with scratch_directory("test", said.append) as made:
        assert made.is_dir() and not left.exists()
    assert not made.exists() and len(said) == 1 and str(left) in said[0]
    assert all(path.exists() for path in others)
