"""Checks an installation of the wheel alone, without a framework. Run it in an empty directory."""

import json
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import mlm_core

assert not Path("mlm_core").exists(), "not an empty directory"
for framework in ("torch", "tensorflow"):
    assert find_spec(framework) is None, f"{framework} is installed"
for package in ("mlm_core", "mlm_torch", "mlm_tf"):
    place = Path(find_spec(package).origin).parent
    assert "site-packages" in str(place), f"{package} does not come from the wheel"
    assert (place / "py.typed").exists()


def mlm(*words: str, code: int) -> tuple[str, str]:
    """Run the installed command."""
    done = subprocess.run([Path(sys.executable).parent / "mlm", *words], capture_output=True, text=True)
    assert done.returncode == code, done
    assert "Traceback" not in done.stderr
    return done.stdout, done.stderr


assert mlm("--version", code=0)[0].startswith("mlm ")
assert "train" in mlm("--help", code=0)[0]
# Preparing text needs no framework.
prepared = json.loads(mlm("prepare", "--json", "--quiet", code=0)[0])
assert prepared["stores"]["training"]["blocks"] > 500
assert (Path(mlm_core.__file__).parent / "model" / "starter" / "model.safetensors").exists()
for name in ("compare/page.html", "report/page.css", "report/picture.css", "report/run.html"):
    assert (Path(mlm_core.__file__).parent / name).exists()
# No backend works, and doctor says how to install one.
findings = json.loads(mlm("doctor", "--json", code=1)[0])
assert not any(facts["works"] for facts in findings["backends"].values())
assert any("pip install 'mlm[torch]'" in problem for problem in findings["problems"])
said = mlm("train", code=2)[1]
assert said.startswith("mlm: error: ") and "pip install 'mlm[torch]'" in said and said.count("\n") == 1
assert mlm_core.Config().block_size is None
assert (Path(mlm_core.__file__).parent / "api" / "train.pyi").exists()
print("the wheel alone: fine")
