"""What `import` and `dir()` show: the public names, with docstrings; importing them costs nothing."""

import json
import subprocess
import sys

import pytest

PACKAGES = {
    "mlm_core": ["Config", "MlmError", "RequestError", "Run", "RunError", "load_engine", "train"],
    "mlm_torch": ["MaskingCollator", "PushToHubCallback", "from_pretrained"],
    "mlm_tf": ["MaskingCollator", "PushToHubCallback", "from_pretrained"],
}

LOOK = """
import json, os, sys, threading, warnings
before = dict(os.environ)
{code}
heavy = set("numpy transformers datasets torch tensorflow keras rich yaml pandas msgspec".split())
print(json.dumps({{
    "heavy": sorted(heavy & set(sys.modules)), "changed": dict(os.environ) != before,
    "threads": threading.active_count(), "shown": {shown},
}}))
"""


def look(code, shown="None"):
    done = subprocess.run(
        [sys.executable, "-c", LOOK.format(code=code, shown=shown)],
        capture_output=True,
        text=True,
        check=True,
    )
    assert not done.stderr
    found = json.loads(done.stdout)
    assert found["heavy"] == [] and not found["changed"] and found["threads"] == 1
    return found["shown"]


@pytest.mark.parametrize("package", PACKAGES)
def test_dir_shows_the_public_names(package):
    shown = look(f"import {package}", f"[dir({package}), {package}.__all__, bool({package}.__doc__)]")
    public = [name for name in shown[0] if not name.startswith("__")]
    assert public == sorted(shown[1]) == PACKAGES[package]
    assert shown[2]
    assert look(f"import {package}", f"hasattr({package}, 'nothing')") is False


def test_all_of_the_core_at_once():
    shown = look("from mlm_core import *", "sorted(name for name in globals() if not name.startswith('_'))")
    assert set(PACKAGES["mlm_core"]) <= set(shown)
    # Modules of the same name would hide the functions.
    code = "import mlm_core.api.train, mlm_core.api.run, mlm_core.cli.train, mlm_core"
    assert look(code, "[callable(mlm_core.train), callable(mlm_core.Run)]") == [True, True]


def test_every_public_name_has_a_docstring():
    names = [f"mlm_core.{name}" for name in PACKAGES["mlm_core"]] + ["mlm_tf.from_pretrained"]
    assert all(look("import mlm_core, mlm_tf", f"[bool(each.__doc__) for each in ({', '.join(names)})]"))
    bare = "[name for name in dir(Run) if name[0] != '_' and not getattr(Run, name).__doc__]"
    assert look("from mlm_core import Run", bare) == []
