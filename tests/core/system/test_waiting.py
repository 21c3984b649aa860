"""A signal while a process waits for others."""

import signal
import subprocess
import sys
import threading

import pytest

from mlm_core.system.interruption import Interruption, waiting


@pytest.fixture(autouse=True)
def by_default():
    """As in a terminal; a process that a script starts in the background ignores SIGINT."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def handler():
    return signal.getsignal(signal.SIGINT)


def test_a_wait_that_python_cannot_end_is_ended_by_the_system():
    before = handler()
    with waiting():
        assert handler() is signal.SIG_DFL
    assert handler() is before is signal.default_int_handler


def test_a_signal_that_is_handled_is_still_handled():
    with Interruption(), waiting():
        assert handler() not in (signal.SIG_DFL, signal.default_int_handler)


def test_other_threads_have_no_handlers():
    seen = []

    def wait():
        with waiting():
            seen.append(handler())

    thread = threading.Thread(target=wait)
    thread.start()
    thread.join()
    assert seen == [signal.default_int_handler]


def test_the_exit_code_is_the_signals():
    code = (
        "import os, signal; from mlm_core.system.interruption import waiting\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "with waiting(): os.kill(os.getpid(), signal.SIGINT)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == -signal.SIGINT and done.stderr == ""
