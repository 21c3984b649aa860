"""Datasets from the Hub, through the whole command; a local server takes the place of the Hub."""

import io
import json
import os
import socket
import subprocess
import sys
import time

import pytest
from file_kinds import ANSWERS, as_lines, as_parquet, sample_rows
from hub_server import HubServer
from tiny_models import write_model

from mlm_core import Config
from mlm_core.data.sources import load_source
from mlm_core.progress import Progress

ELI5 = "dany0407/eli5_category"
COPY = (ELI5, "--dataset-revision", "refs/convert/parquet")
HF_RECIPE = (*COPY, "--split", "train[:20]")
TWO_CONFIGS = b"""---
configs:
- config_name: short
  data_files: short.parquet
- config_name: long
  data_files:
  - split: train
    path: long/a.parquet
  - split: test
    path: long/b.parquet
---
Two configurations.
"""


@pytest.fixture(scope="module")
def repositories():
    sample = sample_rows()

    def rows(start, stop):
        file = io.BytesIO()
        as_parquet(file, sample[start:stop])
        return file.getvalue()

    copy = {
        "default/train/0000.parquet": rows(0, 12),
        "default/train/0001.parquet": rows(12, 40),
        "default/validation/0000.parquet": rows(40, 48),
    }
    two = {
        "README.md": TWO_CONFIGS,
        "short.parquet": rows(0, 6),
        "long/a.parquet": rows(0, 30),
        "long/b.parquet": rows(30, 37),
    }
    return {
        ELI5: {"main": {"eli5_category.py": b"import datasets\n"}, "refs/convert/parquet": copy},
        "someone/two": {"main": two},
        "someone/pictures": {"main": {"README.md": b"No text here.\n", "notes.xyz": b"x"}},
        "someone/gated": {"main": {"posts.parquet": rows(0, 48)}},
    }


@pytest.fixture(scope="module")
def hub(repositories):
    refusing = {"someone/closed": (403, "GatedRepo"), "someone/broken": (500, "")}
    with HubServer(repositories, gated={"someone/gated"}, refusing=refusing) as server:
        yield server


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return write_model(tmp_path_factory.mktemp("model"), "bert")


@pytest.fixture
def prepare(model, tmp_path):
    """Runs the command against a Hub and returns its answer; nothing is cached before the first call."""
    own = {"HF_HOME": str(tmp_path / "hub"), "MLM_CACHE": str(tmp_path / "mlm"), "NO_PROXY": "127.0.0.1"}
    # The libraries count downloads at another server, not at the Hub.
    own["HF_UPDATE_DOWNLOAD_COUNTS"] = "0"
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("HF_", "HUGGING"))}
    command = [sys.executable, "-m", "mlm_core", "prepare", "--model", str(model), "--block-size", "16"]

    def run(url, *words, code=0, offline=False):
        begun = time.monotonic()
        done = subprocess.run(
            [*command, "--json", "--text-column", ANSWERS, "--dataset", *words],
            capture_output=True,
            text=True,
            cwd=tmp_path,
            env=inherited | own | {"HF_ENDPOINT": url, "HF_HUB_OFFLINE": str(int(offline))},
            check=False,
        )
        assert done.returncode == code, done.stderr
        results = json.loads(done.stdout)
        if code == 0:
            return results
        assert time.monotonic() - begun < 30
        # On a slow machine, the phase is named first.
        *phases, line = done.stderr.splitlines()
        assert line.startswith("mlm: error: ") and len(phases) <= 1, done.stderr
        return results["error"]

    return run


def documents(results):
    return {part: facts["documents"] for part, facts in results["stores"].items()}


def test_the_dataset_of_the_hf_recipe(prepare, hub, tmp_path):
    before = len(hub.requests)
    results = prepare(hub.url, *HF_RECIPE)
    as_lines(tmp_path / "first.jsonl", sample_rows()[:20])
    config = Config(dataset=str(tmp_path / "first.jsonl"), text_column=ANSWERS)
    local = load_source(config, progress=Progress(quiet=True, verbose=False, logging_steps=1))
    assert results["fingerprint"] == local.fingerprint
    assert results["source"] == ELI5
    assert sum(documents(results).values()) == 20
    # No other repository was requested.
    repositories = [
        request for request in hub.requests[before:] if "/datasets" in request or "/models" in request
    ]
    assert repositories
    assert all(f"/datasets/{ELI5}/" in request for request in repositories)


def test_the_datasets_own_split_is_held_out(prepare, hub):
    assert documents(prepare(hub.url, *COPY)) == {"training": 40, "held-out": 8}


def test_one_of_several_configurations(prepare, hub):
    long = prepare(hub.url, "someone/two", "--dataset-config", "long")
    assert documents(long) == {"training": 30, "held-out": 7}
    short = prepare(hub.url, "someone/two", "--dataset-config", "short")
    assert sum(documents(short).values()) == 6
    for given, value in (((), None), (("--dataset-config", "wide"), "wide")):
        error = prepare(hub.url, "someone/two", *given, code=2)
        assert (error["option"], error["value"]) == ("--dataset-config", value)
        assert "short" in error["message"] and "long" in error["message"]


@pytest.mark.parametrize(
    ("words", "code", "kind", "said"),
    [
        (["nowhere"], 2, "missing_dataset", "no such dataset on the Hub"),
        (["someone/nothing"], 2, "missing_dataset", "no such dataset on the Hub"),
        (["someone/two", "--dataset-revision", "v9/x"], 2, "missing_dataset", "no revision v9/x"),
        (["someone/closed"], 2, "missing_dataset", "hf auth login"),
        (["someone/gated"], 2, "missing_dataset", "hf auth login"),
        (["someone/pictures"], 2, "malformed_file", "cannot be read"),
        ([ELI5], 2, "gone_dataset", "refs/convert/parquet"),
        (["someone/broken"], 1, "hub_failed", "500"),
    ],
)
def test_errors_of_the_hub(prepare, hub, words, code, kind, said):
    error = prepare(hub.url, *words, code=code)
    assert (error["code"], error["value"]) == (kind, words[0])
    assert said in f"{error['message']}; {error['fix']}"


def test_a_hub_that_cannot_be_reached(prepare):
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}"
        for offline in (False, True):
            error = prepare(url, *HF_RECIPE, code=2, offline=offline)
            assert "the Hub cannot be reached" in error["message"]


def test_an_earlier_download_needs_no_hub(prepare, repositories):
    with HubServer(repositories) as server:
        before = prepare(server.url, *HF_RECIPE)
    assert prepare(server.url, *HF_RECIPE, offline=True) == before


def test_the_cache_of_another_revision_is_not_used(prepare, hub):
    prepare(hub.url, *HF_RECIPE)
    assert prepare(hub.url, ELI5, code=2)["code"] == "gone_dataset"
    other = (ELI5, "--dataset-revision", "v7")
    assert "cannot be reached" in prepare(hub.url, *other, code=2, offline=True)["message"]
