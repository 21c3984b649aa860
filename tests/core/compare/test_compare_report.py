"""Reports of comparisons: statistics, sentences, tables and the page."""

import json
import re
from html.parser import HTMLParser

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mlm_core.compare.charts import _ticks

from mlm_core import RequestError
from mlm_core.compare.between import compare_reports
from mlm_core.compare.measures import ratio, tokens_per_second
from mlm_core.compare.page import page
from mlm_core.compare.report import SCHEMA, read_report, same_work
from mlm_core.compare.tables import HEADINGS, markdown, rows, verdicts

TOKENS = 2048


def rates(median, noise=0.02, rounds=10, seed=0):
    return list(median * (1 + noise * np.random.default_rng(seed).standard_normal(rounds)))


def test_tokens_of_a_round_over_its_time():
    assert tokens_per_second([[{"seconds": 0.5}, {"seconds": 1.5}], [{"seconds": 1.0}]], 100) == [100, 100]


@pytest.mark.parametrize(
    ("factor", "verdict"), [(0.8, "slower"), (0.95, "slower"), (1.0, "tie"), (1.01, "tie"), (1.25, "faster")]
)
def test_a_difference_beyond_the_noise_is_one(factor, verdict):
    found = ratio(rates(factor * 1000, seed=1), rates(1000, seed=2))
    assert found.verdict == verdict
    assert found.low <= found.value <= found.high


def test_what_slows_both_down_in_a_round_widens_no_interval():
    shared = 1 + 0.3 * np.random.default_rng(3).standard_normal(10)
    one, other = list(1000 * shared), list(800 * shared)
    assert ratio(one, other).low == pytest.approx(1.25)
    apart = ratio(one, other, paired=False)
    assert apart.low < 1.2 < 1.3 < apart.high


def test_rounds_that_one_variant_lacks_are_left_out():
    assert ratio([10.0, 10.0, 99.0], [5.0, 5.0]).value == 2


def test_few_rounds_are_too_few_to_be_sure():
    assert ratio([100.0, 101.0, 99.0, 100.0], [50.0, 51.0, 50.0, 52.0]).verdict == "unclear"


def test_the_interval_holds_the_truth_in_nineteen_of_twenty():
    held = 0
    for seed in range(200):
        draw = np.random.default_rng(seed)
        one, other = (100 * np.exp(0.05 * draw.standard_normal(12)) for _ in range(2))
        found = ratio(list(one), list(other))
        held += found.low <= 1 <= found.high
    # Of 200, 190 are expected; a bootstrap of few rounds is a little too sure of itself.
    assert held >= 175


def variant(name, speed=1000.0, losses=(5.0, 4.0, 3.0), digest="a", **changes):
    steps = [
        {"seconds": TOKENS / speed, "batch_seconds": 0.01, "step": step, "loss": loss, "masked_tokens": 300}
        | {"batch_digest": f"{digest}{step}"}
        for step, loss in enumerate(losses, 1)
    ]
    work = {"model": "m", "text": "t", "fingerprint": "f", "blocks": {"training": "b"}, "block_size": 128}
    work |= {"rows_in_a_step": 16, "tokens_in_a_step": TOKENS, "precision": "float32", "threads": 2}
    work |= {"mlm_head": "sparse", "compile": False, "dropout": False}
    return {
        "name": name, "backend": name, "guide": False, "options": {}, "work": work,
        "versions": {name: "1.0"}, "device": "a processor", "warm_up": steps[:1], "rounds": [steps[1:]] * 6,
        "seconds_to": {"started": 1.0, "first step": 2.0, "ready": 3.0},
        "memory": {"process": 500.0, "device": None},
        "tokens_per_second": {"median": speed, "low": speed / 2, "high": speed * 2, "rounds": [speed] * 6},
        "step_seconds": {"p50": 2.0, "p90": 2.1, "p99": 2.2}, "batch_share": 0.01, "utilisation": 0.7,
        "evaluation": {"loss": losses[-1], "tokens_per_second": 2 * speed}, "held_out_before": 5.5,
    } | changes  # fmt: skip


