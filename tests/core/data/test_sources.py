"""Text from wherever it is."""

import gzip
import json
import os
import re
from pydoc_data.topics import topics

import datasets
import pytest
from file_kinds import ANSWERS, WRITERS, as_lines, as_parquet, compressed, sample_rows
from hypothesis import given, settings
from hypothesis import strategies as st

from mlm_core import Config, RequestError, RunError
from mlm_core.data.corpus import LIBRARY, PARTS, REFERENCE
from mlm_core.data.documents import listed_documents
from mlm_core.data.local_files import local_files
from mlm_core.data.sources import load_source
from mlm_core.data.split import split_documents
from mlm_core.progress import Progress


def load(dataset=None, given=None, **options):
    config = Config(dataset=None if dataset is None else str(dataset), **options)
    return load_source(config, given, progress=Progress(quiet=True, verbose=False, logging_steps=1))


def texts(dataset, **options):
    return list(load(dataset, **options).documents)


def rows(path, *objects):
    path.write_text("\n".join(json.dumps(item) for item in objects), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def sample():
    return sample_rows()


@pytest.fixture(scope="module")
def answers(sample):
    return [" ".join(row["answers"]["text"]) for row in sample]


def test_the_sample_has_the_guides_schema(sample):
    assert len(sample) >= 24
    for row in sample:
        assert list(row) == [
            "q_id", "title", "selftext", "category", "subreddit", "answers", "title_urls", "selftext_urls"
        ]  # fmt: skip
        assert list(row["answers"]) == ["a_id", "text", "score", "text_urls"]
        assert len({len(column) for column in row["answers"].values()}) == 1
    # What breaks careless readers is in it.
    text = "".join(text for row in sample for text in row["answers"]["text"])
    assert all(sign in text for sign in '\n",é')


COMPRESSED = [
    (suffix, ending) for suffix in (".jsonl", ".json", ".csv", ".tsv") for ending in (".gz", ".bz2", ".xz")
]


@pytest.mark.parametrize(("suffix", "compression"), [*((suffix, "") for suffix in WRITERS), *COMPRESSED])
def test_every_kind_of_file_holds_the_same_documents(tmp_path, sample, answers, suffix, compression):
    path = tmp_path / f"posts{suffix}"
    WRITERS[suffix](path, sample)
    if compression:
        path = compressed(path, compression)
    assert texts(path, text_column=ANSWERS) == answers


def test_a_directory_a_glob_and_a_saved_dataset(tmp_path, sample, answers):
    for part in range(3):
        as_lines(tmp_path / f"part-{part}.jsonl", sample[16 * part : 16 * (part + 1)])
    (tmp_path / "README.md").write_text("what this is", encoding="utf-8")
    (tmp_path / ".hidden.csv").write_text("a,b", encoding="utf-8")
    assert texts(tmp_path, text_column=ANSWERS) == answers
    assert texts(tmp_path / "part-*.jsonl", text_column=ANSWERS) == answers
    assert texts(tmp_path / "part-[01].jsonl", text_column=ANSWERS) == answers[:32]
    saved = datasets.Dataset.from_list(sample)
    saved.save_to_disk(tmp_path / "saved")
    assert texts(tmp_path / "saved", text_column=ANSWERS) == answers
    datasets.DatasetDict({"train": saved, "test": saved.select([3])}).save_to_disk(tmp_path / "both")
    assert list(load(tmp_path / "both", text_column=ANSWERS).held_out) == answers[3:4]


@pytest.mark.parametrize(
    ("name", "split"),
    [
        ("train.jsonl", "train"),
        ("my_train-00001.jsonl", "train"),
        ("latest.jsonl", "train"),
        ("validation.jsonl", "validation"),
        ("dev/a.jsonl", "validation"),
        ("data/test-0.jsonl", "test"),
        ("contest.jsonl", "train"),
    ],
)
def test_names_in_a_directory_tell_the_split(tmp_path, name, split):
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    rows(path, {"text": "x"})
    assert local_files(str(tmp_path)).by_split() == {split: [path]}


def test_a_split_of_its_own_is_held_out_unless_a_share_is_asked_for(tmp_path, sample, answers):
    as_lines(tmp_path / "train.jsonl", sample[:40])
    as_lines(tmp_path / "test.jsonl", sample[40:44])
    own = load(tmp_path, text_column=ANSWERS)
    assert (list(own.documents), list(own.held_out)) == (answers[:40], answers[40:44])
    as_lines(tmp_path / "validation.jsonl", sample[44:])
    assert list(load(tmp_path, text_column=ANSWERS).held_out) == answers[44:]
    assert load(tmp_path, text_column=ANSWERS, test_size=0.5).held_out is None
    one = load(tmp_path, text_column=ANSWERS, split="test")
    assert (list(one.documents), one.held_out) == (answers[40:44], None)
    fingerprints = {
        load(tmp_path, text_column=ANSWERS, **more).fingerprint for more in ({}, {"test_size": 0.5})
    }
    assert len({own.fingerprint, *fingerprints}) == 3
    (tmp_path / "train.jsonl").unlink()
    with pytest.raises(RequestError, match="choose from test, validation"):
        load(tmp_path, text_column=ANSWERS)


def test_split_slices(tmp_path, sample, answers):
    path = tmp_path / "a.parquet"
    as_parquet(path, sample)
    assert texts(path, text_column=ANSWERS, split="train[:5]") == answers[:5]
    assert texts(path, text_column=ANSWERS, split="train[25%:50%]") == answers[12:24]
    assert texts(path, text_column=ANSWERS, split="train[:2]+train[40:]") == answers[:2] + answers[40:]
    for wrong in ("tarin", "train[:x]", "train[:5", "train[600:900]"):
        with pytest.raises(RequestError) as caught:
            load(path, text_column=ANSWERS, split=wrong)
        assert (caught.value.option, caught.value.value) == ("--split", wrong)


def test_a_dataset_from_python(sample, answers):
    given = datasets.Dataset.from_list(sample)
    source = load(given=given, text_column=ANSWERS)
    assert list(source.documents) == answers
    assert source.documents.raw(3) == sample[3]
    both = datasets.DatasetDict({"train": given, "validation": given.select([0, 1])})
    assert list(load(given=both, text_column=ANSWERS).held_out) == answers[:2]
    assert list(load(given=given, text_column=ANSWERS, split="train[:3]").documents) == answers[:3]
    # Rows that were chosen or put in another order in Python.
    assert list(load(given=given.select([5, 2]), text_column=ANSWERS).documents) == [answers[5], answers[2]]
    with pytest.raises(RequestError, match="has a transform"):
        load(given=given.with_transform(lambda batch: batch), text_column=ANSWERS)
    for wrong in (given.to_iterable_dataset(), ["a text"]):
        with pytest.raises(RequestError, match="neither a datasets"):
            load(given=wrong)


def test_text_file_is_a_document_a_line(tmp_path):
    path = tmp_path / "a.txt"
    path.write_bytes("\ufefffirst\x0cline\r\n\n  \n  second \u2028half\n".encode())
    assert texts(path) == ["first\x0cline", "  second \u2028half"]
    # A column that lines do not have is no reason to stop.
    assert texts(path, text_column=ANSWERS) == texts(path)


def test_cells_that_look_empty_are_text(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text('id,text\n1,NA\n2,null\n3,""\n4,None\n', encoding="utf-8")
    assert texts(path) == ["NA", "null", "None"]


def test_nested_columns_and_lists(tmp_path):
    path = rows(
        tmp_path / "a.jsonl",
        {
            "title": "t",
            "posts": [{"body": "one", "n": 1}, {"body": "two", "n": 2}],
            "deep": [["a"], ["b", "c"]],
        },
        {"title": "u", "posts": [], "deep": []},
    )
    assert texts(path, text_column="posts.body") == ["one two"]
    assert texts(path, text_column="title") == ["t", "u"]
    assert texts(path, text_column="deep") == ["a b c"]
    with pytest.raises(RequestError, match=r"choose with --text-column: title, posts\.body"):
        load(path)
    with pytest.raises(RequestError, match=r"no such column; choose with .*title, posts\.body"):
        load(path, text_column="posts.text")
    with pytest.raises(RequestError, match="holds int, not text"):
        load(path, text_column="posts.n")
    with pytest.raises(RequestError, match="holds further columns, not text"):
        load(path, text_column="posts")


def test_values_of_several_types(tmp_path):
    mixed = rows(tmp_path / "a.jsonl", {"text": "a"}, {"text": ["b", "c"]}, {"text": None})
    assert texts(mixed) == ["a", "b c"]
    wrong = rows(tmp_path / "b.jsonl", {"text": "a"}, {"text": 3})
    with pytest.raises(RequestError, match="row 2 holds int 3, not text"):
        load(wrong)


def test_json_rows_are_taken_each_by_itself(tmp_path):
    """Far down, in another file: keys more or fewer, other types, dates; none of it changes a document."""
    many = [{"text": f"document {number}", "n": 1, "tags": []} for number in range(3000)]
    late = [
        {"text": 'said "so" é', "n": 1.5, "tags": ["x"], "more": {"deep": 1}},
        {"n": None},
        {"text": "2020-01-01"},
    ]
    rows(tmp_path / "a.jsonl", *many)
    rows(tmp_path / "b.jsonl", *late)
    rows(tmp_path / "c.jsonl", *many, *late)
    expected = [row["text"] for row in many] + ['said "so" é', "2020-01-01"]
    assert texts(tmp_path / "c.jsonl") == expected
    assert texts(tmp_path / "[ab].jsonl") == expected
    # Objects as they are, too: a date stays what it was.
    assert load(tmp_path / "c.jsonl").documents.raw(3001) == {"text": "2020-01-01"}


def test_json_arrays_wherever_they_stand(tmp_path):
    content = [{"text": "x"}, {"text": "y"}]
    plain, indented = json.dumps(content), "\n\n" + json.dumps(content, indent=2)
    inside = json.dumps({"version": 1, "data": content}, indent=2)
    for number, written in enumerate((plain, indented, inside)):
        path = tmp_path / f"{number}.json"
        path.write_text(written, encoding="utf-8")
        assert texts(path) == ["x", "y"]


def test_an_array_is_copied_once(tmp_path, monkeypatch):
    monkeypatch.setenv("MLM_CACHE", str(tmp_path / "cache"))
    path = tmp_path / "a.json"
    path.write_text('[{"text": "x"}, {"text": "y"}]', encoding="utf-8")

    def copies():
        texts(path)
        found = (tmp_path / "cache").rglob("*.*")
        return {file: file.stat().st_mtime_ns for file in found if file.suffix in (".jsonl", ".arrow")}

    first = copies()
    assert len(first) == 2 and copies() == first


def test_cells_of_tables_are_the_text_that_stands_there(tmp_path):
    """Also after ten thousand rows and in another file, where a reader would guess types again."""
    cells = ["007", "1e5", "True", "1.10", "NA", "null", "2020-01-01", '"quoted, é"']
    first = "text,n\n" + "doc,1\n" * 12_000
    (tmp_path / "a.csv").write_text(first + "".join(f"{cell},2.5\n" for cell in cells), encoding="utf-8")
    (tmp_path / "b.csv").write_text(
        "n,more,text\n" + "".join(f"x,y,{cell}\n" for cell in cells), encoding="utf-8"
    )
    wanted = [cell.strip('"') for cell in cells]
    assert texts(tmp_path / "a.csv")[12_000:] == wanted
    assert texts(tmp_path / "b.csv") == wanted
    assert texts(tmp_path / "*.csv")[12_000:] == [*wanted, *wanted]


@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_the_separator_is_found(tmp_path, separator):
    path = tmp_path / "a.csv"
    lines = [["id", "body"], ["1", '"a, b; c"'], ["2", "plain"]]
    path.write_text("".join(separator.join(line) + "\r\n" for line in lines), encoding="utf-8")
    assert texts(path) == ["a, b; c", "plain"]
    path.write_text('body\n"one; two, three"\nfour\n', encoding="utf-8")
    assert texts(path) == ["one; two, three", "four"]


def test_an_index_without_a_name_is_a_column(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text(",body\n0,x\n1,y\n", encoding="utf-8")
    assert texts(path) == ["x", "y"]


def test_a_row_without_text_is_left_out(tmp_path):
    path = rows(
        tmp_path / "a.jsonl", {"text": "x"}, {"text": None}, {"other": 3}, {"text": " "}, {"text": "y"}
    )
    source = load(path)
    assert list(source.documents) == ["x", "y"]
    assert source.documents.raw(1)["text"] == "y"


def test_the_text_column_is_found(tmp_path):
    path = tmp_path / "a.jsonl"
    assert texts(rows(path, {"id": 1, "body": "x"})) == ["x"]
    assert texts(rows(path, {"title": "t", "text": "x"}, {"text": None})) == ["x"]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.txt", b"", "is empty"),
        ("a.txt", b"\n \n", "holds no text"),
        ("a.txt", b"\xff\xfe\x00", r"line 1 is not UTF-8 text \(byte 0xff\)"),
        ("a.txt", "a café".encode("latin-1"), "not UTF-8"),
        ("a.txt", b"text\n\x00\x01\x02\n", "line 2 is not text"),
        ("a.csv", "text\nx\ncafé\n".encode("latin-1"), "line 3 is not UTF-8"),
        ("a.csv", b"id,text\n", "holds no rows"),
        ("a.csv", b"text,text\na,b\n", "two columns are called text"),
        ("a.csv", b"id,text\n1,a\n2,a,b\n", "line 3 has 3 fields, the header has 2"),
        ("a.csv", b"id,text,more\n1,a,b\n2,a\n", "line 3 has 2 fields, the header has 3"),
        ("a.tsv", b"id\ttext\n1\ta\tb\n", "line 2 has 3 fields, the header has 2"),
        ("a.jsonl", b'{"text": "x"}\n{"text"', "line 2 is not JSON"),
        ("a.jsonl", b'{"text": "x"}\nplain\n', "line 2 is not JSON"),
        ("a.jsonl", b"3\n", "line 1 is not a JSON object"),
        ("a.json", b'[{"text": "x"},\n {"text": }]', "line 2 is not JSON"),
        ("a.json", b'[{"text": "x"}, 3]', "item 2 of the array is not a JSON object"),
        ("a.jsonl", b'{"n": 1}', r"no column holds text: n \(int\)"),
        ("a.jsonl", b'{"text": [1, 2]}', r"no column holds text: text \(lists of int\)"),
        ("a.jsonl", b'{"text": "half a pair \\ud800"}', "document 1 is not text"),
        ("a.jsonl", bytes(range(256)), "not UTF-8"),
        ("a.parquet", b"PAR1", "cannot be read"),
        ("a.arrow", b"ARROW1", "cannot be read"),
        ("a.jsonl.gz", b"not compressed", "cannot be read"),
        ("a.jsonl.gz", gzip.compress(b'{"text": "x"}\n' * 1000)[:40], "cannot be read"),
        ("a.pdf", b"%PDF", "unknown kind"),
    ],
)
def test_what_is_wrong_with_a_file_is_said(tmp_path, name, content, message):
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(RequestError, match=message) as caught:
        load(path)
    assert (caught.value.option, caught.value.value) == ("--dataset", str(path))


def test_the_faulty_one_of_several_files_is_named(tmp_path):
    rows(tmp_path / "a.jsonl", {"text": "x"})
    (tmp_path / "b.jsonl").write_text('{"text": "x"}\n{"text": ', encoding="utf-8")
    with pytest.raises(RequestError, match=r"b\.jsonl: line 2 is not JSON"):
        load(tmp_path / "*.jsonl")


def test_what_is_not_there_or_not_one_kind(tmp_path):
    for missing in (tmp_path / "none.txt", "x" * 5000 + ".txt", tmp_path / "*.jsonl", "./none"):
        with pytest.raises(RequestError, match="no such file"):
            load(missing)
    with pytest.raises(RequestError, match="holds no file of text"):
        load(tmp_path)
    rows(tmp_path / "a.jsonl", {"text": "x"})
    (tmp_path / "b.txt").write_text("x", encoding="utf-8")
    with pytest.raises(RequestError, match=r"several kinds, \.jsonl and \.txt"):
        load(tmp_path)
    (tmp_path / "secret.txt").write_text("x", encoding="utf-8")
    (tmp_path / "secret.txt").chmod(0)
    if os.geteuid():
        with pytest.raises(RequestError, match="cannot be read"):
            load(tmp_path / "secret.txt")


@pytest.mark.parametrize("name", ["eli5", "ELI5", "eli5_category", "rexarski/eli5_category"])
def test_eli5_is_gone_and_what_works_is_said(name):
    with pytest.raises(RequestError, match="no longer loads") as caught:
        load(name)
    assert "--dataset dany0407/eli5_category --dataset-revision refs/convert/parquet" in caught.value.fix
    assert "--text-column answers.text" in caught.value.fix


def test_options_for_another_kind_of_dataset(tmp_path):
    path = rows(tmp_path / "a.jsonl", {"text": "x"})
    for options in ({"dataset_revision": "main"}, {"dataset_config": "en"}):
        with pytest.raises(RequestError, match="for a dataset on the Hub"):
            load(path, **options)
    for options in ({"text_column": "text"}, {"split": "train"}, {"dataset_revision": "main"}):
        for part in (None, LIBRARY):
            with pytest.raises(RequestError, match=r"embedded corpus, python:\w+, has none"):
                load(part, **options)


@pytest.mark.parametrize("replaced", [False, True])
def test_a_changed_file_is_read_again_whatever_its_date(tmp_path, replaced):
    path = tmp_path / "a.txt"
    for content in ("x", "y"):
        if replaced:
            path.unlink(missing_ok=True)
        path.write_text(content, encoding="utf-8")
        os.utime(path, (1, 1))
        assert texts(path) == [content]


def test_names_that_look_like_patterns(tmp_path):
    for name in ("b[1].txt", "b1.txt", "c*.txt", "cx.txt"):
        (tmp_path / name).write_text(name, encoding="utf-8")
        assert texts(tmp_path / name) == [name]
    assert texts(tmp_path) == ["b1.txt", "b[1].txt", "c*.txt", "cx.txt"]


def test_a_damaged_copy_of_ours_is_made_again(tmp_path, monkeypatch):
    monkeypatch.setenv("MLM_CACHE", str(tmp_path / "cache"))
    path = rows(tmp_path / "a.jsonl", {"text": "x"}, {"text": "y"})
    assert texts(path) == ["x", "y"]
    copies = list((tmp_path / "cache").rglob("*.arrow"))
    assert copies
    for copy in copies:
        copy.write_bytes(b"damaged")
    assert texts(path) == ["x", "y"]


def test_a_cache_that_cannot_be_written(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("", encoding="utf-8")
    monkeypatch.setenv("MLM_CACHE", str(tmp_path / "file"))
    with pytest.raises(RunError, match="set MLM_CACHE"):
        load(rows(tmp_path / "a.jsonl", {"text": "x"}))


def test_splits_that_are_used_and_not_used_are_told(tmp_path, capsys):
    for split in ("train", "validation", "test"):
        rows(tmp_path / f"{split}.jsonl", {"text": "x"})
    config = Config(dataset=str(tmp_path))
    load_source(config, progress=Progress.of(config))
    assert "its split train, evaluated on its split validation; not used: test" in capsys.readouterr().err


@pytest.fixture(scope="module")
def corpus():
    return {name: documents() for name, documents in PARTS.items()}


@pytest.mark.parametrize(("part", "characters"), [(REFERENCE, 300_000), (LIBRARY, 1_000_000)])
def test_the_embedded_corpus_is_prose_in_one_line_each(corpus, part, characters):
    documents = corpus[part]
    assert sum(map(len, documents)) > characters
    assert all(" ".join(text.split()) == text for text in documents)
    assert len(set(documents)) == len(documents)
    assert texts(part) == documents == texts(part)


def test_no_passage_is_in_both_parts(corpus):
    def passages(documents, length):
        for text in documents:
            words = re.findall("[a-z]+", text.lower())
            yield from (" ".join(words[start : start + length]) for start in range(len(words) - length + 1))

    reference = set(passages(corpus[REFERENCE], 8))
    assert reference.isdisjoint(passages(corpus[LIBRARY], 8))
    # Shorter ones are: the language has its phrases.
    assert not set(passages(corpus[REFERENCE], 4)).isdisjoint(passages(corpus[LIBRARY], 4))


def test_no_paragraph_of_the_reference_is_in_two_documents(corpus):
    """Topics that are chapters of others would be held out and trained on."""
    paragraphs = {
        " ".join(paragraph.split())
        for topic in topics.values()
        for paragraph in re.split(r"\n\s*\n", topic)
        if len(paragraph.split()) > 30
    }
    assert len(paragraphs) > 200
    assert {sum(text in document for document in corpus[REFERENCE]) for text in paragraphs} == {1}


def test_code_in_comments_is_left_out(tmp_path, monkeypatch):
    (tmp_path / "module.py").write_text(
        '"""What this module is for, in a sentence."""\n'
        "# Reasons are given in a comment\n# of two lines, like this one.\n#\n# x = f(a, b) + g(c)[0] - h\n"
        "#!/usr/bin/env python is no comment at all\nvalue = 1  # what stands behind code is left out, too\n",
        encoding="utf-8",
    )
    monkeypatch.setattr("sysconfig.get_paths", lambda: {"stdlib": str(tmp_path)})
    assert PARTS[LIBRARY]() == [
        "What this module is for, in a sentence.",
        "Reasons are given in a comment of two lines, like this one.",
    ]


def test_without_a_dataset_it_is_the_reference(corpus):
    source = load()
    assert (source.name, list(source.documents)) == (REFERENCE, corpus[REFERENCE])


def test_an_unknown_part(tmp_path):
    with pytest.raises(RequestError, match="no part of the embedded corpus") as caught:
        load("python:tutorial")
    assert caught.value.fix == f"choose from {REFERENCE}, {LIBRARY}"


@settings(max_examples=60, deadline=None)
@given(count=st.integers(2, 200), test_size=st.floats(0.01, 0.9), seed=st.integers(0, 2**32 - 1))
def test_split_keeps_every_document_once_and_in_order(count, test_size, seed):
    documents = listed_documents([f"{number:04}" for number in range(count)])
    split = split_documents(documents, test_size, seed, "a file")
    train, test = list(split.train), list(split.test)
    assert sorted(train + test) == list(documents)
    assert train == sorted(train) and test == sorted(test)
    assert train and test
    assert abs(len(test) - test_size * count) <= 1
    again = split_documents(documents, test_size, seed, "a file")
    assert (list(again.train), list(again.test)) == (train, test)
    assert again.train.fingerprint == split.train.fingerprint != split.test.fingerprint


def test_one_document_cannot_be_split():
    with pytest.raises(RequestError, match="too few"):
        split_documents(listed_documents(["alone"]), 0.2, 0, "a file")
