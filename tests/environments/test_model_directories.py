"""Unusual model directories, read and written in both environments."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import tokenizers
from tokenizers import models, normalizers, pre_tokenizers, processors

SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
WORDS = [*SPECIAL, "the", "cat", "sat", "The", "THE", ".", "!", "[X]"]
BERT = {"model_type": "bert", "vocab_size": len(WORDS), "pad_token_id": 0}
ROBERTA = {"model_type": "roberta", "vocab_size": 300, "pad_token_id": 1}


def words(normalizer=None, template="[CLS] $A [SEP]"):
    backend = tokenizers.Tokenizer(
        models.WordPiece({word: i for i, word in enumerate(WORDS)}, unk_token="[UNK]")
    )
    backend.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    backend.post_processor = processors.TemplateProcessing(
        single=template, special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    if normalizer is not None:
        backend.normalizer = normalizer
    backend.add_special_tokens(SPECIAL)
    return backend


def letters():
    """Byte-level BPE that lowercases."""
    special = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
    vocabulary = {
        token: i for i, token in enumerate([*special, *sorted(pre_tokenizers.ByteLevel.alphabet())])
    }
    backend = tokenizers.Tokenizer(models.BPE(vocabulary, []))
    backend.normalizer = normalizers.Lowercase()
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.post_processor = processors.RobertaProcessing(("</s>", 2), ("<s>", 0), add_prefix_space=False)
    backend.add_special_tokens(special)
    return backend


def bert_class(**more):
    names = dict(
        zip(("pad_token", "unk_token", "cls_token", "sep_token", "mask_token"), SPECIAL, strict=True)
    )
    return {"tokenizer_class": "BertTokenizer", "do_lower_case": False} | names | more


ROBERTA_CLASS = {
    "tokenizer_class": "RobertaTokenizer", "bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>",
    "cls_token": "<s>", "sep_token": "</s>", "pad_token": "<pad>", "mask_token": "<mask>",
}  # fmt: skip
CASED = normalizers.BertNormalizer(lowercase=False)
KINDS = {
    "plain": (BERT, words(CASED), bert_class()),
    "uncased": (BERT, words(normalizers.BertNormalizer(lowercase=True)), bert_class(do_lower_case=True)),
    "of no family": (BERT, words(), bert_class(tokenizer_class="PreTrainedTokenizerFast")),
    "another special token": (BERT, words(CASED), bert_class(additional_special_tokens=["[X]"])),
    "another template": (BERT, words(CASED, "[CLS] $A [SEP] [SEP]"), bert_class()),
    "another normalizer": (ROBERTA, letters(), ROBERTA_CLASS),
}
SENTENCE = {
    "plain": [2, 8, 6, 11, 7, 10, 1, 1, 1, 9, 1, 3],
    "uncased": [2, 5, 6, 11, 7, 10, 1, 1, 1, 5, 6, 3],
    "another special token": [2, 8, 6, 11, 7, 10, 12, 9, 1, 3],
    "another template": [2, 8, 6, 11, 7, 10, 1, 1, 1, 9, 1, 3, 3],
}
"""Token ids of "The cat! sat. [X] THE CAT", computed by hand."""


@pytest.fixture(scope="module")
def other(request):
    return request.config.getoption("--other-python")


def reading(python, copies, *directories):
    script = str(Path(__file__).with_name("reading.py"))
    command = [python, script, str(copies), *map(str, directories)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return {
        Path(name).name: json.loads(line)
        for name, line in zip(directories, done.stdout.splitlines(), strict=True)
    }


def write(directory, settings, backend=None, described=None):
    directory.mkdir(parents=True)
    (directory / "config.json").write_text(json.dumps(settings))
    if backend is not None:
        backend.save(str(directory / "tokenizer.json"))
        (directory / "tokenizer_config.json").write_text(json.dumps(described))
    return directory


def test_tokenizers_do_the_same_in_both_and_after_either_has_written_them(tmp_path, other):
    written = [write(tmp_path / "first" / kind, *parts) for kind, parts in KINDS.items()]
    here = reading(sys.executable, tmp_path / "here", *written)
    there = reading(other, tmp_path / "there", *written)
    back = reading(sys.executable, tmp_path / "back", *(tmp_path / "there" / kind for kind in KINDS))
    forth = reading(other, tmp_path / "forth", *(tmp_path / "here" / kind for kind in KINDS))
    for kind in KINDS:
        for found in (there, back, forth):
            for fact in ("ids", "special"):
                assert found[kind].get(fact) == here[kind].get(fact), (kind, found[kind], here[kind])
    for kind, ids in SENTENCE.items():
        assert here[kind]["ids"] == ids, kind
    assert len(set(here["another normalizer"]["ids"][-7:-1])) < 7


def test_rotary_embeddings_keep_their_wave_lengths(tmp_path, other):
    settings = {
        "model_type": "modernbert", "vocab_size": len(WORDS), "pad_token_id": 0,
        "global_rope_theta": 80000.0, "local_rope_theta": 20000.0,
    }  # fmt: skip
    first = write(tmp_path / "first" / "modernbert", settings, *KINDS["plain"][1:])
    reading(other, tmp_path / "there", first)
    back = reading(sys.executable, tmp_path / "back", tmp_path / "there" / "modernbert")["modernbert"]
    assert back["settings"]["global_rope_theta"] == 80000.0
    assert back["settings"]["local_rope_theta"] == 20000.0
    forth = reading(other, tmp_path / "forth", tmp_path / "there" / "modernbert")["modernbert"]
    rotary = forth["settings"]["rope_parameters"]
    assert rotary["full_attention"]["rope_theta"] == 80000.0
    assert rotary["sliding_attention"]["rope_theta"] == 20000.0


def test_what_only_one_has_code_for_is_refused_by_the_other(tmp_path, other):
    relative = BERT | {"position_embedding_type": "relative_key"}
    first = write(tmp_path / "relative", relative, *KINDS["plain"][1:])
    assert "refused" not in reading(sys.executable, tmp_path / "here", first)["relative"]
    refusal = reading(other, tmp_path / "there", first)["relative"]["refused"]
    assert "position_embedding_type relative_key" in refusal and "use transformers 4.57" in refusal


def test_no_tokenizer_is_no_tokenizer(tmp_path, other):
    first = write(tmp_path / "bare", BERT)
    for python in (sys.executable, other):
        assert "its files are missing" in reading(python, tmp_path / "copies", first)["bare"]["refused"]
