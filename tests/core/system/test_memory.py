"""The memory that a process can still take."""

from __future__ import annotations

import subprocess
import sys

import pytest

from mlm_core.system import memory
from mlm_core.system.memory import free_memory


def test_this_machine_has_some():
    free = free_memory()
    assert free is not None and 10**6 < free < 10**15


@pytest.mark.skipif(sys.platform != "linux", reason="files of the Linux kernel")
def test_the_least_of_machine_and_group_counts(tmp_path, monkeypatch):
    monkeypatch.setattr(memory, "_FACTS", tmp_path / "meminfo")
    monkeypatch.setattr(memory, "_GROUP", tmp_path)
    (tmp_path / "meminfo").write_text("MemAvailable:  1000 kB\nSwapFree:  24 kB\n")
    assert free_memory() == 1024 * 1024
    (tmp_path / "memory.max").write_text("500000\n")
    (tmp_path / "memory.current").write_text("400000\n")
    (tmp_path / "memory.stat").write_text("anon 1\ninactive_file 50000\n")
    assert free_memory() == 150_000
    (tmp_path / "memory.max").write_text("max\n")
    assert free_memory() == 1024 * 1024


@pytest.mark.skipif(sys.platform != "linux", reason="macOS does not enforce the limit")
def test_a_limit_of_the_process_counts():
    program = (
        "import resource; from mlm_core.system.memory import free_memory;"
        "resource.setrlimit(resource.RLIMIT_AS, (2**28, 2**28)); print(free_memory())"
    )
    printed = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert 0 <= int(printed.stdout) < 2**28
