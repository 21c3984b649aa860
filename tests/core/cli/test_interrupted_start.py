"""Ctrl-C while the command is being loaded."""

import subprocess
import sys

import pytest

_SCRIPT = """
import os, signal, sys

class Interrupt:
    def find_spec(self, name, path=None, target=None):
        if name == sys.argv[1]:
            os.kill(os.getpid(), signal.SIGINT)

signal.signal(signal.SIGINT, signal.default_int_handler)
from mlm_core.__main__ import main
sys.meta_path.insert(0, Interrupt())
sys.exit(main(["fill", "nothing"]))
"""


@pytest.mark.parametrize("module", ["mlm_core.cli.run", "mlm_core.errors", "mlm_core.cli.fill"])
def test_an_interrupt_while_modules_load_is_one_line(module):
    done = subprocess.run([sys.executable, "-c", _SCRIPT, module],
                          capture_output=True, text=True, timeout=60, check=False)  # fmt: skip
    assert (done.returncode, done.stdout) == (130, "")
    assert done.stderr == "mlm: stopped by Ctrl-C\n"
