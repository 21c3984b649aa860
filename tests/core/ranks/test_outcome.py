"""Of ranks that ended, the first cause is told, once."""

import signal

import pytest

from mlm_core.cli.launch import _for_ranks
from mlm_core.errors import RequestError, RunError
from mlm_core.ranks.errors import as_in, described, lost_rank
from mlm_core.ranks.notes import Notes
from mlm_core.ranks.outcome import Ended, failure
from mlm_core.system.interruption import InterruptedRunError

WRONG = RequestError("no such file", code="missing_file", option="--model", value="m", fix="check")
FULL = RunError("no space left", code="disk_full")
UNFORESEEN = RunError("an unforeseen error (X: y)", code="internal_error")
LOST = lost_rank(0, 2)
OTHER = as_in(1, described(WRONG))
SAVED = InterruptedRunError(signal.SIGTERM, 4, "resume")


def ended(rank, end, *, said="", by_launcher=False):
    if isinstance(end, int):
        return Ended(rank, end, None, said, by_launcher)
    facts = {"exit_code": end.exit_code, "said_by": end.said_by}
    return Ended(rank, end.exit_code, end.as_dict() | facts, said, by_launcher)


@pytest.mark.parametrize(
    ("first", "second", "code", "line"),
    [
        (0, 0, None, ""),
        (LOST, -signal.SIGKILL, 1, "rank 1 of 2 was killed by SIGKILL"),
        (UNFORESEEN, -signal.SIGSEGV, 1, "rank 1 of 2 was killed by SIGSEGV"),
        (-signal.SIGKILL, LOST, 1, "rank 0 of 2 was killed by SIGKILL"),
        (OTHER, WRONG, 2, "rank 1 of 2: --model m: no such file; check"),
        (WRONG, WRONG, 2, "--model m: no such file; check"),
        (FULL, -signal.SIGABRT, 1, "no space left"),
        (LOST, FULL, 1, "rank 1 of 2: no space left"),
        (LOST, -signal.SIGTERM, 143, "stopped by SIGTERM"),
        (130, LOST, 130, "stopped by Ctrl-C"),
        (
            SAVED,
            as_in(0, described(SAVED)),
            143,
            "stopped by SIGTERM after step 4; the step is saved; resume",
        ),
        (LOST, 3, 1, "rank 1 of 2 ended with exit code 3 (ImportError: no)"),
    ],
)
def test_the_first_cause(first, second, code, line):
    said = "Traceback:\n  x\nImportError: no\n\n" if second == 3 else ""
    error = failure([ended(0, first), ended(1, second, said=said)], None)
    assert (error.exit_code if error else None, str(error or "")) == (code, line)


def test_once_the_first_rank_is_done_the_work_is_done():
    assert failure([ended(0, 0), ended(1, -signal.SIGKILL, by_launcher=True)], None) is None
    assert failure([ended(0, 0), ended(1, 0)], signal.SIGTERM) is None


def test_a_rank_that_had_to_be_killed_did_not_answer():
    error = failure([ended(0, LOST), ended(1, -signal.SIGKILL, by_launcher=True)], None)
    assert str(error) == "rank 1 of 2 does not answer"


@pytest.mark.parametrize("end", [LOST, UNFORESEEN, 1, -signal.SIGABRT])
def test_what_a_signal_has_caused_is_an_interruption(end):
    error = failure([ended(0, end), ended(1, -signal.SIGTERM, by_launcher=True)], signal.SIGINT)
    assert (error.exit_code, str(error)) == (130, "stopped by Ctrl-C")
    assert str(failure([ended(0, FULL), ended(1, OTHER)], signal.SIGINT)) == "no space left"


def test_an_error_comes_back_from_its_note(tmp_path):
    notes = Notes(tmp_path)
    assert notes.error(1) is None and notes.run() is None and not notes.done(1)
    assert notes.write_error(1, WRONG)
    notes.write_run(tmp_path / "a run")
    notes.write_done(1)
    assert notes.error(1) == WRONG.as_dict() | {"exit_code": 2, "said_by": None}
    assert notes.run() == tmp_path / "a run" and notes.done(1)
    assert not Notes(tmp_path / "none").write_error(1, WRONG)
    (tmp_path / "error-0.json").write_text('{"code": "di')
    assert notes.error(0) is None
    error = failure([ended(0, OTHER), ended(1, WRONG)], None)
    assert error.as_dict() == WRONG.as_dict() | {"message": "rank 1 of 2: no such file"}


@pytest.mark.parametrize(
    "words", ["--nproc 2 --max-restarts=3", "--nproc=2 --max_restarts 3", "--max-restarts 1 --nproc 2"]
)
def test_the_ranks_get_the_other_words(words):
    assert _for_ranks(["train", *words.split(), "--seed", "1"]) == ["train", "--seed", "1"]
