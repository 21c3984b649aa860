"""Unreadable is not damaged, files of others stay, and a kill at any moment loses nothing."""

import errno
import json
import os
import shutil
import signal
import time
from pathlib import Path

import numpy as np
import pytest

from mlm_core import Config, RequestError, RunError
from mlm_core.system.interruption import Interruption
from mlm_core.training.checkpoint import Checkpoints, Moments
from mlm_core.training.output_directory import check_output
from mlm_core.training.run_directory import RunDirectory
from mlm_core.training.run_files import foreign_weights
from mlm_core.training.run_lock import RunLock
from mlm_core.training.run_record import read_facts

FACTS = {"config": {}, "data": {}, "versions": {"mlm": "0"}, "results": None}
ARRAYS = {"a": np.ones(3, np.float32)}


def save(checkpoints, step):
    return checkpoints.save(step, ARRAYS, Moments(ARRAYS, ARRAYS), {})


def trained(path, weights, **options):
    """A run with two checkpoints, trained as a trainer does it."""
    with RunDirectory.claim(Config(output_dir=str(path), **options), "torch") as run:
        run.write_facts(FACTS)
        for step in (1, 2):
            run.check_in_place()
            save(Checkpoints(run.path, 2), step)
        run.before_saving()
        (run.path / "model.safetensors").write_text(weights)
        return run.finish(FACTS)


def contents(path):
    return {str(item.relative_to(path)): item.read_bytes() for item in path.rglob("*") if item.is_file()}


# ---------------------------------------------------------------- unreadable, damaged, absent


@pytest.mark.parametrize("number", [errno.EACCES, errno.EIO, errno.ESTALE, errno.EMFILE])
@pytest.mark.parametrize("name", ["state.json", "model.safetensors", "optimizer.safetensors"])
def test_a_checkpoint_that_cannot_be_read_is_not_damaged(tmp_path, monkeypatch, number, name):
    made = Checkpoints(tmp_path, 2)
    for step in (1, 2):
        save(made, step)
    before, opened, file_opened = contents(tmp_path), os.open, Path.open

    def failing(function):
        def call(path, *arguments, **options):
            if str(path).endswith(f"step-00000002/{name}"):
                raise OSError(number, os.strerror(number), str(path))
            return function(path, *arguments, **options)

        return call

    monkeypatch.setattr(os, "open", failing(opened))
    monkeypatch.setattr(Path, "open", failing(file_opened))
    with pytest.raises(RequestError, match="cannot be read") as raised:
        made.newest()
    monkeypatch.undo()
    assert raised.value.code == "unreadable_checkpoint" and made.damaged == []
    assert contents(tmp_path) == before and made.newest().step == 2


def test_a_record_that_cannot_be_read_is_neither_damaged_nor_absent(tmp_path, monkeypatch):
    trained(tmp_path / "run", "weights")
    opened = os.open

    def denied(path, *arguments, **options):
        if str(path).endswith("run.json"):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
        return opened(path, *arguments, **options)

    monkeypatch.setattr(os, "open", denied)
    for options in ({"resume": True}, {"overwrite": True}):
        with pytest.raises(RequestError) as raised:
            check_output(Config(output_dir=str(tmp_path / "run"), **options))
        assert raised.value.code == "unreadable_run" and "permissions" in raised.value.fix


def test_a_checkpoint_about_to_be_replaced_is_put_back(tmp_path):
    made = Checkpoints(tmp_path, 2)
    save(made, 1).rename(made.directory / f".step-{7:032x}-before")
    assert made.newest().step == 1


# ---------------------------------------------------------------- own files


def test_files_of_others_stay(tmp_path):
    path = tmp_path / "run"
    with RunDirectory.claim(Config(output_dir=str(path)), "torch") as run:
        run.write_facts(FACTS)
        save(Checkpoints(path, 2), 1)
    # Between an interruption and the end.
    mine = {"notes.txt", "checkpoints/my-step-notes/y", "checkpoints/step-00000001/why.txt"}
    for name in mine:
        (path / name).parent.mkdir(exist_ok=True)
        (path / name).write_text("mine")
    with RunDirectory.reopen(Config(output_dir=str(path), resume=True)) as run:
        run.before_saving()
        for name in ("model.safetensors", "config.json"):
            (path / name).write_text("the run's")
        run.finish(FACTS)
    (path / "config.json").write_text("changed by hand")
    left = trained(path, "new", overwrite=True)
    replaced = tmp_path / "run.replaced"
    assert contents(replaced).keys() == mine | {"config.json"}
    assert {str(Path(name).relative_to(replaced)) for name in left} == mine | {"config.json"}
    assert (path / "model.safetensors").read_text() == "new"


