"""Wrong requests: exit code 2, one clear line, nothing written, no framework imported."""

import json
import os
import subprocess
import sys

import pytest
from tiny_models import write_model

from mlm_core.__main__ import main


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return write_model(tmp_path_factory.mktemp("model"), "bert")


@pytest.fixture
def refused(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def run(*words):
        files = sorted(tmp_path.rglob("*"))
        assert main([*words, "--json"]) == 2
        out, err = capsys.readouterr()
        assert err.startswith("mlm: error: ") and err.count("\n") == 1
        assert sorted(tmp_path.rglob("*")) == files
        return json.loads(out)["error"]

    return run


def test_missing_file(refused):
    error = refused("train", "--dataset", "none.txt")
    assert (error["code"], error["option"], error["value"]) == ("missing_file", "--dataset", "none.txt")
    assert error["fix"]


def test_empty_file(refused, tmp_path):
    (tmp_path / "a.txt").touch()
    assert refused("train", "--dataset", "a.txt")["code"] == "empty_file"


@pytest.mark.parametrize(
    ("name", "content", "words", "code"),
    [
        (
            "a.jsonl",
            b'{"title": "t", "answers": {"text": ["x"]}}\n',
            ["--text-column", "body"],
            "missing_column",
        ),
        ("a.jsonl", b'{"title": "t", "body": "u"}\n', [], "ambiguous_column"),
        ("a.jsonl", b'{"text": "x"}\n{"text": \n', [], "malformed_file"),
        ("a.csv", b"id,text\n1,a\n2,a,b\n", [], "malformed_file"),
        ("a.txt", "a café".encode("latin-1"), [], "malformed_file"),
        ("a.txt", b"\x00\x01\x02\n", [], "malformed_file"),
        ("a.parquet", b"no parquet", [], "malformed_file"),
        ("a.txt", b"\n \n", [], "empty_file"),
        ("a.jsonl", b'{"text": [1, 2]}\n', [], "ambiguous_column"),
        ("a.jsonl", b'{"text": [1, 2], "title": "x"}\n', ["--text-column", "text"], "wrong_column"),
        ("a.jsonl", b'{"text": "x"}\n', ["--split", "test"], "bad_split"),
        ("a.jsonl", b'{"text": "only one"}\n', [], "too_little_data"),
    ],
)
@pytest.mark.parametrize("command", ["train", "prepare"])
def test_text_that_cannot_be_used(refused, tmp_path, command, name, content, words, code):
    (tmp_path / name).write_bytes(content)
    error = refused(command, "--dataset", name, *words)
    assert error["code"] == code
    if code in ("missing_column", "wrong_column"):
        assert "choose with --text-column: title" in error["fix"]


@pytest.mark.parametrize("command", ["train", "prepare"])
def test_eli5(refused, command):
    error = refused(command, "--dataset", "eli5")
    assert error["code"] == "gone_dataset" and "dany0407/eli5_category" in error["fix"]


def test_a_dataset_of_no_kind_with_the_hub_out_of_reach(refused):
    assert refused("train", "--dataset", "no/such")["code"] == "missing_dataset"


def test_fill_wants_text(refused, tmp_path, model):
    assert refused("fill", str(model))["code"] == "usage"
    assert refused("fill", str(model), "--file", "none.txt")["code"] == "unreadable_file"
    (tmp_path / "a.txt").write_bytes(b"\xff <mask>")
    assert refused("fill", str(model), "--file", "a.txt")["code"] == "unreadable_file"


def test_evaluate_wants_a_dataset_for_what_is_about_one(refused, model):
    for option in ("--text-column", "--split", "--dataset-config", "--dataset-revision"):
        assert refused("evaluate", str(model), option, "x")["option"] == option


def test_unknown_backend(refused):
    assert refused("train", "--backend", "jax")["code"] == "unknown_backend"


@pytest.mark.parametrize("backend", ["torch", "tf"])
def test_backend_not_installed(refused, monkeypatch, backend):
    import mlm_core.framework

    monkeypatch.setattr(mlm_core.framework, "find_spec", lambda name: None)
    error = refused("train", "--backend", backend)
    assert error["code"] == "backend_not_installed"
    assert f"mlm[{backend}]" in error["fix"]


def test_not_a_model_directory(refused, tmp_path):
    (tmp_path / "empty").mkdir()
    assert refused("train", "--model", "empty")["code"] == "not_a_model"
    assert refused("train", "--model", "./none")["code"] == "missing_model"
    assert refused("fill", "empty", "a <mask>")["code"] == "not_a_model"
    assert refused("evaluate", "./none")["code"] == "missing_model"
    (tmp_path / "empty" / "config.json").write_text("{}")
    assert refused("train", "--model", "empty")["code"] == "not_a_model"


def test_output_directory_in_use(refused, tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "precious.txt").write_text("mine")
    assert refused("train", "--output-dir", "run")["code"] == "run_exists"
    assert refused("train", "--output-dir", "run", "--overwrite")["code"] == "not_a_run"
    assert refused("train", "--output-dir", "run/precious.txt")["code"] == "not_a_directory"


@pytest.mark.parametrize(
    ("words", "option"),
    [
        (["train", "--batch-size", "0"], "--batch-size"),
        (["train", "--learning-rate", "fast"], "--learning-rate"),
        (["train", "--masking", "some"], "--masking"),
        (["fill", "RUN", "a <mask>", "--top-k", "0"], "--top-k"),
        (["prepare", "--show", "-1"], "--show"),
        (["train", "--last-block", "keep"], "--last-block"),
        (["train", "--num-proc", "0"], "--num-proc"),
        (["train", "--dataset-revision", "main"], "--dataset-revision"),
        (["fill", "RUN", "a <mask>", "--top-k", "two"], "--top-k"),
        (["evaluate", "RUN", "--threads", "-1"], "--threads"),
        (["train", "--no-such-option"], "--no-such-option"),
    ],
)
def test_wrong_number_or_type(refused, words, option):
    assert refused(*words)["option"] == option


@pytest.mark.parametrize(
    "words", [["train", "--seed"], ["tarin"], ["fill"], ["prepare", "--batch-size", "3"], ["train", "extra"]]
)
def test_usage(refused, words):
    assert refused(*words)["message"]


@pytest.mark.parametrize(
    ("word", "fix"),
    [
        ("trian", "did you mean mlm train?"),
        ("evalute", "did you mean mlm evaluate?"),
        (
            "xyz",
            "the commands are train, evaluate, fill, prepare, parity, compare, push, doctor, help, version",
        ),
    ],
)
def test_the_nearest_command_is_named(refused, word, fix):
    error = refused(word, "--dataset", "a.txt")
    assert (error["message"], error["value"], error["fix"]) == ("no such command", word, fix)


def test_a_wrong_value_in_a_file_of_options_names_the_file(refused, tmp_path):
    (tmp_path / "a.yaml").write_text("learning-rate: fast\n")
    error = refused("train", "--config", "a.yaml")
    assert (error["option"], error["value"]) == ("--learning-rate", "fast")
    assert error["message"] == "in a.yaml: must be a number"
    # The command line overrides the file.
    assert refused("train", "--config", "a.yaml", "--learning-rate", "slow")["message"] == "must be a number"


@pytest.mark.parametrize(
    ("words", "fix"),
    [
        ([], "leave it out, or give a --dataset"),
        (["--dataset", "python:library"], "leave it out, or give another --dataset"),
    ],
)
def test_rows_of_the_embedded_corpus_cannot_be_picked(refused, words, fix):
    assert refused("train", "--split", "train[:10]", *words)["fix"] == fix


def test_evaluate_says_that_there_is_no_such_directory(refused, tmp_path):
    for name in ("nodir", "org/nodir"):
        assert refused("evaluate", name)["message"] == "no such directory"
    assert refused("evaluate", "starter")["message"] == "has no held-out text"


def test_a_model_without_a_run_has_no_text_of_its_own(refused, model):
    assert refused("evaluate", str(model))["code"] == "not_a_run"


REQUEST_WITHOUT_FRAMEWORK = """
import sys
from mlm_core.__main__ import main
code = main(sys.argv[1:])
frameworks = {"torch", "tensorflow", "tf_keras"} & set(sys.modules)
assert not frameworks, frameworks
sys.exit(code)
"""


@pytest.mark.parametrize("backend", ["torch", "tf"])
@pytest.mark.parametrize(
    "words",
    [
        ["--dataset", "none.txt"],
        ["--dataset", "blank.txt"],
        ["--model", "./none"],
        ["--batch-size", "0"],
        ["--output-dir", "."],
    ],
)
def test_a_wrong_request_imports_no_framework(tmp_path, backend, words):
    (tmp_path / "blank.txt").write_text("\n \n")
    done = subprocess.run(
        [sys.executable, "-c", REQUEST_WITHOUT_FRAMEWORK, "train", "--backend", backend, *words],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env=os.environ,
        check=False,
    )
    assert done.returncode == 2, done.stderr
    assert done.stderr.startswith("mlm: error: ") and done.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--allow-change", "epochs"], "requires --resume"),
        (["--output-dir", "r", "--resume", "--allow-change", "model"], "cannot change in a run"),
        (["--output-dir", "r", "--resume", "--allow-change", "epochs,treads"], "not an option that affects"),
        (["--output-dir", "r", "--resume", "--allow-change", "threads"], "not an option that affects"),
    ],
)
def test_changes_that_cannot_be_allowed(refused, words, message):
    error = refused("train", *words)
    assert error["option"] == "--allow-change" and message in error["message"]
