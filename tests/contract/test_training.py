"""A run from request to saved model."""

import json
import shutil
import signal
import sys
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
from conftest import metrics, steps
from tiny_models import FAMILIES, head_shapes
from transformers import AutoConfig, AutoTokenizer

from mlm_core import RequestError, RunError
from mlm_core.batches.batch import batch_digest
from mlm_core.data.sources import load_source
from mlm_core.metrics.sums import MaskedSums
from mlm_core.model.initialization import draw_parameter
from mlm_core.model.weight_files import read_weights
from mlm_core.optimization.loss_scale import LossScale
from mlm_core.progress import Progress
from mlm_core.system.interruption import InterruptedRunError
from mlm_core.training.loop import TrainingLoop
from mlm_core.training.setup import training_setup

STEPS = 50
"""Several epochs, the last one in part."""


@pytest.fixture(scope="module", params=FAMILIES)
def run(request, lab):
    """A finished run of each family, at a rate that learns."""
    model = lab.model(request.param)
    trainer = lab.trainer(model=str(model), max_steps=STEPS, learning_rate=1e-2, test_size=0.3)
    return trainer, trainer.train()


def planned(config):
    """The batches that the plan has for a run, by the core alone."""
    progress = Progress.of(config)
    setup = training_setup(config, load_source(config, progress=progress), progress)
    return setup, [setup.train(setup.plan.keys(step)) for step in range(setup.plan.steps)]


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
    # Padding rows did occur.
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


def test_run_json_says_how_long_batches_took(run):
    _, result = run
    results = json.loads((result.run_dir / "run.json").read_text())["results"]
    assert 0 < results["batch_seconds"] < results["training_seconds"]


def test_a_saved_run_evaluates_the_same(run, lab):
    trainer, result = run
    # Another batch size, so other padding: sums do not care.
    config = replace(trainer.setup.config, model=str(result.run_dir), output_dir=None, batch_size=5)
    sums = lab.engine.evaluator(config, fingerprint=trainer.setup.source.fingerprint).evaluate()
    assert sums.masked_tokens == result.after.masked_tokens
    assert sums.correct == result.after.correct
    assert sums.loss == pytest.approx(result.after.loss, rel=1e-6)


def test_fill_agrees_with_the_pipeline(run, lab, numpy_side):
    _, result = run
    predictor = lab.predictor(result.run_dir)
    mask = AutoTokenizer.from_pretrained(result.run_dir).mask_token
    one, two = f"the cat {mask} on the mat.", f"the {mask} sat on {mask} mat."
    found_one, found_two = predictor.fill([one.replace(mask, "[MASK]"), two.replace(mask, "<mask>")], top_k=3)
    for found, text in ((found_one, one), (found_two, two)):
        expected = numpy_side.fill_mask_pipeline(result.run_dir, text, 3)
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


def test_fill_targets_and_refusals(run, lab, capsys):
    predictor = lab.predictor(run[1].run_dir)
    with pytest.raises(RequestError, match="at least 1"):
        predictor.fill(["the <mask>"], top_k=0)
    (found,) = predictor.fill(["the cat <mask> on."], targets=["a", "the"], top_k=9)
    assert len(found) == 2 and found[0]["score"] >= found[1]["score"]
    assert predictor.fill("the cat <mask> on.", top_k=2) == predictor.fill(["the cat <mask> on."], top_k=2)
    predictor.fill(["the cat <mask> on."], targets=["sat", "the cat"])
    assert "target 'the cat' is no token of this model; its first piece" in capsys.readouterr().err
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
        if not name.endswith("key.bias"):  # its gradient is zero but for rounding, which Adam enlarges
            assert np.abs(first[name] - second[name]).max() < 1e-4, name


def test_independent_masking(lab):
    options = {"masking": "independent", "mlm_probability": 0.3}
    trainer = lab.trainer(model=str(lab.model("bert")), max_steps=6, **options)
    lines = steps(trainer.train().run_dir)
    _, batches = planned(trainer.setup.config)
    assert [line["batch_digest"] for line in lines] == [batch_digest([made]) for made in batches]


def test_dropout_noise_is_keyed(numpy_side, lab):
    """Equal for the same seed, step and micro-batch whatever was drawn before; else different."""
    model = numpy_side.noisy_model(lab.model("bert", dropout=0.3))
    ids = np.arange(5, 21)[None].repeat(3, axis=0)
    first = model(ids, seed=1, step=4, micro_batch=2)
    model(ids, seed=1, step=9, micro_batch=0)
    assert (model(ids, seed=1, step=4, micro_batch=2) == first).all()
    for other in ({"seed": 2}, {"step": 5}, {"micro_batch": 3}):
        assert np.abs(model(ids, **({"seed": 1, "step": 4, "micro_batch": 2} | other)) - first).max() > 1e-3
    # Rows of a batch have noise of their own.
    assert np.abs(first[0] - first[1]).max() > 1e-3


