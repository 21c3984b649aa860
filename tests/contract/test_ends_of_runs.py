"""A run is complete only when its steps were done, and errors of the user's own code stay what they are."""

from __future__ import annotations

import json
import shutil
from contextlib import chdir
from dataclasses import replace
from pathlib import Path

import pytest
from training_runs import metrics, steps

from mlm_core import Config, RequestError, RunError
from mlm_core.model.weight_files import read_weights

pytestmark = pytest.mark.any_ranks


@pytest.mark.parametrize(
    "error", [StopIteration(3), OSError(28, "of my own"), ValueError("mine"), KeyboardInterrupt()]
)
@pytest.mark.one_rank
def test_an_error_in_on_step_passes_unchanged_and_the_run_can_go_on(lab, error):
    config = lab.config(model=str(lab.model("bert")), max_steps=4, save_steps=1)
    run = lab.directory / config.output_dir

    def on_step(step):
        if step.line["step"] == 2:
            raise error

    with pytest.raises(type(error)) as raised:
        lab.engine.trainer(config).train(on_step)
    assert raised.value is error
    assert json.loads((run / "run.json").read_text())["results"] is None
    assert not (run / "model.safetensors").exists() and len(steps(run)) == 2
    # The directory alone is enough: options that have their defaults are not given.
    result = lab.engine.trainer(Config(output_dir=str(run), resume=True, quiet=True)).train()
    assert result.steps == 4 and [line["step"] for line in steps(run)] == [1, 2, 3, 4]


@pytest.mark.one_rank
def test_a_run_that_was_killed_before_it_wrote_its_record_begins(lab):
    """An empty record names no text and no model: both come from this start."""
    config = lab.config(model=str(lab.model("bert")), max_steps=1)
    run = Path(config.output_dir)
    run.mkdir()
    (run / "run.json").touch()
    assert lab.engine.trainer(replace(config, resume=True)).train().steps == 1


def test_a_second_training_is_the_same(lab):
    options = {"model": str(lab.model("bert")), "max_steps": 2, "learning_rate": 1e-2, "dropout": 0.0}
    trainer = lab.engine.trainer(replace(lab.config(**options), output_dir=None))
    with chdir(lab.directory):
        first, second = trainer.train(), trainer.train()
        lines = [
            [line | {"tokens_per_second": None} for line in metrics(result.run_dir)]
            for result in (first, second)
        ]
        assert first.run_dir != second.run_dir and lines[0] == lines[1]
        one, other = read_weights(first.run_dir), read_weights(second.run_dir)
        assert all((one[name] == other[name]).all() for name in one)


@pytest.mark.one_rank
def test_prepared_text_that_changes_stops_the_run_and_is_prepared_again(lab, monkeypatch, tmp_path):
    monkeypatch.setenv("MLM_CACHE", str(tmp_path / "cache"))
    config = lab.config(model=str(lab.model("bert")), max_steps=300, save_steps=1)

    def on_step(step):
        if step.line["step"] == 2:
            for blocks in (tmp_path / "cache" / "stores").glob("*/blocks.bin"):
                with blocks.open("r+b") as file:
                    file.truncate(100)

    with pytest.raises(RunError, match="the prepared text") as raised:
        lab.engine.trainer(config).train(on_step)
    assert raised.value.code == "changed_store"
    result = lab.engine.trainer(replace(config, resume=True, max_steps=300)).train()
    assert result.steps == 300


@pytest.mark.one_rank
@pytest.mark.parametrize("known", [True, False])
@pytest.mark.parametrize("named", ["dataset", "model"])
def test_a_record_cannot_name_another_text_or_model(lab, tmp_path, named, known):
    """Without a checkpoint, too: the record of a run that somebody hands over may name any file."""
    config = lab.config(model=str(lab.model("bert")), max_steps=2)
    run = lab.directory / config.output_dir

    def on_step(step):
        raise ValueError("stop here")

    with pytest.raises(ValueError, match="stop here"):
        lab.engine.trainer(config).train(on_step)
    shutil.rmtree(run / "checkpoints", ignore_errors=True)
    own = tmp_path / "own.txt"
    own.write_text("of another user\n" * 200, encoding="utf-8")
    other = {"dataset": own, "model": lab.model("roberta")}
    right = json.loads((run / "run.json").read_text())
    record = right | {"config": right["config"] | {named: str(other[named])}}
    if not known:
        record["data"] = {}
    (run / "run.json").write_text(json.dumps(record))
    again = Config(output_dir=str(run), resume=True, quiet=True)

    with pytest.raises(RequestError, match=r"changed since .*run\.json was written"):
        lab.engine.trainer(again).train()

    (run / "run.json").write_text(json.dumps(right))
    assert lab.engine.trainer(again).train().steps == 2


@pytest.mark.one_rank
def test_a_run_that_moves_while_it_evaluates_or_loads_writes_nothing_into_another(lab):
    """The evaluation at an epoch's end, or loading a model, may take minutes."""
    options = {"model": str(lab.model("bert")), "max_steps": 24, "save_steps": 2}

    def content(run):
        return {path.relative_to(run): path.read_bytes() for path in run.rglob("*") if path.is_file()}

    for hook in ("_evaluate", "_load"):
        other = lab.train(**options).run_dir
        config, before = lab.config(**options), content(other)
        run = Path(config.output_dir)
        if hook == "_load":
            stopped = lab.engine.trainer(config)
            with pytest.raises(ValueError, match="stop"):
                stopped.train(lambda done: stop() if done.line["step"] == 5 else None)
            config = replace(config, resume=True)
        trainer, calls = lab.engine.trainer(config), []
        done = getattr(trainer, hook)

        def moving(*given, done=done, calls=calls, run=run, other=other):
            result = done(*given)
            calls.append(None)
            if len(calls) == (2 if run.exists() and done.__name__ == "_evaluate" else 1) and other.exists():
                run.rename(run.with_name(f"{run.name}-moved"))
                other.rename(run)
            return result

        setattr(trainer, hook, moving)
        with pytest.raises(RunError, match="was moved"):
            trainer.train()
        assert content(run) == before


def stop():
    raise ValueError("stop")
