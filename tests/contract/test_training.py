"""A run from request to saved model."""

import json
import shutil
import sys
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pytest
from tiny_models import FAMILIES
from training_runs import interrupt, interrupt_evaluation, metrics, planned, steps
from transformers import AutoConfig, AutoTokenizer

from mlm_core import RequestError
from mlm_core.batches.verifier import batch_digest
from mlm_core.metrics.sums import MaskedSums
from mlm_core.model.weight_files import read_weights
from mlm_core.training.example import examples_for
from mlm_core.training.run_report import report_of_run

pytestmark = pytest.mark.any_ranks

STEPS = 50
"""Several epochs, the last one incomplete."""


@pytest.fixture(scope="module", params=FAMILIES)
def run(request, lab):
    """A finished run of each architecture, at a learning rate high enough to learn."""
    model = lab.model(request.param)
    trainer = lab.trainer(model=str(model), max_steps=STEPS, learning_rate=1e-2, test_size=0.3)
    return trainer, trainer.train()


def test_it_learns(run):
    _, result = run
    assert result.after.perplexity < 0.5 * result.before.perplexity
    assert result.steps == STEPS


def test_the_model_received_the_plans_batches(run):
    trainer, result = run
    setup, batches = planned(trainer.setup.config)
    lines = steps(result.run_dir)
    assert [line["batch_digest"] for line in lines] == [batch_digest([made]) for made in batches]
    assert [line["masked_tokens"] for line in lines] == [(made["labels"] != -100).sum() for made in batches]
    # Some batches had padding rows.
    assert any((made["block_key"] == -1).any() for made in batches)
    assert setup.plan.epochs > 2


def test_metrics_have_every_step_once_and_an_evaluation_per_epoch(run):
    trainer, result = run
    setup, _ = planned(trainer.setup.config)
    lines = steps(result.run_dir)
    assert [line["step"] for line in lines] == list(range(1, STEPS + 1))
    assert [line["learning_rate"] for line in lines] == [float(rate) for rate in setup.learning_rates]
    assert [line["epoch"] for line in lines] == [
        step / setup.plan.steps_per_epoch for step in range(1, STEPS + 1)
    ]
    assert all(line["grad_norm"] > 0 and line["tokens_per_second"] > 0 for line in lines)
    evaluated = [line["step"] for line in metrics(result.run_dir) if "eval_loss" in line]
    per_epoch = setup.plan.steps_per_epoch
    assert evaluated == sorted({0, *range(per_epoch, STEPS + 1, per_epoch), STEPS})


def test_run_json_holds_config_versions_and_results(run, engine):
    _, result = run
    facts = json.loads((result.run_dir / "run.json").read_text())
    assert facts["config"]["learning_rate"] == 1e-2
    assert facts["config"]["backend"] == engine.name
    assert facts["config"]["weight_decay"] == 0.01
    assert set(engine.packages) <= set(facts["versions"])
    assert facts["data"]["documents"] == 120
    assert facts["results"]["perplexity"] == pytest.approx(result.after.perplexity)
    files = {path.name for path in result.run_dir.iterdir()}
    assert {"config.json", "model.safetensors", "README.md", "run.json", "metrics.jsonl"} <= files
    assert not [name for name in files if name.endswith((".bin", ".h5", ".pkl", ".pt", ".partial"))]


def test_the_report_shows_examples_before_and_after(run, lab):
    trainer, result = run
    examples = result.examples
    assert [example.text for example in examples] == [found.text for found in examples_for(trainer.setup)]
    texts, masks = set(trainer.setup.held_out), [example.text.count("<mask>") for example in examples]
    # A whole sentence, or a piece of one where the tokenizer's mask is not preceded by a space.
    filled = [example.text.replace("<mask>", example.word) for example in examples]
    assert all(any(part in text for text in texts) for part in filled)
    assert len(examples) == 5 and masks == [1] * 5
    # What it learned shows, and it is what `mlm fill` says.
    known = [example for example in examples if example.after.rank is not None]
    # With transformers 5 the tiny RoBERTa's mask does not take the space before it, as published ones do.
    assert len(known) == 5 or version("transformers") >= "5"
    before, after = ([getattr(example, when).score for example in known] for when in ("before", "after"))
    assert sum(before) < sum(after) or not known
    filled = lab.predictor(result.run_dir).fill([example.text for example in examples])
    for example, fills in zip(examples, filled, strict=True):
        scores = [answer.score for answer in example.after.answers]
        assert scores == pytest.approx([fill["score"] for fill in fills], abs=1e-4)
        words = [answer.token.strip() for answer in example.after.answers]
        if example.after.rank is None:
            continue
        if example.after.rank <= len(words):
            assert scores[example.after.rank - 1] == example.after.score
            assert words[example.after.rank - 1] == example.word
        else:
            assert example.after.score <= scores[-1]