@pytest.mark.parametrize("half", [False, True], ids=["float32", "bf16"])
@pytest.mark.parametrize("rate", [0.1, 0.5])
def test_dropout_keeps_the_mean_and_drops_its_share(numpy_side, half, rate):
    values = 1 + np.arange(60_000, dtype=np.float32).reshape(3, 200, 100) % 7
    dropped = numpy_side.dropout(values, rate, seed=3, half=half)
    assert_dropped(dropped, values, rate, 4e-3 if half else 1e-4)
    other = numpy_side.dropout(values, rate, seed=4, half=half)
    both = ((dropped == 0) & (other == 0)).mean()
    assert both == pytest.approx(rate**2, abs=5 * np.sqrt(rate**2 / values.size))


@pytest.mark.parametrize("half", [False, True], ids=["float32", "bf16"])
@pytest.mark.parametrize("padded", [False, True])
def test_dropout_of_attention_weights(numpy_side, half, padded):
    """Values that pick one position each show the weights themselves."""
    draw = np.random.default_rng(5)
    query, key = draw.normal(size=(2, 4, 3, 32, 16)).astype(np.float32)
    value = np.broadcast_to(np.eye(32, dtype=np.float32), (4, 3, 32, 32)).copy()
    mask = np.ones((4, 1, 1, 32), bool)
    if padded:
        mask[:, :, :, 25:] = False
    scores = np.where(mask, query @ key.swapaxes(-1, -2) / 4, -np.inf)
    weights = np.exp(scores) / np.exp(scores).sum(-1, keepdims=True)
    seen = numpy_side.attention(query, key, value, mask if padded else None, 0.2, seed=1, half=half)
    assert (seen[..., ~mask[0, 0, 0]] == 0).all()
    assert_dropped(seen[..., mask[0, 0, 0]], weights[..., mask[0, 0, 0]], 0.2, 5e-2 if half else 1e-4)


@pytest.mark.parametrize("half", [False, True], ids=["float32", "bf16"])
def test_a_row_of_attention_that_sees_nothing_is_still_a_number(numpy_side, half):
    query = np.ones((2, 1, 8, 16), np.float32)
    mask = np.ones((2, 1, 1, 8), bool)
    mask[1] = False
    seen = numpy_side.attention(query, query, query, mask, 0.2, seed=1, half=half, least=True)
    assert np.isfinite(seen).all()


def assert_dropped(dropped, values, rate, tolerance):
    """Some are 0, as many as they should be, and the others larger by what these lack."""
    kept = dropped != 0
    np.testing.assert_allclose(dropped[kept], (values / (1 - rate))[kept], rtol=tolerance)
    assert 1 - kept.mean() == pytest.approx(rate, abs=5 * np.sqrt(rate * (1 - rate) / values.size))


def test_dropout_is_on_in_training_and_repeatable(lab):
    options = {"model": str(lab.model("distilbert", dropout=0.3)), "max_steps": 4, "batch_size": 4}
    options |= {"gradient_accumulation_steps": 2, "learning_rate": 1e-3}
    first, again = (steps(lab.train(**options).run_dir) for _ in range(2))
    silent = steps(lab.train(**options, dropout=0.0).run_dir)
    for one, same, other in zip(first, again, silent, strict=True):
        assert one["loss"] == pytest.approx(same["loss"], rel=1e-6)
        assert one["batch_digest"] == other["batch_digest"]
        assert one["loss"] != pytest.approx(other["loss"], rel=1e-6)


@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_16_bits_train_float32_weights(lab, precision):
    options = {"model": str(lab.model("roberta", dropout=0.1)), "max_steps": 12, "learning_rate": 5e-3}
    exact = lab.train(**options)
    reduced, again = (lab.train(**options, precision=precision) for _ in range(2))
    losses = [[line["loss"] for line in steps(run.run_dir)] for run in (exact, reduced, again)]
    # On a GPU sums may be made in another order.
    assert losses[1] == pytest.approx(losses[2], rel=0.0 if lab.device == "cpu" else 1e-3, abs=0.0)
    assert losses[0] != losses[1] and losses[1] == pytest.approx(losses[0], rel=0.02)
    weights = read_weights(reduced.run_dir)
    assert {array.dtype for array in weights.values()} == {np.dtype(np.float32)}
    # They are more than 16 bits could hold.
    table = weights["roberta.embeddings.word_embeddings.weight"].view(np.uint32)
    assert (table & 0xFFF).any()


