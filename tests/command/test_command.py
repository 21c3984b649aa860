"""The command, end to end, with both engines on the same work."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from command_line import ENGINES, mlm
from file_kinds import ANSWERS, SAMPLE, answers_of, sample_rows
from tiny_models import WORDS, write_model

SENTENCE = "the <mask> sat on a mat."


@pytest.fixture(scope="module")
def encoder(tmp_path_factory):
    """A pretrained directory as an encoder saves it: no masked-LM head."""
    return write_model(tmp_path_factory.mktemp("models") / "encoder", "roberta", head=False, dropout=0.0)


@pytest.fixture(scope="module")
def runs(tmp_path_factory, encoder, jsonl):
    """The same 20 steps with each engine."""
    directory, found = tmp_path_factory.mktemp("runs"), {}
    for backend in ENGINES:
        words = ["--dataset", jsonl, "--model", encoder, "--max-steps", "20", "--learning-rate", "1e-2"]
        words += ["--block-size", "16", "--output-dir", directory / backend, "--json", "--test-size", "0.3"]
        found[backend] = mlm("train", "--backend", backend, *words)
    return found


def lines(results):
    path = Path(results["run_dir"]) / "metrics.jsonl"
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_both_engines_train_the_same_batches_to_the_same_losses(runs):
    torch, tf = (lines(runs[backend][0]) for backend in ENGINES)
    assert len(torch) == len(tf) > 20
    first = True
    for one, other in zip(torch, tf, strict=True):
        assert one["step"] == other["step"]
        if "loss" not in one:
            assert other["eval_loss"] == pytest.approx(one["eval_loss"], rel=1e-3)
            assert other["eval_masked_tokens"] == one["eval_masked_tokens"]
            continue
        assert one["batch_digest"] == other["batch_digest"] is not None
        assert one["masked_tokens"] == other["masked_tokens"]
        assert one["learning_rate"] == other["learning_rate"]
        assert other["loss"] == pytest.approx(one["loss"], rel=1e-5 if first else 1e-4)
        assert other["grad_norm"] == pytest.approx(one["grad_norm"], rel=1e-3)
        first = False


def test_what_train_says(runs, encoder):
    for backend in ENGINES:
        results, said = runs[backend]
        shown = {"run_dir", "backend", "steps", "perplexity_before", "perplexity", "hub_url", "example"}
        pace = {"new_steps", "training_seconds", "tokens_per_second"}
        assert set(results) == shown | pace
        assert results["new_steps"] == 20 and all(results[name] > 0 for name in pace)
        assert results["backend"] == backend and results["steps"] == 20
        assert results["perplexity"] < 0.5 * results["perplexity_before"]
        example = results["example"]
        assert example["text"].count("<mask>") == 1 and example["word"] in WORDS
        assert len(results["example"]["fills"]) == 3
        assert "not in the model, drawn with the seed: lm_head." in said
        assert "step 20/20" in said


def test_every_engine_opens_what_every_engine_wrote(runs):
    for written in ENGINES:
        results = runs[written][0]
        run = results["run_dir"]
        evaluations = {read: mlm("evaluate", run, "--backend", read, "--json")[0] for read in ENGINES}
        for found in evaluations.values():
            assert set(found) == {"loss", "perplexity", "accuracy", "masked_tokens"}
            assert found["perplexity"] == pytest.approx(results["perplexity"], rel=1e-3)
            assert found["masked_tokens"] == evaluations["torch"]["masked_tokens"]
        fills = {read: mlm("fill", run, SENTENCE, "--backend", read, "--json")[0] for read in ENGINES}
        torch, tf = (fills[read]["results"][0] for read in ENGINES)
        assert [fill["token"] for fill in torch] == [fill["token"] for fill in tf]
        assert [fill["score"] for fill in torch] == pytest.approx([fill["score"] for fill in tf], abs=1e-5)


OPEN_IN_PYTORCH = """
import sys
from transformers import AutoModelForMaskedLM, AutoTokenizer, pipeline
model, info = AutoModelForMaskedLM.from_pretrained(sys.argv[1], output_loading_info=True)
assert not any(info.values()), info
tokenizer = AutoTokenizer.from_pretrained(sys.argv[1])
print([fill["token"] for fill in pipeline("fill-mask", model=model, tokenizer=tokenizer)(sys.argv[2])])
"""

OPEN_IN_TENSORFLOW = """
import sys
import mlm_tf
model = mlm_tf.from_pretrained(sys.argv[1])
from transformers import AutoTokenizer
import tensorflow as tf
tokenizer = AutoTokenizer.from_pretrained(sys.argv[1])
inputs = tokenizer(sys.argv[2], return_tensors="tf")
mask = tf.where(inputs["input_ids"][0] == tokenizer.mask_token_id)[0, 0]
print(tf.math.top_k(model(**inputs).logits[0, mask], k=5).indices.numpy().tolist())
assert "torch" not in sys.modules
"""


@pytest.mark.parametrize("written", ENGINES)
def test_plain_from_pretrained_opens_a_run(runs, written):
    run = runs[written][0]["run_dir"]
    answers = []
    for code, environment in ((OPEN_IN_PYTORCH, {"USE_TF": "0"}), (OPEN_IN_TENSORFLOW, {})):
        done = subprocess.run(
            [sys.executable, "-c", code, run, SENTENCE],
            capture_output=True,
            text=True,
            env=os.environ | environment,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        answers.append(json.loads(done.stdout))
    assert answers[0] == answers[1]


def test_other_text_is_evaluated_whole(runs, jsonl):
    run = runs["torch"][0]["run_dir"]
    whole, _ = mlm("evaluate", run, "--backend", "torch", "--dataset", jsonl, "--json")
    own, _ = mlm("evaluate", run, "--backend", "torch", "--json")
    assert whole["masked_tokens"] > 3 * own["masked_tokens"]
    words = ["--dataset", jsonl, "--block-size", "48", "--last-block", "pad", "--json"]
    padded, _ = mlm("evaluate", run, "--backend", "torch", *words)
    assert abs(padded["masked_tokens"] - whole["masked_tokens"]) < 0.05 * whole["masked_tokens"]


def test_changed_text_is_refused(runs, jsonl, tmp_path, encoder):
    text = tmp_path / "text.txt"
    text.write_text("\n".join(["the cat sat on the mat."] * 40), encoding="utf-8")
    run = tmp_path / "run"
    words = ["--dataset", text, "--model", encoder, "--max-steps", "1", "--block-size", "8"]
    mlm("train", "--backend", "torch", *words, "--output-dir", run, "--quiet")
    text.write_text("another text\n" * 40, encoding="utf-8")
    results, said = mlm("evaluate", run, "--backend", "torch", "--json", code=2)
    assert results["error"]["code"] == "changed_data"
    assert said.startswith("mlm: error: ") and said.count("\n") == 1


def test_texts_from_a_file_and_from_stdin(runs, tmp_path):
    run = runs["tf"][0]["run_dir"]
    (tmp_path / "texts.txt").write_text(f"{SENTENCE}\n\nthe cat [MASK] on\n", encoding="utf-8")
    words = ["fill", run, "--backend", "tf", "--json"]
    listed, _ = mlm(*words, SENTENCE, "the cat <mask> on")
    from_file, _ = mlm(*words, "--file", tmp_path / "texts.txt")
    from_stdin, _ = mlm(*words, "-", stdin=(tmp_path / "texts.txt").read_text(encoding="utf-8"))
    assert from_file == from_stdin == listed
    assert len(listed["results"]) == 2


METRIC = """
import datasets
import evaluate


