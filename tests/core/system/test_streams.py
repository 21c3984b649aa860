"""Standard streams that are closed, full, or of another encoding: an exit code and a line at most."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
WRONG = "prepare --dataset nope.jsonl"


def ended(words, redirected="", **environment):
    """What became of a command that a shell started."""
    command = f'"{sys.executable}" -m mlm_core {words} {redirected}'
    return subprocess.run(
        ["bash", "-o", "pipefail", "-c", command],
        capture_output=True,
        check=False,
        env=os.environ | {"PYTHONPATH": str(ROOT)} | environment,
    )


@pytest.mark.parametrize("redirected", ["2>&-", "2>/dev/full", ">&-", ">/dev/full", "<&-", "<&- >&- 2>&-"])
def test_a_wrong_request_ends_with_2_whatever_the_streams(redirected):
    done = ended(WRONG, redirected)
    assert done.returncode == 2
    assert b"Traceback" not in done.stderr and b"Exception ignored" not in done.stderr
    assert done.stdout == b""
    if "2>" not in redirected:
        assert done.stderr.count(b"\n") == 1 and done.stderr.startswith(b"mlm: error: ")


@pytest.mark.parametrize("words", ["--help", "train --help", "--version"])
def test_output_that_cannot_be_written_is_a_failure(words):
    done = ended(words, ">/dev/full")
    assert done.returncode == 1
    assert b"Traceback" not in done.stderr and b"Exception ignored" not in done.stderr


def test_a_reader_that_has_gone_is_no_traceback():
    done = ended("train --help", "| true")
    assert done.returncode in (0, 1)
    assert b"Traceback" not in done.stderr and b"Exception ignored" not in done.stderr


@pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
def test_a_name_that_the_encoding_lacks_is_shown_in_escapes(encoding):
    done = ended("prepare --dataset 日本.jsonl", PYTHONIOENCODING=encoding, PYTHONUTF8="1")
    assert done.returncode == 2
    assert b"\\u65e5\\u672c.jsonl" in done.stderr


def test_a_word_that_is_not_utf8_is_refused():
    done = ended("fill model $'\\xff <mask>'")
    assert done.returncode == 2
    assert done.stderr.count(b"\n") == 1 and b"is not UTF-8" in done.stderr