def test_a_loss_scale_that_is_too_large_is_halved_and_kept(lab, monkeypatch):
    """Steps that overflow change nothing; a run interrupted among them goes on with the same scale."""
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


def interrupt(trainer, at, monkeypatch):
    """Train, and be asked to end while a step is at work."""
    step_done = TrainingLoop.step_done

    def interrupted(loop, step, *facts):
        if step == at:
            loop.interruption.received = signal.SIGTERM
        step_done(loop, step, *facts)

    with monkeypatch.context() as patch, pytest.raises(InterruptedRunError):
        patch.setattr(TrainingLoop, "step_done", interrupted)
        trainer.train()


def test_a_run_that_ends_where_it_was_interrupted_is_evaluated_there(lab, monkeypatch):
    options = {"model": str(lab.model("bert", dropout=0.0)), "learning_rate": 5e-3}
    trainer = lab.trainer(**options, max_steps=8)
    interrupt(trainer, 3, monkeypatch)
    run = trainer.setup.config.output_dir
    result = lab.train(**options, max_steps=3, output_dir=run, resume=True, allow_change="max-steps")
    assert result.model_step == 3 and result.after != result.before
    assert result.after == trainer.evaluate()
    assert [line["step"] for line in metrics(Path(run)) if "eval_loss" in line] == [0, 3]


@dataclass
class TooLarge(LossScale):
    """A scale that float16 has no gradients for."""

    value: float = 2.0**34


def test_a_compiled_model_trains_as_one_that_is_not(lab):
    options = {"model": str(lab.model("roberta", dropout=0.0)), "max_steps": 6, "learning_rate": 5e-3}
    plain = lab.train(**options)
    compiled, again = (lab.train(**options, compile=True, verify_batches=None) for _ in range(2))
    wanted, found, repeated = (
        [line["loss"] for line in steps(run.run_dir)] for run in (plain, compiled, again)
    )
    assert found == pytest.approx(wanted, rel=1e-4)
    # PyTorch's compiled lookups add rows up in whatever order its threads come.
    assert found == pytest.approx(repeated, rel=1e-6)
    assert all(line["batch_digest"] is None for line in steps(compiled.run_dir))
    with pytest.raises(RequestError, match="--verify-batches"):
        lab.trainer(**options, compile=True, verify_batches=True)


def test_a_compiled_model_with_dropout_goes_on_where_it_ended(lab, monkeypatch):
    """Its noise is keyed as well: steps after a resume see that of a run that was not ended."""
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
        assert line["loss"] != pytest.approx(silent["loss"], rel=1e-3), line["step"]


def test_the_sparse_head_trains_as_the_dense_one(lab, monkeypatch):
    options = {"model": str(lab.model("bert", dropout=0.0)), "max_steps": 6, "learning_rate": 5e-3}
    runs = {"sparse": lab.train(**options), "dense": lab.train(**options, mlm_head="dense")}
    # A model whose head needs all positions.
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


def test_a_missing_head_is_drawn_by_the_core(lab):
    directory = lab.model("roberta", head=False, dropout=0.0)
    trainer = lab.trainer(model=str(directory), max_steps=1, learning_rate=0.0, weight_decay=0.0, seed=9)
    result = trainer.train()
    saved, stored = read_weights(result.run_dir), read_weights(directory)
    settings = trainer.setup.model.config
    for name in head_shapes("roberta", settings.vocab_size):
        assert (saved[name] == draw_parameter(name, saved[name].shape, settings, 9)).all()
    for name, array in stored.items():
        assert (saved[f"roberta.{name}"] == array).all()
    assert json.loads((result.run_dir / "config.json").read_text())["architectures"] == ["RobertaForMaskedLM"]
    with pytest.raises(RequestError, match="train it first"):
        lab.predictor(directory).fill(["a <mask>"])


def test_from_scratch_takes_the_architecture_only(lab):
    directory = lab.model("bert")
    trainer = lab.trainer(model=str(directory), from_scratch=True, max_steps=1, learning_rate=0.0, seed=4)
    saved = read_weights(trainer.train().run_dir)
    settings = trainer.setup.model.config
    for name, array in saved.items():
        assert (array == draw_parameter(name, array.shape, settings, 4)).all(), name