def test_a_record_with_names_alone_is_believed_only_for_names_of_runs(tmp_path):
    path = tmp_path / "run"
    trained(path, "old")
    facts = read_facts(path) | {"files": ["model.safetensors", "thesis.txt", "../outside"]}
    (path / "run.json").write_text(json.dumps(facts))
    for name in ("thesis.txt", "../outside"):
        (path / name).write_text("mine")
    trained(path, "new", overwrite=True)
    assert contents(tmp_path / "run.replaced").keys() == {"thesis.txt"}
    assert (tmp_path / "outside").read_text() == "mine"


# ---------------------------------------------------------------- moved directories


@pytest.mark.parametrize("what", ["moved", "removed", "replaced"])
def test_a_run_whose_directory_is_moved_writes_nothing_at_its_old_place(tmp_path, what):
    path = tmp_path / "run"
    with RunDirectory.claim(Config(output_dir=str(path)), "torch") as run:
        run.write_facts(FACTS)
        path.rename(tmp_path / "elsewhere")
        if what == "replaced":
            trained(path, "another run's")
        before = contents(tmp_path)
        for write in (run.check_in_place, run.before_saving, lambda: run.write_facts(FACTS)):
            with pytest.raises(RunError, match="was moved, removed or replaced"):
                write()
        assert contents(tmp_path) == before


def test_of_processes_that_replace_a_run_at_once_one_gets_it(tmp_path):
    for trial in range(25):
        place = tmp_path / str(trial)
        trained(place / "run", "old")
        moment = time.time() + 0.02
        children = [_claiming_child(place / "run", moment) for _ in range(4)]
        got = [os.read(said, 300).decode() for _, said, _ in children]
        # Until all have tried, whoever has it keeps it.
        for child, said, end in children:
            os.close(end)
            os.waitpid(child, 0)
            os.close(said)
        assert got.count("claimed") == 1 and set(got) <= {"claimed", "run_in_use", "run_exists"}, got
        kept = [path for path in place.rglob("model.safetensors") if path.parent.parent == place]
        assert len(kept) == 1 and kept[0].read_text() == "old"


def _claiming_child(path, moment):
    """A process that claims a run: its number, the pipe on which it says what it got, one that ends it."""
    said, saying = os.pipe()
    ended, end = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(end)
        try:
            while time.time() < moment:
                pass
            with RunDirectory.claim(Config(output_dir=str(path), overwrite=True), "torch"):
                os.write(saying, b"claimed")
                os.read(ended, 1)
        except RequestError as error:
            os.write(saying, error.code.encode())
        finally:
            os._exit(0)
    os.close(saying)
    os.close(ended)
    return child, said, end


# ---------------------------------------------------------------- kills


CALLS = ("rename", "replace", "unlink", "rmdir", "mkdir", "open", "fsync")


def test_a_kill_at_any_moment_of_replacing_a_run_loses_nothing(tmp_path):
    """At each call of the system in turn, the process that replaces a run dies without a word."""
    for number in range(10_000):
        place = tmp_path / str(number)
        trained(place / "run", "old")
        child = os.fork()
        if child == 0:
            _die_at(number)
            trained(place / "run", "new", overwrite=True)
            os._exit(7)
        _, status = os.waitpid(child, 0)
        weights = {
            path.read_text() for path in place.rglob("model.safetensors") if path.parent.parent == place
        }
        complete = (read_facts(place / "run") or {}) if _whole(place / "run") else {}
        assert "old" in weights or ("new" in weights and "model_digest" in complete), number
        # What is left can be trained again, and another kill would find a good run, too.
        assert (place / "run").is_dir() or list(place.glob("run.replaced*")), number
        if os.waitstatus_to_exitcode(status) == 7:
            assert number > 20 and weights == {"new"}
            return
    raise AssertionError("it never came to an end")


def _whole(path):
    return (path / "run.json").is_file() and (path / "run.json").stat().st_size > 0


def _die_at(number):
    left = [number]

    def counting(function):
        def call(*arguments, **options):
            if left[0] == 0:
                os._exit(1)
            left[0] -= 1
            return function(*arguments, **options)

        return call

    for name in CALLS:
        setattr(os, name, counting(getattr(os, name)))


def test_a_run_left_aside_is_found_again(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = Path("run")
    trained(path, "old")
    config = Config(output_dir=str(path), overwrite=True)
    with RunDirectory.claim(config, "torch") as run:
        # Its own replaced run is not left behind, unless it is killed now.
        assert run.left_behind() == []
    with RunDirectory.reopen(Config(output_dir=str(path), resume=True)) as run:
        assert [left.name for left in run.left_behind()] == ["run.replaced"]


# ---------------------------------------------------------------- signals


@pytest.fixture
def heard():
    """Signals as a terminal's process has them; one in the background may ignore some."""
    handlers = {
        signal.SIGINT: signal.default_int_handler,
        signal.SIGTERM: signal.SIG_DFL,
        signal.SIGHUP: signal.SIG_DFL,
    }
    before = {number: signal.signal(number, handler) for number, handler in handlers.items()}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.usefixtures("heard")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_the_first_signal_is_noted(number):
    with Interruption() as interruption:
        os.kill(os.getpid(), number)
        # Others that come with it say the same.
        for other in {signal.SIGINT, signal.SIGTERM, signal.SIGHUP} - {number}:
            os.kill(os.getpid(), other)
        assert interruption.received == number


@pytest.mark.usefixtures("heard")
def test_a_second_interrupt_ends_at_once():
    with pytest.raises(KeyboardInterrupt), Interruption():
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGINT)


