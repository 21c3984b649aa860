"""`--nproc N`: N ranks on this machine train as one process does, and one line says what became of them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress

import psutil
import pytest
from command_line import mlm
from resumed_runs import SAVE, STEPS, Runs

from mlm_core.system.interruption import signal_name as named

_ONE_ENGINE = pytest.mark.one_engine
"""For all but one case of a test, of which every engine runs that one."""

LATEST = 15.0
"""Seconds in which all have ended once one has."""


@pytest.fixture(scope="module")
def runs(engine, tmp_path_factory):
    return Runs(engine.name, tmp_path_factory.mktemp("runs"))


@pytest.fixture(scope="module")
def whole(runs):
    """A run of one process."""
    return runs.finish("whole")[0]


class Launched:
    """A run in two ranks, which saves slowly, so that it has not ended when a busy machine sends a signal."""

    def __init__(self, runs, name, *words):
        self.runs, self.name = runs, name
        self.process = runs.start(name, "--nproc", "2", *words, slow_saves=True, start_new_session=True)

    def ranks(self):
        """The processes of the ranks, in their order; waits until they are there."""
        while True:
            assert self.process.poll() is None, self.process.communicate()
            found = {}
            for rank in psutil.Process(self.process.pid).children():
                # Before its program begins, a process has the launcher's environment; one may just be ending.
                with suppress(psutil.Error, KeyError):
                    found[int(rank.environ()["RANK"])] = rank
            if len(found) == 2:
                return [found[0], found[1]]
            time.sleep(0.01)

    def at(self, step):
        """Wait for a step."""
        self.runs.wait_for_step(self.process, self.name, step)
        return self

    def end(self, code):
        """Wait for the end; returns stdout, and the lines of stderr about errors."""
        ranks = [] if self.process.poll() is not None else psutil.Process(self.process.pid).children()
        began = time.monotonic()
        out, said = self.process.communicate(timeout=180)
        assert time.monotonic() - began < LATEST
        assert self.process.returncode == code, said
        assert "Traceback" not in said
        assert not [rank for rank in ranks if rank.is_running() and rank.status() != psutil.STATUS_ZOMBIE]
        return out, [line for line in said.splitlines() if line.startswith("mlm: ")]


def losses(runs, name):
    return [line.get("loss", line.get("eval_loss")) for line in runs.metrics(name)]


def assert_same_losses(runs, name):
    assert losses(runs, name) == pytest.approx(losses(runs, "whole"), rel=1e-6)


def test_two_ranks_train_as_one_process_and_print_once(runs, whole):
    results, said = runs.finish("two", "--nproc", "2")
    assert_same_losses(runs, "two")
    digests = [[line.get("batch_digest") for line in runs.metrics(name)] for name in ("two", "whole")]
    assert digests[0] == digests[1]
    assert results["perplexity"] == pytest.approx(whole["perplexity"], rel=1e-6)
    assert said.count("step 0: held-out loss") == 1


@pytest.mark.one_engine
def test_two_ranks_evaluate_as_one_process_does(runs, whole):
    words = [runs.directory / "whole", "--device", "cpu", "--backend", runs.backend, "--json"]
    alone, _ = mlm("evaluate", *words)
    shared, _ = mlm("evaluate", *words, "--nproc=2")
    assert shared == pytest.approx(alone, rel=1e-6)


@pytest.mark.parametrize("rank", [pytest.param(0, marks=_ONE_ENGINE), 1])
def test_a_killed_rank_ends_all_with_one_line_and_the_run_resumes(runs, whole, rank):
    name = f"killed-{rank}"
    launched = Launched(runs, name)
    launched.at(SAVE + 2).ranks()[rank].kill()
    out, said = launched.end(1)
    run = runs.directory / name
    newest = max(int(path.name.removeprefix("step-")) for path in runs.checkpoints(name).glob("step-*"))
    message = f"rank {rank} of 2 was killed by SIGKILL; the newest checkpoint is of step {newest} in {run}"
    assert said == [f"mlm: error: {message}; to go on: mlm train --output-dir {run} --resume --nproc 2"]
    assert json.loads(out)["error"]["message"] == message
    # With another number of ranks.
    more = ["--resume", "--nproc", "3"] if rank else ["--resume"]
    runs.finish(name, *more)
    assert_same_losses(runs, name)


@pytest.mark.parametrize(
    ("number", "whom"),
    [
        pytest.param(signal.SIGTERM, "launcher", marks=_ONE_ENGINE),
        pytest.param(signal.SIGHUP, "launcher", marks=_ONE_ENGINE),
        (signal.SIGTERM, "rank"),
        pytest.param(signal.SIGTERM, "group", marks=_ONE_ENGINE),
        pytest.param(signal.SIGINT, "group", marks=_ONE_ENGINE),
    ],
)
def test_a_signal_saves_once_and_is_the_exit_code(runs, whole, number, whom):
    name = f"{signal.Signals(number).name}-{whom}"
    launched = Launched(runs, name)
    launched.at(SAVE + 2)
    if whom == "group":
        os.killpg(launched.process.pid, number)
    else:
        process = launched.process if whom == "launcher" else launched.ranks()[1]
        process.send_signal(number)
    out, (said,) = launched.end(128 + number)
    step = runs.metrics(name)[-1]["step"]
    assert said.startswith(
        f"mlm: stopped by {named(number)} after step {step}; the step is saved; to go on: mlm "
    )
    assert json.loads(out)["error"]["code"] == "interrupted"
    assert (runs.checkpoints(name) / f"step-{step:08}").is_dir() and step < STEPS
    if whom == "rank":
        runs.finish(name, "--resume", "--nproc", "2")
        assert_same_losses(runs, name)


@pytest.mark.one_engine
@pytest.mark.parametrize(
    ("number", "whom"),
    [(signal.SIGTERM, "launcher"), (signal.SIGTERM, "rank"), (signal.SIGINT, "group")],
)
@pytest.mark.parametrize("late", [False, True])
def test_a_signal_before_training_ends_all_at_once(runs, number, whom, late):
    name = f"early-{signal.Signals(number).name}-{whom}-{late}"
    launched = Launched(runs, name)
    ranks = launched.ranks()
    # While Python starts, or while a framework is imported.
    time.sleep(1.5 if late else 0.05)
    if whom == "group":
        os.killpg(launched.process.pid, number)
    else:
        (launched.process if whom == "launcher" else ranks[1]).send_signal(number)
    _, (said,) = launched.end(128 + number)
    again = "there is no checkpoint yet; the same command starts again"
    assert said == f"mlm: stopped by {named(number)}; {again}"
    assert not (runs.directory / name).exists()


@pytest.mark.one_engine
def test_a_second_signal_ends_all_now(runs):
    launched = Launched(runs, "twice").at(1)
    stopped = launched.ranks()[1]
    stopped.suspend()
    launched.process.send_signal(signal.SIGINT)
    time.sleep(1.1)
    launched.process.send_signal(signal.SIGINT)
    began = time.monotonic()
    launched.end(130)
    assert time.monotonic() - began < 3


@pytest.mark.one_engine
def test_a_launcher_that_is_killed_takes_its_ranks_with_it(runs):
    launched = Launched(runs, "orphans").at(1)
    ranks = launched.ranks()
    launched.process.kill()
    _, alive = psutil.wait_procs(ranks, timeout=LATEST)
    assert not alive
    launched.process.communicate()


@pytest.mark.one_engine
def test_a_killed_rank_is_started_again(runs, whole):
    launched = Launched(runs, "again", "--max-restarts", "1")
    launched.at(SAVE + 2)
    launched.ranks()[1].kill()
    out, said = launched.process.communicate(timeout=180)
    assert launched.process.returncode == 0, said
    (line,) = [line for line in said.splitlines() if line.startswith("mlm: ")]
    assert line.startswith("mlm: rank 1 of 2 was killed by SIGKILL; restarting from step ")
    assert line.endswith(" (1 of 1)")
    assert json.loads(out)["perplexity"] == pytest.approx(whole["perplexity"], rel=1e-6)
    assert_same_losses(runs, "again")


@pytest.mark.one_engine
def test_no_more_restarts_than_asked_for(runs):
    launched = Launched(runs, "often", "--max-restarts", "1")
    for part in range(2):
        launched.at(3 * SAVE * (part + 1) + 2).ranks()[1].kill()
    _, said = launched.end(1)
    assert ["restarting" in line for line in said] == [True, False]


def test_a_rank_that_does_not_answer_is_named(runs):
    launched = Launched(runs, "silent", "--rank-timeout", "2").at(SAVE + 2)
    launched.ranks()[1].suspend()
    _, said = launched.process.communicate(timeout=180)
    assert launched.process.returncode == 1, said
    (line,) = [line for line in said.splitlines() if line.startswith("mlm: ")]
    assert line.startswith("mlm: error: rank 1 of 2 does not answer; the newest checkpoint is of step ")


_BREAKS = """
import os, sys
if os.environ.get("RANK") == "1":
    sys.addaudithook(lambda event, facts: stop(event, facts))
