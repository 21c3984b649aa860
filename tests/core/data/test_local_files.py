"""Every kind of local file holds the same documents, wherever it is and whatever its name."""

import json

import datasets
import pytest
from file_kinds import ANSWERS, WRITERS, as_lines, compressed
from loading import ANSWER_TEXTS, SAMPLE, load, texts


def test_the_sample_has_the_schema_of_the_hf_recipe():
    assert len(SAMPLE) >= 24
    for row in SAMPLE:
        assert list(row) == [
            "q_id", "title", "selftext", "category", "subreddit", "answers", "title_urls", "selftext_urls"
        ]  # fmt: skip
        assert list(row["answers"]) == ["a_id", "text", "score", "text_urls"]
        assert len({len(column) for column in row["answers"].values()}) == 1
    # It contains the characters that break careless readers.
    text = "".join(text for row in SAMPLE for text in row["answers"]["text"])
    assert all(sign in text for sign in '\n",é')


COMPRESSED = [
    (suffix, ending) for suffix in (".jsonl", ".json", ".csv", ".tsv") for ending in (".gz", ".bz2", ".xz")
]


@pytest.mark.parametrize(("suffix", "compression"), [*((suffix, "") for suffix in WRITERS), *COMPRESSED])
def test_every_kind_of_file_holds_the_same_documents(tmp_path, suffix, compression):
    path = tmp_path / f"posts{suffix}"
    WRITERS[suffix](path, SAMPLE)
    if compression:
        path = compressed(path, compression)
    assert texts(path, text_column=ANSWERS) == ANSWER_TEXTS


def test_a_directory_a_glob_and_a_saved_dataset(tmp_path):
    for part in range(3):
        as_lines(tmp_path / f"part-{part}.jsonl", SAMPLE[16 * part : 16 * (part + 1)])
    (tmp_path / "README.md").write_text("what this is", encoding="utf-8")
    (tmp_path / ".hidden.csv").write_text("a,b", encoding="utf-8")
    assert texts(tmp_path, text_column=ANSWERS) == ANSWER_TEXTS
    assert texts(tmp_path / "part-*.jsonl", text_column=ANSWERS) == ANSWER_TEXTS
    assert texts(tmp_path / "part-[01].jsonl", text_column=ANSWERS) == ANSWER_TEXTS[:32]
    saved = datasets.Dataset.from_list(SAMPLE)
    saved.save_to_disk(tmp_path / "saved")
    assert texts(tmp_path / "saved", text_column=ANSWERS) == ANSWER_TEXTS
    datasets.DatasetDict({"train": saved, "test": saved.select([3])}).save_to_disk(tmp_path / "both")
    assert list(load(tmp_path / "both", text_column=ANSWERS).held_out) == ANSWER_TEXTS[3:4]


def test_text_file_is_a_document_a_line(tmp_path):
    path = tmp_path / "a.txt"
    path.write_bytes("\ufefffirst\x0cline\r\n\n  \n  second \u2028half\n".encode())
    assert texts(path) == ["first\x0cline", "  second \u2028half"]
    # A column that lines do not have is no reason to stop.
    assert texts(path, text_column=ANSWERS) == texts(path)


def test_names_that_look_like_patterns(tmp_path):
    for name in ("b[1].txt", "b1.txt", "c*.txt", "cx.txt"):
        (tmp_path / name).write_text(name, encoding="utf-8")
        assert texts(tmp_path / name) == [name]
    assert texts(tmp_path) == ["b1.txt", "b[1].txt", "c*.txt", "cx.txt"]


def test_json_arrays_on_one_line_or_many_and_inside_an_object(tmp_path):
    content = [{"text": "x"}, {"text": "y"}]
    plain, indented = json.dumps(content), "\n\n" + json.dumps(content, indent=2)
    inside = json.dumps({"version": 1, "data": content}, indent=2)
    for number, written in enumerate((plain, indented, inside)):
        path = tmp_path / f"{number}.json"
        path.write_text(written, encoding="utf-8")
        assert texts(path) == ["x", "y"]
