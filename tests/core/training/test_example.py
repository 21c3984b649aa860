"""The example of a trained model: a sentence of the held-out text, and its true word."""

from __future__ import annotations

import random

import pytest
from tiny_models import WORDS, sentences, write_tokenizer
from transformers import AddedToken, AutoTokenizer

from mlm_core.training.example import held_out_example


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
