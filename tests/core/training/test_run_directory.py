"""Claiming and replacing run directories loses nothing."""

import json
import shutil
from concurrent.futures import ThreadPoolExecutor

import pytest

from mlm_core import Config, RequestError, RunError
from mlm_core.training.output_directory import check_output
from mlm_core.training.run_directory import RunDirectory, finished_result
from mlm_core.training.run_lock import RunLock
from mlm_core.training.run_record import read_facts

FACTS = {"config": {}, "data": {}, "versions": {"mlm": "0"}, "results": None}


def finished(path, **options):
    """A finished run at a path, like a trainer's."""
    with RunDirectory.claim(Config(output_dir=str(path), **options), "torch") as run:
        run.write_facts(FACTS)
        run.before_saving()
        (run.path / "model.safetensors").write_text("weights")
        run.finish(FACTS)
    return run.path


def test_default_names_are_never_shared(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with ThreadPoolExecutor(8) as pool:
        runs = list(pool.map(lambda _: RunDirectory.claim(Config(), "torch").path, range(16)))
    assert len(set(runs)) == 16
    assert {path.name for path in runs} == {"torch", *(f"torch-{number}" for number in range(2, 17))}


def test_one_directory_is_claimed_once(tmp_path):
    def claim(_):
        try:
            return RunDirectory.claim(Config(output_dir=str(tmp_path / "run")), "torch")
        except RequestError as error:
            return error.code

    with ThreadPoolExecutor(8) as pool:
        outcomes = list(pool.map(claim, range(16)))
    assert sum(isinstance(outcome, RunDirectory) for outcome in outcomes) == 1
    assert sum(outcome in ("run_exists", "run_in_use") for outcome in outcomes) == 15


def test_a_replaced_run_is_kept_until_the_new_one_is_complete(tmp_path):
    path = finished(tmp_path / "run")
    config = Config(output_dir=str(path), overwrite=True)
    with (
        pytest.raises(RunError, match=r"the previous run is in .*run\.replaced"),
        RunDirectory.claim(config, "tf"),
    ):
        raise RunError("the loss is nan", code="not_finite")
    assert (tmp_path / "run.replaced" / "model.safetensors").read_text() == "weights"
    # The failed run can be replaced as well; the good run stays where it is.
    finished(path, overwrite=True)
    assert read_facts(path)["files"].keys() == {"model.safetensors"}
    assert {item.name for item in tmp_path.iterdir()} == {"run", "run.replaced"}


def test_only_runs_are_said_to_be_left_behind(tmp_path):
    path = finished(tmp_path / "run")
    (tmp_path / "run.replaced").mkdir()
    (tmp_path / "run.replaced" / "mine.txt").write_text("mine")
    shutil.copytree(path, tmp_path / "run.replaced-2")
    with RunDirectory.claim(Config(output_dir=str(path), overwrite=True), "tf") as run:
        assert run.left_behind() == [tmp_path / "run.replaced-2"]


def test_replacing_removes_the_runs_own_files_only(tmp_path):
    path = finished(tmp_path / "run")
    (path / "notes.txt").write_text("mine")
    finished(path, overwrite=True)
    (path / "linked").symlink_to(tmp_path)
    finished(path, overwrite=True)
    kept = [
        [item.name for item in sorted(place.iterdir())] for place in sorted(tmp_path.glob("run.replaced*"))
    ]
    assert kept == [["notes.txt"], ["linked"]]
    other = finished(tmp_path / "other")
    finished(other, overwrite=True)
    assert not (tmp_path / "other.replaced").exists()


def test_names_without_digests_prove_nothing(tmp_path):
    """As early records have them, and as anybody can write them."""
    path = finished(tmp_path / "run")
    facts = json.loads((path / "run.json").read_text())
    names = ["model.safetensors", "README.md", "merges.txt", "../mine.txt", "notes.txt"]
    (path / "run.json").write_text(json.dumps(facts | {"files": names}))
    mine = {"README.md", "merges.txt", "notes.txt"}
    for name in mine:
        (path / name).write_text("mine")
    (tmp_path / "mine.txt").write_text("mine")
    finished(path, overwrite=True)
    assert {item.name for item in (tmp_path / "run.replaced").iterdir()} == mine
    assert (tmp_path / "mine.txt").read_text() == "mine"


def test_what_a_killed_replacement_has_begun_is_removed(tmp_path):
    path = finished(tmp_path / "run")
    names = [f".run.{letter * 32}" for letter in "abc"]
    for name in names:
        (tmp_path / name).mkdir()
        (tmp_path / name / "run.json").touch()
    # What holds anything else, has another name, or is in use belongs to somebody.
    (tmp_path / names[1] / "notes.txt").write_text("mine")
    (tmp_path / ".run.backup").mkdir()
    with RunLock(tmp_path / names[2]):
        finished(path, overwrite=True)
    assert {item.name for item in tmp_path.iterdir()} == {"run", ".run.backup", *names[1:]}
    assert (tmp_path / names[1] / "run.json").exists()


def test_a_path_that_may_not_be_recorded_is_refused_before_anything_is_written(tmp_path, monkeypatch):
    place = tmp_path / ("hf_" + "aSecretOfMine7" * 2)
    place.mkdir()
    (place / "text.txt").touch()
    monkeypatch.chdir(place)
    with pytest.raises(RequestError, match="a token does not belong here"):
        RunDirectory.claim(Config(output_dir="run", dataset="text.txt"), "torch")
    assert not (place / "run").exists()


def test_what_is_not_a_run_is_not_touched(tmp_path):
    project = tmp_path / "project"
    project.mkdir()
    (project / "run.json").write_text(json.dumps({"scripts": 1}))
    # Alone or among other files, it is not a run.
    for other in (None, "thesis.txt"):
        if other is not None:
            (project / other).write_text("years of work")
        with pytest.raises(RequestError, match="not a run"):
            check_output(Config(output_dir=str(project), overwrite=True))


def test_a_run_that_is_in_use_is_not_replaced(tmp_path):
    path = finished(tmp_path / "run")
    for used in ({"dataset": str(path / "d.jsonl")}, {"model": str(path)}):
        with pytest.raises(RequestError, match="holds"):
            check_output(Config(output_dir=str(path), overwrite=True, **used))


def test_a_run_killed_at_its_start_can_be_replaced(tmp_path):
    path = tmp_path / "run"
    with RunDirectory.claim(Config(output_dir=str(path)), "torch"):
        pass
    # Killed while its record was being written.
    (path / ".run.json.partial").write_text("{")
    with pytest.raises(RequestError, match="holds a run; resume it with --resume"):
        check_output(Config(output_dir=str(path)))
    check_output(Config(output_dir=str(path), resume=True))
    assert RunDirectory.reopen(Config(output_dir=str(path), resume=True)).path == path
    finished(path, overwrite=True)
    assert read_facts(path)["versions"] == {"mlm": "0"}


def test_a_linked_directory_works(tmp_path):
    (tmp_path / "target").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "target")
    finished(tmp_path / "link")
    assert (tmp_path / "target" / "run.json").is_file()


