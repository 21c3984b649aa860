"""The files in examples/ and docs/: they parse, and the options in them exist."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from mlm_core.cli.commands import COMMANDS

ROOT = Path(__file__).parents[2]
CLUSTER = ROOT / "examples" / "cluster"
OWN = {"torchrun", "srun"}
"""Programs with options of their own."""
FOREIGN = {
    "--nnodes", "--nproc-per-node", "--node-rank", "--rdzv-id", "--rdzv-backend", "--rdzv-endpoint",
    "--max-restarts", "--use-gpu",
}  # fmt: skip
"""Options of torchrun."""


def options(text):
    """The long options after `train`, in a script, a YAML list or a page."""
    return set(re.findall(r"(?<![\w-])--[a-z][a-z0-9-]*", text))


@pytest.mark.parametrize("path", sorted(CLUSTER.rglob("*.*")), ids=lambda path: path.name)
def test_options_exist(path):
    known = set(COMMANDS["train"].flags) | FOREIGN
    lines = [line for line in path.read_text().splitlines() if not line.startswith("#SBATCH")]
    assert options("\n".join(lines)) <= known


@pytest.mark.parametrize("path", sorted(CLUSTER.glob("*.sbatch")), ids=lambda path: path.name)
def test_scripts_parse(path):
    subprocess.run(["bash", "-n", str(path)], check=True)


@pytest.mark.parametrize("path", sorted(CLUSTER.rglob("*.yaml")), ids=lambda path: path.name)
def test_jobs_parse_and_give_every_pod_what_it_needs(path):
    documents = list(yaml.safe_load_all(path.read_text()))
    (job,) = [document for document in documents if document["kind"] == "Job"]
    pod = job["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    words = [*container["command"], *container["args"]]
    assert all(isinstance(word, str) for word in words)
    assert {"train", "--resume", "--output-dir"} <= set(words)
    assert {mount["name"] for mount in container["volumeMounts"]} == {one["name"] for one in pod["volumes"]}
    names = [variable["name"] for variable in container["env"]]
    for number, variable in enumerate(container["env"]):
        # Kubernetes replaces only names that are defined before.
        assert set(re.findall(r"\$\((\w+)\)", variable.get("value", ""))) <= set(names[:number])
    if "TF_CONFIG" in names:
        written = next(one["value"] for one in container["env"] if one["name"] == "TF_CONFIG")
        config = json.loads(written.replace("$(INDEX)", "1"))
        assert len(config["cluster"]["worker"]) == job["spec"]["completions"]
    if job["spec"].get("completionMode") == "Indexed":
        (service,) = [document for document in documents if document["kind"] == "Service"]
        assert service["metadata"]["name"] == pod["subdomain"]
        assert service["spec"]["selector"] == {"job-name": job["metadata"]["name"]}


def test_tf_config_of_hosts():
    command = [sys.executable, str(CLUSTER / "tf_config.py"), "2", "29500", "one", "two", "two"]
    said = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    shown = subprocess.run(
        ["bash", "-c", f"{said}printenv TF_CONFIG"], check=True, capture_output=True, text=True
    )
    assert json.loads(shown.stdout) == {
        "cluster": {"worker": ["one:29500", "two:29500", "two:29501"]},
        "task": {"type": "worker", "index": 2},
    }


def test_the_page_about_several_processes_names_options_that_exist():
    page = (ROOT / "docs" / "several-processes.md").read_text()
    known = {flag for command in COMMANDS.values() for flag in command.flags} | FOREIGN
    assert options(page) <= known
