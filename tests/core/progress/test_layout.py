"""A row in the columns of a terminal."""

import pytest

from mlm_core.progress.layout import clock, parts
from mlm_core.progress.rows import Row

WIDTHS = (120, 80, 60, 40)


def text(row, width, mark="*", **more):
    return "".join(part for part, _ in parts(row, width, mark, **more))


def training(done=37, total=111, loss="2.713", speed=12345.0, left=12.0):
    return Row("training", total, done, paced=True, loss=loss, speed=speed, left=left)


@pytest.mark.parametrize("width", range(10, 150))
@pytest.mark.parametrize("plain", [True, False])
def test_a_row_has_room(width, plain):
    rows = [
        training(),
        training(0, loss="", speed=None, left=None),
        training(9999, 10**4, "not finite", 1e7, 1e5),
        Row("tokenising the training text, by 1,000 documents", 12345, 7),
        Row("collecting the embedded corpus, python:reference"),
        Row("evaluating", 0),
    ]
    for row in rows:
        shown = text(row, width, plain=plain)
        # ^C has room beside it.
        assert len(shown) + 2 < width or not shown
        assert shown.isascii() or not plain


@pytest.mark.parametrize("width", WIDTHS)
def test_the_counts_are_always_there(width):
    for row in (training(), training(9999, 10**4), Row("tokenising the training text", 1234, 7)):
        assert f"{row.done:,}/{row.total:,}" in text(row, width)


def test_what_has_room_where():
    assert text(training(), 120).split() == [
        *(
            "*",
            "training",
            "━" * 13 + "─" * 27,
            "37/111",
            "loss",
            "2.713",
            "12,345",
            "tokens/s",
            "0:12",
            "left",
        ),
    ]
    assert text(training(), 80).split()[-2:] == ["0:12", "left"]
    assert "tokens/s" in text(training(), 80) and "━" in text(training(), 80)
    assert "tokens/s" not in text(training(), 60) and "━" in text(training(), 60)
    assert text(training(), 40).split() == ["*", "37/111", "loss", "2.713", "0:12", "left"]


@pytest.mark.parametrize("width", WIDTHS)
def test_nothing_jumps_when_numbers_change(width):
    """Each part begins where it began, from the first step to the last."""
    rows = [
        training(0, loss="", speed=None, left=None),
        training(1, loss="8.1", speed=None, left=None),
        training(2, loss="7.123", speed=900.0, left=3599.0),
        training(111, loss="0.01234", speed=123456.0, left=0.0),
    ]
    shown = [text(row, width) for row in rows]
    places = {one.index("/111") for one in shown}
    assert len(places) == 1
    assert len({one.index("loss") for one in shown[1:]}) == 1
    assert len({one.index(" left") for one in shown[2:]} | {one.index("/111") for one in shown[2:]}) <= 3


def test_a_bar_is_full_at_the_end_alone():
    for done in range(111):
        assert "─" in text(training(done), 120) or done > 108
    assert "─" not in text(training(111), 120) and "━" not in text(training(0), 120)
    assert "#" in text(training(), 120, plain=True)


def test_a_description_is_cut_before_the_count_is_left_out():
    row = Row("tokenising the training text, by 1,000 documents", 300, 7)
    assert text(row, 40).startswith("* tokenising") and "…" in text(row, 40) and "7/300" in text(row, 40)
    assert "documents" in text(row, 80)


@pytest.mark.parametrize(
    ("seconds", "shown"), [(0.4, "0:00"), (65, "1:05"), (3599.6, "1:00:00"), (7390, "2:03:10")]
)
def test_a_clock(seconds, shown):
    assert clock(seconds) == shown
