"""Runs the command in a process of its own, and registers further engines."""

import json
import os
import subprocess
import sys

ENGINES = ("torch", "tf")


def mlm(*words, code=0, stdin=None, **environment):
    """Run the command; returns what it prints (with --json the parsed object), and its stderr."""
    done = subprocess.run(
        [sys.executable, "-m", "mlm_core", *map(str, words)],
        capture_output=True,
        text=True,
        input=stdin,
        env=os.environ | environment,
        check=False,
    )
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr
    return (json.loads(done.stdout) if "--json" in words else done.stdout), done.stderr


def register(directory, name, code):
    """Write what the installation of a package with another engine leaves."""
    info = directory / f"{name}-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[mlm.engines]\n{name} = {name}_engine:Engine\n")
    (directory / f"{name}_engine.py").write_text(code)
