"""The example of a trained model: a sentence of the held-out text, and its true word."""

from __future__ import annotations

import random

import pytest
from tiny_models import WORDS, sentences, write_tokenizer
from transformers import AddedToken, AutoTokenizer

from mlm_core.data.documents import listed_documents
from mlm_core.data.train_tokenizer import train_tokenizer
from mlm_core.training.example import (
    Example,
    _drawn_texts,
    _is_english,
    held_out_example,
    held_out_examples,
    right_token,
)


@pytest.fixture(scope="module", params=["roberta", "bert"])
def tokenizer(request, tmp_path_factory):
    directory = tmp_path_factory.mktemp(request.param)
    write_tokenizer(directory, request.param)
    made = AutoTokenizer.from_pretrained(directory)
    if request.param == "roberta":
        # As in the published files: the mask takes the space before it. Version 4.57 adds that by itself.
        made.add_special_tokens({"mask_token": AddedToken("<mask>", lstrip=True, special=True)})
    return made


@pytest.mark.parametrize("seed", range(20))
def test_the_word_is_the_one_that_the_text_has(tokenizer, seed):
    texts = sentences(10, seed)
    example = held_out_example(texts, tokenizer, 48)
    assert example.quoted and example.text.count("<mask>") == 1 and example.word in WORDS
    assert example.text.replace("<mask>", example.word) in texts


def test_it_is_the_same_each_time(tokenizer):
    assert held_out_example(sentences(10), tokenizer, 48) == held_out_example(sentences(10), tokenizer, 48)


@pytest.mark.parametrize(
    "texts",
    [
        [],
        [""],
        ["too short."],
        ['he said "the cat sat on the mat under the tree".'],
        ["the $HOME `cat` <mask> sat on the mat under the tree."],
        ["{the} [MASK] cat | sat on the mat & the tree."],
    ],
)
def test_nothing_that_a_shell_or_a_card_would_read(tokenizer, texts):
    assert held_out_example(texts, tokenizer, 48) is None


def test_no_longer_than_the_model_takes(tokenizer):
    assert held_out_example(["the cat sat on a mat under the big old tree."], tokenizer, 5) is None


def test_a_text_without_sentences(tokenizer):
    example = held_out_example([" ".join(WORDS)], tokenizer, 48)
    assert example.text.count("<mask>") == 1 and example.word in WORDS


@pytest.mark.parametrize("seed", range(5))
def test_a_text_without_sentences_shows_whole_words(tokenizer, seed):
    """Every fifth word is several tokens, if the tokenizer knows it."""
    words = random.Random(seed).choices(WORDS, k=60)
    if tokenizer.unk_token_id not in tokenizer("zebras")["input_ids"]:
        words[seed::5] = ["zebras"] * len(words[seed::5])
    example = held_out_example([" ".join(words)], tokenizer, 48)
    shown = example.text.replace("<mask>", example.word).split()
    assert shown == words[: len(shown)] and len(shown) > 2


def test_several_examples_are_of_several_texts(tokenizer):
    texts = [" ".join(sentences(3, seed)) for seed in range(4)]
    found = held_out_examples(texts, tokenizer, 48, 6)
    assert len({example.text for example in found}) == 6
    quoted = [example.text.replace("<mask>", example.word) for example in found]
    # One of each, then a second one of some.
    assert [next(row for row, text in enumerate(texts) if line in text) for line in quoted] == [
        0,
        1,
        2,
        3,
        0,
        1,
    ]


def test_the_right_token_is_that_of_the_text(tokenizer):
    for example in held_out_examples(sentences(10), tokenizer, 48, 5):
        assert tokenizer.decode([right_token(example, tokenizer)]).strip() == example.word
    assert right_token(Example("the <mask> sat."), tokenizer) is None
    # Two tokens, or none of the vocabulary.
    assert right_token(Example("the <mask> sat.", "cat dog"), tokenizer) is None


@pytest.mark.parametrize(
    "text",
    [
        "MKTAYIAKQRQISFVKSHFSRQLEERLGLIEVQAPILSRVGDGTQDNLSGAEKAVQVKVKALPDAQFEVVHSLAKWKRQTLG",
        "CC(=O)OC1=CC=CC=C1C(=O)O.CN1C=NC2=C1C(=O)N(C(=O)N2C)C",
        "銀河系は大きな渦巻銀河であると考えられている",
        "for (i = 0; i < n; i++) { total += values[i]; } return `total`;",
    ],
)
def test_a_text_of_anything_has_an_example(text):
    """Of a tokenizer that knows every character; without a space that the text does not have."""
    tokenizer = train_tokenizer([*text] * 9, 400, 48)
    (example,) = held_out_examples([text], tokenizer, 48, 1)
    assert example.text.count("<mask>") == 1
    assert text.startswith(example.text.replace("<mask>", example.word).rstrip())


@pytest.mark.parametrize("sign", ["\x1b[2J", "\u202e", "<mask>", "[MASK]", "hf_" + "aB3" * 12])
def test_no_example_has_what_may_do_harm(sign):
    tokenizer = train_tokenizer(["abc " * 30, sign], 300, 48)
    for example in held_out_examples([f"a{sign} b{sign} c {sign} {sign}"], tokenizer, 48, 5):
        assert sign not in example.text.replace("<mask>", "")


def test_texts_are_drawn_by_the_seed():
    documents = listed_documents([f"text {number}" for number in range(500)])
    first, again, other = (_drawn_texts(documents, seed) for seed in (1, 1, 2))
    assert first == again != other
    assert len(set(first)) == len(first) == 50 and set(first) <= set(documents)
    few = listed_documents(["one", "two"])
    assert _drawn_texts(few, 3) == ["one", "two"]


def test_english_is_told_by_its_commonest_words():
    assert _is_english(["The cat and the dog", "top of it"])
    assert not _is_english(["Die Katze und der Hund in the box"])


@pytest.mark.parametrize(
    "text",
    [
        "https://jane:hunter2pass@example.com/x",
        "hf_" + "pLIixMEOLeMaEqJomTEIJEzabcdefGHIJK",
        "a \x1b[2J b c d e f",
    ],
)
def test_no_part_of_a_secret_is_an_example(tokenizer, text):
    texts = [text, f"one two {text} three four"]
    assert held_out_examples(texts, tokenizer, 64, 5) == []
