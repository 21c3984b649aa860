"""A tokenizer.json of another kind than its class opens in every version of transformers, with its ids."""

import json
import shutil

import pytest
from tiny_models import write_tokenizer
from tokenizers import Tokenizer

from mlm_core import RequestError
from mlm_core.model.source import _load_tokenizer

TEXT = "the cat sat on the mat"
BPE_UNDER = ("BertTokenizer", "DistilBertTokenizer", "MPNetTokenizer", "ElectraTokenizer")
WORD_PIECE_UNDER = (
    "CamembertTokenizer",
    "XLMRobertaTokenizer",
    "AlbertTokenizer",
    "DebertaV2Tokenizer",
    "RemBertTokenizer",
)


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    place = tmp_path_factory.mktemp("tokenizers")
    for family in ("roberta", "bert"):
        write_tokenizer(place / family, family)
    return place


@pytest.mark.parametrize(
    ("family", "kind"),
    [*(("roberta", kind) for kind in BPE_UNDER), *(("bert", kind) for kind in WORD_PIECE_UNDER)],
)
def test_the_file_decides(written, tmp_path, family, kind):
    for name in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copy(written / family / name, tmp_path)
    settings = json.loads((tmp_path / "tokenizer_config.json").read_text())
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(settings | {"tokenizer_class": kind}))
    (tmp_path / "config.json").write_text('{"model_type": "bert"}')
    found = _load_tokenizer(tmp_path, str(tmp_path), False)
    alone = Tokenizer.from_file(str(tmp_path / "tokenizer.json"))
    assert found(TEXT)["input_ids"] == alone.encode(TEXT).ids
    assert found.mask_token_id == alone.token_to_id(found.mask_token) is not None


def test_a_damaged_file_is_refused(written, tmp_path):
    shutil.copytree(written / "roberta", tmp_path / "model")
    (tmp_path / "model" / "tokenizer.json").write_text("{}")
    (tmp_path / "model" / "config.json").write_text('{"model_type": "roberta"}')
    with pytest.raises(RequestError, match="tokenizer"):
        _load_tokenizer(tmp_path / "model", "model", False)


def test_a_missing_package_is_named(written, tmp_path, monkeypatch):
    """A tokenizer.json is no answer to it: it does not hold how the package splits words."""
    import transformers

    def refuse(*_words, **_options):
        raise ImportError("You need to install rjieba to use RoFormerTokenizer.")

    shutil.copytree(written / "bert", tmp_path / "model")
    (tmp_path / "model" / "config.json").write_text('{"model_type": "roformer"}')
    monkeypatch.setattr(transformers.AutoTokenizer, "from_pretrained", refuse)
    with pytest.raises(RequestError, match=r"install rjieba") as raised:
        _load_tokenizer(tmp_path / "model", "model", False)
    assert raised.value.code == "missing_package" and raised.value.fix.startswith("install what is missing")
