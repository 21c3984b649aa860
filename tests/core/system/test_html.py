"""Tables in HTML."""

import xml.etree.ElementTree as ET

from mlm_core.system.html import table


def test_a_table_escapes_every_cell():
    evil = "<b onclick='x'>\"&\x1b[0m\x00"
    shown = table(("a", evil), [(evil, 1), ("2", evil)], caption=evil)
    tree = ET.fromstring(shown)
    assert tree.find(".//b") is None
    cells = [element.text for element in tree.iter("td")]
    assert cells == ["<b onclick='x'>\"&\\x1b[0m\\x00", "1", "2", "<b onclick='x'>\"&\\x1b[0m\\x00"]


def test_rows_have_headings_where_columns_have_none():
    tree = ET.fromstring(table((), [("steps", 3)]))
    assert tree.find(".//th").get("scope") == "row" and tree.find(".//th").text == "steps"
    assert tree.find(".//thead") is None
