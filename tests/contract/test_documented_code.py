"""The training loops that the documentation shows, as they stand there, on a tiny model."""

import re
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[2] / "docs"
NAME = "distilbert/distilroberta-base"
LONG = '{"text": "' + "one two three " * 200 + '"}\n'


def snippets(page, having):
    code = re.findall(r"```python\n(.*?)```", (DOCS / page).read_text(encoding="utf-8"), flags=re.DOTALL)
    return [source for source in code if having in source]


@pytest.mark.one_rank
def test_the_collator_in_your_own_loop(lab, tmp_path, monkeypatch):
    """Also with a document that is longer than the model allows."""
    package = f"mlm_{lab.engine.name}"
    (source,) = (found for found in snippets("guide.md", "MaskingCollator") if package in found)
    (tmp_path / "posts.jsonl").write_text('{"text": "one two three four"}\n' * 30 + LONG, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    assert source.count(f'"{NAME}"') == 1
    source = source.replace(f'"{NAME}"', repr(str(lab.model("roberta"))))
    # The tiny model takes rows of fewer tokens.
    source = source.replace("max_length=128", "max_length=16")
    names = {}
    exec(compile(source, "guide.md", "exec"), names)
    rows = [len(ids) for ids in names["rows"]["input_ids"]]
    assert len(rows) == 31 and max(rows) == 16