def test_the_report_is_one_of_the_runs_files(run):
    _, result = run
    facts = json.loads((result.run_dir / "run.json").read_text())
    assert {"report.html", "loss.svg"} <= facts["files"].keys()
    page = (result.run_dir / "report.html").read_text(encoding="utf-8")
    assert report_of_run(result.run_dir) == page and page.count("<figure>") == 4
    assert "](loss.svg)" in (result.run_dir / "README.md").read_text(encoding="utf-8")
    assert (result.run_dir / "loss.svg").read_text(encoding="utf-8").startswith("<svg xmlns=")


def test_a_run_that_goes_on_keeps_what_it_filled_in_first(lab, monkeypatch):
    config = lab.config(model=str(lab.model("bert")), max_steps=4, learning_rate=1e-2, dropout=0.0)
    whole = lab.engine.trainer(config).train()
    stopped = replace(config, output_dir=f"{config.output_dir}-stopped")
    interrupt(lab.engine.trainer(stopped), 2, monkeypatch)
    resumed = lab.engine.trainer(replace(stopped, resume=True)).train()
    assert [example.before for example in resumed.examples] == [example.before for example in whole.examples]
    for one, other in zip(resumed.examples, whole.examples, strict=True):
        assert one.after.score == pytest.approx(other.after.score, rel=1e-4)
    assert (resumed.run_dir / "report.html").exists()
    # A run that has finished is read, not trained.
    assert lab.engine.trainer(replace(stopped, resume=True)).train().examples == resumed.examples


def test_run_json_says_how_long_batches_took(run):
    _, result = run
    results = json.loads((result.run_dir / "run.json").read_text())["results"]
    assert 0 < results["batch_seconds"] < results["training_seconds"]


def test_a_saved_run_evaluates_the_same(run, lab):
    trainer, result = run
    # Another batch size has other padding, which does not affect the sums.
    config = replace(trainer.setup.config, model=str(result.run_dir), output_dir=None, batch_size=5)
    sums = lab.engine.evaluator(config, fingerprint=trainer.setup.source.fingerprint).evaluate()
    assert sums.masked_tokens == result.after.masked_tokens
    assert sums.correct == result.after.correct
    assert sums.loss == pytest.approx(result.after.loss, rel=1e-6)


def test_fill_agrees_with_the_pipeline(run, lab, numpy_engine):
    _, result = run
    predictor = lab.predictor(result.run_dir)
    mask = AutoTokenizer.from_pretrained(result.run_dir).mask_token
    one, two = f"the cat {mask} on the mat.", f"the {mask} sat on {mask} mat."
    found_one, found_two = predictor.fill([one.replace(mask, "[MASK]"), two.replace(mask, "<mask>")], top_k=3)
    for found, text in ((found_one, one), (found_two, two)):
        expected = numpy_engine.fill_mask_pipeline(result.run_dir, text, 3)
        for ours, theirs in zip(flat(found), flat(expected), strict=True):
            assert ours.keys() == theirs.keys()
            assert ours["score"] == pytest.approx(theirs["score"], abs=1e-5)
            assert (ours["token"], ours["token_str"]) == (theirs["token"], theirs["token_str"])
            assert ours["sequence"] == theirs["sequence"]
    assert isinstance(found_two[0], list) and len(found_two) == 2


def flat(results):
    return [fill for item in results for fill in (item if isinstance(item, list) else [item])]


def test_logits_of_texts(run, lab):
    predictor = lab.predictor(run[1].run_dir)
    texts = ["the cat sat.", "a dog"]
    tokenizer, config = (kind.from_pretrained(run[1].run_dir) for kind in (AutoTokenizer, AutoConfig))
    for text, logits in zip(texts, predictor.logits(texts), strict=True):
        assert logits.shape == (len(tokenizer(text)["input_ids"]), config.vocab_size)
        assert logits.dtype == np.float32


