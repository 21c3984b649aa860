"""Errors of `mlm push`, and where it finds its token."""

import json
import os
import shutil
import socket
import subprocess
import sys

import pytest
from hub_faults import TOKEN
from hub_pushes import READER, RECORD, REPOSITORY
from hub_repositories import Repository

from mlm_core import Config, MlmError
from mlm_core.cli.parser import build_parser, parse_request


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
        ([REPOSITORY], {"HF_HUB_OFFLINE": "1"}, 2, "hub_offline", '"fix": "unset it"}'),
        ([REPOSITORY, "--also-h5", "--backend", "none"], {}, 2, "unknown_backend", "none"),
    ],
)
def test_what_is_refused(push, hub, directory, words, environment, code, kind, said):
    error = push(directory, *words, code=code, **environment)
    assert error["code"] == kind, error
    assert said in json.dumps(error)
    assert not hub.models


@pytest.mark.parametrize(
    "name", ["README.md", "vocab.txt", "model.safetensors", "config.json", "tokenizer.json"]
)
def test_a_link_that_leaves_the_directory(push, hub, directory, tmp_path, name):
    """A directory that somebody hands over could publish any file of this user."""
    model = shutil.copytree(directory, tmp_path / "model")
    original = directory / name if (directory / name).exists() else directory / "notes.txt"
    secret = shutil.copy(original, tmp_path / "secret")
    (model / name).unlink(missing_ok=True)
    (model / name).symlink_to(secret)
    error = push(model, REPOSITORY, code=2)
    assert error["code"] == "link_outside" and name in error["message"], error
    assert not hub.models


def test_a_link_to_the_record_of_the_run(push, hub, directory, tmp_path):
    """It names directories of this machine."""
    model = shutil.copytree(directory, tmp_path / "model")
    (model / "run.json").write_text(json.dumps(RECORD))
    (model / "README.md").unlink(missing_ok=True)
    (model / "README.md").symlink_to("run.json")
    error = push(model, REPOSITORY, code=2)
    assert error["code"] == "link_outside" and "a file of the run" in error["message"]
    assert not hub.models


def test_a_link_inside_the_directory(push, hub, directory, tmp_path):
    model = shutil.copytree(directory, tmp_path / "model")
    (model / "config.json").rename(model / "kept.json")
    (model / "config.json").symlink_to("kept.json")
    push(model, REPOSITORY)
    assert REPOSITORY in hub.models


def test_somebody_elses_repository(push, hub, directory):
    """Creating a repository that exists already raises no error."""
    hub.models["other/tiny"] = Repository.of("models", {"main": {}})
    assert push(directory, "other/tiny", code=2)["code"] == "hub_refused"


def test_a_token_from_a_file(push, hub, directory, tmp_path):
    """Stored by `hf auth login` or `notebook_login`, or at HF_TOKEN_PATH."""
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
