"""The report of a run: its metrics, its page, its size."""

import json
import math
import re

import pytest
from page_reader import PageReader

from mlm_core import RequestError
from mlm_core.report.metrics import HeldOut, Metrics, Step, mean_loss, read_metrics
from mlm_core.report.run_charts import MOST_POINTS, loss_svg
from mlm_core.report.run_page import run_page
from mlm_core.training.run_card import evaluation_rows
from mlm_core.training.run_report import report_of_run, write_report

HOSTILE = "<script>alert(1)</script>\x1b[2J\u202e\"'&"


def metrics(count=20):
    steps = [
        Step(number, number / 10, 3 + math.exp(-number), 30, 1e-4 * number, 1.0 + number % 3, 1000.0)
        for number in range(1, count + 1)
    ]
    return Metrics(steps, [HeldOut(0, 4.0, 54.6, 0.1, 90), HeldOut(count, 3.0, 20.1, 0.3, 90)])


def filled(token="cat", score=0.5):
    return {"answers": [{"token": f" {token}", "score": score}], "score": score, "rank": 1}


def facts(**changes):
    example = {"text": "the <mask> sat.", "word": "cat", "before": filled(score=0.125), "after": filled()}
    return {
        "config": {"learning_rate": 1e-4, "backend": "torch", "compile": False, "dropout": None},
        "data": {"source": "posts.jsonl", "fingerprint": "f", "documents": 12000, "train_blocks": 3},
        "versions": {"torch": "2"}, "devices": ["cpu"], "ranks": 1, "mlm_head": "sparse",
        "results": {"backend": "torch", "steps": 20, "model_step": 20, "training_seconds": 75.0},
        "examples": [example], "finished": "2026-01-02T03:04:05+00:00",
    } | changes  # fmt: skip


def read(page):
    reader = PageReader()
    reader.feed(page)
    assert reader.open == []
    return reader


def test_the_page_is_whole_and_needs_nothing_else():
    page = run_page(facts(), metrics(), "my run")
    reader = read(page)
    assert reader.links == [] and not re.search(r"<script|@import|url\(|https?:", page)
    assert len(reader.pictures) == 4
    for picture in reader.pictures:
        assert picture["role"] == "img" and "from" in picture["aria-label"]
    assert 'content="width=device-width' in page and "prefers-color-scheme: dark" in page
    assert "54.6 → </small>20.1" in page and "2026-01-02 03:04 UTC" in page and "12,000" in page
    # The example, with the right answer before and after.
    assert "the <mark>cat</mark> sat." in page
    assert page.index("0.125") < page.index("0.500") and page.count('class="right"') == 2
    # Options that are off or not given are no news.
    assert "learning rate</dt><dd>0.0001" in page and "dropout" not in page


def test_nothing_in_the_files_becomes_a_part_of_the_page():
    example = {"text": f"{HOSTILE} <mask> {HOSTILE}", "word": HOSTILE, "after": filled(HOSTILE)}
    hostile = facts(
        config={HOSTILE: HOSTILE, "dataset": HOSTILE, "token": "hf_" + "aB3" * 12},
        versions={HOSTILE: HOSTILE},
        devices=[HOSTILE], examples=[example], data={"source": HOSTILE}, finished=HOSTILE,
    )  # fmt: skip
    page = run_page(hostile, metrics(), HOSTILE)
    read(page)
    assert "<script" not in page and "\x1b" not in page and "\u202e" not in page
    assert "alert(1)" in page and "aB3aB3" not in page


@pytest.mark.parametrize("name", list(facts()))
@pytest.mark.parametrize("value", [None, 3, "text", [], {}, {"a": 1}, [1], [{"text": 5}], 2**70])
def test_a_part_that_is_wrong_is_left_out(name, value):
    read(run_page(facts(**{name: value}), metrics(), "run"))


def test_a_run_without_a_step():
    page = run_page({"config": {}, "data": {}}, Metrics(problem="line 3: it is not JSON"), "run")
    assert read(page).pictures == [] and "line 3: it is not JSON" in page


