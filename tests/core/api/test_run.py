"""Opening runs from Python, without a framework: records, history, drawings, what a notebook shows."""

import json
import shutil
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from mlm_core import Config, RequestError, Run
from mlm_core.api.answers import Answers
from mlm_core.api.plot import Plot

EARLIER = Path(__file__).parents[2] / "data" / "earlier"
BACKENDS = ("torch", "tf")


@pytest.fixture
def finished(tmp_path):
    """A copy of an earlier run that may be changed."""
    return Path(shutil.copytree(EARLIER / "torch" / "finished", tmp_path / "run"))


def change(run, **facts):
    record = json.loads((run / "run.json").read_text(encoding="utf-8"))
    for name, value in facts.items():
        record[name] = record[name] | value if isinstance(value, dict) else value
    (run / "run.json").write_text(json.dumps(record), encoding="utf-8")


@pytest.mark.parametrize("backend", BACKENDS)
def test_runs_of_earlier_versions_open(backend):
    directory = EARLIER / backend / "finished"
    facts = json.loads((directory / "run.json").read_text(encoding="utf-8"))
    run = Run.open(directory)
    assert run.directory == directory
    assert run.config == Config.from_dict(facts["config"])
    result = run.result
    assert (result.backend, result.steps, result.model_step) == (backend, 12, 12)
    # The file holds the sum of the losses; the loss that is shown is its mean.
    (sum_before, _, tokens), (sum_after, correct, _) = facts["evaluations"]
    assert result.before.loss_sum == sum_before and result.after.loss_sum == sum_after
    assert result.after.loss == pytest.approx(sum_after / tokens) == facts["results"]["loss"]
    assert result.after.perplexity == pytest.approx(facts["results"]["perplexity"])
    assert result.before.perplexity == pytest.approx(facts["results"]["perplexity_before"])
    assert result.after.correct == correct


@pytest.mark.parametrize("backend", BACKENDS)
def test_the_history_has_the_rows_of_the_file(backend):
    run = Run.open(EARLIER / backend / "finished")
    lines = [json.loads(line) for line in (run.directory / "metrics.jsonl").read_text().splitlines()]
    assert len(run.history) == len(lines)
    for row, line in zip(run.history, lines, strict=True):
        assert row == {name: value for name, value in line.items() if name != "batch_digest"}
        assert type(row) is dict


def test_results_are_plain_values(finished):
    result = Run.open(finished).result
    values = json.loads(json.dumps(result.to_dict(), allow_nan=False))
    assert values["after"] == result.after.to_dict()
    assert set(values["before"]) == {"loss", "perplexity", "accuracy", "masked_tokens"}
    assert (values["steps"], values["backend"], values["run_dir"]) == (12, "torch", str(finished))
    assert (
        repr(result.after) == "<MaskedSums: loss 5.265, perplexity 193.5, accuracy 0.05556, 18 masked tokens>"
    )
    assert repr(result).endswith("run: torch, 12 steps, perplexity 328.6 -> 193.5>")


def test_a_run_shows_itself(finished):
    run = Run.open(str(finished))
    assert repr(run) == f"<Run {finished}: torch, 12 steps, perplexity 328.6 -> 193.5>"
    shown = run._repr_html_()
    assert "<caption>Run " in shown and "posts.jsonl" in shown and "<img " in shown
    names = [name for name in dir(run) if not name.startswith("__")]
    assert names == sorted(
        "config directory evaluate fill history open plot push_to_hub report result resume".split()  # noqa: SIM905
    )


def test_a_plot_is_a_drawing_and_a_file(finished, tmp_path):
    plot = Run.open(finished).plot()
    assert isinstance(plot, Plot)
    root = ET.fromstring(plot._repr_svg_())
    assert root.tag.endswith("svg") and plot._repr_html_().startswith("<img ")
    saved = plot.save(tmp_path / "loss.svg")
    assert saved.read_text(encoding="utf-8") == plot.svg
    assert plot.save(str(tmp_path / "again.SVG")).exists()
    with pytest.raises(RequestError, match=r"path .*loss\.png: must end in \.svg; for example loss\.svg"):
        plot.save(tmp_path / "loss.png")
    assert not (tmp_path / "loss.png").exists()
    with pytest.raises(RequestError, match="path"):
        plot.save(5)


