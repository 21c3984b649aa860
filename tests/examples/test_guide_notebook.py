"""The notebook runs with both engines; what it stores are cells alone."""

import json
import os
import sys
from pathlib import Path

import nbformat
import pytest
from command_line import ENGINES
from example_programs import EXAMPLES
from nbclient import NotebookClient

NOTEBOOK = EXAMPLES / "guide.ipynb"

ASKED = """
import json

import numpy as np

found = {"before": before.perplexity, "after": after.perplexity, "again": again.perplexity}
found |= {"documents": len(documents), "blocks": len(blocks)}
found |= {"masked": float((np.asarray(batch["labels"]) != -100).mean())}
found |= {"fills": list(run.fill("The Moon goes around the <mask>.", top_k=3))}
print(json.dumps(found))
"""
"""A cell after the last: the notebook's own variables."""


def read():
    return nbformat.read(NOTEBOOK, as_version=4)


def cell(notebook, identifier):
    (found,) = (cell for cell in notebook.cells if cell.id == identifier)
    return found


def shown(notebook, identifier):
    """What a cell has printed and displayed, as text."""
    outputs = cell(notebook, identifier).outputs
    return "".join(output.get("text", "") or str(output.get("data", "")) for output in outputs)


@pytest.fixture(scope="module", params=ENGINES)
def executed(request, tmp_path_factory):
    """The notebook with its outputs, and the values of its variables."""
    directory = tmp_path_factory.mktemp(request.param)
    notebook = read()
    settings = cell(notebook, "settings")
    after = notebook.cells.index(settings) + 1
    own = f"BACKEND, OUTPUT, EPOCHS = {request.param!r}, {str(directory / 'run')!r}, 3"
    notebook.cells.insert(after, nbformat.v4.new_code_cell(own))
    notebook.cells.append(nbformat.v4.new_code_cell(ASKED))
    # The command `mlm` of this environment, as in an activated one.
    os.environ["PATH"] = os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"]))
    NotebookClient(notebook, timeout=300, resources={"metadata": {"path": str(EXAMPLES)}}).execute()
    return notebook, json.loads(notebook.cells[-1].outputs[-1]["text"])


def test_perplexity_falls(executed):
    _, found = executed
    assert found["after"] < 0.9 * found["before"]
    assert found["again"] == pytest.approx(found["after"], rel=1e-4)


def test_every_step_shows_something(executed):
    notebook, found = executed
    assert found["documents"] == 48
    assert "document 1 of the training text" in shown(notebook, "steps-code")
    assert "to guess" in shown(notebook, "steps-code")
    assert f"{found['before']:.2f} -> {found['after']:.2f}" in shown(notebook, "perplexity-code")
    assert "svg" in shown(notebook, "plot-code")
    assert f"{found['blocks']} blocks" in shown(notebook, "own-loop-code")
    assert "<mask>" in shown(notebook, "own-loop-code")
    assert 0.1 < found["masked"] < 0.2


def test_blanks_are_filled(executed):
    _, found = executed
    scores = [fill["score"] for fill in found["fills"]]
    assert len(scores) == 3 and scores == sorted(scores, reverse=True)
    assert all(fill["sequence"].startswith("The Moon goes around the") for fill in found["fills"])


def test_it_is_a_notebook_without_outputs():
    notebook = read()
    nbformat.validate(notebook)
    assert "parameters" in cell(notebook, "settings").metadata.tags
    codes = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert not any(cell.outputs or cell.execution_count for cell in codes)