@pytest.mark.parametrize("content", ["{", "[]", "{}", '{"config": {}}', '{"config": 3, "data": {}}'])
def test_a_damaged_record_is_refused(tmp_path, content):
    (tmp_path / "run.json").write_text(content)
    with pytest.raises(RequestError, match=r"run\.json is damaged"):
        read_facts(tmp_path)


def test_a_directory_that_cannot_be_made(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(RequestError, match="cannot be written"):
        RunDirectory.claim(Config(output_dir=str(tmp_path / "file" / "run")), "torch")


@pytest.mark.parametrize("way", ["overwrite", "resume"])
def test_one_process_at_a_time_trains_in_a_directory(tmp_path, way):
    path = finished(tmp_path / "run")

    def entered():
        if way == "resume":
            return RunDirectory.reopen(Config(output_dir=str(path), resume=True))
        return RunDirectory.claim(Config(output_dir=str(path), overwrite=True), "torch")

    with RunDirectory.reopen(Config(output_dir=str(path), resume=True)):
        with pytest.raises(RequestError, match="another process is training in it"), entered():
            pass
        assert (path / "model.safetensors").is_file()
    with entered() as run:
        assert run.path == path


@pytest.mark.parametrize("content", ["{", "[]", '{"config": {}}'])
def test_a_run_with_a_damaged_record_is_not_resumed(tmp_path, content):
    path = finished(tmp_path / "run")
    (path / "run.json").write_text(content)
    with pytest.raises(RequestError, match=r"run\.json is damaged"):
        check_output(Config(output_dir=str(path), resume=True))


def test_what_is_not_a_run_is_not_resumed(tmp_path):
    (tmp_path / "notes.txt").touch()
    with pytest.raises(RequestError, match="not a run, so there is nothing to resume"):
        check_output(Config(output_dir=str(tmp_path), resume=True))


@pytest.mark.parametrize("loss", ["model.safetensors", "results", "evaluations", "model_digest"])
def test_a_run_without_its_model_is_not_finished(tmp_path, loss):
    path = tmp_path / "run"
    results = {"backend": "torch", "steps": 3, "model_step": 2}
    with RunDirectory.claim(Config(output_dir=str(path)), "torch") as run:
        (path / "model.safetensors").write_text("weights")
        run.finish(FACTS | {"results": results, "evaluations": [[1.0, 1, 2], [0.5, 2, 2]]})
    config = Config(output_dir=str(path), resume=True)
    found = finished_result(config)
    assert (found.steps, found.model_step, found.after.correct) == (3, 2, 2)
    if loss == "model.safetensors":
        (path / loss).write_text("other weights")
    else:
        facts = read_facts(path)
        (path / "run.json").write_text(json.dumps(facts | {loss: {"a": 1}}))
    assert finished_result(config) is None
