"""The lock of a run's directory."""

import errno
import os
import signal
import subprocess
import sys

import pytest

from mlm_core import RequestError
from mlm_core.training.run_lock import RunLock

HOLDER = """
import sys
from pathlib import Path
from mlm_core.training.run_lock import RunLock
lock = RunLock(Path(sys.argv[1]))
lock.take()
print("taken", flush=True)
input()
"""


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_a_process_that_dies_releases_it(tmp_path, number):
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        assert process.stdout.readline() == "taken\n"
        with pytest.raises(RequestError, match="another process is training in it") as raised:
            RunLock(tmp_path).take()
        assert raised.value.code == "run_in_use"
        process.send_signal(number)
        process.wait()
    with RunLock(tmp_path):
        pass
    assert list(tmp_path.iterdir()) == []


def test_it_follows_a_directory_that_is_renamed(tmp_path):
    (tmp_path / "before").mkdir()
    with RunLock(tmp_path / "before"):
        (tmp_path / "before").rename(tmp_path / "after")
        with pytest.raises(RequestError):
            RunLock(tmp_path / "after").take()


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.ENOSYS, errno.EBADF, errno.EOPNOTSUPP])
def test_a_file_system_without_locks_is_no_reason_to_fail(tmp_path, monkeypatch, number):
    def refuse(handle, operation):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr("fcntl.flock", refuse)
    with RunLock(tmp_path), RunLock(tmp_path):
        pass


def test_a_directory_that_can_only_be_read_is_locked(tmp_path):
    tmp_path.chmod(0o500)
    with RunLock(tmp_path), pytest.raises(RequestError):
        RunLock(tmp_path).take()
    tmp_path.chmod(0o700)
