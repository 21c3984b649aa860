"""What this machine offers, on Linux and on other systems."""

import json
import platform
import subprocess
import sys
from types import SimpleNamespace

import pytest

from mlm_core.system import machine

AS_ON_WINDOWS = """
import sys
sys.modules |= {"fcntl": None, "resource": None}
from mlm_core.__main__ import main
sys.platform = "win32"
sys.exit(main(sys.argv[1:]))
"""
"""Windows lacks these modules; sys.platform must not change before Python's own modules are imported."""


@pytest.mark.parametrize("words", [["--help"], ["train", "--json"]])
def test_windows_is_refused_in_one_sentence(words):
    done = subprocess.run(
        [sys.executable, "-c", AS_ON_WINDOWS, *words], capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    said = "mlm runs on Linux and macOS, not on Windows; use WSL 2, the Windows Subsystem for Linux"
    assert done.stderr == f"mlm: error: {said}\n"
    if "--json" in words:
        assert json.loads(done.stdout)["error"]["code"] == "unsupported_system"


@pytest.fixture
def elsewhere(monkeypatch, tmp_path):
    """A system that is neither Linux nor Windows."""
    monkeypatch.setattr(machine, "_CPU_FACTS", tmp_path / "none")
    monkeypatch.setattr(sys, "platform", "darwin")
    machine._name_elsewhere.cache_clear()
    yield
    machine._name_elsewhere.cache_clear()


@pytest.mark.parametrize(("facts", "name"), [({"brand_raw": "Apple M2"}, "Apple M2"), ({}, None)])
def test_the_processor_has_a_name_elsewhere(elsewhere, monkeypatch, facts, name):
    calls = []

    def get_cpu_info():
        calls.append(1)
        return facts

    monkeypatch.setitem(sys.modules, "cpuinfo", SimpleNamespace(get_cpu_info=get_cpu_info))
    assert machine.processor_name() == (name or platform.processor() or platform.machine())
    machine.processor_name()
    # It takes a second: once in a process is enough.
    assert len(calls) == 1
    assert machine.processor_maker() is None and not machine.has_fast_bf16()


@pytest.mark.skipif(sys.platform != "linux", reason="/proc/cpuinfo is Linux's")
def test_py_cpuinfo_names_the_processor_as_linux_does(elsewhere, monkeypatch):
    pytest.importorskip("cpuinfo")
    named = machine.processor_name()
    monkeypatch.undo()
    if machine._linux_facts("model name"):
        assert named == machine.processor_name()


@pytest.mark.parametrize("system", ["linux", "darwin"])
def test_processor_time_of_another_process(monkeypatch, system):
    # Imported before its system changes.
    psutil = pytest.importorskip("psutil")
    if system == "linux" and not psutil.LINUX:
        pytest.skip("Linux alone counts in /proc")
    monkeypatch.setattr(sys, "platform", system)
    busy = "import time\nwhile time.process_time() < 0.3: pass\nprint(flush=True)\ninput()"
    with subprocess.Popen(
        [sys.executable, "-c", busy], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        process.stdout.readline()
        # A kernel may count a little less than the process itself does.
        assert 0.2 < machine.processor_seconds(process.pid) < 5
        process.communicate("\n")
    assert machine.processor_seconds(process.pid) is None


def test_peak_memory_counts_what_was_given_back():
    before = machine.peak_memory()
    held = bytearray(b"x") * 64_000_000
    del held
    assert machine.peak_memory() >= before
    assert machine.peak_memory() > 64
