"""What `mlm doctor --report` says, and what it leaves out."""

import json
import os
import platform
import sys
from pathlib import Path

import pytest

from mlm_core.cli import bug_report
from mlm_core.cli.bug_report import anonymous, environment

SECRET = "hf_" + "aSecretOfMine7" * 2

SET = {
    "HF_TOKEN": SECRET,
    "HF_HOME": "/home/jane-doe/private/models",
    "HF_ENDPOINT": "https://jane:pass@hub.company.example",
    "HF_HUB_OFFLINE": "1",
    "HF_HUB_USER_AGENT_ORIGIN": "company",
    "MLM_API_KEY": "0123",
    "MLM_BACKEND": "tf",
    "MLM_CACHE": "~/.cache/mlm-of-jane-doe",
    "MLM_EMPTY": "",
    "OMP_ODD": "jane-doe was here",
    "HTTPS_PROXY": "http://jane:pass@proxy",
    "OMP_NUM_THREADS": "4",
    "TF_RANDOM": "Zm9vYmFyYmF6cXV4Zm9vYmFyYmF6cXV4",
    "TOKENIZERS_PARALLELISM": "false",
    "XLA_FLAGS": "--xla_gpu_cuda_data_dir=/home/jane-doe/cuda",
    "PYTHONPATH": "/home/jane-doe/a:/home/jane-doe/b",
    "AWS_SECRET_ACCESS_KEY": "sesame",
    "COMPANY": "x",
}


@pytest.fixture(autouse=True)
def jane(monkeypatch):
    monkeypatch.setenv("HOME", "/home/jane-doe")
    monkeypatch.setenv("USER", "jane-doe")
    monkeypatch.setattr(platform, "node", lambda: "janes-laptop.company.example")


def test_variables_that_matter_are_there_and_no_secret_is():
    shown = dict(environment(SET))
    hidden = (
        "HF_TOKEN",
        "HF_ENDPOINT",
        "HF_HUB_USER_AGENT_ORIGIN",
        "MLM_API_KEY",
        "HTTPS_PROXY",
        "TF_RANDOM",
    )
    hidden += ("XLA_FLAGS", "PYTHONPATH")
    assert {name: shown.pop(name) for name in hidden} == dict.fromkeys(hidden, "set (not shown)")
    assert shown == {
        "HF_HOME": "in the home directory",
        "HF_HUB_OFFLINE": "`1`",
        "MLM_BACKEND": "`tf`",
        "MLM_CACHE": "in the user's cache directory",
        "MLM_EMPTY": "empty",
        "OMP_ODD": "`USER was here`",
        "OMP_NUM_THREADS": "`4`",
        "TOKENIZERS_PARALLELISM": "`false`",
    }


@pytest.mark.parametrize(
    ("name", "value"),
    [("LOCAL_DB_PWD", "hunter2"), ("HF_PASS", "hunter2"), ("MLM_SALT", "abc"), ("HF_ORG", "secret-company")],
)
def test_what_is_no_setting_is_not_shown(name, value):
    assert value not in str(list(environment({name: value, "LOCAL_RANK": "0"})))
    assert ("LOCAL_RANK", "`0`") in list(environment({name: value, "LOCAL_RANK": "0"}))


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("cannot open /home/jane-doe/venv/lib/libx.so: no", "cannot open .../libx.so: no"),
        ("the cache /home/other/cache is", "the cache .../cache is"),
        ("in /home/other", "in .../"),
        ("~/work/run", ".../run"),
        ("/usr/lib/libc.so.6", "/usr/lib/libc.so.6"),
        ("by jane-doe on janes-laptop", "by USER on HOST"),
        ("janes-laptop.company.example:80", "HOST:80"),
        (f"token {SECRET}", "token hf_***"),
        ("a/b and 1/2", "a/b and 1/2"),
    ],
)
def test_text_from_elsewhere_is_anonymous(text, shown):
    assert anonymous(text) == shown


def test_the_report(monkeypatch):
    for name, value in SET.items():
        monkeypatch.setenv(name, value)
    facts = {"versions": {"torch": "2"}, "works": True, "devices": ["cpu", "gpu"], "gpus": ["NVIDIA <b>"]}
    broken = {"versions": {}, "works": False, "devices": [], "gpus": []}
    problem = f"tf: cannot be imported (/home/jane-doe/x/y.so, {SECRET}); reinstall it: pip install 'mlm[tf]'"
    report = bug_report.bug_report(
        Path("/home/jane-doe/.cache/mlm"), {"torch": facts, "tf": broken}, [problem]
    )
    assert "| mlm | " in report and "| backend torch | works on cpu and gpu (torch 2) |" in report
    assert "| backend tf | does not work |" in report and "| GPU of torch | NVIDIA \\<b\\> |" in report
    assert "| problem | tf: cannot be imported (.../y.so, " in report
    for private in ("jane", "laptop", SECRET, "sesame", "pass@", "company.example", str(Path.cwd())):
        assert private not in report
    assert sys.prefix not in report


def test_a_machine_that_tells_nothing(monkeypatch):
    monkeypatch.setattr(platform, "node", lambda: "")
    monkeypatch.setattr(platform, "release", lambda: "")
    monkeypatch.setattr(bug_report, "free_memory", lambda: None)
    for name in ("USER", "LOGNAME"):
        monkeypatch.delenv(name, raising=False)
    for name in [name for name in os.environ if next(environment({name: "1"}), None)]:
        monkeypatch.delenv(name)
    report = bug_report.bug_report(Path("/data/cache"), {}, [])
    assert "| memory | unknown |" in report and "| cache | outside the home directory |" in report
    assert report.endswith("- none of those that matter")
    json.dumps(report)
