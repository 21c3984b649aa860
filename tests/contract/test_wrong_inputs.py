"""Every wrong input of the table: its exit code, one line of error, nothing lost and nothing half-written."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

import pytest
from tiny_models import sentences, write_model

from mlm_core import Config
from mlm_core.__main__ import main

sys.path.insert(0, str(Path(__file__).parent))

from wrong_inputs import configs, data, models, options, runs

TABLE = [*options.ROWS, *configs.ROWS, *data.ROWS, *models.ROWS, *runs.ROWS]


@pytest.fixture(scope="module")
def good(tmp_path_factory, engine, device):
    """A directory with a model, a text and a finished run, and the place where it was made."""
    place = tmp_path_factory.mktemp("work") / "place"
    write_model(place / "model", "roberta")
    write_model(place / "wordpiece", "bert")
    rows = [json.dumps({"text": text}) for text in sentences(60)]
    (place / "text.jsonl").write_text("\n".join(rows) + "\n", encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(place)
        trained = Config(
            dataset="text.jsonl", model="model", block_size=16, batch_size=4, max_steps=4, save_steps=2,
            output_dir="run", quiet=True, device=device, threads=2,
        )  # fmt: skip
        engine.trainer(trained).train()
    return shutil.copytree(place, place.with_name("good")), place


def snapshot(place):
    return {
        str(path.relative_to(place)): path.read_bytes() if path.is_file() else None
        for path in sorted(place.rglob("*"))
    }


def test_the_table_is_large():
    assert len(TABLE) >= 150
    assert len({row.name for row in TABLE}) == len(TABLE)


@pytest.mark.parametrize("row", TABLE, ids=[row.name for row in TABLE])
def test_a_wrong_input_is_one_line(row, good, tmp_path, engine, monkeypatch, capsys):
    saved, place = good
    shutil.rmtree(place)
    # In the same place: runs know where their text and their model are.
    shutil.copytree(saved, place)
    for name, content in row.files.items():
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        (place / name).write_bytes(content.encode() if isinstance(content, str) else content)
    if row.change is not None:
        row.change(place)
    monkeypatch.chdir(place)
    monkeypatch.setenv("MLM_BACKEND", engine.name)
    for name in ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HF_HOME", str(tmp_path / "home"))
    before = snapshot(place)

    code = main([*row.command, "--json"])

    out, err = capsys.readouterr()
    errors = [line for line in err.splitlines() if line.startswith("mlm: error: ")]
    assert code == row.code, err
    assert len(errors) == 1 and "Traceback" not in err, err
    assert row.says in errors[0], err
    error = json.loads(out.splitlines()[-1])["error"]
    assert error["code"] == row.error or not row.error, err
    assert error["code"] != "internal_error", err
    assert options.TOKEN not in out + err and "\x1b" not in out + err
    after = snapshot(place)
    if row.code == 2:
        assert after == before, set(after) ^ set(before)
    else:
        assert all(after.get(name) == content for name, content in before.items())
