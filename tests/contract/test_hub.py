"""The Hub: from it, to it, and what may go wrong on the way; a server on this machine stands in for it."""

import io
import json
import os
import pickle
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml
from file_kinds import ANSWERS, as_parquet, sample_rows
from hub_faults import FAULTS, LASTING, REFUSED, TOKEN, TRANSIENT
from hub_repositories import User
from hub_server import HubServer

from mlm_core.__main__ import main

HERE = Path(__file__).parent
ELI5, MODEL = "someone/eli5_category", "someone/distilroberta"
TEXT = "The Milky Way is a <mask> galaxy."

MODEL_FILES = {
    ".gitattributes", "README.md", "config.json", "model.safetensors", "tokenizer.json",
    "tokenizer_config.json", "special_tokens_map.json", "vocab.json", "merges.txt", "added_tokens.json",
}  # fmt: skip
"""What may be in a repository; versions of transformers differ in what they write of a tokenizer."""


def python(*words, code=0, **environment):
    """Run Python in a process of its own; what it printed last, and all it said."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("HF_")}
    done = subprocess.run(
        [sys.executable, *map(str, words)],
        capture_output=True,
        text=True,
        env=inherited | environment,
        check=False,
    )
    assert done.returncode == code, done.stderr[-5000:]
    assert TOKEN not in done.stdout + done.stderr
    return (done.stdout.splitlines() or [""])[-1], done.stderr


def no_token_in(directory):
    """Nothing that was written knows the token."""
    found = [path for path in directory.rglob("*") if path.is_file() and TOKEN.encode() in path.read_bytes()]
    assert not found


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
            # Paths of this machine.
            assert str(run.parent).encode() not in content and b"/snapshots/" not in content
    messages = [commit.message for commit in hub.models["org/walk"].branches["main"]]
    steps = json.loads((run / "run.json").read_text())["results"]["steps"]
    # A version after the first epoch, unless that was faster than the upload, and the model itself.
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
    code += f"\nimport json; print(json.dumps(filler({TEXT!r}, top_k=3)))"
    piped = json.loads(python("-c", code, **environment)[0])
    words = ["fill", "org/walk", TEXT, "--backend", engine.name, "--top-k", "3", "--json"]
    by_name = json.loads(python("-m", "mlm_core", *words, **environment)[0])["results"][0]
    for fills in (piped, by_name):
        assert [fill["token"] for fill in fills] == [fill["token"] for fill in results["example"]["fills"]]
        scores = [fill["score"] for fill in results["example"]["fills"]]
        assert [fill["score"] for fill in fills] == pytest.approx(scores, abs=1e-4)
    # What was downloaded serves where the Hub is not asked, by name and by commit.
    commit = json.loads((run / "hub.json").read_text())["org/walk"]["commit"]
    for offline in ([], ["--model-revision", commit]):
        again = python("-m", "mlm_core", *words, *offline, **(environment | {"HF_HUB_OFFLINE": "1"}))
        assert json.loads(again[0])["results"][0] == by_name


def test_stock_classes_open_it(trained, environment, engine):
    """The h5 file is for them in TensorFlow."""
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


def test_a_loop_of_ones_own(hub, engine, environment, tmp_path):
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
    # The version after the last epoch, if that is the same to the last byte.
    assert hub.models["org/by-hand"].branches["main"][-1].message in ("Epoch 2", "End of training")
    no_token_in(run)


def test_publishing_goes_on_where_a_run_was_resumed(hub, trained, engine, environment):
    """A finished run that is asked to go on has only its push to do, and here nothing to send."""
    run, results, _ = trained
    before = len(hub.models["org/walk"].branches["main"])
    words = ["train", "--output-dir", run, "--resume", "--backend", engine.name, "--json"]
    printed, said = python("-m", "mlm_core", *words, **environment)
    assert json.loads(printed)["hub_url"] == results["hub_url"]
    assert "is finished already" in said and len(hub.models["org/walk"].branches["main"]) == before


_SLOWER = [*list(TRANSIENT)[::3], *LASTING, *REFUSED]
"""The faults are met by the core: where every training takes seconds, a third of the transient will do."""


@pytest.fixture(scope="module")
def outcomes(engine, lab, tmp_path_factory):
    """What came of every fault."""
    directory = tmp_path_factory.mktemp("faults")
    points = _SLOWER if engine.name == "tf" else list(FAULTS)
    model = lab.model("roberta", dropout=0.0)
    words = [HERE / "hub_worker.py", engine.name, model, lab.jsonl, directory, *points]
    printed, said = python(*words)
    no_token_in(directory)
    found = json.loads(printed)
    assert list(found["faults"]) == points
    return found["faults"], said, found["by_hand"]


def chosen(outcomes, kind):
    found = {name: outcome for name, outcome in outcomes[0].items() if name in kind}
    assert len(found) > 1
    return found


def test_faults_that_pass(outcomes):
    for name, outcome in chosen(outcomes, TRANSIENT).items():
        assert outcome["error"] is None and outcome["trained"] and outcome["arrived"], (name, outcome)
        # Once, also where the answer to a commit was lost; the version before it may have come late.
        versions = outcome["messages"][1:-1]
        assert outcome["messages"][-1] == "Trained for 2 steps", (name, outcome)
        if TRANSIENT[name].waits and TRANSIENT[name].kind != 403:
            assert versions == ["Step 1 of 2"], (name, outcome)
        assert versions in ([], ["Step 1 of 2"]), (name, outcome)
        assert not versions or TRANSIENT[name].strategy == "checkpoint", (name, outcome)
        assert outcome["left"] == [], (name, outcome)


def test_faults_that_last(outcomes):
    for name, outcome in chosen(outcomes, LASTING).items():
        assert outcome["exit"] == 1 and outcome["trained"] and not outcome["arrived"], (name, outcome)
        assert outcome["retried"] and outcome["left"] == [], (name, outcome)
        assert "is trained and saved in" in outcome["said"], (name, outcome)
        overwritten = " --overwrite" in outcome["fix"]
        assert overwritten == (name == "moved_on"), (name, outcome)
        # Somebody else's work is still there.
        assert outcome["notes"] == ("mine" if name == "moved_on" else "")


def test_what_is_refused_at_once(outcomes):
    for name, outcome in chosen(outcomes, REFUSED).items():
        assert outcome["exit"] == 2 and not outcome["trained"], (name, outcome)
        assert "messages" not in outcome and "Traceback" not in outcomes[1]


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_while_it_is_published(hub, engine, environment, lab, tmp_path, number, code):
    """The model is there, and what to do is said."""
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


def test_published_by_hand(outcomes):
    """trainer.push_to_hub()"""
    by_hand = outcomes[2]
    addresses = [by_hand[name].rpartition(":")[2].partition("/")[2] for name in ("before", "after", "own")]
    assert addresses == ["org/before", "org/after", "me/by-hand"]
    # Before training it is another model.
    assert by_hand["arrived"] == [False, True, True] and by_hand["private"] == [True, False, True]
    assert "# before" in by_hand["card"] and '"org/before"' in by_hand["card"]


def test_training_goes_on_beside_failing_uploads(outcomes):
    assert "not published: Step 1 of 2" in outcomes[1]
    assert "it is tried again when there is something to publish" in outcomes[1]


_OWN_CODE = """
from transformers import BertConfig, BertForMaskedLM

