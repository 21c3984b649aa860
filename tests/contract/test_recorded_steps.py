"""A step recorded as a CUDA graph trains as one that is launched anew each time.

On a CPU a stand-in records: it replays by running, into the same memory. So everything but CUDA is tested
there: fixed inputs, gradients and outputs, the noise's key, the rate as a tensor, and the way back.
"""

import numpy as np
import pytest
from training_runs import interrupt, metrics, steps

pytestmark = pytest.mark.one_rank

OPTIONS = {"max_steps": 7, "learning_rate": 5e-3, "compile": True, "verify_batches": None}


@pytest.fixture
def graphs(lab, numpy_engine, monkeypatch):
    """Steps are recorded; on a CPU by the stand-in. Counts what is replayed."""
    if lab.engine.name != "torch":
        pytest.skip("XLA compiles TensorFlow's whole step")
    return numpy_engine.Recordings(monkeypatch, lab.device)


@pytest.fixture(scope="module")
def unrecorded():
    """Returns the run that records nothing with so many micro-batches; trains it once."""
    made = {}

    def run(lab, micro_batches=1):
        if micro_batches not in made:
            options = {"model": str(lab.model("roberta", dropout=0.2)), **OPTIONS}
            options |= {"gradient_accumulation_steps": micro_batches, "save_steps": 3}
            made[micro_batches] = lab.train(**options)
        return made[micro_batches]

    return run


def rounding(lab):
    """What two runs may differ by; on a GPU sums may be computed in another order."""
    return 1e-5 if lab.device == "cpu" else 1e-3


def losses(run):
    return [line["loss"] for line in steps(run.run_dir)]


@pytest.mark.parametrize("micro_batches", [1, 2])
def test_recorded_steps_train_the_same(lab, graphs, unrecorded, micro_batches):
    options = {"model": str(lab.model("roberta", dropout=0.2)), **OPTIONS}
    options |= {"gradient_accumulation_steps": micro_batches, "save_steps": 3}
    wanted = unrecorded(lab, micro_batches)
    graphs.begin()
    found = lab.train(**options)
    assert losses(found) == pytest.approx(losses(wanted), rel=rounding(lab))
    norms = [[line["grad_norm"] for line in steps(run.run_dir)] for run in (found, wanted)]
    assert norms[0] == pytest.approx(norms[1], rel=10 * rounding(lab))
    evaluations = [[line["eval_loss"] for line in metrics(run.run_dir) if "eval_loss" in line]
                   for run in (found, wanted)]  # fmt: skip
    assert evaluations[0] == pytest.approx(evaluations[1], rel=rounding(lab))
    # Twice to compare it with the pass, then in every micro-batch; the update from the second step on.
    assert graphs.replayed() == {"passes": 2 + 7 * micro_batches, "updates": 6}


def test_without_a_faithful_update_the_run_goes_on(lab, graphs, unrecorded, capsys):
    options = {"model": str(lab.model("roberta", dropout=0.2)), **OPTIONS}
    wanted = losses(unrecorded(lab))
    graphs.begin("no update")
    found = losses(lab.train(**options))
    assert "no CUDA graph of an update is used: replayed, the update is" in capsys.readouterr().err
    assert found == pytest.approx(wanted, rel=rounding(lab))
    assert graphs.replayed() == {"passes": 2 + 7, "updates": 1}


def test_a_recorded_run_resumes(lab, graphs, unrecorded, monkeypatch):
    options = {"model": str(lab.model("roberta", dropout=0.2)), **OPTIONS}
    whole = losses(unrecorded(lab))
    graphs.begin()
    trainer = lab.trainer(**options)
    interrupt(trainer, 3, monkeypatch)
    resumed = lab.train(**options, output_dir=trainer.setup.config.output_dir, resume=True)
    assert losses(resumed) == pytest.approx(whole, rel=rounding(lab))


@pytest.mark.parametrize("fault", ["cannot record", "other noise", "stale inputs"])
def test_without_a_faithful_recording_the_run_goes_on(lab, graphs, unrecorded, fault, capsys):
    options = {"model": str(lab.model("roberta", dropout=0.2)), **OPTIONS}
    wanted = losses(unrecorded(lab))
    graphs.begin(fault)
    found = losses(lab.train(**options))
    assert "no CUDA graph of a step is used" in capsys.readouterr().err
    assert found == pytest.approx(wanted, rel=rounding(lab))
    assert graphs.replayed()["updates"] == 0


def test_gradients_are_none_again_in_a_run_without_a_recording(lab, graphs):
    options = {"model": str(lab.model("bert")), **OPTIONS}
    graphs.begin()
    trainer = lab.trainer(**options)
    trainer.train()
    gradients = trainer.first_batch().gradients
    assert all(np.isfinite(array).all() for array in gradients.values())