def report(*variants, comparisons=(), **point):
    machine = {
        "processor": "a <processor>",
        "cores": 2,
        "system": "s",
        "python": "3.11",
        "versions": {"mlm": "1"},
    }
    whole = {
        "name": "",
        "option": None,
        "value": None,
        "columns": list(variants),
        "comparisons": list(comparisons),
    }
    return {
        "schema": SCHEMA, "made": "2026-01-02T03:04:05+00:00", "command": "mlm compare --backends 'a&b'",
        "complete": True, "machine": machine, "points": [whole | point],
    }  # fmt: skip


def compared(one, other, value=2.0, verdict="faster"):
    speed = {"value": value, "low": value * 0.9, "high": value * 1.1, "verdict": verdict}
    return {"column": one["name"], "to": other["name"], "speed": speed, "same_work": same_work(one, other)}


@pytest.mark.parametrize(
    ("changes", "agrees"),
    [
        ({}, True),
        ({"losses": (5.0, 4.0, 3.002)}, True),
        ({"losses": (5.002, 4.0, 3.0)}, False),
        ({"held_out_before": 5.51}, False),
        ({"losses": (5.0, 4.0, 3.1)}, False),
        ({"digest": "b"}, False),
    ],
)
def test_the_same_work(changes, agrees):
    found = same_work(variant("one", **changes), variant("other"))
    assert found["agrees"] is agrees
    assert found["steps"] == 1 + 6 * 2


def test_dropout_is_noise_of_each_framework():
    one, other = variant("one", losses=(5.0, 4.5, 3.5)), variant("other")
    for found in (one, other):
        found["work"]["dropout"] = True
    found = same_work(one, other)
    assert found["agrees"] and found["noise"] and list(found["tolerances"]) == ["held_out_before"]
    assert not same_work(one | {"held_out_before": 5.6}, other)["agrees"]
    # Of one framework it is the same.
    assert not same_work(one | {"backend": "other"}, other)["agrees"]


def test_losses_in_16_bits_may_differ_by_more():
    other = variant("other", losses=(5.0, 4.0, 3.01))
    assert not same_work(other, variant("one"))["agrees"]
    assert same_work(other | {"work": other["work"] | {"precision": "bf16"}}, variant("one"))["agrees"]


def test_sentences():
    one, other = variant("one"), variant("other")
    (said, same) = verdicts(report(comparisons=[compared(one, other)])["points"][0])
    assert said == "one is 2.00 times as fast as other, 95% interval 1.80 to 2.20."
    agree = "They received the same batches, and their losses agree over 13 steps"
    assert same == f"{agree}, 0.0e+00 apart at most."
    apart = verdicts(report(comparisons=[compared(variant("one", losses=(6.0, 4, 3)), other)])["points"][0])[
        1
    ]
    assert "DIFFER (first loss 2.0e-01, tolerance 1e-04; largest 2.0e-01, tolerance 1e-03)" in apart
    unclear = verdicts(report(comparisons=[compared(one, other, 2.0, "unclear")])["points"][0])[0]
    assert unclear == "one was 2.00 times as fast as other, in too few rounds to be sure."
    slower = verdicts(report(comparisons=[compared(one, other, 0.5, "slower")])["points"][0])[0]
    assert slower == "other is 2.00 times as fast as one, 95% interval 1.82 to 2.22."
    tie = verdicts(report(comparisons=[compared(one, other, 1.0, "tie")])["points"][0])[0]
    assert tie.startswith("one and other are equally fast here")
    restless = variant("one", idle_share=0.25)
    assert verdicts(report(restless)["points"][0])[0].startswith(
        "one took 25.0% of a processor during other variants' rounds"
    )
    failed = {"name": "broken", "problem": {"message": "no such thing"}, "seconds_to": {}}
    assert verdicts(report(failed)["points"][0]) == ["broken failed: no such thing"]
    assert len(rows(report(failed)["points"][0])[0]) == len(HEADINGS)


