"""A long document gives the token ids of the whole, from pieces where that is possible."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny_models import write_tokenizer
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors, trainers
from transformers import AutoTokenizer, PreTrainedTokenizerFast

from mlm_core.data import long_documents, tokenization
from mlm_core.data.long_documents import encode_long, pieces

SIZE = 40
WORDS = st.sampled_from(
    ["the", "cat", "sat", "Été", "ñ", "42", "a-b", ".", "...", "日本", "x\ny", "  ", "\t", "\r\n", "'s"]
)
TEXTS = st.lists(WORDS, min_size=1, max_size=120).map(" ".join)


def unigram():
    made = Tokenizer(models.Unigram())
    made.normalizer = normalizers.Sequence([normalizers.NFKC(), normalizers.Strip()])
    made.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="always")
    text = ["the cat sat under the house", "Été ñ 42 a-b . ...", "日本 x y 's"] * 20
    made.train_from_iterator(
        text,
        trainers.UnigramTrainer(vocab_size=60, special_tokens=["<s>", "</s>", "<unk>"], unk_token="<unk>"),
    )
    made.post_processor = processors.TemplateProcessing(
        "<s> $A </s>", special_tokens=[("<s>", 0), ("</s>", 1)]
    )
    return PreTrainedTokenizerFast(tokenizer_object=made, unk_token="<unk>")


@pytest.fixture(scope="module")
def tokenizers_(tmp_path_factory):
    place = tmp_path_factory.mktemp("tokenizers")
    made = {"unigram": unigram()}
    for family in ("roberta", "bert"):
        write_tokenizer(place / family, family)
        made[family] = AutoTokenizer.from_pretrained(place / family)
    made["roberta, prefix"] = AutoTokenizer.from_pretrained(place / "roberta", add_prefix_space=True)
    return made


@pytest.fixture(autouse=True)
def small(monkeypatch):
    monkeypatch.setattr(long_documents, "AT_ONCE", SIZE)
    monkeypatch.setattr(tokenization, "AT_ONCE", SIZE)
    monkeypatch.setattr(long_documents, "_SAMPLE", 4 * SIZE)
    monkeypatch.setattr(long_documents, "_SAMPLE_PIECE", SIZE)


def encoder(tokenizer, special, separator=()):
    def encode(texts):
        ids = tokenizer(texts, add_special_tokens=special, truncation=False, verbose=False)["input_ids"]
        return [[*one, *separator] for one in ids]

    return encode


@pytest.mark.parametrize("kind", ["roberta", "roberta, prefix", "bert", "unigram"])
@pytest.mark.parametrize(("special", "separator"), [(True, ()), (False, ()), (False, (7,)), (True, (7, 8))])
@settings(max_examples=60)
@given(text=TEXTS)
def test_the_ids_are_those_of_the_whole(tokenizers_, kind, special, separator, text):
    encode = encoder(tokenizers_[kind], special, separator)
    assert encode_long(encode, text).tolist() == encode([text])[0]


@pytest.mark.parametrize("kind", ["roberta", "roberta, prefix", "bert", "unigram"])
def test_no_piece_is_long(tokenizers_, kind):
    lengths = []
    encode = encoder(tokenizers_[kind], True)

    def counted(texts):
        lengths.append(sum(map(len, texts)))
        return encode(texts)

    text = "the cat sat under the house " * 100
    assert encode_long(counted, text).tolist() == encode([text])[0]
    assert max(lengths) <= 4 * SIZE < len(text) / 10


def test_a_tokenizer_that_sees_the_whole_gets_the_whole():
    """Its ids depend on the length of the text."""

    def encode(texts):
        return [[1, *(len(text) for _ in text.split()), 2] for text in texts]

    text = "the cat sat under the house " * 30
    assert encode_long(encode, text).tolist() == encode([text])[0]


@given(text=TEXTS)
def test_pieces_are_the_text(text):
    found = pieces(text, 10)
    assert "".join(found) == text and all(len(piece) >= 10 for piece in found[:-1])


@given(texts=st.lists(TEXTS, max_size=8))
def test_texts_together(texts):
    def encode(some):
        assert len(some) == 1 or sum(map(len, some)) <= SIZE
        return [[0, *map(ord, text), 1] for text in some]

    found = tokenization.joined_in_parts(encode, texts)
    assert found.dtype == np.int32
    assert found.tolist() == [token for text in texts for token in [0, *map(ord, text), 1]]
