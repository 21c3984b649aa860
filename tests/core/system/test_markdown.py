"""Tables and sections in Markdown."""

import re

import pytest

from mlm_core.system.markdown import escaped, replace_section, table, update_section


def test_a_table_has_a_line_for_its_head_and_for_each_row():
    assert table(["a", "b"], [["1", "2"], ["3", ""]]) == "| a | b |\n|---|---|\n| 1 | 2 |\n| 3 |  |"


def test_a_short_row_ends_in_empty_cells():
    assert table(["a", "b", "c"], [["**group**"]]).splitlines()[-1] == "| **group** | | |"


def test_the_rule_aligns_columns():
    assert table(["a", "b"], [], ["---", "---:"]).splitlines()[1] == "|---|---:|"


TEXT = "before\n<!-- speed -->\nold\n<!-- end of speed -->\nafter\n"


def test_only_the_section_is_replaced(tmp_path):
    new = "before\n<!-- speed -->\nnew\n<!-- end of speed -->\nafter\n"
    assert replace_section(TEXT, "speed", "new") == new
    (tmp_path / "README.md").write_text(TEXT, encoding="utf-8")
    update_section(tmp_path / "README.md", "speed", "new")
    assert (tmp_path / "README.md").read_text(encoding="utf-8") == new


@pytest.mark.parametrize(
    ("text", "name"), [(TEXT, "options"), (TEXT.replace("<!-- end of speed -->", ""), "speed")]
)
def test_a_text_without_the_section_is_refused(text, name):
    with pytest.raises(ValueError, match=f"does not contain <!-- {name} -->"):
        replace_section(text, name, "new")


@pytest.mark.parametrize(
    "name", ["[a](http://b)", "![a](b)", "<img src=x>", "a\n# b", "a | b", "`a`", "**a**", "&lt;", "a\\"]
)
def test_a_name_is_no_markup(name):
    shown = escaped(name)
    assert "\n" not in shown
    plain = re.sub(r"\\[\\`*\[\]<>|~&#]", "", shown)
    assert not set(plain) & set("\\`*[]<>|~&#")
    assert re.sub(r"\\(.)", r"\1", shown) == " ".join(name.split())


def test_a_common_name_stays_as_it_is():
    assert escaped("my_model-v1.2 (small)") == "my_model-v1.2 (small)"
