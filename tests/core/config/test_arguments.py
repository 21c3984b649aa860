"""Arguments from Python: right ones are taken as they are meant, wrong ones are refused in one line."""

import numpy as np
import pytest

from mlm_core import RequestError
from mlm_core.config.arguments import as_count, as_directory, as_function, as_instance, as_name, as_texts


def test_right_arguments(tmp_path):
    assert as_texts("texts", "one") == ["one"]
    assert as_texts("texts", ("one", "two")) == ["one", "two"]
    assert as_texts("texts", (text for text in "ab")) == ["a", "b"]
    assert as_texts("texts", np.array(["one", "two"])) == ["one", "two"]
    assert as_texts("texts", []) == []
    assert as_count("top_k", 3) == as_count("top_k", np.int64(3)) == 3
    assert as_name("run", tmp_path) == str(tmp_path) and as_name("run", "a/b") == "a/b"
    assert as_directory("directory", tmp_path) == tmp_path
    assert as_directory("directory", str(tmp_path / "new")) == tmp_path / "new"
    assert as_instance("config", 3, int, "a number") == 3
    as_function("on_step", print)
    as_function("on_step", None)


class Pages:
    def __repr__(self):
        return "a line\n" * 1000


@pytest.mark.parametrize(
    ("check", "value"),
    [
        *((as_texts, value) for value in (5, None, [5], ["a", None], b"bytes", [b"bytes"], [["nested"]])),
        pytest.param(as_texts, Pages(), id="as_texts-Pages"),
        *((as_count, value) for value in ("3", 2.5, 3.0, None, True, 0, -1, [3])),
        *((as_name, value) for value in (None, 5, b"bytes", ["a"])),
        *((as_directory, value) for value in (None, 5, __file__)),
        *((as_function, value) for value in (5, "print")),
        (lambda name, value: as_instance(name, value, str, "a text"), 5),
    ],
    ids=lambda given: given.__name__ if callable(given) else repr(given),
)
def test_wrong_arguments(check, value):
    with pytest.raises(RequestError) as raised:
        check("argument", value)
    line = str(raised.value)
    assert line.startswith(("argument ", "argument: ")) and line.isprintable() and len(line) < 200
    assert raised.value.code in ("invalid_type", "out_of_range", "not_a_directory")
