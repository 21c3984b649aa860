"""What somebody sees who trains on a terminal: progress in place, whole words, a stop that reads like one."""

from __future__ import annotations

import re

import pytest
from pseudo_terminal import watch
from resumed_runs import STEPS, Runs

pytestmark = pytest.mark.one_rank


@pytest.fixture(scope="module")
def runs(engine, tmp_path_factory):
    return Runs(engine.name, tmp_path_factory.mktemp("runs"), dropout=0.0)


class CtrlC:
    """Types Ctrl-C once the row shows that some steps are done."""

    def __init__(self) -> None:
        self.typed = False

    def __call__(self, written: str) -> bytes:
        if self.typed or not re.search(rf"\b[3-9]/{STEPS}\b", written):
            return b""
        self.typed = True
        return b"\x03"


def test_a_run_that_is_stopped_and_goes_on(runs):
    given = [word for word in runs.command(runs.directory / "run")[3:] if word != "--json"]
    # A checkpoint after each step makes it slow enough.
    screen, written = watch(*given, "--save-steps", 1, width=60, react=CtrlC(), code=130)
    assert "Ctrl-C: the run saves this step, then stops" in words(screen)
    found = re.search(
        rf"mlm:stoppedbyCtrl-Cafterstep(\d+);thestepissaved;togoon:mlmtrain--output-dir{runs.directory}/run"
        "--resume$",
        re.sub(r"\s", "", screen.text),
    )
    assert found, screen.text
    assert whole_words(screen, written)
    # The row is drawn again in place: it never takes a second line.
    assert len(re.findall(rf"\d+/{STEPS}\b", screen.text)) == 1

    step = int(found[1])
    screen, written = watch("train", "--output-dir", runs.directory / "run", "--resume", width=80)
    assert f"resuming from step {step}" in words(screen)
    rest = STEPS - step
    assert re.search(rf"{STEPS} steps, the last {rest} in \d[^,]* s, [\d,]+ tokens/s", words(screen))
    assert f"{step}/{STEPS}" in written and f"{STEPS}/{STEPS}" in screen.text
    assert "loading the " in written and "loading the " not in screen.text
    assert whole_words(screen, written)


def words(screen) -> str:
    return " ".join(screen.text.split())


def whole_words(screen, written) -> bool:
    """Whether no word is broken, but for the command at the end, which can be copied."""
    command = written[written.rindex("  mlm ") :]
    return all(word in command for word in screen.broken)
