"""On a GPU a step's values are read while the next step computes: nothing of the run changes by it."""

import math

import pytest
from training_runs import interrupt, metrics, steps

from mlm_core import RunError
from mlm_core.model.weight_files import read_weights
from mlm_core.training.loop import TrainingLoop

pytestmark = pytest.mark.any_ranks


class EndedError(Exception):
    """Ends a framework's loop."""


@pytest.fixture(params=[False, True], ids=["at once", "late"])
def late(request, monkeypatch):
    """Whether values are read late, whatever the device."""
    begin = TrainingLoop.__init__

    def chosen(loop, *arguments, **options):
        begin(loop, *arguments, **options | {"late": request.param})

    monkeypatch.setattr(TrainingLoop, "__init__", chosen)
    return request.param


def facts(run):
    timed = "tokens_per_second"
    return [{name: value for name, value in line.items() if name != timed} for line in metrics(run)]


@pytest.fixture(scope="module")
def outcomes():
    """What the first way of reading gave, for the second."""
    return {}


def same_as_before(outcomes, name, found):
    assert outcomes.setdefault(name, found) == found


OPTIONS = {"max_steps": 11, "gradient_accumulation_steps": 2, "learning_rate": 5e-3, "save_steps": 4}


def test_the_run_is_the_same(lab, late, outcomes):
    told = []
    trainer = lab.trainer(model=str(lab.model("roberta", dropout=0.1)), **OPTIONS)
    result = trainer.train(on_step=lambda done: told.append(done.line["step"]))
    assert told == list(range(1, 12))
    same_as_before(outcomes, "metrics", facts(result.run_dir))
    weights = read_weights(result.run_dir)
    same_as_before(outcomes, "weights", {name: array.tobytes() for name, array in weights.items()})


def test_a_step_is_read_when_the_next_one_is_done(lab, late, monkeypatch):
    read = []
    step_done = TrainingLoop.step_done

    def noted(loop, step, values):
        def reading():
            read.append((step, now[0]))
            return values()

        now[0] = step
        step_done(loop, step, reading)

    now = [0]
    monkeypatch.setattr(TrainingLoop, "step_done", noted)
    lab.train(model=str(lab.model("bert")), max_steps=6, save_steps=3)
    # At once where a checkpoint or the end follows.
    waits = (1, 2, 4, 5) if late else ()
    assert read == [(step, step + (step in waits)) for step in range(1, 7)]


def test_an_interrupted_run_keeps_every_line(lab, late, outcomes, monkeypatch):
    options = {"model": str(lab.model("roberta", dropout=0.1)), **OPTIONS}
    trainer = lab.trainer(**options)
    interrupt(trainer, 6, monkeypatch)
    run = trainer.setup.config.output_dir
    found = steps(lab.directory / run)
    assert [line["step"] for line in found] == [1, 2, 3, 4, 5, 6]
    resumed = lab.train(**options, output_dir=run, resume=True)
    same_as_before(outcomes, "metrics", facts(resumed.run_dir))


def test_a_step_that_is_not_finite_reaches_no_checkpoint(lab, late, monkeypatch):
    """Read late, it is read before the checkpoint of the next step is written."""
    step_done = TrainingLoop.step_done

    def spoiled(loop, step, values):
        def without_norm():
            return values()[0], math.nan

        step_done(loop, step, without_norm if step == 5 else values)

    monkeypatch.setattr(TrainingLoop, "step_done", spoiled)
    trainer = lab.trainer(model=str(lab.model("bert")), max_steps=9, save_steps=3)
    with pytest.raises(RunError, match="the gradient's norm is nan"):
        trainer.train()
    run = lab.directory / trainer.setup.config.output_dir
    assert [path.name for path in (run / "checkpoints").glob("step-*")] == ["step-00000003"]
    found = [(line["step"], line["grad_norm"]) for line in steps(run)]
    assert [step for step, _ in found] == [1, 2, 3, 4, 5] and found[-1][1] is None


def test_a_framework_that_ends_early_ends_after_its_last_step(lab, late, monkeypatch):
    """However it comes: the loop is asked, and it knows of the step that is not read yet."""
    if lab.engine.ranks.count > 1:
        pytest.skip("every rank would have to end early")
    fit = type(lab.trainer(model=str(lab.model("bert"))))._fit

    def shortened(trainer, loop, moments):
        def ending(step, values):
            TrainingLoop.step_done(loop, step, values)
            if step == 4:
                raise EndedError

        monkeypatch.setattr(loop, "step_done", ending)
        with pytest.raises(EndedError):
            fit(trainer, loop, moments)

    trainer = lab.trainer(model=str(lab.model("bert")), max_steps=8)
    monkeypatch.setattr(type(trainer), "_fit", shortened)
    with pytest.raises(RunError, match="training ended after step 4 of 8"):
        trainer.train()


def test_while_a_callback_works_no_step_is_under_way(lab, late, monkeypatch):
    """Unless it says after which steps it takes long."""
    step_done, launched = TrainingLoop.step_done, [0]

    def noted(loop, step, values):
        launched[0] = step
        step_done(loop, step, values)

    class Told:
        """Notes each step, and the last one that was launched by then."""

        def __init__(self):
            self.steps = []

        def __call__(self, done):
            self.steps.append((done.line["step"], launched[0]))

    class Awaiting(Told):
        """Takes long after two steps."""

        def awaits(self, step):
            return step in (2, 5)

    monkeypatch.setattr(TrainingLoop, "step_done", noted)
    options = {"model": str(lab.model("bert")), "max_steps": 6, "save_steps": 6}
    plain, awaiting = Told(), Awaiting()
    for told in (plain, awaiting):
        lab.trainer(**options).train(on_step=told)
    assert plain.steps == [(step, step) for step in range(1, 7)]
    assert awaiting.steps == [(step, step + (late and step in (1, 3, 4))) for step in range(1, 7)]


def test_the_line_of_the_step_before_an_error_is_kept(lab, late, monkeypatch):
    if lab.engine.ranks.count > 1:
        pytest.skip("another rank may have ended: its sums are not waited for")
    trainer = lab.trainer(model=str(lab.model("bert")), max_steps=8)
    step_done = TrainingLoop.step_done

    def failing(loop, step, values):
        if step == 4:
            raise OSError("a device was lost")
        step_done(loop, step, values)

    monkeypatch.setattr(TrainingLoop, "step_done", failing)
    with pytest.raises(OSError, match="a device was lost"):
        trainer.train()
    assert [line["step"] for line in steps(lab.directory / trainer.setup.config.output_dir)] == [1, 2, 3]
