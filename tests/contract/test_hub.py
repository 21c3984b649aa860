"""From the Hub and to the Hub; a server on this machine stands in for it."""

import io
import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml
from file_kinds import ANSWERS, as_parquet, sample_rows
from hub_faults import TOKEN
from hub_processes import no_token_in, python
from hub_repositories import User
from hub_server import HubServer

HERE = Path(__file__).parent

ELI5, MODEL = "someone/eli5_category", "someone/distilroberta"

MODEL_FILES = {
    ".gitattributes", "README.md", "loss.svg", "config.json", "model.safetensors", "tokenizer.json",
    "tokenizer_config.json", "special_tokens_map.json", "vocab.json", "merges.txt", "added_tokens.json",
}  # fmt: skip
"""Possible files of a repository; versions of transformers write different tokenizer files."""


@pytest.fixture(scope="module")
def hub(lab):
    file = io.BytesIO()
    as_parquet(file, sample_rows())
    model = {path.name: path.read_bytes() for path in lab.model("roberta", dropout=0.0).iterdir()}
    with HubServer(
        {ELI5: {"main": {"data/train.parquet": file.getvalue()}}},
        models={MODEL: model},
        users={TOKEN: User("me", organizations=("org",))},
    ) as server:
        yield server


@pytest.fixture(scope="module")
def environment(hub, tmp_path_factory):
    home = tmp_path_factory.mktemp("home")
    return hub.environment(TOKEN) | {"HF_HOME": str(home), "HOME": str(home)}


@pytest.fixture(scope="module")
def trained(hub, engine, environment, tmp_path_factory):
    """mlm train --dataset NAME --model NAME --push-to-hub"""
    run = tmp_path_factory.mktemp("walk") / "run"
    words = ["--dataset", ELI5, "--split", "train[:40]", "--text-column", ANSWERS, "--model", MODEL]
    words += ["--block-size", "32", "--epochs", "2", "--learning-rate", "1e-3", "--output-dir", run]
    words += ["--push-to-hub", "--hub-model-id", "org/walk", "--hub-strategy", "epoch", "--json"]
    also = ["--also-h5"] if engine.writes_h5 else []
    printed, said = python("-m", "mlm_core", "train", "--backend", engine.name, *words, *also, **environment)
    return run, json.loads(printed), said


def test_the_model_is_there_and_nothing_else(trained, hub, engine, environment):
    run, results, _ = trained
    assert results["hub_url"] == f"{hub.url}/org/walk"
    assert hub.models["org/walk"].private
    files = hub.files("org/walk")
    assert files.keys() <= MODEL_FILES | ({"tf_model.h5"} if engine.writes_h5 else set())
    for name, content in files.items():
        if name != ".gitattributes":
            own = (run / name).read_bytes().replace(b"DIRECTORY-OR-REPOSITORY", b"org/walk")
            assert content == own
            # No local paths.
            assert str(run.parent).encode() not in content and b"/snapshots/" not in content
    messages = [commit.message for commit in hub.models["org/walk"].branches["main"]]
    steps = json.loads((run / "run.json").read_text())["results"]["steps"]
    # The final model, and a version after the first epoch, unless training was faster than the upload.
    assert messages[0] == "" and messages[-1] == f"Trained for {steps} steps"
    assert set(messages[1:-1]) <= {f"Step {steps // 2} of {steps}"}
    no_token_in(run)
    no_token_in(Path(environment["HF_HOME"]))


def test_the_card(trained, hub):
    run, results, _ = trained
    card = hub.files("org/walk")["README.md"].decode()
    front, body = re.fullmatch(r"---\n(.*?)\n---\n(.*)", card, re.DOTALL).groups()
    facts = yaml.safe_load(front)
    assert facts["base_model"] == MODEL and facts["datasets"] == [ELI5]
    assert facts["library_name"] == "transformers" and facts["pipeline_tag"] == "fill-mask"
    (index,) = facts["model-index"]
    (result,) = index["results"]
    assert index["name"] == "walk" and result["task"]["type"] == "fill-mask"
    assert result["dataset"] == {"name": ELI5, "type": ELI5, "split": "train[:40]"}
    values = {metric["type"]: metric["value"] for metric in result["metrics"]}
    assert values["perplexity"] == pytest.approx(results["perplexity"], rel=1e-5)
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    last = [line for line in lines if "eval_loss" in line][-1]
    assert values["accuracy"] == pytest.approx(last["eval_accuracy"], rel=1e-5)
    assert "DIRECTORY" not in body
    for use in ('pipeline("fill-mask", "org/walk")', 'from_pretrained("org/walk")', "mlm fill org/walk"):
        assert use in body
    for shown in (f"| {last['step']} |", "| learning rate | 0.001 |"):
        assert shown in body


