"""Runs Python in its own process and checks that nothing prints or writes the Hub token."""

import os
import subprocess
import sys

from hub_faults import TOKEN


def python(*words, code=0, **environment):
    """Run Python in its own process; return its last line of stdout, and all of stderr."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("HF_")}
    done = subprocess.run(
        [sys.executable, *map(str, words)],
        capture_output=True,
        text=True,
        env=inherited | environment,
        check=False,
    )
    assert done.returncode == code, done.stderr[-5000:]
    assert TOKEN not in done.stdout + done.stderr
    return (done.stdout.splitlines() or [""])[-1], done.stderr


def no_token_in(directory):
    """Check that no file contains the token."""
    found = [path for path in directory.rglob("*") if path.is_file() and TOKEN.encode() in path.read_bytes()]
    assert not found
