"""A machine or a cache at fault is named as such; the dataset is not blamed."""

import errno
import json
import os
import subprocess
import sys

import pytest
from loading import load, rows, said, texts

from mlm_core import RequestError, RunError
from mlm_core.data import read_files
from mlm_core.data.csv_tables import table_options
from mlm_core.data.local_files import local_files


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """A cache of this test's own."""
    directory = tmp_path / "cache"
    monkeypatch.setenv("MLM_CACHE", str(directory))
    return directory


NUMBERS = [
    errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EMFILE, errno.ENFILE, errno.EROFS, errno.ENOMEM,
]  # fmt: skip


@pytest.mark.parametrize("number", NUMBERS)
@pytest.mark.parametrize("wrapped", [False, True])
def test_the_machine_is_named_whatever_is_around_its_error(tmp_path, cache, monkeypatch, number, wrapped):
    import datasets

    def failing(*_, **__):
        try:
            raise OSError(number, os.strerror(number))
        except OSError as error:
            if wrapped:
                raise ValueError("An error occurred while generating the dataset") from error
            raise

    monkeypatch.setattr(datasets, "load_dataset", failing)
    with pytest.raises(RunError) as caught:
        load(rows(tmp_path / "a.jsonl", {"text": "x"}))
    assert caught.value.option == "MLM_CACHE" and os.strerror(number) in caught.value.message
    assert "a.jsonl" not in str(caught.value)


def test_too_few_threads_are_named(tmp_path, cache, monkeypatch):
    import datasets

    def failing(*_, **__):
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(datasets, "load_dataset", failing)
    with pytest.raises(RunError, match=r"no more threads; raise the limit.*ulimit -u"):
        load(rows(tmp_path / "a.jsonl", {"text": "x"}))


def _limited(tmp_path, cache, path, limit, most):
    """What reading a file under a limit of this process ends in."""
    program = (
        "import resource, sys, loading, datasets, pyarrow.parquet\n"
        f"resource.setrlimit(resource.{limit}, ({most}, {most}))\n"
        "try: loading.load(sys.argv[1]); print('read')\n"
        "except Exception as error: print(type(error).__name__, error)"
    )
    environment = os.environ | {"MLM_CACHE": str(cache), "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(
        [sys.executable, "-c", program, str(path)],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout.strip() or done.stderr[-500:]


@pytest.mark.parametrize("suffix", [".jsonl", ".json", ".jsonl.gz", ".txt"])
def test_a_limit_of_file_sizes(tmp_path, cache, suffix):
    import gzip

    items = [{"text": f"document {number} with some words"} for number in range(3000)]
    content = json.dumps(items) if suffix == ".json" else "\n".join(map(json.dumps, items))
    path = tmp_path / f"a{suffix}"
    path.write_bytes(gzip.compress(content.encode()) if suffix.endswith("gz") else content.encode())
    ended = _limited(tmp_path, cache, path, "RLIMIT_FSIZE", 20_000)
    assert ended.startswith("RunError MLM_CACHE") and "File too large" in ended, ended
    # Nothing half-written is taken for the text afterwards.
    assert len(texts(path)) == 3000


@pytest.mark.parametrize("most", [3, 8, 13])
def test_a_limit_of_open_files(tmp_path, cache, most):
    path = rows(tmp_path / "a.jsonl", {"text": "x"}, {"text": "y"})
    ended = _limited(tmp_path, cache, path, "RLIMIT_NOFILE", most)
    named = ended.startswith("RunError") and "Too many open files" in ended and "ulimit -n" in ended
    assert named or (ended == "read" and most > 3), ended


HARMS = {
    "empty": lambda content: b"",
    "cut": lambda content: content[: len(content) // 2],
    "a byte less": lambda content: content[:-1],
    "changed": lambda content: content[:-9] + bytes(255 - byte for byte in content[-9:-8]) + content[-8:],
    "other": lambda content: b"{}",
}


@pytest.mark.parametrize("harm", [*HARMS, "gone"])
@pytest.mark.parametrize("pattern", ["*.arrow", "dataset_info.json", "*.json", "*.jsonl"])
def test_a_damaged_copy_in_the_cache_is_made_again_and_said(tmp_path, cache, capsys, harm, pattern):
    path = tmp_path / "a.json"
    path.write_text(json.dumps([{"text": "one"}, {"text": "two"}]), encoding="utf-8")
    assert said(capsys, path)[0] == ["one", "two"]
    assert "damaged" not in said(capsys, path)[1]
    found = [file for file in (cache / "datasets").rglob(pattern) if file.is_file()]
    assert found
    for file in found:
        if harm == "gone":
            file.unlink()
        else:
            file.write_bytes(HARMS[harm](file.read_bytes()))
    documents, err = said(capsys, path)
    assert documents == ["one", "two"]
    assert f"the copy of {path} in the cache is incomplete or damaged; it is made again" in err
    assert "damaged" not in said(capsys, path)[1]


def test_a_wide_table_is_read(tmp_path, cache):
    """20,000 columns: to compare each with each other would take 400 million steps."""
    names = [f"c{number}" for number in range(20_000)]
    twice = tmp_path / "twice.csv"
    twice.write_text(",".join([*names, names[-1]]) + "\n" + "1," * 20_000 + "1\n", encoding="utf-8")
    with pytest.raises(RequestError, match="two columns are called c19999"):
        load(twice)
    wide = tmp_path / "wide.csv"
    wide.write_text(",".join([*names, "text"]) + "\n" + ("1," * 20_000 + "words\n") * 2, encoding="utf-8")
    files = local_files(str(wide))
    assert files is not None and list(table_options(files, None)["features"]) == ["text"]


def test_a_hidden_bar_starts_no_thread(monkeypatch):
    from tqdm import tqdm

    from mlm_core.data.quiet_library import quiet_library

    monkeypatch.setattr(tqdm, "monitor", None)
    before = tqdm.monitor_interval
    with quiet_library():
        list(tqdm(range(3), disable=True))
    assert tqdm.monitor is None and tqdm.monitor_interval == before > 0


def test_a_copy_that_is_damaged_after_it_was_looked_at_is_made_again(tmp_path, cache, capsys, monkeypatch):
    path = rows(tmp_path / "a.jsonl", {"text": "one"}, {"text": "two"})
    assert said(capsys, path)[0] == ["one", "two"]
    load, harmed = read_files._load, []

    def harming(files, wanted, place):
        if not harmed:
            harmed.extend((cache / "datasets").rglob("dataset_info.json"))
            for file in harmed:
                file.write_bytes(file.read_bytes().replace(b"description", b"descr\x01ption"))
        return load(files, wanted, place)

    monkeypatch.setattr(read_files, "_load", harming)
    documents, err = said(capsys, path)
    assert harmed and documents == ["one", "two"]
    assert "in the cache is incomplete or damaged; it is made again" in err