@pytest.mark.one_rank
def test_fill_targets_and_errors(run, lab, capsys):
    predictor = lab.predictor(run[1].run_dir)
    with pytest.raises(RequestError, match="at least 1"):
        predictor.fill(["the <mask>"], top_k=0)
    (found,) = predictor.fill(["the cat <mask> on."], targets=["a", "the"], top_k=9)
    assert len(found) == 2 and found[0]["score"] >= found[1]["score"]
    assert predictor.fill("the cat <mask> on.", top_k=2) == predictor.fill(["the cat <mask> on."], top_k=2)
    predictor.fill(["the cat <mask> on."], targets=["sat", "the cat"])
    assert "target 'the cat' is not a single token of this model; its first piece" in capsys.readouterr().err
    with pytest.raises(RequestError, match="no mask"):
        predictor.fill(["nothing to fill"])
    with pytest.raises(RequestError, match="at most 48"):
        predictor.fill(["<mask> " + "the cat " * 60])


def test_steps_agree_with_a_larger_micro_batch(lab):
    """8 x 1 and 2 x 4 are the same global batches, so the same losses and the same weights."""
    options = {"model": str(lab.model("roberta", dropout=0.0)), "max_steps": 12, "learning_rate": 1e-3}
    whole = lab.train(**options, batch_size=8)
    parts = lab.train(**options, batch_size=2, gradient_accumulation_steps=4)
    for one, other in zip(steps(whole.run_dir), steps(parts.run_dir), strict=True):
        assert one["batch_digest"] == other["batch_digest"]
        assert one["masked_tokens"] == other["masked_tokens"]
        assert other["loss"] == pytest.approx(one["loss"], rel=1e-5)
        assert other["grad_norm"] == pytest.approx(one["grad_norm"], rel=1e-4)
    first, second = read_weights(whole.run_dir), read_weights(parts.run_dir)
    for name in first:
        if not name.endswith("key.bias"):  # its gradient is only rounding noise, which Adam amplifies
            assert np.abs(first[name] - second[name]).max() < 1e-4, name


def test_independent_masking(lab):
    options = {"masking": "independent", "mlm_probability": 0.3}
    trainer = lab.trainer(model=str(lab.model("bert")), max_steps=6, **options)
    lines = steps(trainer.train().run_dir)
    _, batches = planned(trainer.setup.config)
    assert [line["batch_digest"] for line in lines] == [batch_digest([made]) for made in batches]


def test_a_run_that_ends_where_it_was_interrupted_is_evaluated_there(lab, monkeypatch):
    options = {"model": str(lab.model("bert", dropout=0.0)), "learning_rate": 5e-3}
    trainer = lab.trainer(**options, max_steps=8)
    interrupt(trainer, 3, monkeypatch)
    run = trainer.setup.config.output_dir
    result = lab.train(**options, max_steps=3, output_dir=run, resume=True, allow_change="max-steps")
    assert result.model_step == 3 and result.after != result.before
    assert result.after == trainer.evaluate()
    assert [line["step"] for line in metrics(Path(run)) if "eval_loss" in line] == [0, 3]


@pytest.mark.parametrize("number", [1, 2], ids=["after an epoch", "at the end"])
def test_a_signal_ends_an_evaluation_which_a_resumed_run_does_again(lab, monkeypatch, number):
    options = {"model": str(lab.model("bert", dropout=0.0)), "learning_rate": 5e-3, "test_size": 0.3}
    options |= {"batch_size": 16, "save_steps": 1000}
    epoch = lab.trainer(**options, epochs=1).setup.plan.steps
    whole = lab.train(**options, max_steps=epoch + 2)
    trainer = lab.trainer(**options, max_steps=epoch + 2)
    assert len(trainer.setup.evaluation_keys) > 1
    interrupt_evaluation(trainer, number, monkeypatch)
    run = Path(trainer.setup.config.output_dir)
    ended = epoch if number == 1 else epoch + 2
    assert [path.name for path in (run / "checkpoints").iterdir()] == [f"step-{ended:08d}"]
    assert metrics(run)[-1]["step"] == ended and "loss" in metrics(run)[-1]
    result = lab.train(**options, max_steps=epoch + 2, output_dir=str(run), resume=True)
    assert [line | {"tokens_per_second": 0} for line in metrics(run)] == [
        line | {"tokens_per_second": 0} for line in metrics(whole.run_dir)
    ]
    assert result.after == whole.after