def test_a_short_run_is_not_all_warm_up(lab):
    """The recommended warm-up gives way to a run that is shorter; one that was asked for does not."""
    assert lab.trainer(from_scratch=True, max_steps=4).setup.config.warmup_steps == 0
    assert lab.trainer(from_scratch=True, max_steps=50).setup.config.warmup_steps == 10
    assert lab.trainer(from_scratch=True, max_steps=5000).setup.config.warmup_steps == 300
    assert lab.trainer(from_scratch=True, max_steps=4, warmup_steps=3).setup.config.warmup_steps == 3


def test_no_model_from_scratch_is_a_small_roberta_and_its_tokenizer(lab):
    result = lab.train(from_scratch=True, max_steps=2)
    settings = json.loads((result.run_dir / "config.json").read_text())
    assert settings["model_type"] == "roberta"
    assert lab.predictor(result.run_dir).fill(["the <mask> sat."], top_k=2)


def test_a_trainer_evaluates_and_saves_without_training(lab, tmp_path):
    trainer = lab.trainer(model=str(lab.model("bert")), output_dir=None)
    sums = trainer.evaluate()
    assert isinstance(sums, MaskedSums) and sums.masked_tokens > 0
    trainer.save(tmp_path / "copy")
    stored, copied = read_weights(lab.model("bert")), read_weights(tmp_path / "copy")
    assert all((copied[name] == stored[name]).all() for name in stored)


def test_evaluating_before_training_is_step_0(lab):
    """Also where the tokenizer is learned from the training text."""
    trainer = lab.trainer(from_scratch=True, max_steps=1)
    before = trainer.evaluate()
    result = trainer.train()
    assert result.before == before
    assert trainer.evaluate() == result.after


def test_evaluators_refuse(lab):
    config = lab.config(model=str(lab.model("bert")), output_dir=None)
    with pytest.raises(RequestError, match="has changed since"):
        lab.engine.evaluator(config, fingerprint="another")
    with pytest.raises(RequestError, match="evaluate only"):
        lab.engine.evaluator(config).train()
    headless = replace(config, model=str(lab.model("bert", head=False)))
    with pytest.raises(RequestError, match="train it first"):
        lab.engine.evaluator(headless).evaluate()
    whole = lab.engine.evaluator(config, whole=True).evaluate()
    assert whole.masked_tokens > 3 * lab.engine.evaluator(config).evaluate().masked_tokens


def test_a_loss_that_is_not_finite_stops_the_run(lab):
    config = lab.config(model=str(lab.model("bert")), max_steps=20, learning_rate=1e30)
    with pytest.raises(RunError, match="try a lower --learning-rate"):
        lab.engine.trainer(config).train()
    lines = metrics(lab.directory / config.output_dir)
    assert len([line for line in lines if "loss" in line]) < 20
    assert not (lab.directory / config.output_dir / "model.safetensors").exists()
    # Already at the first step: the model that would be saved predicts nothing.
    hopeless = replace(config, max_steps=1, output_dir=config.output_dir + "-hopeless")
    with pytest.raises(RunError, match=r"held-out loss|loss at step 1"):
        lab.engine.trainer(hopeless).train()
    assert not (lab.directory / hopeless.output_dir / "model.safetensors").exists()
    # The failed run is still a run: it can be replaced.
    assert lab.engine.trainer(replace(config, overwrite=True, learning_rate=1e-5, max_steps=1)).train()


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
        ({"block_size": 48, "test_size": 0.01}, None, "less than a block"),
        ({}, without_mask, "no mask token"),
        ({}, encoder_decoder, "has a decoder"),
        ({}, short_of_words, "its embedding only 10 rows"),
    ],
)
def test_refusals_leave_nothing_behind(lab, tmp_path, options, change, message):
    model = shutil.copytree(lab.model("bert"), tmp_path / "model")
    if change is not None:
        change(model)
    config = lab.config(model=str(model), **options)
    with pytest.raises(RequestError, match=message):
        lab.engine.trainer(config).train()
    assert not (lab.directory / config.output_dir).exists()


def test_a_gpu_that_is_not_there_is_refused(lab, monkeypatch):
    if lab.device == "gpu":
        monkeypatch.setattr(lab.engine, "devices", lambda: ["cpu"])
    config = lab.config(model=str(lab.model("bert")), device="gpu")
    with pytest.raises(RequestError, match="sees no GPU"):
        lab.engine.trainer(config).train()
    assert not (lab.directory / config.output_dir).exists()


def test_the_other_framework_was_never_imported(numpy_side):
    assert not set(numpy_side.OTHER_FRAMEWORKS) & set(sys.modules)
