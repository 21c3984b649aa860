"""Models by name and revision, through the whole command; a local server takes the place of the Hub."""

import json
import os
import socket
import subprocess
import sys
import time

import pytest
from hub_repositories import User
from hub_server import HubServer
from tiny_models import write_model

TOKEN = "hf_secretOfTheTests"
CODE = b'{"model_type": "own", "auto_map": {"AutoConfig": "code.OwnConfig"}}'


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    place = tmp_path_factory.mktemp("models")
    return {
        name: {path.name: path.read_bytes() for path in write_model(place / name, name).iterdir()}
        for name in ("bert", "roberta")
    }


@pytest.fixture(scope="module")
def hub(models):
    bert = models["bert"]
    without = {name: content for name, content in bert.items() if name != "model.safetensors"}
    with HubServer(
        models={
            "someone/bert": bert,
            "someone/gated": bert,
            "me/private": bert,
            "someone/code": bert | {"config.json": CODE, "code.py": b"raise SystemExit('it has run')"},
            "someone/elsewhere": bert | {"config.json": CODE.replace(b"code.", b"else/where--code.")},
            "someone/pickled": without | {"pytorch_model.bin": b"pickle"},
        },
        users={TOKEN: User("me")},
        gated={"someone/gated"},
        private={"me/private"},
        refusing={"someone/broken": (500, "")},
    ) as server:
        # The branch has a newer commit, too.
        server.models["someone/bert"].commit("main", "", None, models["roberta"] | {"vocab.txt": None})
        yield server


@pytest.fixture
def prepare(jsonl, tmp_path):
    """Runs `mlm prepare` with a model by name and returns its answer."""
    own = {"HF_HOME": str(tmp_path / "hub"), "MLM_CACHE": str(tmp_path / "mlm")}
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("HF_", "HUGGING"))}
    command = [sys.executable, "-m", "mlm_core", "prepare", "--dataset", str(jsonl), "--block-size", "16"]

    def run(hub, *words, code=0, **environment):
        begun = time.monotonic()
        done = subprocess.run(
            [*command, "--json", "--show", "1", "--model", *words],
            capture_output=True,
            text=True,
            cwd=tmp_path,
            env=inherited | own | hub.environment() | environment,
            check=False,
        )
        assert done.returncode == code, done.stderr
        results = json.loads(done.stdout)
        if code == 0:
            return results["stores"]
        assert time.monotonic() - begun < 30
        assert done.stderr.splitlines()[-1].startswith("mlm: error: ") and "Traceback" not in done.stderr
        assert TOKEN not in done.stderr
        return results["error"]

    return run


def test_by_name_and_by_revision(prepare, hub):
    """The vocabularies differ, so another revision makes other blocks."""
    newest = prepare(hub, "someone/bert")
    first = hub.models["someone/bert"].branches["main"][0].oid
    assert prepare(hub, "someone/bert", "--model-revision", "main") == newest
    before = prepare(hub, "someone/bert", "--model-revision", first)
    assert before != newest
    for revision, found in (([], newest), (["--model-revision", first], before)):
        assert prepare(hub, "someone/bert", *revision, HF_HUB_OFFLINE="1") == found


def test_private_with_a_token(prepare, hub):
    assert prepare(hub, "me/private", code=2)["code"] == "missing_model"
    assert prepare(hub, "me/private", HF_TOKEN=TOKEN)
    # Files in the cache still need access, unless the Hub is offline.
    assert prepare(hub, "me/private", code=2)["code"] == "missing_model"
    assert "not valid" in prepare(hub, "me/private", HF_TOKEN="hf_wrong", code=2)["message"]
    assert prepare(hub, "me/private", HF_HUB_OFFLINE="1")


@pytest.mark.parametrize(
    ("words", "environment", "code", "said"),
    [
        (["someone/nothing"], {}, 2, "no such model on the Hub"),
        (["nothing"], {}, 2, "no such model on the Hub"),
        (["someone/bert", "--model-revision", "v9"], {}, 2, "no revision v9"),
        (["someone/gated"], {}, 2, "accept its terms"),
        (["someone/gated"], {"HF_TOKEN": TOKEN}, 2, "accept its terms"),
        (["someone/broken"], {}, 1, "the Hub failed"),
        (["someone/pickled"], {}, 2, "safetensors"),
        (["someone/bert", "--trust-remote-code"], {}, 2, "all 40 digits"),
        (["someone/bert", "--trust-remote-code", "--model-revision", "main"], {}, 2, "all 40 digits"),
        (["someone/code"], {}, 2, "--trust-remote-code"),
        (["someone/bert"], {"HF_HUB_OFFLINE": "1"}, 2, "HF_HUB_OFFLINE is set"),
        (["./bert", "--model-revision", "main"], {}, 2, "no such directory"),
        (["starter", "--model-revision", "main"], {}, 2, "applies only to a model on the Hub"),
    ],
)
def test_errors_of_the_hub(prepare, hub, words, environment, code, said):
    error = prepare(hub, *words, code=code, **environment)
    assert said in f"{error['message']}; {error['fix']}", error


def test_code_of_another_repository_is_not_pinned(prepare, hub):
    commit = hub.models["someone/elsewhere"].at("main").oid
    words = ["someone/elsewhere", "--trust-remote-code", "--model-revision", commit]
    assert "another repository" in prepare(hub, *words, code=2)["message"]


def test_no_network(prepare, hub):
    """A model in the cache is used; another model is one clear line."""
    found = prepare(hub, "someone/bert")
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        gone = {"HF_ENDPOINT": f"http://127.0.0.1:{unused.getsockname()[1]}"}
        assert prepare(hub, "someone/bert", **gone) == found
        error = prepare(hub, "someone/other", code=2, **gone)
    assert "the Hub cannot be reached" in error["message"]
