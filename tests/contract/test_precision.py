"""Training in 16 bits, and with a compiled model."""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from training_runs import interrupt, steps

from mlm_core import RequestError
from mlm_core.model.weight_files import read_weights
from mlm_core.optimization.loss_scale import LossScale

pytestmark = pytest.mark.any_ranks


@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_16_bits_train_float32_weights(lab, precision):
    options = {"model": str(lab.model("roberta", dropout=0.1)), "max_steps": 12, "learning_rate": 5e-3}
    exact = lab.train(**options)
    reduced, again = (lab.train(**options, precision=precision) for _ in range(2))
    losses = [[line["loss"] for line in steps(run.run_dir)] for run in (exact, reduced, again)]
    # On a GPU sums may be computed in another order.
    assert losses[1] == pytest.approx(losses[2], rel=0.0 if lab.device == "cpu" else 1e-3, abs=0.0)
    assert losses[0] != losses[1] and losses[1] == pytest.approx(losses[0], rel=0.02)
    weights = read_weights(reduced.run_dir)
    assert {array.dtype for array in weights.values()} == {np.dtype(np.float32)}
    # They have more bits than 16-bit numbers.
    table = weights["roberta.embeddings.word_embeddings.weight"].view(np.uint32)
    assert (table & 0xFFF).any()


def test_tf32_changes_float32_products_of_a_gpu_alone(lab):
    options = {"model": str(lab.model("roberta", dropout=0.1)), "max_steps": 8, "learning_rate": 5e-3}
    runs = [lab.train(**options, precision=precision) for precision in ("float32", "tf32", "float32")]
    exact, coarse, after = ([line["loss"] for line in steps(run.run_dir)] for run in runs)
    on_cpu = lab.device == "cpu"
    assert coarse == pytest.approx(exact, rel=0.0 if on_cpu else 5e-3, abs=0.0)
    assert (coarse == exact) == on_cpu
    # The process is as it was.
    assert after == pytest.approx(exact, rel=0.0 if on_cpu else 1e-4, abs=0.0)


@pytest.mark.one_rank
@pytest.mark.parametrize("precision", ["tf32", "float32"])
def test_tf32_on_a_cpu_is_said_to_be_float32(lab, capsys, precision):
    lab.trainer(precision=precision, device="cpu", quiet=False)
    assert ("--precision tf32 is float32 on a CPU" in capsys.readouterr().err) == (precision == "tf32")


@pytest.mark.one_rank
def test_fp16_on_a_cpu_is_advised_against(lab, capsys):
    lab.trainer(precision="fp16", device="cpu", quiet=False)
    assert "--precision fp16 is many times slower on a CPU" in capsys.readouterr().err
    lab.trainer(precision="bf16", device="cpu", quiet=False)
    assert "slower" not in capsys.readouterr().err


@dataclass
class TooLarge(LossScale):
    """A scale with which float16 gradients overflow."""

    value: float = 2.0**34


def test_a_loss_scale_that_is_too_large_is_halved_and_kept(lab, monkeypatch):
    """Steps that overflow change nothing; a run interrupted among them resumes with the same scale."""
    monkeypatch.setattr("mlm_core.training.loop.LossScale", TooLarge)
    options = {"model": str(lab.model("roberta", dropout=0.0)), "max_steps": 30, "learning_rate": 5e-3}
    options |= {"precision": "fp16", "lr_scheduler": "constant"}
    whole = lab.train(**options)
    lines = steps(whole.run_dir)
    assert all(line["grad_norm"] is None for line in lines[:4])
    assert sum(line["grad_norm"] is None for line in lines) < 20
    assert lines[-1]["loss"] < lines[0]["loss"] - 0.1

    trainer = lab.trainer(**options)
    interrupt(trainer, 3, monkeypatch)
    run = Path(trainer.setup.config.output_dir)
    kept = json.loads((run / "checkpoints/step-00000003/state.json").read_text())["loss_scale"]
    assert kept == [TooLarge().value / 8, 0]
    before = read_weights(run / "checkpoints/step-00000003")
    stored = read_weights(Path(options["model"]))
    assert all((before[name] == array).all() for name, array in stored.items() if name in before)
    again = lab.train(**options, output_dir=str(run), resume=True)
    weights, wanted = read_weights(again.run_dir), read_weights(whole.run_dir)
    assert all((weights[name] == array).all() for name, array in wanted.items())
    assert [line["loss"] for line in steps(run)] == [line["loss"] for line in lines]


def test_a_compiled_model_trains_as_one_that_is_not(lab, numpy_engine):
    if lab.engine.name == "tf" and lab.engine.ranks.count > 1:
        # XLA has no sum over replicas on a CPU.
        with pytest.raises(RequestError, match="--compile: XLA cannot"):
            lab.train(model=str(lab.model("bert")), compile=True, verify_batches=False)
        return
    options = {"model": str(lab.model("roberta", dropout=0.0)), "max_steps": 6, "learning_rate": 5e-3}
    plain = lab.train(**options)
    compiled, again = (lab.train(**options, compile=True, verify_batches=None) for _ in range(2))
    wanted, found, repeated = (
        [line["loss"] for line in steps(run.run_dir)] for run in (plain, compiled, again)
    )
    assert found == pytest.approx(wanted, rel=1e-4)
    # PyTorch's compiled lookups add rows in an order that depends on its threads.
    assert found == pytest.approx(repeated, rel=1e-6)
    assert all(line["batch_digest"] is None for line in steps(compiled.run_dir))
    assert not numpy_engine.graph_breaks()
    with pytest.raises(RequestError, match="--verify-batches"):
        lab.trainer(**options, compile=True, verify_batches=True)


@pytest.mark.one_rank
def test_a_compiled_model_with_dropout_resumes(lab, monkeypatch):
    """Its noise is keyed as well: steps after a resume have the noise of an uninterrupted run."""
    options = {"model": str(lab.model("roberta", dropout=0.2)), "learning_rate": 5e-3, "compile": True}
    options |= {"max_steps": 6, "verify_batches": None}
    whole = steps(lab.train(**options).run_dir)
    without = steps(lab.train(**options | {"dropout": 0.0}).run_dir)
    trainer = lab.trainer(**options)
    interrupt(trainer, 3, monkeypatch)
    run = trainer.setup.config.output_dir
    resumed = steps(lab.train(**options, output_dir=run, resume=True).run_dir)
    assert [line["step"] for line in resumed] == [1, 2, 3, 4, 5, 6]
    assert [line["loss"] for line in resumed] == pytest.approx([line["loss"] for line in whole], rel=1e-4)
    for line, silent in zip(whole, without, strict=True):
        # By chance the first losses are near each other; rounding alone is a tenth of this.
        least = 2e-6 if line["step"] == 1 else 1e-3
        assert line["loss"] != pytest.approx(silent["loss"], rel=least), line["step"]