def test_the_sparse_head_trains_as_the_dense_one(lab, monkeypatch):
    options = {"model": str(lab.model("bert", dropout=0.0)), "max_steps": 6, "learning_rate": 5e-3}
    runs = {"sparse": lab.train(**options), "dense": lab.train(**options, mlm_head="dense")}
    # A model whose head needs every position.
    monkeypatch.setattr(
        "mlm_core.model.sparse_head.sparse_head_problem", lambda dense, sparse: "it looks around"
    )
    runs["fallen back"] = lab.train(**options)
    wanted = [line["loss"] for line in steps(runs["dense"].run_dir)]
    for name, run in runs.items():
        assert [line["loss"] for line in steps(run.run_dir)] == pytest.approx(wanted, rel=1e-5)
        facts = json.loads((run.run_dir / "run.json").read_text())
        assert facts["mlm_head"] == ("sparse" if name == "sparse" else "dense")
    assert wanted == [line["loss"] for line in steps(runs["fallen back"].run_dir)]


@pytest.mark.one_rank
def test_an_evaluation_of_nothing_is_said_once(lab, capsys):
    options = {"model": str(lab.model("bert")), "mlm_probability": 1e-3, "max_steps": 12, "quiet": False}
    result = lab.train(**options)
    assert result.after.masked_tokens == 0
    assert capsys.readouterr().err.count("no token of the held-out text is masked") == 1


@pytest.mark.one_rank
def test_a_model_that_asks_for_gradient_checkpointing_trains_the_same(lab, tmp_path):
    plain = lab.model("bert", dropout=0.0)
    model = shutil.copytree(plain, tmp_path / "model")
    settings = json.loads((model / "config.json").read_text())
    (model / "config.json").write_text(json.dumps(settings | {"gradient_checkpointing": True}))
    losses = [
        [line["loss"] for line in steps(lab.train(model=str(path), max_steps=4).run_dir)]
        for path in (plain, model)
    ]
    assert losses[1] == pytest.approx(losses[0], rel=1e-6)


@pytest.mark.one_rank
def test_gradient_checkpointing_repeats_its_dropout(lab, tmp_path):
    """The backward pass computes again what the forward pass computed; each step has noise of its own."""
    model = shutil.copytree(lab.model("bert", dropout=0.2), tmp_path / "model")
    settings = json.loads((model / "config.json").read_text())
    (model / "config.json").write_text(json.dumps(settings | {"gradient_checkpointing": True}))
    options = {"model": str(model), "max_steps": 4, "save_steps": 2}
    first, second = (lab.train(**options) for _ in range(2))
    losses = [[line["loss"] for line in steps(run.run_dir)] for run in (first, second)]
    assert losses[0] == losses[1]
    without = lab.train(**options | {"model": str(lab.model("bert", dropout=0.0))})
    assert losses[0] != [line["loss"] for line in steps(without.run_dir)]
    left, right = (read_weights(run.run_dir) for run in (first, second))
    assert all((left[name] == right[name]).all() for name in left)


@pytest.mark.one_rank
def test_a_trainer_evaluates_and_saves_without_training(lab, tmp_path):
    trainer = lab.trainer(model=str(lab.model("bert")), output_dir=None)
    sums = trainer.evaluate()
    assert isinstance(sums, MaskedSums) and sums.masked_tokens > 0
    trainer.save(tmp_path / "copy")
    stored, copied = read_weights(lab.model("bert")), read_weights(tmp_path / "copy")
    assert all((copied[name] == stored[name]).all() for name in stored)


def test_evaluating_before_training_is_step_0(lab):
    """Also if the tokenizer is trained on the training text."""
    trainer = lab.trainer(from_scratch=True, max_steps=1)
    before = trainer.evaluate()
    result = trainer.train()
    assert result.before == before
    assert trainer.evaluate() == result.after


def test_the_other_framework_was_never_imported(numpy_engine):
    assert not set(numpy_engine.OTHER_FRAMEWORKS) & set(sys.modules)
