"""What a directory or a glob holds and is not read is said; what is no regular file never hangs."""

import os
import threading

import pytest
from loading import load, rows, said

from mlm_core import RequestError

LEFT_OUT = {
    "notes.docx": "files of unknown kinds",
    "data.rst": "files of unknown kinds",
    "archive.zip": "files of unknown kinds",
    "LICENSE.md": "files about the dataset",
    "LICENSE": "files about the dataset",
    "README.txt": "files about the dataset",
    "readme.md.gz": "files about the dataset",
    "dataset_info.json": "files about the dataset",
    ".hidden.jsonl": "hidden files",
    "deep/.git/config.jsonl": "hidden files",
    "__pycache__/a.jsonl": "hidden files",
}


@pytest.mark.parametrize("name", LEFT_OUT)
def test_every_file_that_is_not_read_is_said(tmp_path, capsys, name):
    place = tmp_path / "data"
    (place / name).parent.mkdir(parents=True)
    rows(place / name, {"text": "not this"})
    rows(place / "a.jsonl", {"text": "x"})
    documents, err = said(capsys, place)
    assert documents == ["x"]
    assert f"not read in {place}: {LEFT_OUT[name]}: {name}" in err


def test_links(tmp_path, capsys):
    elsewhere, place = tmp_path / "elsewhere", tmp_path / "data"
    elsewhere.mkdir()
    place.mkdir()
    rows(elsewhere / "b.jsonl", {"text": "linked"})
    (place / "b.jsonl").symlink_to(elsewhere / "b.jsonl")
    (place / "c").symlink_to(elsewhere)
    (place / "d.jsonl").symlink_to(tmp_path / "gone.jsonl")
    (place / "e").symlink_to(place)
    documents, err = said(capsys, place)
    assert documents == ["linked"]
    assert "links to directories: c, e" in err and "not regular files: d.jsonl" in err


def test_many_names_are_counted(tmp_path, capsys):
    rows(tmp_path / "a.jsonl", {"text": "x"})
    for number in range(10):
        (tmp_path / f"{number}.bin").write_bytes(b"x")
    assert "files of unknown kinds: 0.bin, 1.bin, 2.bin and 7 more" in said(capsys, tmp_path)[1]


def test_a_glob_says_what_is_no_file(tmp_path, capsys):
    rows(tmp_path / "a.jsonl", {"text": "x"})
    (tmp_path / "b.jsonl").mkdir()
    os.mkfifo(tmp_path / "c.jsonl")
    documents, err = said(capsys, tmp_path / "*.jsonl")
    assert documents == ["x"]
    assert "not regular files" in err and "b.jsonl" in err and "c.jsonl" in err


def test_a_directory_without_text_says_what_it_holds(tmp_path):
    (tmp_path / "a.bin").write_bytes(b"x")
    (tmp_path / "README.md").write_text("x", encoding="utf-8")
    with pytest.raises(RequestError, match=r"no file of text, only .*: README\.md; .*unknown kinds: a\.bin"):
        load(tmp_path)


@pytest.mark.parametrize(
    ("content", "left"),
    [
        ("a\n\nb\n", "1 of 3 lines is blank, and is left out"),
        ("\n \na\n\n\n", "4 of 5 lines are blank, and are left out"),
        ("a\nb\n", None),
        ("a\r\n\r\nb", "1 of 3 lines is blank, and is left out"),
    ],
)
def test_blank_lines_are_counted(tmp_path, capsys, content, left):
    path = tmp_path / "a.txt"
    path.write_bytes(content.encode())
    documents, err = said(capsys, path)
    assert len(documents) == content.count("a") + content.count("b")
    assert f"{path}: {left}" in err if left else "left out" not in err


@pytest.mark.parametrize("kind", ["fifo", "device", "fifo behind a link", "directory"])
@pytest.mark.parametrize("suffix", [".txt", ".jsonl", ".csv", ".parquet", ".txt.gz", ""])
def test_what_is_no_regular_file_is_refused_and_never_waited_for(tmp_path, kind, suffix):
    path = tmp_path / f"a{suffix}"
    if kind == "fifo":
        os.mkfifo(path)
    elif kind == "device":
        path.symlink_to("/dev/zero")
    elif kind == "directory":
        (path / "inner").mkdir(parents=True)
    else:
        os.mkfifo(tmp_path / "pipe")
        path.symlink_to(tmp_path / "pipe")
    caught = []

    def read():
        try:
            load(path)
        except RequestError as error:
            caught.append(error)

    reading = threading.Thread(target=read, daemon=True)
    reading.start()
    reading.join(30)
    assert not reading.is_alive()
    assert len(caught) == 1 and caught[0].value == str(path)
