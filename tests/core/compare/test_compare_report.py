"""Reports of comparisons: statistics, sentences, tables and the page."""

import json
import os
import re
import sys
from pathlib import Path

import numpy as np
import pytest
from page_reader import PageReader

from mlm_core import Config, RequestError
from mlm_core.compare import load
from mlm_core.compare.between import compare_reports
from mlm_core.compare.measures import ratio, tokens_per_second
from mlm_core.compare.page import page
from mlm_core.compare.report import SCHEMA, _comparisons, add_utilisation, read_report, same_work
from mlm_core.compare.tables import HEADINGS, markdown, rows, terminal
from mlm_core.compare.variants import Variant, chosen_points, side_by_side
from mlm_core.compare.verdicts import verdicts
from mlm_core.compare.written import check_report_directory, write_report

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


def test_the_page_is_whole_and_needs_nothing_else():
    one, other = variant("one"), variant("other", 500.0)
    written = page(report(one, other, comparisons=[compared(one, other)]))
    reader = PageReader()
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


@pytest.mark.parametrize("width", [40, 60, 80, 120, 300])
def test_the_table_fits_the_terminal(width):
    names = ("torch:bf16:compile", "tf")
    one, other = (variant(name) for name in names)
    broken = {"name": "broken", "problem": {"message": "no such thing " * 9}, "seconds_to": {}}
    content = report(one, other, broken, comparisons=[compared(one, other)]) | {"output_dir": "comparison"}
    written = terminal(content, width).splitlines()
    table = written[:4]
    assert all(len(line) <= width for line in table) and "tokens/s" in table[0]
    assert table[1].startswith(names[0]) and table[3].split() == ["broken", "failed"]
    # Whatever is not in the table is named.
    missing = [heading for heading in HEADINGS if heading and heading not in table[0]]
    assert all(heading in written[-1] for heading in missing) and bool(missing) == (width < 300)
    assert written[-1].endswith("comparison/report.html")


def test_batches_of_different_sizes_are_not_compared():
    one, other = variant("torch --batch-size 8"), variant("torch --batch-size 16")
    other["work"]["rows_in_a_step"] = 32
    found = _comparisons([one, other])
    assert found[0]["same_work"] is None and found[0]["speed"]["verdict"] == "tie"
    said = verdicts(report(one, other, comparisons=found)["points"][0])
    assert said[1] == "Their batches have different sizes, as was asked, so their losses are not compared."
    assert "different sizes" not in " ".join(verdicts(report(one, variant("tf"))["points"][0]))


def test_the_limit_belongs_to_batches_of_one_size():
    one, other = (
        variant(name, products=[1e9], operations_in_a_step=operations)
        for name, operations in (("small", 1e6), ("large", 4e6))
    )
    other["work"]["rows_in_a_step"] = 64
    add_utilisation([one, other])
    assert other["utilisation"] == pytest.approx(4 * one["utilisation"])


@pytest.mark.parametrize(
    ("busy", "said"),
    [
        (None, None),
        ({"processors": 2, "before": [0.0, 0.0, 0.0]}, None),
        ({"processors": 2, "before": [1.9, 0.0, 0.0]}, "its load average was 1.9 before the comparison"),
        ({"processors": 2, "others": {"median": 0.05, "high": 1.0}}, None),
        (
            {"processors": 2, "before": [9.0], "others": {"median": 0.9, "high": 1.25}},
            "other programs used 0.9 of its 2 processors in a round, 1.2 at most",
        ),
        (
            {"processors": 4, "others": {"median": 0, "high": 0}, "stolen": {"median": 0.4, "high": 1}},
            "other virtual machines took 10% of its time",
        ),
    ],
)
def test_a_busy_machine_is_said(busy, said):
    point = report(variant("one"), load=busy)["points"][0]
    found = verdicts(point)
    assert found == [] if said is None else said in found[0] and "BUSY" in found[0]
    written = page(report(variant("one"), load=busy or {}))
    assert ("BUSY" in written) == (said is not None)


def test_the_time_of_other_programs(monkeypatch):
    """Two processors; in 2 s others use 1.5 s, we 1 s, a hypervisor takes 0.2 s."""
    ticks = os.sysconf("SC_CLK_TCK")
    times = iter([(10.0, 1.0), (12.5, 1.2)])
    clock, own = iter([100.0, 102.0]), iter([5.0, 6.0])
    monkeypatch.setattr(load, "_machine_times", lambda: next(times))
    monkeypatch.setattr(load, "processor_seconds", lambda process: next(own))
    monkeypatch.setattr(load.time, "perf_counter", lambda: next(clock))
    monkeypatch.setattr(load.time, "process_time", lambda: 0.0)
    measured = load.MachineLoad(lambda: [1])
    with measured.round():
        pass
    found = measured.facts()
    assert found["others"]["rounds"] == [pytest.approx(0.75)] and found["others"]["high"] == pytest.approx(
        0.75
    )
    assert found["stolen"]["median"] == pytest.approx(0.1)
    assert ticks > 0 and len(found["before"]) == len(found["after"]) == 3


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells")
def test_the_system_counts_its_time(tmp_path, monkeypatch):
    first, second = load._machine_times(), load._machine_times()
    assert 0 < first[0] <= second[0] and first[1] <= second[1]
    # Of processors that this process may use; user, nice, system, idle, iowait, irq, softirq, steal, guest.
    number = min(os.sched_getaffinity(0))
    monkeypatch.setattr(load.os, "sched_getaffinity", lambda process: {number})
    monkeypatch.setattr(load, "_STATISTICS", tmp_path / "stat")
    lines = [
        "cpu  900 0 0 0 0 0 0 0 0 0",
        f"cpu{number} 1 2 3 400 500 6 7 8 1 0",
        "cpu99 9 9 9 9 9 9 9 9 9 0",
    ]
    (tmp_path / "stat").write_text("\n".join(lines) + "\nintr 5\n")
    ticks = os.sysconf("SC_CLK_TCK")
    assert load._machine_times() == (19 / ticks, 8 / ticks)
    (tmp_path / "stat").write_text("nothing")
    assert load._machine_times() is None


def test_one_variant_is_compared_with_itself_over_a_sweep():
    points = chosen_points("batch-size=8,16")
    variants, (point,) = side_by_side([Variant("torch", "torch", {})], points)
    assert [found.name for found in variants] == ["torch --batch-size 8", "torch --batch-size 16"]
    assert [found.config(Config(batch_size=2)).batch_size for found in variants] == [8, 16]
    assert point.option is None and point.config(Config(seed=3)).seed == 3
    both = [Variant(name, name, {}) for name in ("torch", "tf")]
    assert side_by_side(both, points) == (both, points)


def test_every_report_gets_a_directory_of_its_own(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    content = report(variant("one"), variant("other"))
    assert check_report_directory(Config()) is None
    assert [str(write_report(None, content)) for _ in range(3)] == [
        "comparison",
        "comparison-2",
        "comparison-3",
    ]
    assert check_report_directory(Config(overwrite=True)) == Path("comparison")
    assert check_report_directory(Config(output_dir="new")) == Path("new")
    with pytest.raises(RequestError, match="already holds a report"):
        check_report_directory(Config(output_dir="comparison-2"))
