"""The embedded corpus: prose, none of it twice, in two parts that share no passage."""

import re
from pydoc_data.topics import topics

import pytest
from loading import load, texts

from mlm_core import RequestError
from mlm_core.data.embedded_corpus import LIBRARY, PARTS, REFERENCE


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
    with pytest.raises(RequestError, match="is not a part of the embedded corpus") as caught:
        load("python:tutorial")
    assert caught.value.fix == f"choose from {REFERENCE}, {LIBRARY}"
