"""The Hugging Face guide to masked language modeling, line by line, on this engine.

The data is a sample with the schema of the guide's dataset; a tiny model replaces DistilRoBERTa; uploads are
written to a directory.
"""

import json
import math
from pathlib import Path

import datasets
import numpy as np
import pytest
from transformers import AutoTokenizer

from mlm_core import Config, RequestError
from mlm_core.data.sources import load_source
from mlm_core.progress import Progress
from mlm_core.training.setup import training_setup

SAMPLE = Path(__file__).parents[1] / "data" / "eli5_sample.jsonl"
COUNT, BLOCK = 40, 32
OPTIONS = {
    "dataset": str(SAMPLE),
    "split": f"train[:{COUNT}]",
    "text_column": "answers.text",
    "test_size": 0.2,
    "block_size": BLOCK,
}


@pytest.fixture(scope="module")
def distilroberta(lab):
    """A tiny model instead of distilbert/distilroberta-base."""
    return lab.model("roberta", dropout=0.0)


@pytest.fixture(scope="module")
def tokenizer(distilroberta):
    return AutoTokenizer.from_pretrained(distilroberta)


@pytest.fixture(scope="module")
def eli5():
    """eli5 = load_dataset("eli5_category", split="train[:5000]")"""
    return datasets.load_dataset("json", data_files=str(SAMPLE), split=f"train[:{COUNT}]")


@pytest.fixture(scope="module")
def setup(lab, distilroberta):
    """The setup that `mlm`'s options make from the same rows."""
    config = lab.config(model=str(distilroberta), **OPTIONS)
    progress = Progress.of(config)
    return training_setup(config, load_source(config, progress=progress), progress)


@pytest.fixture(scope="module")
def lm_dataset(eli5, setup, tokenizer):
    """The guide's preprocessing of the documents in each part of `mlm`'s split."""
    texts = [" ".join(row["answers"]["text"]) for row in eli5]
    chosen = {"train": list(setup.documents)}
    chosen["test"] = [text for text in texts if text not in set(chosen["train"])]
    rows = {
        name: eli5.select([texts.index(text) for text in documents]) for name, documents in chosen.items()
    }
    split = datasets.DatasetDict(rows).flatten()

    def preprocess_function(examples):
        return tokenizer([" ".join(x) for x in examples["answers.text"]])

    def group_texts(examples):
        concatenated = {key: sum(examples[key], []) for key in examples}  # noqa: RUF017 - copied from the guide
        total = len(concatenated["input_ids"]) // BLOCK * BLOCK
        return {
            key: [tokens[i : i + BLOCK] for i in range(0, total, BLOCK)]
            for key, tokens in concatenated.items()
        }

    columns = split["train"].column_names
    tokenized = split.map(preprocess_function, batched=True, remove_columns=columns)
    return tokenized.map(group_texts, batched=True)


@pytest.fixture(scope="module")
def run(lab, distilroberta):
    """trainer.train() / model.fit(...)"""
    trainer = lab.trainer(model=str(distilroberta), epochs=3, learning_rate=1e-2, **OPTIONS)
    return trainer, trainer.train()


def test_load_the_dataset_and_look_at_a_row(eli5, setup):
    assert len(eli5) == COUNT
    assert setup.documents.raw(0) in list(eli5)
    assert set(setup.documents.raw(0)["answers"]) == {"a_id", "text", "score", "text_urls"}


def test_train_test_split_by_document(eli5, setup):
    texts = [" ".join(row["answers"]["text"]) for row in eli5]
    assert len(setup.documents) == 0.8 * COUNT
    assert set(setup.documents) <= set(texts)
    assert setup.stores["held-out"].documents == 0.2 * COUNT


def test_flatten_and_join_the_answers(eli5, setup):
    flat = eli5.flatten()
    assert "answers.text" in flat.column_names
    assert list(setup.documents) == [
        text for text in map(" ".join, flat["answers.text"]) if text in set(setup.documents)
    ]


