"""The core imports no framework, and engines are found by name."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from mlm_core import RequestError
from mlm_core.registry import engines, find_engine

EVERY_CORE_MODULE = """
import importlib, pkgutil, sys
import mlm_core
from mlm_core.compat.transformers import import_without_frameworks
import_without_frameworks()
for module in pkgutil.walk_packages(mlm_core.__path__, "mlm_core."):
    # metrics.masked is a plug-in of evaluate, which imports every installed framework.
    if not module.name.endswith(("__main__", "metrics.masked")):
        importlib.import_module(module.name)
from mlm_core.config.config import Config
from mlm_core.training.setup import training_setup
from mlm_core.progress import Progress
from mlm_core.data.sources import load_source
config = Config(dataset=sys.argv[1], block_size=16, batch_size=4, max_steps=2, threads=1)
progress = Progress.of(config)
setup = training_setup(config, load_source(config, progress=progress), progress)
setup.train(setup.plan.keys(0))
frameworks = {"torch", "tensorflow", "tf_keras", "keras", "jax"}
print(sorted({name.split(".")[0] for name in sys.modules} & frameworks))
"""


def python(code, *arguments, **environment):
    return subprocess.run(
        [sys.executable, "-c", code, *arguments],
        capture_output=True,
        text=True,
        env=os.environ | environment,
        check=False,
    )


def test_core_and_its_data_path_import_no_framework(jsonl):
    done = python(EVERY_CORE_MODULE, str(jsonl))
    assert done.stdout.strip() == "[]", done.stderr


def test_core_names_no_framework_in_an_import():
    core = Path(__file__).parents[2] / "mlm_core"
    for path in core.rglob("*.py"):
        for line in path.read_text(encoding="utf-8").splitlines():
            words = line.split()
            if words[:1] in (["import"], ["from"]):
                assert words[1].split(".")[0] not in ("torch", "tensorflow", "tf_keras", "keras"), path


@pytest.mark.parametrize(
    "words", [["--help"], ["train", "--help"], ["fill", "--help"], ["doctor", "--help"], ["--version"]]
)
def test_help_is_cheap(words):
    code = (
        "import sys; from mlm_core.__main__ import main\n"
        "try: main(sys.argv[1:])\n"
        "except SystemExit as end: assert not end.code\n"
        "heavy = {'numpy', 'transformers', 'torch', 'tensorflow', 'rich', 'yaml'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    done = python(code, *words)
    assert done.returncode == 0, done.stderr
    assert "mlm" in done.stdout


def test_unknown_backend_lists_the_known_ones():
    with pytest.raises(RequestError, match=r"choose one of .*tf, torch"):
        find_engine("jax")


def register(directory: Path, name: str, module: str) -> None:
    """Create the files that an installed package with an engine leaves behind."""
    info = directory / f"{name}-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[mlm.engines]\n{name} = {module}:Engine\n")
    (directory / f"{module}.py").write_text(
        "from mlm_core.engine import Engine as Base\n"
        "class Engine(Base):\n"
        f"    name = {name!r}\n"
        "    modules = ('a_framework_nobody_has',)\n"
        "    packages = ('mlm', 'a-framework-nobody-has')\n"
        "    install = 'pip install mlm-third'\n"
        "    environment = {}\n"
        "    transformers_check = 'is_torch_available'\n"
        "    def devices(self): return ['cpu']\n"
        "    def _is_memory_error(self, error): return False\n"
        "    def _trainer_class(self): raise NotImplementedError\n"
        "    def _network_class(self): raise NotImplementedError\n"
    )


def test_a_third_engine_is_a_package(tmp_path, monkeypatch):
    register(tmp_path, "third", "third_engine")
    monkeypatch.syspath_prepend(tmp_path)
    assert {"third", "tf", "torch"} <= set(engines())
    assert not engines()["third"].available()
    assert set(engines()["third"].versions()) == {"mlm"}
    with pytest.raises(RequestError, match=r"a_framework_nobody_has is missing; install it"):
        find_engine("third")


@pytest.fixture
def both_installed(monkeypatch):
    """Make both engines count as installed."""
    for name in ("torch", "tf"):
        monkeypatch.setattr(type(engines()[name]), "modules", ("json",))
        monkeypatch.setattr(type(engines()[name]), "needs", {})


def test_a_broken_engine_does_not_affect_the_others(tmp_path, monkeypatch, both_installed):
    # Another module name than in the other tests: Python caches imported modules.
    register(tmp_path, "third", "broken_engine")
    (tmp_path / "broken_engine.py").write_text("import a_framework_nobody_has")
    monkeypatch.syspath_prepend(tmp_path)
    assert {"tf", "torch"} <= set(engines())
    assert find_engine("tf").name == "tf"
    with pytest.raises(RequestError, match=r"is broken.*reinstall third"):
        find_engine("third")


def test_an_unsupported_version_of_a_package(monkeypatch, both_installed):
    monkeypatch.setattr(type(engines()["tf"]), "needs", {"numpy": "<1.9", "no-such-package": ">1"})
    monkeypatch.delenv("MLM_BACKEND", raising=False)
    with pytest.raises(RequestError, match=r"numpy is [\d.]+, but numpy<1.9 is required; install it"):
        find_engine("tf")
    assert find_engine().name == "torch"


def test_an_engine_with_a_wrong_version_is_reported_before_a_missing_engine(monkeypatch, both_installed):
    monkeypatch.delenv("MLM_BACKEND", raising=False)
    monkeypatch.setattr(type(engines()["torch"]), "modules", ("a_framework_nobody_has",))
    monkeypatch.setattr(type(engines()["tf"]), "needs", {"numpy": "<1.9"})
    with pytest.raises(RequestError, match=r"--backend tf: cannot be used: numpy is"):
        find_engine()


def test_versions_are_compared_as_versions(monkeypatch, both_installed):
    monkeypatch.setattr("mlm_core.framework.installed_versions", lambda packages: {"transformers": "10.0.1"})
    monkeypatch.setattr(type(engines()["tf"]), "needs", {"transformers": "<9"})
    assert not engines()["tf"].available()


def test_common_names_of_the_frameworks(both_installed):
    assert find_engine("pytorch").name == "torch"
    assert find_engine("tensorflow").name == "tf"


def test_backend_from_the_environment(monkeypatch, both_installed):
    monkeypatch.setenv("MLM_BACKEND", "tf")
    assert find_engine().name == "tf"
    assert find_engine("torch").name == "torch"
    monkeypatch.setenv("MLM_BACKEND", "none")
    with pytest.raises(RequestError, match="MLM_BACKEND none"):
        find_engine()


def test_the_default_is_the_only_installed_engine(monkeypatch, both_installed):
    monkeypatch.delenv("MLM_BACKEND", raising=False)
    assert find_engine().name == "torch"
    kind = type(engines()["torch"])
    monkeypatch.setattr(kind, "modules", ("a_framework_nobody_has",))
    assert find_engine().name == "tf"
