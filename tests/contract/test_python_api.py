"""`train` and `Run`: the engine's runs from Python in three lines."""

import json
from pathlib import Path

import pytest
from conftest import THREADS
from tiny_models import sentences
from training_runs import metrics

from mlm_core import RequestError, Run, RunError, train
from mlm_core.registry import engine_names

EARLIER = Path(__file__).parents[1] / "data" / "earlier"
ONE, TWO = "the cat <mask> on the mat.", "the <mask> sat on [MASK] mat."


@pytest.fixture(scope="module")
def options(lab):
    """The options of a tiny run, besides its text and its directory."""
    return {
        "backend": lab.engine.name, "model": lab.model("roberta", dropout=0.0), "block_size": 16,
        "batch_size": 8, "threads": THREADS, "device": lab.device, "max_steps": 6, "learning_rate": 1e-3,
        "verify_batches": True, "quiet": True,
    }  # fmt: skip


@pytest.fixture(scope="module")
def run(lab, options, tmp_path_factory):
    return train(lab.jsonl, output_dir=tmp_path_factory.mktemp("api") / "run", **options)


def test_a_run_has_the_result_and_the_history_of_its_files(run, lab):
    assert isinstance(run, Run)
    facts = json.loads((run.directory / "run.json").read_text(encoding="utf-8"))
    result = run.result
    assert (result.backend, result.steps, result.run_dir) == (lab.engine.name, 6, run.directory)
    assert result.after.loss == facts["results"]["loss"] < result.before.loss
    assert facts["evaluations"][1][0] == result.after.loss_sum
    assert result.after.loss == pytest.approx(result.after.loss_sum / result.after.masked_tokens)
    assert run.config.learning_rate == 1e-3 and run.config.dataset == str(lab.jsonl)
    history, lines = run.history, metrics(run.directory)
    assert [row["step"] for row in history] == [line["step"] for line in lines]
    assert [row.get("loss") for row in history] == [line.get("loss") for line in lines]
    assert history[-1]["eval_loss"] == result.after.loss
    assert repr(run).startswith(f"<Run {run.directory}: {lab.engine.name}, 6 steps, perplexity ")
    assert "<img " in run._repr_html_() and "<svg" in run.plot().svg
    assert run.report() == run.directory / "report.html"


def test_the_run_is_the_one_that_a_trainer_trains(run, lab, options):
    result = lab.train(**options)
    assert (result.before, result.after) == (run.result.before, run.result.after)
    digests = [line.get("batch_digest") for line in metrics(run.directory)]
    assert digests == [line.get("batch_digest") for line in metrics(result.run_dir)]
    assert len(set(digests)) == 7


def test_a_run_fills_blanks(run, lab):
    expected = lab.predictor(run.directory).fill([ONE, TWO], top_k=3)
    assert run.fill([ONE, TWO], top_k=3) == expected
    for text in (ONE, TWO):
        assert [run.fill(text, top_k=3)] == lab.predictor(run.directory).fill([text], top_k=3)
    assert set(run.fill(ONE)[0]) == {"score", "token", "token_str", "sequence"} and len(run.fill(ONE)) == 5
    (cat,) = run.fill(ONE, targets=" cat", top_k=1)
    assert cat["token_str"] == " cat"
    assert "<table>" in run.fill([ONE, TWO])._repr_html_()
    with pytest.raises(RequestError, match="the text has no mask"):
        run.fill("no blank")


def test_a_run_evaluates_its_text_and_others(run, lab):
    own = run.evaluate(quiet=True)
    assert own.correct == run.result.after.correct
    assert own.loss == pytest.approx(run.result.after.loss, rel=1e-6)
    file = run.evaluate(lab.jsonl, quiet=True)
    assert file.masked_tokens > own.masked_tokens
    texts = run.evaluate(sentences(120), quiet=True, batch_size=5)
    assert texts.loss == pytest.approx(file.loss, rel=1e-6) and texts.correct == file.correct
    for wrong, says in (
        ({"split": "train[:5]"}, "--split: requires --dataset"),
        ({"learning_rate": 1e-3}, "learning_rate: is decided by the run; .* choose from backend, dataset"),
        ({"batchsize": 3}, "did you mean --batch-size"),
        ({"dataset": 5}, "dataset: must be a name or a text, not int"),
    ):
        with pytest.raises(RequestError, match=says):
            run.evaluate(**wrong, quiet=True)