def test_nohup_is_respected():
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with Interruption() as interruption:
            os.kill(os.getpid(), signal.SIGHUP)
            assert interruption.received is None
    finally:
        signal.signal(signal.SIGHUP, before)


def test_a_lock_knows_whether_its_directory_is_in_place(tmp_path):
    (tmp_path / "a").mkdir()
    lock = RunLock(tmp_path / "a")
    assert not lock.is_in_place()
    with lock:
        assert lock.is_in_place()
        (tmp_path / "a").rename(tmp_path / "b")
        assert not lock.is_in_place()


def test_weights_that_the_run_did_not_save_are_noticed(tmp_path):
    run = tmp_path / "run"
    trained(run, "weights")
    facts = read_facts(run)
    assert foreign_weights(run, facts) is None
    (run / "model.safetensors").write_text("Weights")
    assert "has changed" in foreign_weights(run, facts)
    assert foreign_weights(run, facts | {"model_digest": None}) is None
    (run / "model.safetensors").unlink()
    assert foreign_weights(run, facts) is None


def test_what_links_lead_to_is_never_removed(tmp_path):
    """Neither when a run is replaced nor when old checkpoints are removed."""
    trained(tmp_path / "mine", "mine")
    before = {path: path.read_bytes() for path in (tmp_path / "mine").rglob("*") if path.is_file()}
    trained(tmp_path / "run", "weights")
    shutil.rmtree(tmp_path / "run" / "checkpoints")
    (tmp_path / "run" / "checkpoints").symlink_to("../mine/checkpoints")
    trained(tmp_path / "run", "again", overwrite=True)
    steps = tmp_path / "run" / "checkpoints"
    for name in ("step-00000000", "step-99999999"):
        (steps / name).symlink_to(tmp_path / "mine")
    (steps / f".step-{'0' * 32}").symlink_to(tmp_path / "mine")
    save(Checkpoints(tmp_path / "run", 1), 3)
    trained(tmp_path / "run", "once more", overwrite=True)
    assert before == {path: path.read_bytes() for path in (tmp_path / "mine").rglob("*") if path.is_file()}


@pytest.mark.parametrize(
    "name", ["run.json", "metrics.jsonl", "checkpoints", "checkpoints/step-00000002",
             "checkpoints/step-00000002/state.json"]
)  # fmt: skip
def test_a_run_of_links_is_not_resumed(tmp_path, name):
    trained(tmp_path / "mine", "mine")
    shutil.copytree(tmp_path / "mine", tmp_path / "run")
    (tmp_path / "run" / "metrics.jsonl").write_text("")
    (tmp_path / "mine" / "metrics.jsonl").write_text("")
    place = tmp_path / "run" / name
    shutil.rmtree(place) if place.is_dir() else place.unlink()
    place.symlink_to(tmp_path / "mine" / name)
    with pytest.raises(RequestError, match="is a link") as refused:
        RunDirectory.reopen(Config(output_dir=str(tmp_path / "run"), resume=True))
    assert (refused.value.code, refused.value.value) == ("linked_run", str(place))


def test_a_file_whose_name_the_run_needs_is_renamed(tmp_path):
    path = tmp_path / "run"
    with RunDirectory.claim(Config(output_dir=str(path)), "torch") as run:
        run.write_facts(FACTS)
        (path / "README.md").write_text("notes")
        (path / "vocab.txt").write_text("the same")
        (path / "README.md.kept").write_text("older notes")
        run.before_saving()
        for name, content in (("README.md", "card"), ("vocab.txt", "the same"), ("model.safetensors", "w")):
            (path / name).write_text(content)
        assert run.finish(FACTS) == [str(path / "README.md.kept-2")]
    assert (path / "README.md.kept-2").read_text() == "notes"
    assert (path / "README.md.kept").read_text() == "older notes" and (
        path / "README.md"
    ).read_text() == "card"
    assert not (path / "vocab.txt.kept").exists()
    # Its own files, which it knows by their digests, are written anew.
    with RunDirectory.reopen(Config(output_dir=str(path), resume=True)) as again:
        again.before_saving()
        (path / "model.safetensors").write_text("better")
        assert again.finish(FACTS) == []
    assert sorted(item.name for item in path.glob("*.kept*")) == ["README.md.kept", "README.md.kept-2"]
