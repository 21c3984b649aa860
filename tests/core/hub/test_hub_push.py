"""mlm push, with a server on this machine in the place of the Hub; no framework is needed."""

import json
import os
import shutil
import socket
import subprocess
import sys

import pytest
import yaml
from hub_repositories import Repository, User
from hub_server import HubServer
from tiny_models import write_model

from mlm_core import Config, MlmError
from mlm_core.cli.parser import build_parser, parse_request

RECORD = {"config": Config().to_dict(), "data": {}, "versions": {"mlm": "0"}, "results": {}}
"""A run's."""

TOKEN, READER = "hf_secretOfTheTests", "hf_readerOfTheTests"
REPOSITORY = "org/tiny"


@pytest.fixture(scope="module")
def directory(tmp_path_factory):
    """A model, and beside it what is nobody's business."""
    path = write_model(tmp_path_factory.mktemp("models") / "tiny", "bert")
    settings = json.loads((path / "config.json").read_text())
    (path / "config.json").write_text(json.dumps(settings | {"_name_or_path": str(path)}))
    (path / "training_args.bin").write_bytes(b"pickle")
    (path / "optimizer.pt").write_bytes(b"pickle")
    (path / "notes.txt").write_text("mine")
    (path / ".env").write_text(f"HF_TOKEN={TOKEN}")
    (path / "checkpoints").mkdir()
    (path / "checkpoints" / "model.safetensors").write_bytes(b"")
    return path


@pytest.fixture
def hub():
    users = {TOKEN: User("me", organizations=("org",)), READER: User("reader", "read", ("org",))}
    with HubServer(users=users) as server:
        yield server


@pytest.fixture
def push(hub, tmp_path):
    """Runs `mlm push`; what it answered and said."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("HF_")}
    home = {"HF_HOME": str(tmp_path / "home"), "HOME": str(tmp_path / "home")}

    def run(*words, code=0, token=TOKEN, **environment):
        done = subprocess.run(
            [sys.executable, "-m", "mlm_core", "push", *map(str, words), "--json"],
            capture_output=True,
            text=True,
            env=inherited | home | hub.environment(token) | environment,
            check=False,
        )
        assert done.returncode == code, done.stderr
        assert not any(secret in done.stdout + done.stderr for secret in (TOKEN, READER))
        answer = json.loads(done.stdout)
        if code == 0:
            return answer["hub_url"]
        lines = done.stderr.splitlines()
        assert lines[-1].startswith("mlm: error: ") and "Traceback" not in done.stderr
        return answer["error"]

    return run


def test_only_the_models_own_files_go_up(push, hub, directory):
    assert push(directory, REPOSITORY) == f"{hub.url}/{REPOSITORY}"
    files = hub.files(REPOSITORY)
    written = {"config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json", "vocab.txt"}
    maybe = {".gitattributes", "special_tokens_map.json", "README.md"}
    assert written <= files.keys() <= written | maybe
    assert not any(str(directory.parent).encode() in content for content in files.values())
    assert json.loads(files["config.json"])["model_type"] == "bert"
    assert files["model.safetensors"] == (directory / "model.safetensors").read_bytes()
    assert not (directory / "hub.json").exists()
    front = yaml.safe_load(files["README.md"].decode().split("---")[1])
    assert front["pipeline_tag"] == "fill-mask" and front["library_name"] == "transformers"


@pytest.mark.parametrize(
    ("words", "private"), [([], True), (["--hub-public"], False), (["--hub-private"], True)]
)
def test_private_unless_asked(push, hub, directory, words, private):
    push(directory, "small", *words)
    assert hub.models["me/small"].private == private


def test_where_options_stand_and_what_it_is_called(push, hub, directory):
    push(directory, "--hub-public", "org/between")
    push(directory, "--hub-public")
    assert not hub.models["org/between"].private and not hub.models["me/tiny"].private


def test_again_changes_nothing(push, hub, directory):
    for _ in range(2):
        push(directory, REPOSITORY)
    assert len(hub.models[REPOSITORY].branches["main"]) == 2


def test_what_would_be_loaded_in_its_place_goes_away(push, hub, directory):
    push(directory, REPOSITORY)
    old = dict.fromkeys(("pytorch_model.bin", "tf_model.h5", "merges.txt", "eval.py"), b"old")
    old |= {"model-00001-of-00002.safetensors": b"old", "model.safetensors.index.json": b"{}"}
    hub.models[REPOSITORY].commit("main", "by hand", None, old | {"onnx/model.safetensors": b"theirs"})
    push(directory, REPOSITORY)
    assert old.keys() & hub.files(REPOSITORY).keys() == {"eval.py"}
    assert "onnx/model.safetensors" in hub.files(REPOSITORY)


def test_what_is_ignored_there_is_missed(push, hub, directory):
    push(directory, REPOSITORY)
    hub.models[REPOSITORY].commit("main", "", None, {".gitignore": b"vocab.txt\n", "vocab.txt": None})
    error = push(directory, REPOSITORY, code=1)
    assert ".gitignore" in error["fix"]


def test_a_commit_between_is_not_overwritten(push, hub, directory, tmp_path):
    """Between looking and committing: nobody can know but the Hub."""
    push(directory, REPOSITORY)
    run = tmp_path / "run"
    shutil.copytree(directory, run)
    commit = hub.models[REPOSITORY].at("main").oid
    (run / "hub.json").write_text(json.dumps({REPOSITORY: {"commit": commit, "sent": {}}}))
    (run / "run.json").write_text(json.dumps(RECORD))
    (run / "vocab.txt").write_text((run / "vocab.txt").read_text() + "\nmore")
    hub.models[REPOSITORY].commit("main", "by hand", None, {"README.md": b"mine"})
    error = push(run, REPOSITORY, code=1)
    assert error["code"] == "hub_moved_on" and "--overwrite" in error["fix"]
    assert hub.files(REPOSITORY)["README.md"] == b"mine"
    push(run, REPOSITORY, "--overwrite")
    assert hub.files(REPOSITORY)["vocab.txt"].endswith(b"more")
    # It knows of that commit now.
    (run / "vocab.txt").write_text((run / "vocab.txt").read_text() + "\nmore")
    push(run, REPOSITORY)


LATE = """
import sys
from pathlib import Path
from transformers import AutoTokenizer
from mlm_core.hub.publisher import Patience, Publisher, Target
from mlm_core.progress import Progress

