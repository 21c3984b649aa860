"""JSON and YAML of unknown origin: reading ends, with the content or with an error that says why."""

import json
import os
import time
from dataclasses import dataclass

import pytest

from mlm_core import RequestError
from mlm_core.cli.parser import build_parser, parse_request
from mlm_core.cli.train import run
from mlm_core.compare.report import SCHEMA, read_report
from mlm_core.model.weight_files import weight_files
from mlm_core.system.files import digest_of
from mlm_core.system.json_files import (
    BadJsonError,
    checked,
    parse_json,
    read_bounded,
    read_json,
    read_json_lines,
)
from mlm_core.system.yaml_files import LARGEST, BadYamlError, parse_yaml, read_yaml


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "not JSON"),
        (b"\xff\xfe{}", "not UTF-8"),
        (b"[" * 100_000, "nested too deeply"),
        (b"[" * 200 + b"]" * 200, "more than 100 levels"),
        (b'{"a": ' * 200 + b"1" + b"}" * 200, "more than 100 levels"),
        (b"9" * 400, "number of 400 digits"),
        (b"-" + b"9" * 5000, "number of 5001 digits"),
        (b'{"a": 1, "b": 2, "a": 3}', "the key 'a' twice"),
        (b'["\\ud800"]', "surrogates"),
        (b'{"a": {"\\ud800": 1}}', "surrogates"),
    ],
)
def test_json_that_is_refused(content, reason):
    with pytest.raises(BadJsonError, match=reason):
        parse_json(content)


def test_json_that_is_read():
    assert parse_json(b'\xef\xbb\xbf{"a": [1, -2.5, null, true, "\\ud83d\\ude00"]}') == {
        "a": [1, -2.5, None, True, "\U0001f600"]
    }
    assert parse_json(b"[" * 90 + b"]" * 90)
    # As transformers writes it for a tokenizer without a limit.
    assert parse_json(str(int(1e30))) == int(1e30)


def test_a_key_that_is_given_twice_among_many_is_found_at_once():
    many = "{" + ", ".join(f'"{number}": 0' for number in range(200_000)) + ', "7": 1}'
    begun = time.perf_counter()
    with pytest.raises(BadJsonError, match="'7' twice"):
        parse_json(many)
    assert time.perf_counter() - begun < 10


def test_only_regular_files_are_read(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for place in (tmp_path / "pipe", tmp_path, tmp_path / "none"):
        for read in (read_json, read_yaml, digest_of):
            with pytest.raises(OSError):
                read(place)
    with pytest.raises(OSError, match="not a regular file"):
        read_bounded(type(tmp_path)("/dev/zero"))
    (tmp_path / "large").write_bytes(b"1" * 11)
    with pytest.raises(BadJsonError, match="larger than 10 bytes"):
        read_bounded(tmp_path / "large", 10)


def test_the_wrong_line_is_named(tmp_path):
    (tmp_path / "lines").write_bytes(b'{"a": 1}\n\n[]\n')
    lines = read_json_lines(tmp_path / "lines")
    assert next(lines) == {"a": 1}
    with pytest.raises(BadJsonError, match="line 3: it is not a JSON object"):
        next(lines)


@dataclass(frozen=True)
class Inner:
    seed: int


@dataclass(frozen=True)
class Outer:
    config: Inner


@pytest.mark.parametrize("seed", ["7", 7.5, None, 2**64, True, [7]])
def test_a_wrong_type_is_named_by_its_place(seed):
    with pytest.raises(BadJsonError, match=r"\$\.config\.seed|out of range"):
        checked({"config": {"seed": seed}}, Outer)
    assert checked({"config": {"seed": 7, "new": 1}, "newer": []}, Outer) == Outer(Inner(7))


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("seed: 1\nseed: 2", "line 2: the key 'seed' is given twice"),
        ("a: {b: 1, b: 2}", "the key 'b' is given twice"),
        ("a: &x [1]\nb: *x", r"line 2: the alias \*x repeats a list"),
        ("a: &a [x, x]\nb: &b [*a, *a]\nc: &c [*b, *b]", "the alias"),
        ("&a [*a]", "the alias"),
        ("a: " + "[" * 50 + "]" * 50, "more than 20 levels"),
        ("[" * 50_000, "more than 20 levels"),
        ("- " * 20_000, "more than 20 levels"),
        ("seed: " + "9" * 400, "400 characters"),
        ("seed: " + "1:" * 5000 + "1", "10001 characters"),
        ("seed: 2024-13-45", "month"),
        ("!!timestamp x", "cannot be read"),
        ("!!int ''", "cannot be read"),
        ("!!bool x", "cannot be read"),
        ("!!python/object/apply:os.system [ls]", "constructor"),
        ("a: b: c", "line 1: mapping values"),
        ("--- a\n--- b", "another document"),
        ("a: \x07", "control characters"),
    ],
)
def test_yaml_that_is_refused(text, reason):
    with pytest.raises(BadYamlError, match=reason) as caught:
        parse_yaml(text)
    assert "\n" not in str(caught.value)