class Right(evaluate.Metric):
    def _info(self):
        features = {name: datasets.Value("int64") for name in ("predictions", "references")}
        return evaluate.MetricInfo(
            description="", citation="", inputs_description="", features=datasets.Features(features)
        )

    def _compute(self, predictions, references, scale):
        right = sum(one == other for one, other in zip(predictions, references))
        return {"right": right * scale, "seen": len(references)}
"""


@pytest.mark.parametrize("backend", ENGINES)
def test_any_metric_on_the_masked_positions(runs, tmp_path, backend):
    path = tmp_path / "right.py"
    path.write_text(METRIC, encoding="utf-8")
    words = ["evaluate", runs["torch"][0]["run_dir"], "--backend", backend, "--metric", path]
    found, _ = mlm(*words, "--metric-option", "scale=2", "--json", HF_HOME=str(tmp_path))
    right = round(found["accuracy"] * found["masked_tokens"])
    assert found["metrics"] == {"right": 2 * right, "seen": found["masked_tokens"]}
    error, said = mlm(*words, "--json", code=2, HF_HOME=str(tmp_path))
    # Before it there may be lines that say what takes long.
    assert error["error"]["option"] == "--metric" and said.splitlines()[-1].startswith("mlm: error: ")
    shown, _ = mlm(*words, "--metric-option", "scale=1", "--quiet", HF_HOME=str(tmp_path))
    assert shown.splitlines()[-1].split() == ["seen", f"{found['masked_tokens']:,}"]


def test_prepare_shows_every_step_and_keeps_the_blocks(tmp_path, encoder):
    cache = {"MLM_CACHE": str(tmp_path / "cache")}
    words = ["--dataset", SAMPLE, "--text-column", ANSWERS, "--model", encoder, "--block-size", "32"]
    found, _ = mlm("prepare", *words, "--show", "2", "--json", **cache)
    rows = sample_rows()
    assert len(found["documents"]) == len(found["blocks"]) == 2
    for document in found["documents"]:
        assert document["raw"] in rows and document["text"] == answers_of(document["raw"])
        assert len(document["tokens"]) == len(document["token_ids"])
    first, block = found["documents"][0], found["blocks"][0]
    assert first["text"].startswith(block["text"].removeprefix("<s>")[:40])
    assert "<mask>" in block["masked"] and 4 <= len(block["to_guess"]) <= 5
    for slot in block["to_guess"]:
        assert first["tokens"][slot["position"]] == slot["token"]
    stores = found["stores"]
    assert {part: facts["documents"] for part, facts in stores.items()} == {"training": 38, "held-out": 10}
    plain, _ = mlm("prepare", *words, "--show", "1", **cache)
    shown = "document raw text tokens ids block grouped masked to training held-out kept"
    assert [line.split()[0] for line in plain.splitlines()] == shown.split()
    # Training finds the blocks: it adds none to the cache.
    before = sorted(path.name for path in (tmp_path / "cache" / "stores").iterdir())
    mlm("train", "--backend", "torch", *words, "--max-steps", "1", "--output-dir", tmp_path / "run", **cache)
    assert sorted(path.name for path in (tmp_path / "cache" / "stores").iterdir()) == before
    facts = json.loads((tmp_path / "run" / "run.json").read_text(encoding="utf-8"))
    assert facts["data"]["fingerprint"] == found["fingerprint"]
    assert facts["data"]["train_blocks"] == stores["training"]["blocks"]


def test_a_run_on_a_dataset_from_python_says_so(tmp_path, encoder):
    program = """