def test_a_long_run_is_thinned_and_says_so():
    page = run_page(facts(), metrics(100_000), "run")
    assert len(page) < 500_000
    assert f"100,000 steps are drawn as at most {MOST_POINTS} points: each is the mean of 417 steps" in page
    assert "40 of 100,000 steps, evenly spread" in page
    # A short one has running means; of very few steps there is nothing to smooth.
    for count, smooth in ((20, False), (60, True)):
        shown = run_page(facts(), metrics(count), "run")
        assert ("The faint lines" in shown) == ('class="line faint' in shown) == smooth


def test_the_best_weights_are_named():
    held_out = [*metrics().held_out, HeldOut(10, 2.5, 12.2, 0.4, 90)]
    chosen = facts(results={"model_step": 10, "steps": 20})
    page = run_page(chosen, Metrics(metrics().steps, held_out), "run")
    assert "the best one, of step 10" in page and "54.6 → </small>12.2" in page


def test_the_time_of_a_run_that_went_on_is_that_of_its_last_steps():
    times = {"steps": 20, "training_seconds": 3.0}
    assert "time of training" in run_page(facts(results=times), metrics(), "run")
    page = run_page(facts(results=times | {"new_steps": 5}), metrics(), "run")
    assert "time of the last 5 steps" in page and "time of training" not in page


def lines(*rows):
    return b"\n".join(json.dumps(row).encode() for row in rows) + b"\n"


def test_metrics_are_read_up_to_what_is_none(tmp_path):
    path = tmp_path / "metrics.jsonl"
    evaluation = {"step": 0, "eval_loss": None, "eval_masked_tokens": 5}
    path.write_bytes(lines(evaluation, {"step": 1, "loss": 2.0, "batch_digest": "d"}) + b'{"step": 2, "lo')
    found = read_metrics(path)
    assert found.held_out == [HeldOut(0, masked_tokens=5)] and found.steps == [Step(1, loss=2.0)]
    assert "line 3" in found.problem
    assert read_metrics(tmp_path / "none").problem == "No such file or directory"
    path.write_bytes(lines({"step": "1"}))
    assert read_metrics(path).steps == [] and "step" in read_metrics(path).problem


def test_rows_of_the_card_have_the_mean_over_masked_tokens():
    steps = [Step(1, 0.5, 2.0, 10), Step(2, 1.0, 5.0, 30), Step(3, 1.5, 1.0, 10)]
    found = evaluation_rows(Metrics(steps, [HeldOut(0, 6.0), HeldOut(2, 4.0), HeldOut(3, 3.0)]))
    assert [(row.step, row.epoch, row.train_loss) for row in found] == [
        (0, 0.0, None),
        (2, 1.0, pytest.approx(4.25)),
        (3, 1.5, 1.0),
    ]
    assert mean_loss([Step(1, loss=1.0, masked_tokens=9), Step(2, loss=2.0)]) == 1.5
    assert mean_loss([Step(1)]) is None


def test_a_report_is_made_again_from_the_files(tmp_path):
    run = tmp_path / "run"
    run.mkdir()
    (run / "metrics.jsonl").write_bytes(
        lines({"step": 0, "eval_loss": 4.0, "eval_masked_tokens": 5}, {"step": 1, "loss": 2.0})
    )
    (run / "run.json").write_text(json.dumps(facts()))
    first = report_of_run(run)
    assert "<mark>cat</mark>" in first and report_of_run(str(run)) == first
    with pytest.raises(RequestError, match=r"holds no run\.json"):
        report_of_run(tmp_path)
    (run / "run.json").write_text("{")
    with pytest.raises(RequestError, match="damaged"):
        report_of_run(run)


def test_a_report_that_cannot_be_written_is_said(tmp_path):
    said = []

    class Listener:
        warn = said.append

    (tmp_path / "report.html").mkdir()
    write_report(tmp_path, facts(), metrics(), Listener())
    assert len(said) == 1 and "the run is complete without it" in said[0]
    assert list((tmp_path / "report.html").iterdir()) == [] and len(list(tmp_path.iterdir())) == 1


def test_a_run_without_losses_has_no_picture():
    assert loss_svg(Metrics([Step(1)], [HeldOut(0)])) is None