def test_yaml_that_is_read(tmp_path):
    assert parse_yaml("a: &x 2e-5\nb: *x\n<<: {c: 90}") == {"a": "2e-5", "b": "2e-5", "c": 90}
    # Not 90 and 90.5, as in base 60.
    assert parse_yaml("[1:30, 1:30.5]") == ["1:30", "1:30.5"]
    (tmp_path / "a.yaml").write_bytes("\ufeffdataset: é.txt\n".encode())
    assert read_yaml(tmp_path / "a.yaml") == {"dataset": "é.txt"}
    (tmp_path / "a.yaml").write_bytes("dataset: é\n".encode("latin-1"))
    with pytest.raises(BadYamlError, match="not UTF-8"):
        read_yaml(tmp_path / "a.yaml")
    (tmp_path / "a.yaml").write_bytes(b"a: 1\n" * LARGEST)
    with pytest.raises(BadJsonError, match="larger than"):
        read_yaml(tmp_path / "a.yaml")


@pytest.mark.parametrize("content", [b"seed: 1\nseed: 2", b"- seed", b"seed: " + b"9" * 5000, b"\xff"])
def test_a_wrong_config_file_is_one_line_that_names_it(tmp_path, content):
    path = tmp_path / "wrong.yaml"
    path.write_bytes(content)
    with pytest.raises(RequestError) as caught:
        run(parse_request(build_parser(), ["train", "--config", str(path)]))
    assert (caught.value.option, caught.value.value) == ("--config", str(path))
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 400


def variant(**changes):
    rates = {"median": 5.0, "rounds": [4.0, 6.0]}
    return {"name": "tf", "rounds": [[]], "tokens_per_second": rates, "work": {}} | changes


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"tokens_per_second": None}, "no speed"),
        ({"work": None}, "or no work"),
        ({"work": 5}, r"points\[0\]\.columns\[0\]\.work"),
        ({"name": 5}, r"columns\[0\]\.name"),
        ({"tokens_per_second": {"median": "5", "rounds": [1.0]}}, "median"),
        ({"tokens_per_second": {"median": 5, "rounds": []}}, "no rounds"),
        ({"tokens_per_second": {"median": 5, "rounds": [0.0]}}, "not a positive number"),
        ({"tokens_per_second": {"median": float("nan"), "rounds": [1.0]}}, "not a positive number"),
        ({"tokens_per_second": {"median": 5, "rounds": [1.0] * 2001}}, "more than 2,000"),
    ],
)
def test_a_report_with_wrong_types_is_refused(tmp_path, changes, reason):
    path = tmp_path / "report.json"
    for written, fails in ((variant(), False), (variant(**changes), True)):
        content = {"schema": SCHEMA, "points": [{"name": "", "columns": [written]}], "new": 1}
        path.write_text(json.dumps(content), encoding="utf-8")
        if fails:
            with pytest.raises(RequestError, match=reason):
                read_report(path)
        else:
            assert read_report(path) == content


@pytest.mark.parametrize("weight_map", [None, {}, [], {"a": 5}, {"a": ""}, {"a": "../out.safetensors"}])
def test_an_index_of_weights_with_wrong_types_is_refused(tmp_path, weight_map):
    index = tmp_path / "model.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": weight_map}), encoding="utf-8")
    with pytest.raises(RequestError, match="damaged"):
        weight_files(tmp_path)