def test_the_report_is_where_training_wrote_it_or_is_made_again(finished, tmp_path):
    run = Run.open(finished)
    with pytest.raises(RequestError, match=r"has no report\.html; a run gets one when it finishes; make one"):
        run.report()
    written = run.report(tmp_path / "page.html")
    assert written == tmp_path / "page.html" and "193.5" in written.read_text(encoding="utf-8")
    with pytest.raises(RequestError, match=r"must end in \.html"):
        run.report(tmp_path / "page.pdf")
    shutil.copy(written, finished / "report.html")
    assert run.report() == finished / "report.html"


def test_what_files_say_is_escaped(finished, capsys):
    evil = "<script>alert('x')</script>\x1b[31m"
    change(finished, data={"source": evil}, results={"backend": evil})
    directory = finished.rename(finished.with_name("<b>run&"))
    run = Run.open(directory)
    shown = run._repr_html_()
    assert "<script" not in shown and "<b>" not in shown and "\x1b" not in shown
    assert "&lt;script&gt;" in shown and "&lt;b&gt;run&amp;" in shown
    assert "\x1b" not in repr(run) and "\x1b" not in repr(run.result)
    assert "<b>" not in run.plot()._repr_html_()


def test_a_run_that_has_not_finished():
    run = Run.open(EARLIER / "torch" / "interrupted")
    assert run.result is None
    assert repr(run).endswith(": not finished>")
    assert "not finished" in run._repr_html_()
    assert run.history[0]["step"] == 0 and "eval_loss" in run.history[0]


def test_a_run_without_a_step_has_no_plot(finished):
    (finished / "metrics.jsonl").unlink()
    run = Run.open(finished)
    assert run.history == []
    with pytest.raises(RequestError, match="records no loss"):
        run.plot()
    assert "<table>" in run._repr_html_() and "<img" not in run._repr_html_()


def test_a_damaged_history_is_read_up_to_the_damage(finished, capsys):
    metrics = finished / "metrics.jsonl"
    lines = metrics.read_text(encoding="utf-8").splitlines()
    metrics.write_text("\n".join([*lines[:5], '{"step": 5, "loss": "\x1b"', *lines[5:]]), encoding="utf-8")
    assert len(Run.open(finished).history) == 5
    said = capsys.readouterr().err
    assert "is read only in part: line 6" in said and "\x1b" not in said


@pytest.mark.parametrize(
    ("facts", "result"),
    [({"results": None}, None), ({"evaluations": None}, None), ({"evaluations": []}, None)],
)
def test_an_incomplete_record_has_no_result(finished, facts, result):
    change(finished, **facts)
    assert Run.open(finished).result is result


def test_what_is_no_run_is_answered_in_a_line(tmp_path, finished):
    for wrong, says in (
        (tmp_path, "is not a run; give the directory of a run"),
        (tmp_path / "none", "no such directory; give the directory of a run"),
        ("org/name", "no such directory; .* for another model, use load_engine"),
        (5, "directory 5: must be a name or a path"),
        (None, "directory None: must be a name or a path"),
    ):
        with pytest.raises(RequestError, match=says):
            Run.open(wrong)
    (finished / "run.json").write_text("{", encoding="utf-8")
    with pytest.raises(RequestError, match=r"run\.json is damaged"):
        Run.open(finished)
    with pytest.raises(RequestError, match="--device"):
        Run.open(finished, device="tpu")


def test_a_run_that_is_removed_still_shows_itself(finished):
    run = Run.open(finished)
    shutil.rmtree(finished)
    assert repr(run) == f"<Run {finished}: no such directory>"
    assert "no such directory" in run._repr_html_()


def test_answers_are_lists_that_a_notebook_shows():
    fill = {"score": 0.25, "token": 3, "token_str": " <i>cat", "sequence": "a <i>cat & a dog"}
    blank = {"score": 0.001, "token": 4, "token_str": " ", "sequence": "a"}
    one = Answers([fill, blank])
    assert one == [fill, blank] and json.loads(json.dumps(one)) == [fill, blank]
    shown = one._repr_html_()
    assert shown.count("<tr>") == 3 and "<i>" not in shown and "&lt;i&gt;cat" in shown and "0.2500" in shown
    several = Answers([[fill], [[fill], [blank]]])._repr_html_()
    assert several.count("a &lt;i&gt;cat &amp; a dog") == 2
    assert Answers([])._repr_html_().startswith("<table>")