def test_the_pipeline_and_the_command_by_name(trained, environment, engine):
    run, results, _ = trained
    code = {
        "torch": "from transformers import pipeline; filler = pipeline('fill-mask', 'org/walk')",
        "tf": "import mlm_tf; model = mlm_tf.from_pretrained('org/walk')\n"
        "from transformers import AutoTokenizer, pipeline\n"
        "tokenizer = AutoTokenizer.from_pretrained('org/walk')\n"
        "filler = pipeline('fill-mask', model=model, tokenizer=tokenizer, framework='tf', dtype=None)",
    }[engine.name]
    text = results["example"]["text"]
    code += f"\nimport json; print(json.dumps(filler({text!r}, top_k=3)))"
    piped = json.loads(python("-c", code, **environment)[0])
    words = ["fill", "org/walk", text, "--backend", engine.name, "--top-k", "3", "--json"]
    by_name = json.loads(python("-m", "mlm_core", *words, **environment)[0])["results"][0]
    for fills in (piped, by_name):
        assert [fill["token"] for fill in fills] == [fill["token"] for fill in results["example"]["fills"]]
        scores = [fill["score"] for fill in results["example"]["fills"]]
        assert [fill["score"] for fill in fills] == pytest.approx(scores, abs=1e-4)
    # Offline, the downloaded files work, by name and by commit.
    commit = json.loads((run / "hub.json").read_text())["org/walk"]["commit"]
    for offline in ([], ["--model-revision", commit]):
        again = python("-m", "mlm_core", *words, *offline, **(environment | {"HF_HUB_OFFLINE": "1"}))
        assert json.loads(again[0])["results"][0] == by_name


def test_stock_classes_open_it(trained, environment, engine):
    """In TensorFlow, stock classes read the h5 file."""
    code = {
        "torch": "from transformers import AutoModelForMaskedLM\n"
        "model = AutoModelForMaskedLM.from_pretrained('org/walk')\n"
        "table = model.get_input_embeddings().weight.detach()",
        "tf": "import os; os.environ |= {'USE_TF': '1', 'USE_TORCH': '0', 'TF_USE_LEGACY_KERAS': '1'}\n"
        "from transformers import TFAutoModelForMaskedLM\n"
        "model = TFAutoModelForMaskedLM.from_pretrained('org/walk', use_safetensors=False)\n"
        "table = model.get_input_embeddings().weights[0]",
    }[engine.name]
    code += "\nimport numpy; print(repr(float(numpy.asarray(table, dtype='float64').sum())))"
    printed, said = python("-c", code, **environment)
    from mlm_core.model.weight_files import read_weights

    table = read_weights(trained[0])["roberta.embeddings.word_embeddings.weight"]
    assert float(printed) == pytest.approx(float(table.astype("float64").sum()), rel=1e-6)
    assert "newly initialized" not in said


def test_the_users_own_loop(hub, engine, environment, tmp_path):
    """PushToHubCallback in `fit`, or in a stock Trainer."""
    run = tmp_path / "by-hand"
    words = [HERE / "hub_walk.py", engine.name, ELI5, MODEL, "org/by-hand", run]
    fills = json.loads(python(*words, **environment)[0])
    assert len(fills) == 5
    files = hub.files("org/by-hand")
    assert files.keys() <= MODEL_FILES and hub.models["org/by-hand"].private
    assert files["model.safetensors"] == (run / "model.safetensors").read_bytes()
    assert files["model.safetensors"] != hub.files(MODEL)["model.safetensors"]
    card = files["README.md"].decode()
    front = yaml.safe_load(card.split("---")[1])
    assert front["base_model"] == MODEL and front["tags"] == ["guide"]
    # Losses of both epochs, training and held-out.
    rows = re.findall(r"^\| \d+ \| \d+ \| [\d.]+ \| [\d.]+ \|", card, re.MULTILINE)
    assert len(rows) == 2 and {"torch": "torch", "tf": "tensorflow"}[engine.name] in card
    # If the last version equals the final model to the byte, there is no further commit.
    assert hub.models["org/by-hand"].branches["main"][-1].message in ("Epoch 2", "End of training")
    no_token_in(run)


def test_a_resumed_run_publishes(hub, trained, engine, environment):
    """A finished run that is resumed only has to push, and here there is nothing to upload."""
    run, results, _ = trained
    before = len(hub.models["org/walk"].branches["main"])
    words = ["train", "--output-dir", run, "--resume", "--backend", engine.name, "--json"]
    # Whether and where is for each start to say, never for run.json, which may be somebody else's.
    printed, said = python("-m", "mlm_core", *words, **environment)
    assert json.loads(printed)["hub_url"] is None and "nothing is published" in said
    words += ["--push-to-hub", "--hub-model-id", "org/walk"]
    printed, said = python("-m", "mlm_core", *words, **environment)
    assert json.loads(printed)["hub_url"] == results["hub_url"]
    assert "has already finished" in said and len(hub.models["org/walk"].branches["main"]) == before


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_while_it_is_published(hub, engine, environment, lab, tmp_path, number, code):
    """The model is saved, and the error names the command that publishes it."""
    words = ["train", "--dataset", lab.jsonl, "--model", lab.model("roberta"), "--backend", engine.name]
    words += ["--block-size", "16", "--max-steps", "1", "--output-dir", tmp_path / "run", "--push-to-hub"]
    name = f"org/signal-{code}"
    fault = hub.fail("preupload", "hang")
    inherited = {variable: value for variable, value in os.environ.items() if not variable.startswith("HF_")}
    with subprocess.Popen(
        [sys.executable, "-m", "mlm_core", *map(str, words), "--hub-model-id", name],
        stderr=subprocess.PIPE,
        text=True,
        env=inherited | environment,
    ) as process:
        late = time.monotonic() + 120
        while not any(f"{name}/preupload" in request for request in hub.requests):
            assert process.poll() is None and time.monotonic() < late
            time.sleep(0.05)
        process.send_signal(number)
        _, said = process.communicate(timeout=60)
    hub.faults.remove(fault)
    assert process.returncode == code and "Traceback" not in said
    assert f"mlm push {tmp_path / 'run'} {name} publishes it" in said
    assert (tmp_path / "run" / "model.safetensors").is_file()