def test_tokenize_and_group(lm_dataset, setup):
    """The blocks equal the guide's, token for token."""
    assert setup.train.blocks.tolist() == lm_dataset["train"]["input_ids"]
    assert setup.test.blocks.tolist() == lm_dataset["test"]["input_ids"]


def test_the_collator_has_the_guides_format(lm_dataset, tokenizer, engine):
    """data_collator = DataCollatorForLanguageModeling(tokenizer=tokenizer, mlm_probability=0.15)"""
    package = __import__(f"mlm_{engine.name}")
    batch = package.MaskingCollator(tokenizer, mlm_probability=0.15)(
        [lm_dataset["train"][i] for i in range(16)]
    )
    found = {name: np.asarray(value) for name, value in batch.items()}
    assert set(found) == {"input_ids", "attention_mask", "labels"}
    assert {(array.shape, str(array.dtype)) for array in found.values()} == {((16, BLOCK), "int64")}
    assert 0.1 < (found["labels"] != -100).mean() < 0.2


def test_the_guides_own_loop_with_our_collator(lm_dataset, distilroberta, numpy_engine):
    """A stock Trainer, or compile and fit on prepare_tf_dataset; then math.exp(eval_loss)."""
    losses, eval_loss = numpy_engine.stock_guide(distilroberta, lm_dataset["train"], lm_dataset["test"])
    assert len(losses) == 3 and losses[-1] < 0.9 * losses[0]
    assert math.exp(eval_loss) < 0.5 * tokenizer_size(distilroberta)


def test_train_on_what_was_never_grouped(eli5, tokenizer, distilroberta, numpy_engine):
    """Rows of different lengths, padded by the collator."""
    rows = eli5.map(lambda row: tokenizer(row["title"]), remove_columns=eli5.column_names)
    assert len({len(row["input_ids"]) for row in rows}) > 5
    short = rows.filter(lambda row: len(row["input_ids"]) <= 48)
    losses, eval_loss = numpy_engine.stock_guide(distilroberta, short, short)
    assert losses[-1] < losses[0] and math.isfinite(eval_loss)


def tokenizer_size(directory):
    return json.loads((directory / "config.json").read_text())["vocab_size"]


def test_train_and_report_perplexity(run):
    """print(f"Perplexity: {math.exp(eval_results['eval_loss']):.2f}")"""
    trainer, result = run
    evaluated = trainer.evaluate()
    assert evaluated.perplexity == pytest.approx(math.exp(evaluated.loss))
    assert evaluated.perplexity == pytest.approx(result.after.perplexity)
    assert result.after.perplexity < 0.5 * result.before.perplexity


def test_what_would_be_uploaded_opens_elsewhere(run, tmp_path, lab):
    """trainer.push_to_hub() / PushToHubCallback, to a directory."""
    trainer, result = run
    trainer.save(tmp_path / "my_awesome_eli5_mlm_model")
    sums = lab.engine.evaluator(
        Config(**(trainer.setup.config.to_dict() | {"model": str(tmp_path / "my_awesome_eli5_mlm_model")})),
        fingerprint=trainer.setup.source.fingerprint,
    ).evaluate()
    assert sums.loss == pytest.approx(result.after.loss, rel=1e-6)


def blanks(results):
    """The fills of one mask or several, each mask a dict from (token, sequence) to score."""
    several = results if isinstance(results[0], list) else [results]
    return [{(fill["token"], fill["sequence"]): fill["score"] for fill in blank} for blank in several]


