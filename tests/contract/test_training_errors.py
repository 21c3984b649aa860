"""Errors before and during training, and what they leave on disk."""

import json
import shutil
import subprocess
import sys
from dataclasses import replace

import pytest
from training_runs import metrics

from mlm_core import Config, RequestError, RunError

pytestmark = pytest.mark.any_ranks


def test_evaluators_refuse(lab):
    config = lab.config(model=str(lab.model("bert")), output_dir=None)
    with pytest.raises(RequestError, match="has changed since"):
        lab.engine.evaluator(config, fingerprint="another")
    with pytest.raises(RequestError, match="can only evaluate"):
        lab.engine.evaluator(config).train()
    headless = replace(config, model=str(lab.model("bert", head=False)))
    with pytest.raises(RequestError, match="train it first"):
        lab.engine.evaluator(headless).evaluate()
    whole = lab.engine.evaluator(config, whole=True).evaluate()
    assert whole.masked_tokens > 3 * lab.engine.evaluator(config).evaluate().masked_tokens


@pytest.mark.one_rank
def test_wrong_arguments_from_python_are_refused(lab, tmp_path):
    config = lab.config(model=str(lab.model("bert")), max_steps=1)
    (tmp_path / "file").touch()
    trainer, predictor = lab.engine.trainer(config), lab.predictor(lab.model("bert"))
    for wrong in (
        lambda: lab.engine.trainer(None),
        lambda: lab.engine.trainer({"max_steps": 1}),
        lambda: lab.engine.trainer(
            replace(config, backend="keras" if lab.engine.name == "torch" else "torch")
        ),
        lambda: lab.engine.evaluator("run"),
        lambda: trainer.train(on_step=5),
        lambda: trainer.train("print"),
        lambda: trainer.save(5),
        lambda: trainer.save(tmp_path / "file"),
        lambda: lab.engine.predictor(None),
        lambda: predictor.fill([5]),
        lambda: predictor.fill(None),
        lambda: predictor.fill("a [MASK]", top_k="3"),
        lambda: predictor.fill("a [MASK]", top_k=2.5),
        lambda: predictor.fill("a [MASK]", targets=[5]),
        lambda: predictor.logits([5]),
    ):
        with pytest.raises(RequestError) as raised:
            wrong()
        assert raised.value.code in ("invalid_type", "not_a_directory", "contradiction")
    assert not (lab.directory / config.output_dir).exists()
    # After that, everything still works.
    assert trainer.train(on_step=print).steps == 1


def test_a_loss_that_is_not_finite_stops_the_run(lab):
    config = lab.config(model=str(lab.model("bert")), max_steps=20, learning_rate=1e30)
    with pytest.raises(RunError, match="try a lower --learning-rate"):
        lab.engine.trainer(config).train()
    lines = metrics(lab.directory / config.output_dir)
    assert len([line for line in lines if "loss" in line]) < 20
    assert not (lab.directory / config.output_dir / "model.safetensors").exists()
    # Even at the first step: the model would be useless.
    hopeless = replace(config, max_steps=1, output_dir=config.output_dir + "-hopeless")
    with pytest.raises(RunError, match=r"held-out loss|loss at step 1"):
        lab.engine.trainer(hopeless).train()
    assert not (lab.directory / hopeless.output_dir / "model.safetensors").exists()
    # The failed run is still a run: it can be replaced.
    assert lab.engine.trainer(replace(config, overwrite=True, learning_rate=1e-5, max_steps=1)).train()


@pytest.mark.one_rank
def test_a_file_beside_a_replaced_run_is_kept_and_named(lab, capsys):
    options = {"model": str(lab.model("bert")), "max_steps": 1}
    run = lab.train(**options).run_dir
    (run / "mine.txt").write_text("mine")
    lab.train(**options, output_dir=str(run), overwrite=True)
    kept = run.with_name(f"{run.name}.replaced") / "mine.txt"
    assert kept.read_text() == "mine"
    assert f"not the run's own, so kept; moved to {kept}\n" in capsys.readouterr().err


def without_mask(directory):
    path = directory / "tokenizer_config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"mask_token": None}))
    (directory / "special_tokens_map.json").unlink(missing_ok=True)


def encoder_decoder(directory):
    path = directory / "config.json"
    path.write_text(json.dumps({"model_type": "bart", "is_encoder_decoder": True}))


def short_of_words(directory):
    path = directory / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"vocab_size": 10}))


@pytest.mark.parametrize(
    ("options", "change", "message"),
    [
        ({"block_size": 49}, None, "at most 48"),
        (
            {"block_size": 48, "test_size": 0.01},
            None,
            r"--dataset .*jsonl: the held-out text has .* tokens, fewer",
        ),
        ({}, without_mask, "no mask token"),
        ({}, encoder_decoder, "has a decoder"),
        ({}, short_of_words, "its embedding has only 10 rows"),
    ],
)
def test_errors_leave_nothing_behind(lab, tmp_path, options, change, message):
    model = shutil.copytree(lab.model("bert"), tmp_path / "model")
    if change is not None:
        change(model)
    config = lab.config(model=str(model), **options)
    with pytest.raises(RequestError, match=message):
        lab.engine.trainer(config).train()
    assert not (lab.directory / config.output_dir).exists()


@pytest.mark.one_rank
def test_a_gpu_that_is_not_there_is_refused(lab, monkeypatch):
    if lab.device == "gpu":
        monkeypatch.setattr(lab.engine, "devices", lambda: ["cpu"])
    config = lab.config(model=str(lab.model("bert")), device="gpu")
    with pytest.raises(RequestError, match="sees no GPU"):
        lab.engine.trainer(config).train()
    assert not (lab.directory / config.output_dir).exists()


_TAKE = "import sys; from pathlib import Path; from mlm_core.training.run_lock import RunLock; "


class _Publisher:
    """Stands in for the Hub, and tries from another process to train in the run that is being published."""

    name = "org/name"

    def __init__(self):
        self.said = None

    def keep_in(self, run):
        pass

    def abandon(self):
        pass

    def finish(self, run, message):
        code = _TAKE + "RunLock(Path(sys.argv[1])).take()"
        command = [sys.executable, "-c", code, str(run)]
        self.said = subprocess.run(command, capture_output=True, text=True, check=False).stderr
        return "an address"


@pytest.mark.one_rank
def test_a_run_is_locked_until_it_is_published(lab, monkeypatch):
    publisher = _Publisher()
    monkeypatch.setattr("mlm_core.training.publication.publisher_of", lambda *arguments: publisher)
    trainer = lab.trainer(model=str(lab.model("bert")), max_steps=2)
    assert trainer.train().hub_url == "an address"
    assert "another process is training in it" in publisher.said
    # Of a finished run, too.
    publisher.said = None
    again = lab.engine.trainer(Config(output_dir=trainer.setup.config.output_dir, resume=True, quiet=True))
    assert again.train().hub_url == "an address"
    assert "another process is training in it" in publisher.said