class Reader(HTMLParser):
    """Checks that what is opened is closed, and collects what the page refers to."""

    def __init__(self):
        super().__init__()
        self.open, self.links, self.pictures = [], [], []

    def handle_starttag(self, tag, attributes):
        found = dict(attributes)
        self.links += [value for name, value in attributes if name in ("src", "href", "data", "poster")]
        if tag == "svg":
            self.pictures.append(found)
        if tag not in ("meta", "br"):
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        pass

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def test_the_page_is_whole_and_needs_nothing_else():
    one, other = variant("one"), variant("other", 500.0)
    written = page(report(one, other, comparisons=[compared(one, other)]))
    reader = Reader()
    reader.feed(written)
    assert reader.open == [] and reader.links == []
    assert not re.search(r"<script|@import|url\(|https?:", written)
    # What pictures show is said to those who do not see them.
    assert len(reader.pictures) == 4
    for picture in reader.pictures:
        assert picture["role"] == "img" and "one" in picture["aria-label"]
    assert 'content="width=device-width' in written and "prefers-color-scheme: dark" in written
    assert written.index('class="verdict"') < written.index("<table") < written.index("<svg")
    assert "a &lt;processor&gt;" in written and "&#39;a&amp;b&#39;" in written


def test_a_page_of_a_sweep_and_of_nothing():
    first, second = (report(variant("one", speed))["points"][0] for speed in (10.0, 20.0))
    swept = report() | {
        "points": [
            first | {"name": "--batch-size 8", "option": "batch_size", "value": 8},
            second | {"name": "--batch-size 16", "option": "batch_size", "value": 16},
        ]
    }
    assert "batch-size" in page(swept) and "<h2>Sweep</h2>" in page(swept)
    broken = {"name": "one", "problem": {"message": "out of memory"}, "seconds_to": {}}
    written = page(report(broken) | {"complete": False})
    assert "one failed: out of memory" in written and "Interrupted" in written


def test_markdown_has_a_row_for_each_variant():
    lines = markdown(report(variant("one"), variant("other"))).splitlines()
    table = [line for line in lines if line.startswith("|")]
    assert len(table) == 4 and len({line.count("|") for line in table}) == 1


def test_two_reports():
    before, after = report(variant("one")), report(variant("one", 900.0), variant("new"))
    (found,) = compare_reports(before, after)
    assert found["column"] == "one" and found["speed"]["value"] == pytest.approx(0.9)
    assert found["speed"]["verdict"] == "slower" and found["other_work"] == []
    moved = variant("one")
    moved["work"]["block_size"] = 64
    assert compare_reports(before, report(moved))[0]["other_work"] == ["block_size"]
    with pytest.raises(RequestError, match="no variant in common"):
        compare_reports(before, report(variant("two")))


@pytest.mark.parametrize(
    ("content", "reason"),
    [("{", "is not a report"), ("[]", "is not a report"), ('{"schema": "mlm.compare/9"}', "has the schema")],
)
def test_files_that_are_not_reports(tmp_path, content, reason):
    (tmp_path / "report.json").write_text(content, encoding="utf-8")
    with pytest.raises(RequestError, match=reason):
        read_report(tmp_path / "report.json")
    with pytest.raises(RequestError, match="cannot be read"):
        read_report(tmp_path / "none.json")


def test_a_report_is_read_as_it_was_written(tmp_path):
    content = report(variant("one"))
    (tmp_path / "report.json").write_text(json.dumps(content), encoding="utf-8")
    assert read_report(tmp_path / "report.json") == content


@given(low=st.floats(-1e6, 1e6), width=st.floats(1e-3, 1e6))
def test_ticks_are_few_and_within(low, width):
    found = _ticks(low, low + width)
    assert 2 <= len(found) <= 7
    slack = 1e-9 * max(abs(low), width)
    assert all(low - slack <= tick <= low + width + slack for tick in found)
