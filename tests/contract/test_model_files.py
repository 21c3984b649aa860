"""Files with code, pickles or TensorFlow weights: each requires its option."""

import json
import pickle
import shutil
from pathlib import Path

from hub_processes import python

from mlm_core.__main__ import main

_OWN_CODE = """
from transformers import BertConfig, BertForMaskedLM

class OwnConfig(BertConfig):
    model_type = "own"

class OwnForMaskedLM(BertForMaskedLM):
    config_class = OwnConfig
"""


def test_code_that_comes_with_a_model(lab, engine, tmp_path, capsys):
    """Code runs only with its option and is saved with the trained model; TensorFlow has no such classes."""
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

    assert "run it with --trust-remote-code" in mlm(*words, code=2)
    if engine.name != "torch":
        assert "use --backend torch" in mlm(*words, "--trust-remote-code", code=2)
        return
    mlm(*words, "--trust-remote-code")
    assert (tmp_path / "run" / "code.py").read_text() == _OWN_CODE
    fill = ["fill", tmp_path / "run", "the [MASK] sat", "--backend", engine.name]
    mlm(*fill, "--trust-remote-code")
    # The record of a run does not allow its code.
    mlm(*fill, code=2)
    mlm("evaluate", tmp_path / "run", "--backend", engine.name, code=2)


class _Harm:
    """A pickle that runs code when it is loaded."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return Path.touch, (Path(self.path),)


def test_pickled_weights(lab, engine, numpy_engine, tmp_path, capsys):
    """Pickles are read only with their option, and no code in them runs."""
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
        numpy_engine.write_pickled(model / "pytorch_model.bin", weights)
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