def test_texts_from_python_train_like_a_file(run, options, tmp_path):
    texts = sentences(120)
    given = train(texts, output_dir=tmp_path / "run", **options)
    assert given.result.after == run.result.after
    digests = [line.get("batch_digest") for line in metrics(given.directory)]
    assert digests == [line.get("batch_digest") for line in metrics(run.directory)]
    facts = json.loads((given.directory / "run.json").read_text(encoding="utf-8"))
    assert facts["data"]["source"] == "dataset given from Python" and facts["config"]["dataset"] is None
    # This object knows the text; one that is opened again does not.
    assert given.evaluate(quiet=True).correct == given.result.after.correct
    opened = Run.open(given.directory, threads=THREADS, device=options["device"])
    with pytest.raises(RequestError, match="was trained on a dataset given from Python, which was not saved"):
        opened.evaluate(quiet=True)
    with pytest.raises(RequestError, match="was trained on a dataset given from Python"):
        opened.resume(quiet=True)
    longer = given.resume(max_steps=8, allow_change="max_steps", quiet=True)
    assert longer.result.steps == 8 and longer.directory == given.directory
    assert longer.evaluate(quiet=True).correct == longer.result.after.correct


def test_a_run_goes_on(lab, options, tmp_path):
    short = train(lab.jsonl, output_dir=tmp_path / "run", **options)
    again = short.resume(quiet=True)
    assert again.result.after == short.result.after and again.result.steps == 6
    with pytest.raises(RequestError, match="allow-change"):
        short.resume(max_steps=8, quiet=True)
    longer = Run.open(short.directory).resume(max_steps=8, allow_change="max_steps", quiet=True)
    assert [row["step"] for row in longer.history if "loss" in row] == [*range(1, 9)]
    assert Run.open(short.directory).result.after == longer.result.after


def test_a_new_directory_and_the_commands_progress(lab, options, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    run = train(lab.jsonl, **options | {"quiet": False, "max_steps": 2})
    assert run.directory == Path("runs") / lab.engine.name
    said = capsys.readouterr()
    assert said.out == ""
    assert "2 steps of 8 blocks" in said.err and "step 2/2" in said.err
    assert f"saved in {run.directory}: {lab.engine.name}, 2 steps, perplexity " in said.err
    second = train(lab.jsonl, **options | {"max_steps": 2})
    assert second.directory != run.directory and second.result.after == run.result.after


def test_the_other_engines_runs_open_here(lab):
    for name in ("torch", "tf"):
        opened = Run.open(EARLIER / name / "finished", threads=THREADS, device=lab.device)
        expected = lab.predictor(opened.directory).fill([ONE], top_k=2)
        assert opened.result.backend == name and opened.fill([ONE], top_k=2) == expected


def test_another_engine_in_this_process_is_answered_in_a_line(run, lab, options, tmp_path):
    for other in {"torch", "tf"} & set(engine_names()) - {lab.engine.name}:
        calls = (
            lambda other=other: train(
                lab.jsonl, output_dir=tmp_path / "other", **options | {"backend": other}
            ),
            lambda other=other: Run.open(run.directory, backend=other).fill(ONE),
            lambda other=other: run.evaluate(backend=other),
        )
        for call in calls:
            with pytest.raises((RunError, RequestError)) as raised:
                call()
            # In an environment with one engine, the other is missing.
            says = "one process works with one backend: start another process|cannot be used: "
            assert raised.match(says) and "\n" not in str(raised.value)
    assert not (tmp_path / "other").exists()


def test_wrong_requests_write_nothing(lab, options, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for dataset, changed, says in (
        (lab.jsonl, {"model": lab}, "--model: must be text, not Lab"),
        (lab.jsonl, {"lr": 1e-3}, "lr: no such option; here it is --learning-rate"),
        (lab.jsonl, {"epochs": 0}, "--epochs 0: must be at least 1"),
        (lambda: "text", {}, "dataset: must be a name or a text, not function"),
        ([lab.jsonl], {}, "dataset: holds PosixPath at place 0"),
        ("none.jsonl", {}, "none.jsonl"),
        (lab.jsonl, {"resume": True}, "--resume: requires --output-dir"),
    ):
        with pytest.raises(RequestError, match=says):
            train(dataset, **options | changed)
    assert list(tmp_path.iterdir()) == []