@pytest.mark.parametrize(
    ("text", "targets"),
    [
        ("The Milky Way is a <mask> galaxy.", None),
        ("The Milky Way is a <mask> galaxy.", [" spiral", "the"]),
        ("The <mask> Way is a <mask> galaxy.", None),
        ("<mask>", None),
    ],
)
def test_fill_mask_as_the_pipeline_does(run, lab, numpy_engine, text, targets):
    """mask_filler = pipeline("fill-mask", "RUN"); mask_filler(text, top_k=3)"""
    directory = run[1].run_dir
    # More than are compared: the last ones may be ties.
    (ours,) = lab.predictor(directory).fill([text], top_k=3, targets=targets)
    theirs = blanks(numpy_engine.fill_mask_pipeline(directory, text, 10, targets))
    for mine, pipeline in zip(blanks(ours), theirs, strict=True):
        best = sorted(pipeline.values(), reverse=True)[: len(mine)]
        assert sorted(mine.values(), reverse=True) == pytest.approx(best, abs=1e-5)
        assert all(score == pytest.approx(pipeline[key], abs=1e-5) for key, score in mine.items())


def test_many_texts_are_filled_like_each_alone(run, lab):
    """Texts of several lengths, enough of one length for several batches, with one mask and with two."""
    texts = [f"{'the cat ' * (number % 3)}sat on a <mask>." for number in range(9)]
    texts += ["A <mask> sat on a <mask>.", "the <mask>"] + ["a dog <mask> the cat"] * 600
    predictor = lab.predictor(run[1].run_dir)
    together = predictor.fill(texts, top_k=4)
    assert len(together) == len(texts)
    for row in [*range(12), -1]:
        text, found = texts[row], together[row]
        for filled, alone in zip(flat(found), flat(predictor.fill(text, top_k=4)[0]), strict=True):
            assert filled["score"] == pytest.approx(alone["score"], rel=1e-4)
            assert {**filled, "score": None} == {**alone, "score": None}


def flat(found):
    """The fills of all masks of a text in one list."""
    return [filled for blank in found for filled in blank] if isinstance(found[0], list) else found


def test_fill_mask_by_hand(run, lab, numpy_engine):
    """The index of the mask, its logits, the best three tokens, the text with each of them."""
    text = "The Milky Way is a <mask> galaxy."
    (fills,) = lab.predictor(run[1].run_dir).fill([text.replace("<mask>", "[MASK]")], top_k=3)
    by_hand = numpy_engine.fill_by_hand(run[1].run_dir, text, 3)
    assert by_hand == [text.replace("<mask>", fill["token_str"]) for fill in fills]


def test_a_dataset_from_python(lab, distilroberta, eli5, run):
    """The guide's own `eli5` object instead of a file: the same documents give the same run."""
    options = OPTIONS | {"dataset": None, "split": None, "model": str(distilroberta)}
    trainer = lab.engine.trainer(lab.config(**options, max_steps=1), dataset=eli5)
    assert trainer.setup.source.fingerprint == run[0].setup.source.fingerprint
    assert trainer.setup.train.blocks.tolist() == run[0].setup.train.blocks.tolist()
    assert trainer.train().after.masked_tokens == run[1].after.masked_tokens
    with pytest.raises(RequestError, match="dataset given from Python has no such column"):
        lab.engine.trainer(lab.config(**options), dataset=["a text"])
    with pytest.raises(RequestError, match="dict"):
        lab.engine.trainer(lab.config(**options), dataset={"answers": "a text"})


def test_a_last_block_that_is_filled_up(lab, distilroberta):
    """Every token of the text is in a block, and padding is never masked."""
    options = OPTIONS | {"last_block": "pad", "model": str(distilroberta), "batch_size": 4}
    trainer = lab.trainer(**options, max_steps=200, learning_rate=0.0, weight_decay=0.0)
    stores = trainer.setup.stores
    assert any(facts.padding for facts in stores.values())
    assert not any(facts.dropped_tokens for facts in stores.values())
    result = trainer.train()
    # The model is unchanged, so any batching of the rows gives the same sums.
    assert result.after.loss == pytest.approx(result.before.loss, rel=1e-6)
    other = lab.engine.evaluator(
        lab.config(**options | {"batch_size": 7}), fingerprint=trainer.setup.source.fingerprint
    ).evaluate()
    assert other.masked_tokens == result.after.masked_tokens
    assert other.loss == pytest.approx(result.after.loss, rel=1e-6)