def stop(event, facts):
    if event == "open" and str(facts[0]).endswith("gone/config.json"):
        raise PermissionError(13, "Permission denied", str(facts[0]))
"""
"""In one rank a file of the model cannot be opened, as on a machine where it is missing."""


@pytest.mark.one_engine
def test_the_error_of_another_rank_is_one_line(runs, tmp_path):
    (tmp_path / "sitecustomize.py").write_text(_BREAKS)
    (tmp_path / "gone").symlink_to(runs.directory / "model")
    command = runs.command(runs.directory / "error")
    command[command.index("--model") + 1] = str(tmp_path / "gone")
    path = os.pathsep.join(filter(None, (str(tmp_path), os.environ.get("PYTHONPATH"))))
    done = subprocess.run(
        [*command, "--nproc", "2"],
        capture_output=True,
        text=True,
        env=os.environ | {"PYTHONPATH": path},
        check=False,
    )
    assert done.returncode in (1, 2) and "Traceback" not in done.stderr
    (line,) = [line for line in done.stderr.splitlines() if line.startswith("mlm: ")]
    assert line.startswith("mlm: error: rank 1 of 2: ") and "Permission denied" in line
    error = json.loads(done.stdout)["error"]
    assert error["message"].startswith("rank 1 of 2: ")


@pytest.mark.one_engine
def test_an_error_of_all_is_said_once(runs):
    words = [*runs.command(runs.directory / "none"), "--nproc", "2", "--dataset", "none.txt"]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    # A machine of few cores warns of the threads, once, too.
    *before, error = done.stderr.splitlines()
    assert error.startswith("mlm: error: --dataset none.txt: ")
    assert len(before) <= 1 and all("threads in each of 2 ranks" in line for line in before)
    assert json.loads(done.stdout)["error"]["code"] == "missing_file"


@pytest.mark.one_engine
@pytest.mark.parametrize(
    ("words", "option", "environment"),
    [
        (["--nproc", "0"], "--nproc", {}),
        (["--nproc", "two"], "--nproc", {}),
        (["--nproc", "2", "--max-restarts", "-1"], "--max-restarts", {}),
        (["--max-restarts", "1"], "--max-restarts", {}),
        (["--nproc", "2"], "--nproc", {"RANK": "0", "WORLD_SIZE": "2"}),
        (["--nproc", "2", "--batch-size", "0"], "--batch-size", {}),
        (["--nproc", "2", "--batch-size", "1"], "--batch-size", {}),
    ],
)
def test_wrong_values(runs, words, option, environment):
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "mlm_core",
            "train",
            *words,
            "--json",
            "--backend",
            runs.backend,
            "--device",
            "cpu",
        ],
        capture_output=True,
        text=True,
        cwd=runs.directory,
        env=os.environ | environment,
        check=False,
    )
    assert done.returncode == 2, done.stderr
    assert [line for line in done.stderr.splitlines() if "error" in line] == done.stderr.splitlines()[-1:]
    assert json.loads(done.stdout)["error"]["option"] == option
