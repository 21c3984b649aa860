"""Text is UTF-8, compressed or not, whatever the locale; a line ends at a line feed."""

import bz2
import gzip
import json
import lzma
import os
import subprocess
import sys

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from loading import load, texts

from mlm_core import RequestError


def _zst(content):
    sink = pa.BufferOutputStream()
    with pa.CompressedOutputStream(sink, "zstd") as file:
        file.write(content)
    return sink.getvalue().to_pybytes()


COMPRESS = {"": bytes, ".gz": gzip.compress, ".bz2": bz2.compress, ".xz": lzma.compress, ".zst": _zst}
MARK = "\ufeff"


@pytest.fixture(params=COMPRESS)
def written(request, tmp_path):
    """Writes a file, compressed in one of the ways."""

    def write(name, content):
        path = tmp_path / f"{name}{request.param}"
        path.write_bytes(COMPRESS[request.param](content))
        return path

    return write


@pytest.mark.parametrize("mark", ["", MARK])
def test_the_same_text_however_it_is_written(written, mark):
    assert texts(written("a.txt", f"{mark}café one\r\nsecond\n".encode())) == ["café one", "second"]
    lines = f'{mark}{{"text": "café one"}}\n{{"text": "second"}}\n'
    assert texts(written("a.jsonl", lines.encode())) == ["café one", "second"]
    assert texts(written("a.csv", f"{mark}text,n\ncafé one,1\nsecond,2\n".encode())) == ["café one", "second"]
    array = mark + json.dumps([{"text": "café one"}], ensure_ascii=False)
    assert texts(written("a.json", array.encode())) == ["café one"]


def test_a_carriage_return_alone_ends_no_line(written):
    assert texts(written("a.txt", b"one\rtwo\nthree\r\nfour\r\n")) == ["one two", "three", "four"]
    assert texts(written("b.jsonl", b'{"text":\r"one"}\r\n{"text": "two"}\n')) == ["one", "two"]
    # A file without any line feed is from a Mac of long ago.
    assert texts(written("c.txt", b"one\rtwo\r")) == ["one", "two"]


@pytest.mark.parametrize("name", ["a.txt", "a.jsonl", "a.csv"])
@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            "text\nplain\ncafé\n".encode("latin-1"),
            r"line 3 is not UTF-8 text \(byte 0xe9\); save it as UTF-8",
        ),
        ("text\ncafé\n".encode("utf-16"), r"line 1 is not UTF-8 text \(byte 0xff\): the file is UTF-16"),
        (b"\xfe\xff" + "text\n".encode("utf-16-be"), "the file is UTF-16; save it as UTF-8"),
    ],
)
def test_other_encodings_are_refused_by_file_and_line(written, name, content, message):
    if name == "a.jsonl":
        content = content.replace(b"text\nplain", b"{}\n{}")
    path = written(name, content)
    with pytest.raises(RequestError, match=message) as caught:
        load(path)
    assert caught.value.value == str(path)


@pytest.mark.parametrize("ending", [ending for ending in COMPRESS if ending])
@pytest.mark.parametrize("name", ["a.txt", "a.jsonl", "a.csv", "a.json", "a.parquet"])
@pytest.mark.parametrize("harm", ["cut", "changed", "not compressed"])
def test_a_damaged_compressed_file_is_named(tmp_path, ending, name, harm):
    content = b"".join(b'{"text": "%d and more"}\n' % (n * 7919) for n in range(3000))
    whole = COMPRESS[ending](content)
    middle = len(whole) // 2
    broken = {
        "cut": whole[:middle],
        "changed": whole[:middle]
        + bytes(255 - byte for byte in whole[middle : middle + 60])
        + whole[middle + 60 :],
        "not compressed": content,
    }[harm]
    if (harm, ending) == ("changed", ".zst"):
        pytest.skip("the sums that would tell are optional in this format")
    path = tmp_path / f"{name}{ending}"
    path.write_bytes(broken)
    with pytest.raises(RequestError) as caught:
        load(path)
    assert caught.value.value == str(path) and caught.value.code == "malformed_file"


def test_the_locale_does_not_matter(tmp_path):
    """Python without its UTF-8 mode, in the locale C, takes text for ASCII."""
    for ending, compress in COMPRESS.items():
        (tmp_path / f"a.txt{ending}").write_bytes(compress("café\nnaïve\n".encode()))
    program = (
        "import sys, locale, loading\n"
        "assert locale.getencoding().lower() not in ('utf-8', 'utf8'), locale.getencoding()\n"
        "for path in sys.argv[1:]: print(ascii(loading.texts(path)))"
    )
    environment = os.environ | {"PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "LC_ALL": "C"}
    environment |= {"MLM_CACHE": str(tmp_path / "cache"), "PYTHONPATH": os.pathsep.join(sys.path)}
    paths = [str(path) for path in sorted(tmp_path.glob("a.txt*"))]
    done = subprocess.run(
        [sys.executable, "-c", program, *paths], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [ascii(["café", "naïve"])] * len(COMPRESS)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    lines=st.lists(
        st.text(
            st.characters(exclude_characters="\n\r\0", exclude_categories=["Cs"]), min_size=1, max_size=20
        ),
        min_size=1,
        max_size=8,
    ),
    end=st.sampled_from(["\n", "\r\n"]),
    last=st.booleans(),
)
def test_any_lines_come_back_as_they_are(tmp_path_factory, lines, end, last):
    place = tmp_path_factory.mktemp("lines")
    content = (end.join(lines) + (end if last else "")).encode()
    expected = [line for line in (lines[0].removeprefix(MARK), *lines[1:]) if line.strip()]
    for ending in ("", ".gz", ".zst"):
        path = place / f"a.txt{ending}"
        path.write_bytes(COMPRESS[ending](content))
        if expected:
            assert texts(path) == expected
        else:
            with pytest.raises(RequestError, match="holds no text"):
                load(path)
