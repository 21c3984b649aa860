"""Python in a process of its own, which never prints the token of the Hub."""

import os
import subprocess
import sys

from hub_faults import TOKEN


def python(*words, code=0, **environment):
    """Run Python in a process of its own; what it printed last, and all it said."""
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
    """Nothing that was written knows the token."""
    found = [path for path in directory.rglob("*") if path.is_file() and TOKEN.encode() in path.read_bytes()]
    assert not found