run, name, version = sys.argv[1:]
progress = Progress(quiet=True, verbose=False, logging_steps=1)
tokenizer = AutoTokenizer.from_pretrained(run)
publisher = Publisher(Target(name), tokenizer, Path(run), progress, Patience(attempts=1))
try:
    print(publisher.finish(Path(version), "Version"))
except Exception as error:
    print(error.code)
"""


def test_a_version_whose_answer_was_lost_is_ours(push, hub, directory, tmp_path):
    """The process that sent it may be gone: a later one knows what was on its way."""
    run, version = (shutil.copytree(directory, tmp_path / name) for name in ("run", "version"))
    (version / "vocab.txt").write_text((version / "vocab.txt").read_text() + "\nmore")
    (run / "run.json").write_text(json.dumps(RECORD))
    fault = hub.fail("commit", "cut after")
    environment = hub.environment(TOKEN) | {"HF_HOME": str(tmp_path / "home")}
    done = subprocess.run(
        [sys.executable, "-c", LATE, run, REPOSITORY, version],
        capture_output=True,
        text=True,
        env=os.environ | environment,
        check=False,
    )
    assert done.stdout.strip() == "hub_unreachable", done.stderr
    assert hub.files(REPOSITORY)["vocab.txt"].endswith(b"more")
    hub.faults.remove(fault)
    push(run, REPOSITORY)
    assert not hub.files(REPOSITORY)["vocab.txt"].endswith(b"more")


def test_each_repository_has_a_memory_of_its_own(push, hub, directory, tmp_path):
    run = shutil.copytree(directory, tmp_path / "run")
    (run / "run.json").write_text(json.dumps(RECORD))
    push(run, "org/one")
    push(run, "org/two")
    hub.models["org/one"].commit("main", "by hand", None, {"config.json": b"{}"})
    assert push(run, "org/one", code=1)["code"] == "hub_moved_on"


def test_what_cannot_be_noted_is_no_reason_to_fail(push, hub, directory, tmp_path):
    run = shutil.copytree(directory, tmp_path / "run")
    (run / "run.json").write_text(json.dumps(RECORD))
    (run / "hub.json").mkdir()
    assert push(run, REPOSITORY)


def test_words_of_a_vocabulary_stay(push, hub, tmp_path):
    """Also those that are the names of settings."""
    model = write_model(tmp_path / "tiny", "roberta")
    # transformers 5 writes no vocab.json of its own.
    words = json.loads((model / "tokenizer.json").read_text())["model"]["vocab"]
    words["name_or_path"] = words["cache_dir"] = len(words)
    (model / "vocab.json").write_text(json.dumps(words))
    settings = json.loads((model / "tokenizer_config.json").read_text())
    settings |= {"cache_dir": "cache", "place": str(tmp_path), "tokenizer_file": None}
    (model / "tokenizer_config.json").write_text(json.dumps(settings))
    push(model, REPOSITORY)
    assert json.loads(hub.files(REPOSITORY)["vocab.json"]) == words
    published = json.loads(hub.files(REPOSITORY)["tokenizer_config.json"])
    assert settings.keys() - published.keys() == {"cache_dir", "place", "tokenizer_file"}


def test_a_model_that_is_not_whole(push, hub, directory, tmp_path):
    weights = (directory / "model.safetensors").read_bytes()
    parts = {"a": "model-00001-of-00002.safetensors", "b": "model-00002-of-00002.safetensors"}
    for number, (damaged, content) in enumerate(
        [
            ("model.safetensors", weights[:1000]),
            ("model.safetensors.index.json", json.dumps({"weight_map": parts}).encode()),
            ("tokenizer_config.json", b"{"),
            ("config.json", b"{"),
        ]
    ):
        model = shutil.copytree(directory, tmp_path / str(number))
        if "index" in damaged:
            (model / "model.safetensors").rename(model / parts["a"])
        (model / damaged).write_bytes(content)
        push(model, REPOSITORY, code=2)
        assert REPOSITORY not in hub.models or hub.files(REPOSITORY).keys() == {".gitattributes"}


def test_a_model_without_its_tokenizer_leaves_that_of_the_repository(push, hub, directory, tmp_path):
    push(directory, REPOSITORY)
    before = hub.files(REPOSITORY)
    alone = tmp_path / "alone"
    alone.mkdir()
    for name in ("config.json", "model.safetensors"):
        shutil.copy(directory / name, alone)
    (alone / "README.md").write_text("---\nlicense: [mit\n---\n")
    assert push(alone, REPOSITORY, code=1)["code"] == "bad_card"
    (alone / "README.md").write_text("---\nlicense: mit\n---\nmine")
    push(alone, REPOSITORY)
    after = hub.files(REPOSITORY)
    assert {name for name in before if before[name] != after.get(name)} == {"README.md"}
    # A card written by hand is not replaced by one that says nothing.
    (alone / "README.md").unlink()
    push(alone, REPOSITORY)
    assert hub.files(REPOSITORY)["README.md"].endswith(b"mine")


@pytest.mark.parametrize(
    ("words", "environment", "code", "kind", "said"),
    [
        ([REPOSITORY], {"HF_TOKEN": ""}, 2, "no_token", "hf auth login"),
        ([REPOSITORY], {"HF_TOKEN": "hf_wrong"}, 2, "hub_refused", "not valid"),
        ([REPOSITORY], {"HF_TOKEN": TOKEN + "…"}, 2, "hub_refused", "copy it again"),
        ([REPOSITORY], {"HF_TOKEN": READER}, 2, "hub_refused", "may only read"),
        (["other/tiny"], {}, 2, "hub_refused", "may not write"),
        (["a/b/c"], {}, 2, "hub_name", "ORG/NAME"),
        (["../up"], {}, 2, "hub_name", "ORG/NAME"),
        (["bad name"], {}, 2, "hub_name", "ORG/NAME"),
        ([REPOSITORY], {"HF_HUB_OFFLINE": "1"}, 2, "hub_offline", "unset it"),
        ([REPOSITORY, "--also-h5", "--backend", "none"], {}, 2, "unknown_backend", "none"),
    ],
)
def test_what_is_refused(push, hub, directory, words, environment, code, kind, said):
    error = push(directory, *words, code=code, **environment)
    assert error["code"] == kind, error
    assert said in json.dumps(error)
    assert not hub.models


def test_somebody_elses_repository(push, hub, directory):
    """Making it says nothing where it is there already."""
    hub.models["other/tiny"] = Repository.of("models", {"main": {}})
    assert push(directory, "other/tiny", code=2)["code"] == "hub_refused"


def test_a_token_from_a_file(push, hub, directory, tmp_path):
    """As `hf auth login` and `notebook_login` leave it, or where HF_TOKEN_PATH says."""
    for place, environment in (("home/token", {}), ("other", {"HF_TOKEN_PATH": str(tmp_path / "other")})):
        (tmp_path / "home").mkdir(exist_ok=True)
        (tmp_path / place).write_text(TOKEN)
        push(directory, REPOSITORY, token=None, **environment)
        (tmp_path / place).unlink()
    assert REPOSITORY in hub.models


def test_no_option_takes_a_token(capsys):
    for name in ("hub_token", "token", "use_auth_token", "push_to_hub_token"):
        for command in (["train"], ["push", "run", REPOSITORY]):
            with pytest.raises(MlmError) as raised:
                parse_request(build_parser(), [*command, f"--{name}", TOKEN])
            assert TOKEN not in str(raised.value)
            if command == ["train"]:
                assert "HF_TOKEN" in str(raised.value)
        with pytest.raises(MlmError) as raised:
            Config(**{name: TOKEN})
        assert TOKEN not in str(raised.value)


def test_no_model_and_no_hub(push, hub, directory, tmp_path):
    (tmp_path / "empty").mkdir()
    for place in ("nowhere", tmp_path / "empty"):
        assert push(place, REPOSITORY, code=2)["option"] == "RUN"
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}"
        script = "import sys; from mlm_core.hub import publisher as p; kind = p.Patience\n"
        script += "p.Patience = lambda: kind(attempts=2, wait=0.1)\n"
        script += "from mlm_core.__main__ import main; sys.exit(main(sys.argv[1:]))"
        done = subprocess.run(
            [sys.executable, "-c", script, "push", str(directory), REPOSITORY],
            capture_output=True,
            text=True,
            env=os.environ | hub.environment(TOKEN) | {"HF_ENDPOINT": url, "HF_HOME": str(tmp_path / "home")},
            check=False,
        )
    assert done.returncode == 1 and "the Hub cannot be reached" in done.stderr.splitlines()[-1]
    assert not hub.models
