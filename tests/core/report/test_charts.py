"""Drawings: axes, thinning, curves."""

import math
import xml.etree.ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlm_core.report.axis import axis_of, decades, number, short, ticks
from mlm_core.report.charts import Bar, bars
from mlm_core.report.lines import Curve, lines
from mlm_core.report.scatter import distributions
from mlm_core.report.thinning import Point, mean, median, points_of, smoothed, spread_evenly, thinned

FINITE = st.floats(-1e99, 1e99)


@given(low=st.floats(-1e6, 1e6), width=st.floats(1e-3, 1e6))
def test_ticks_are_few_and_within(low, width):
    found = ticks(low, low + width)
    assert 2 <= len(found) <= 7
    slack = 1e-9 * max(abs(low), width)
    assert all(low - slack <= tick <= low + width + slack for tick in found)


@given(low=st.floats(1e-90, 1e90), factor=st.floats(50, 1e9))
def test_ticks_of_a_steep_axis(low, factor):
    found = decades(low, low * factor)
    assert 1 <= len(found) <= 10 and all(low <= tick <= low * factor for tick in found)


@given(values=st.lists(FINITE, min_size=1, max_size=20), steep=st.booleans())
def test_every_value_has_a_place_between_the_ends(values, steep):
    axis = axis_of(values, 10.0, 110.0, steep=steep)
    places = [axis.at(value) for value in sorted(values)]
    assert all(10 - 1e-6 <= place <= 110 + 1e-6 for place in places)
    assert places == sorted(places)
    assert all(math.isfinite(axis.at(tick)) for tick in axis.ticks())


def test_only_steep_values_get_a_logarithmic_axis():
    assert axis_of([0.01, 100.0], 0, 1, steep=True).logarithmic
    assert not axis_of([0.01, 100.0], 0, 1).logarithmic
    assert not axis_of([0.0, 100.0], 0, 1, steep=True).logarithmic
    assert not axis_of([2.0, 8.0], 0, 1, steep=True).logarithmic


@pytest.mark.parametrize(
    ("value", "said"), [(0, "0"), (0.00002, "2e-05"), (0.5, "0.5"), (2.34567, "2.346"), (12345, "12,345")]
)
def test_numbers(value, said):
    assert number(value) == said


@pytest.mark.parametrize(
    ("value", "said"), [(9500, "9,500"), (20_000, "20k"), (1_500_000, "1.5M"), (0.25, "0.25")]
)
def test_numbers_beside_an_axis(value, said):
    assert short(value) == said


def test_what_cannot_be_drawn_is_left_out_and_the_rest_is_in_order():
    pairs = [(3, 1.0), (1, None), (2, math.inf), (2, math.nan), (4, 1e300), (1, 5.0)]
    assert [(point.x, point.y) for point in points_of(pairs)] == [(1, 5.0), (3, 1.0)]


@given(values=st.lists(FINITE, max_size=200), most=st.integers(1, 50))
def test_thinned_points_stand_for_all(values, most):
    points = points_of(list(enumerate(values)))
    found = thinned(points, most)
    assert len(found) <= most and sum(point.count for point in found) == len(values)
    for point in found:
        assert point.low <= point.high
        assert point.low - 1e-6 * abs(point.low) <= point.y <= point.high + 1e-6 * abs(point.high)
    if values:
        assert min(point.low for point in found) == min(values)
        assert max(point.high for point in found) == max(values)


def test_a_thinned_point_is_the_mean_of_its_neighbours():
    found = thinned(points_of([(1, 2.0), (2, 4.0), (3, 9.0), (4, 1.0), (5, 7.0)]), 2)
    assert found == [Point(2.0, 5.0, 2.0, 9.0, 3, 3.0), Point(4.5, 4.0, 1.0, 7.0, 2, 2.0)]
    (found,) = thinned(points_of([(1, 2.0), (2, 5.0), (3, 8.0)], [30, 10, None]), 1)
    assert found.y == pytest.approx((2 * 30 + 5 * 10 + 8) / 41) and found.weight == 41


def test_a_running_mean_keeps_a_straight_line():
    points = points_of([(x, 3.0 * x) for x in range(20)])
    found = [point.y for point in smoothed(points, 5, mean)]
    assert found[:-2] == pytest.approx([point.y for point in points][:-2])


def test_one_value_does_not_lead_a_smoothed_curve_away():
    points = points_of([(x, 100.0 if x in (7, 19) else 1.0) for x in range(20)])
    assert {point.y for point in smoothed(points, 5, median)} == {1.0}


@given(count=st.integers(0, 1000), most=st.integers(2, 60))
def test_numbers_spread_evenly(count, most):
    found = spread_evenly(count, most)
    assert len(found) == min(count, most) and found == sorted(set(found))
    if count:
        assert found[0] == 0 and found[-1] == count - 1


@pytest.mark.parametrize(
    "values", [[1.0], [2.0, 2.0], [0.0], [1e99, -1e99], [0.0, 5e-324], [float(n) for n in range(1000)]]
)
def test_a_chart_of_any_values_is_whole(values):
    curve = Curve("a < b & c", thinned(points_of(list(enumerate(values))), 240), marked=True)
    chart = lines("title", "step", [curve, curve], steep=True, dashed=True)
    for drawn in (chart.figure(), chart.picture()):
        tree = ET.fromstring(drawn)
        assert "nan" not in drawn and "inf" not in drawn
        assert "a < b & c" in "".join(tree.itertext())
    # In a file nobody can point at anything.
    assert 'class="at"' in chart.figure() and '"at"' not in chart.picture()
    assert chart.picture().startswith('<svg xmlns="http://www.w3.org/2000/svg"')
    # A notebook takes the picture into its page, which keeps its own style.
    style = ET.fromstring(chart.picture()).find("{http://www.w3.org/2000/svg}style").text
    rules = style.replace("@media (prefers-color-scheme: dark) {", "").split("}")
    assert all(
        name.strip().startswith(".mlm-chart ")
        for rule in rules
        if "{" in rule
        for name in rule.split("{")[0].split(",")
    )
    assert " id=" not in chart.picture()


def test_pointing_at_a_place_shows_its_values():
    training = Curve("training", points_of([(1, 3.0), (2, 2.5), (3, 2.25)]))
    held_out = Curve("held-out", points_of([(3, 2.75)]), marked=True)
    tree = ET.fromstring(lines("Loss", "step", [training, held_out]).figure())
    said = [group.find("text").text for group in tree.iter("g") if group.get("class") == "at"]
    assert said == ["step 1 · training 3", "step 2 · training 2.5", "step 3 · training 2.25 · held-out 2.75"]


def test_bars_and_distributions():
    drawn = bars("speed", [Bar("one", 10.0, 8.0, 12.0, "10"), Bar("<two>", 0.0, 0.0, 0.0, "0")]).figure()
    assert ET.fromstring(drawn).find("svg").get("aria-label") == "speed. one: 10; <two>: 0"
    drawn = distributions("time", "ms", {"one": [1.0, 2.0, 3.0], "<two>": [2.0] * 1000}).figure()
    assert "1000 values, median 2 ms" in ET.fromstring(drawn).find("svg").get("aria-label")
    assert drawn.count("<circle") == 3 + 400
