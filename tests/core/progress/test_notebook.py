"""Progress in a notebook, with a fake of IPython."""

import sys
import types

import pytest

from mlm_core.progress import Progress, notebook, show


class Cell:
    """The outputs of one cell: each a list of what it showed, the last of which is seen."""

    def __init__(self):
        self.outputs = []

    def display(self, content, *, raw, display_id):
        assert raw and display_id is True
        shown = [content]
        self.outputs.append(shown)

        def update(content, *, raw):
            assert raw
            shown.append(content)

        return types.SimpleNamespace(update=update)

    @property
    def html(self):
        return [output[-1]["text/html"] for output in self.outputs]


@pytest.fixture
def cell(monkeypatch, fresh):
    found = Cell()
    ipython, part = types.ModuleType("IPython"), types.ModuleType("IPython.display")
    shell = types.SimpleNamespace(kernel=object(), execution_count=1)
    ipython.get_ipython, part.display, found.shell = lambda: shell, found.display, shell
    monkeypatch.setitem(sys.modules, "IPython", ipython)
    monkeypatch.setitem(sys.modules, "IPython.display", part)
    monkeypatch.setattr(notebook, "_INTERVAL", 0.0)
    return found


def line(step, loss, masked=10):
    return {"step": step, "loss": loss, "masked_tokens": masked}


def evaluation(step, loss, perplexity):
    return {"step": step, "eval_loss": loss, "eval_perplexity": perplexity, "eval_accuracy": 0.5}


def made():
    return Progress(quiet=False, verbose=False, logging_steps=1)


def test_one_output_with_a_bar_and_a_table_of_losses(cell, capsys):
    shown = made()
    shown.start(2)
    shown.evaluation(evaluation(0, 3.0, 20.0855))
    shown.step(line(1, 2.5, masked=30), None, None)
    shown.step(line(2, 2.0, masked=10), 1234.0, 3.0)
    (html,) = cell.html
    assert "<progress value='2' max='2'" in html and "0:03 left" in html and "1,234 tokens/s" in html
    shown.evaluation(evaluation(2, 2.25, 9.4877))
    shown.stop()
    (html,) = cell.html
    assert "left" not in html and "loss 2" in html
    assert "<th>Step</th><th>Training loss</th><th>Held-out loss</th><th>Perplexity</th>" in html
    assert "<tr><td>0</td><td></td><td>3.0000</td><td>20.0855</td></tr>" in html
    # The mean of the masked tokens since the evaluation before.
    assert "<tr><td>2</td><td>2.3750</td><td>2.2500</td><td>9.4877</td></tr>" in html
    assert capsys.readouterr() == ("", "")


def test_a_next_run_and_a_next_cell_have_outputs_of_their_own(cell):
    shown = made()
    for _ in range(2):
        shown.start(1)
        shown.stop()
    assert len(cell.outputs) == 2
    cell.shell.execution_count = 2
    with shown.phase("loading the model", at_once=True):
        assert "loading the model ..." in cell.html[-1]
    assert len(cell.outputs) == 3 and cell.html[-1] == ""
    # A run is below what was said while it was prepared.
    shown.start(1)
    assert len(cell.outputs) == 4 and cell.html[2] == ""
    shown.stop()


def test_an_evaluation_has_a_bar_while_it_runs(cell):
    shown = made()
    counter = shown.counter("evaluating", 4)
    counter._show()
    counter.advance()
    assert "<progress value='1' max='4'" in cell.html[-1] and "evaluating" in cell.html[-1]
    counter.stop()
    assert cell.html[-1] == ""


def test_names_from_elsewhere_are_text(cell):
    with made().phase("opening <script>x</script>", at_once=True):
        assert "<script>" not in cell.html[-1] and "&lt;script&gt;" in cell.html[-1]


def test_a_display_that_fails_ends_no_run(cell, monkeypatch):
    def broken(*_, **__):
        raise OSError("the browser is gone")

    monkeypatch.setattr(notebook.Output, "show", broken)
    shown = made()
    shown.start(2)
    shown.step(line(1, 3.0), None, None)
    shown.stop()


def test_messages_are_no_errors(cell, capsys):
    show("mlm: mind this")
    assert capsys.readouterr() == ("mlm: mind this\n", "")


def test_numbers_that_are_not_finite(cell):
    shown = made()
    shown.start(1)
    shown.step(line(1, None, masked=0), None, None)
    shown.evaluation(evaluation(1, None, None))
    shown.stop()
    assert "<td>not finite</td>" in cell.html[0] and "loss not finite" in cell.html[0]


def test_a_shell_without_a_kernel_is_no_notebook(cell, capsys):
    """IPython in a terminal whose stderr is a file."""
    cell.shell.kernel = None
    show("said")
    assert cell.outputs == [] and capsys.readouterr().err == "said\n"


def test_ipython_is_not_imported_elsewhere(monkeypatch, fresh):
    for name in [name for name in sys.modules if name.split(".")[0] == "IPython"]:
        monkeypatch.delitem(sys.modules, name)
    show("said")
    assert "IPython" not in sys.modules
