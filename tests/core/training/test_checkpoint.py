"""Checkpoints are complete or absent."""

import json

import numpy as np
import pytest

from mlm_core import RequestError
from mlm_core.model.initialization import ParameterSpecs
from mlm_core.training import checkpoint
from mlm_core.training.checkpoint import Checkpoints, Moments


def arrays(step):
    return {"a.weight": np.full((2, 3), step, np.float32), "a.bias": np.full(3, -step, np.float32)}


def save(made, step):
    return made.save(step, arrays(step), Moments(arrays(step + 0.25), arrays(step + 0.5)), {"more": step})


def equal(one, other):
    return one.keys() == other.keys() and all(np.array_equal(one[name], other[name]) for name in one)


def test_what_was_saved_is_read(tmp_path):
    save(Checkpoints(tmp_path, 2), 30)
    found = Checkpoints(tmp_path, 2).newest()
    assert (found.step, found.facts["more"]) == (30, 30)
    assert equal(found.weights(), arrays(30))
    assert equal(found.moments().first, arrays(30.25)) and equal(found.moments().second, arrays(30.5))
    assert {path.name for path in found.path.iterdir()} == {
        "model.safetensors",
        "optimizer.safetensors",
        "state.json",
    }


def test_the_newest_ones_are_kept_in_the_order_of_their_steps(tmp_path):
    made = Checkpoints(tmp_path, 2)
    for step in (8, 9, 10, 100):
        save(made, step)
    assert [path.name for path in sorted(made.directory.iterdir())] == ["step-00000010", "step-00000100"]
    assert made.newest().step == 100


@pytest.mark.parametrize("name", ["model.safetensors", "optimizer.safetensors", "state.json"])
@pytest.mark.parametrize("damage", ["missing", "cut", "altered"])
def test_a_damaged_one_is_named_and_the_one_before_taken(tmp_path, name, damage):
    made = Checkpoints(tmp_path, 3)
    save(made, 1)
    path = save(made, 2) / name
    content = path.read_bytes()
    if damage == "missing":
        path.unlink()
    elif damage == "cut":
        path.write_bytes(content[: len(content) // 2])
    else:
        path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    assert made.newest().step == 1
    assert len(made.damaged) == 1 and str(path) in made.damaged[0]


def test_no_checkpoint(tmp_path):
    assert Checkpoints(tmp_path, 2).newest() is None
    (tmp_path / "checkpoints" / "step-00000003").mkdir(parents=True)
    assert Checkpoints(tmp_path, 2).newest() is None


@pytest.mark.parametrize("change", [{"step": 1}, {"files": {}}, {"more": 3}, {"digest": "0"}])
def test_a_state_that_says_something_else_is_not_believed(tmp_path, change):
    made = Checkpoints(tmp_path, 3)
    save(made, 1)
    path = save(made, 2) / "state.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    assert made.newest().step == 1
    assert made.damaged == [f"{path} has changed since it was written"]
    path.write_text("[]")
    assert made.newest().step == 1


def test_a_checkpoint_in_another_place_is_not_believed(tmp_path):
    made = Checkpoints(tmp_path, 3)
    save(made, 1).rename(made.directory / "step-00000007")
    assert made.newest() is None


def test_what_was_just_saved_is_never_removed(tmp_path):
    """Damaged checkpoints of later steps do not replace it, nor do files of the user."""
    made = Checkpoints(tmp_path, 1)
    for name in ("step-00000900", "step-backup", "step-00000001-backup"):
        (made.directory / name).mkdir(parents=True)
    save(made, 30)
    left = {path.name for path in made.directory.iterdir()}
    assert left == {"step-00000030", "step-backup", "step-00000001-backup"}
    assert made.newest().step == 30


def test_what_a_killed_process_was_building_is_removed(tmp_path):
    made = Checkpoints(tmp_path, 2)
    (made.directory / f".step-{0:032x}").mkdir(parents=True)
    save(made, 3)
    assert [path.name for path in made.directory.iterdir()] == ["step-00000003"]


def test_the_best_is_kept(tmp_path):
    made = Checkpoints(tmp_path, 1)
    for step in (1, 2, 3):
        made.save(step, arrays(step), Moments(arrays(1), arrays(1)), {}, best=1)
    assert {path.name for path in made.directory.iterdir()} == {"step-00000001", "step-00000003"}
    assert equal(made.weights_at(1), arrays(1)) and made.weights_at(2) is None
    # The final model does not need the moments.
    (made.directory / "step-00000001" / "optimizer.safetensors").unlink()
    assert equal(made.weights_at(1), arrays(1))


def test_another_models_checkpoint_is_refused(tmp_path):
    found = Checkpoints(tmp_path, 1)
    save(found, 1)
    shapes = {"a.weight": (2, 3), "a.bias": (3,)}
    assert equal(found.newest().weights_for(ParameterSpecs(shapes, "a")), arrays(1))
    for other in ({"a.weight": (2, 3)}, shapes | {"a.bias": (4,)}, shapes | {"b": (1,)}):
        with pytest.raises(RequestError, match="is a checkpoint of another model"):
            found.newest().weights_for(ParameterSpecs(other, "a"))


@pytest.mark.parametrize("failing", ["write_weights", "write_atomically", "digest_of"])
def test_a_failed_save_leaves_the_one_before(tmp_path, monkeypatch, failing):
    made = Checkpoints(tmp_path, 2)
    save(made, 1)

    def full(*arguments):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(checkpoint, failing, full)
    with pytest.raises(OSError, match="No space"):
        save(made, 2)
    monkeypatch.undo()
    assert [path.name for path in made.directory.iterdir()] == ["step-00000001"]
    assert made.newest().step == 1


def test_saving_a_step_again_replaces_it(tmp_path):
    made = Checkpoints(tmp_path, 2)
    save(made, 4)
    made.save(4, arrays(9), Moments(arrays(9), arrays(9)), {})
    assert equal(made.newest().weights(), arrays(9))
    assert json.loads((made.newest().path / "state.json").read_text())["step"] == 4


@pytest.mark.parametrize("wrong", ["missing", "shape", "extra", "not safetensors"])
def test_moments_that_are_not_those_of_the_parameters_are_refused(tmp_path, wrong):
    first, second = arrays(1), arrays(2)
    if wrong == "missing":
        del second["a.bias"]
    elif wrong == "shape":
        first["a.bias"] = second["a.bias"] = np.zeros(4, np.float32)
    elif wrong == "extra":
        first["b"] = second["b"] = np.zeros(4, np.float32)
    made = Checkpoints(tmp_path, 2)
    path = made.save(7, arrays(0), Moments(first, second), {})
    found = made.newest()
    if wrong == "not safetensors":
        (path / "optimizer.safetensors").write_bytes(b"\xff" * 100)
    with pytest.raises(RequestError, match="does not hold what a checkpoint holds"):
        found.moments()