import datasets, json, sys
from mlm_core import Config, load_engine
rows = [json.loads(line) for line in open(sys.argv[1], encoding="utf-8")]
config = Config(
    model=sys.argv[2], output_dir=sys.argv[3], text_column="title", block_size=16, max_steps=1, quiet=True
)
load_engine("torch").trainer(config, dataset=datasets.Dataset.from_list(rows)).train()
"""
    run = tmp_path / "run"
    command = [sys.executable, "-c", program, str(SAMPLE), str(encoder), str(run)]
    done = subprocess.run(command, capture_output=True, text=True, env=os.environ, check=False)
    assert done.returncode == 0, done.stderr
    error, said = mlm("evaluate", run, "--backend", "torch", "--json", code=2)
    assert error["error"]["code"] == "no_dataset" and said.count("\n") == 1
    error, said = mlm("train", "--resume", "--output-dir", run, "--backend", "torch", "--json", code=2)
    assert error["error"]["code"] == "no_dataset" and "pass it again from Python" in said
    words = ["--dataset", SAMPLE, "--text-column", "title", "--json"]
    assert mlm("evaluate", run, "--backend", "torch", *words)[0]["masked_tokens"] > 50


def test_two_runs_at_once_prepare_the_same_blocks(tmp_path, encoder):
    words = [
        "--dataset",
        SAMPLE,
        "--text-column",
        ANSWERS,
        "--model",
        encoder,
        "--block-size",
        "32",
        "--json",
    ]
    command = [sys.executable, "-m", "mlm_core", "prepare", *map(str, words)]
    environment = os.environ | {"MLM_CACHE": str(tmp_path / "cache")}
    both = [
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)
        for _ in range(3)
    ]
    said = [process.communicate() for process in both]
    assert [process.returncode for process in both] == [0, 0, 0], said
    assert len({out for out, _ in said}) == 1
    assert len(list((tmp_path / "cache" / "stores").iterdir())) == 2


def test_plain_output_reads_well(runs):
    run = runs["tf"][0]["run_dir"]
    said, errors = mlm(
        "fill", run, SENTENCE, "the <mask> sat on <mask>", "--top-k", "2", "--backend", "torch"
    )
    assert errors == ""
    headings = [line for line in said.splitlines() if line.startswith("text")]
    assert headings == ["text 1, blank 1", "text 2, blank 1", "text 2, blank 2"]
    assert len(said.splitlines()) == 3 + 3 * 2
    evaluated, errors = mlm("evaluate", run, "--backend", "tf", "--quiet")
    assert errors == ""
    names = [line.split()[0] for line in evaluated.splitlines()]
    assert names == ["loss", "perplexity", "accuracy", "masked_tokens"]


def test_doctor():
    results, _ = mlm("doctor", "--json")
    assert {name: facts["works"] for name, facts in results["backends"].items()} == {
        "tf": True,
        "torch": True,
    }
    assert results["problems"] == []
    assert "cpu" in results["backends"]["tf"]["devices"]
    assert (results["ranks"]["rank"], results["ranks"]["count"]) == (0, 1)
    assert "gloo" in results["backends"]["torch"]["collectives"]
    found = [name for name, facts in results["backends"].items() if "gpu" in facts["devices"]]
    report = mlm("doctor", "--report", HF_HUB_OFFLINE="1", HF_TOKEN="hf_" + 20 * "aB")[0]
    assert "| backend torch | works on cpu" in report and "- `HF_HUB_OFFLINE`: `1`" in report
    assert "aBaB" not in report and str(Path("~").expanduser() / "") not in report
    said = next(line for line in mlm("doctor")[0].splitlines() if line.startswith("GPU "))
    assert said.split(maxsplit=1)[1].startswith("found by" if found else "none found by tf or torch")


def test_doctor_in_a_rank(monkeypatch):
    for name, value in {
        "RANK": "1",
        "WORLD_SIZE": "2",
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": "1",
    }.items():
        monkeypatch.setenv(name, value)
    said, _ = mlm("doctor")
    assert "rank             1 of 2, on this machine 0 of 1 (WORLD_SIZE)" in said
    assert "127.0.0.1:1: nobody listens there yet" in said
    monkeypatch.delenv("RANK")
    said, _ = mlm("doctor")
    assert "problem: WORLD_SIZE 2: cannot be a rank's (RANK is missing)" in said