class OwnConfig(BertConfig):
    model_type = "own"

class OwnForMaskedLM(BertForMaskedLM):
    config_class = OwnConfig
"""


def test_code_that_comes_with_a_model(lab, engine, tmp_path, capsys):
    """Run where that is asked for, and kept with what was trained; TensorFlow has no such classes."""
    shutil.copytree(lab.model("bert"), tmp_path / "own")
    settings = json.loads((tmp_path / "own" / "config.json").read_text())
    places = {"AutoConfig": "code.OwnConfig", "AutoModelForMaskedLM": "code.OwnForMaskedLM"}
    settings |= {"model_type": "own", "auto_map": places}
    (tmp_path / "own" / "config.json").write_text(json.dumps(settings))
    (tmp_path / "own" / "code.py").write_text(_OWN_CODE)
    words = ["train", "--dataset", lab.jsonl, "--model", tmp_path / "own", "--backend", engine.name]
    words += ["--max-steps", "2", "--block-size", "16", "--output-dir", tmp_path / "run", "--quiet"]
    home = {"HF_HOME": str(tmp_path / "home"), "HF_HUB_OFFLINE": "1"}

    def mlm(*words, code=0):
        return python("-m", "mlm_core", *words, code=code, **home)[1]

    assert "--trust-remote-code runs it" in mlm(*words, code=2)
    if engine.name != "torch":
        assert "use --backend torch" in mlm(*words, "--trust-remote-code", code=2)
        return
    mlm(*words, "--trust-remote-code")
    assert (tmp_path / "run" / "code.py").read_text() == _OWN_CODE
    fill = ["fill", tmp_path / "run", "the [MASK] sat", "--backend", engine.name]
    mlm(*fill, "--trust-remote-code")
    # A run's record does not make its code any safer.
    mlm(*fill, code=2)
    mlm("evaluate", tmp_path / "run", "--backend", engine.name, code=2)


class _Harm:
    """What a pickle may hold."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return Path.touch, (Path(self.path),)


def test_pickled_weights(lab, engine, numpy_side, tmp_path, capsys):
    """Read where that is asked for, as data alone."""
    model = shutil.copytree(lab.model("bert", dropout=0.0), tmp_path / "model")
    from mlm_core.model.weight_files import read_weights

    weights = read_weights(model)
    (model / "model.safetensors").unlink()
    words = ["fill", str(model), "the [MASK] sat", "--backend", engine.name]
    harm = tmp_path / "harm"
    (model / "pytorch_model.bin").write_bytes(pickle.dumps(_Harm(harm)))
    assert main(words) == 2
    assert "--allow-pickle" in capsys.readouterr().err
    assert main([*words, "--allow-pickle"]) == 2
    said = capsys.readouterr().err
    assert not harm.exists() and ("use --backend torch" in said) == (engine.name != "torch")
    if engine.name == "torch":
        numpy_side.write_pickled(model / "pytorch_model.bin", weights)
        assert main([*words, "--allow-pickle", "--json"]) == 0
        fills = json.loads(capsys.readouterr().out)
        assert main(["fill", str(lab.model("bert", dropout=0.0)), *words[2:], "--json"]) == 0
        assert json.loads(capsys.readouterr().out) == fills


def test_h5_needs_the_engine_that_writes_it(lab, engine, capsys):
    words = ["train", "--dataset", str(lab.jsonl), "--also-h5", "--backend", engine.name, "--max-steps", "1"]
    words += ["--model", str(lab.model("roberta")), "--output-dir", str(lab.directory / "h5"), "--quiet"]
    assert main(words) == (0 if engine.writes_h5 else 2)
    assert (lab.directory / "h5" / "tf_model.h5").is_file() == engine.writes_h5
    assert engine.writes_h5 or "use --backend tf" in capsys.readouterr().err
