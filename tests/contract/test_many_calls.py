"""A predictor that is called often: an engine may compute later calls another way, with the same scores."""

import numpy as np
import pytest
from tiny_models import FAMILIES

from mlm_core.model.weight_files import read_weights

TEXTS = (
    "the [MASK] sat.",
    "the cat [MASK] on the old mat because it was tired of running around every day.",
    "a big [MASK] slept under the [MASK] tree.",
    "[MASK]",
    "birds sang songs [MASK] the quiet old house while the small dog ran.",
    "the cat and the [MASK] ran.",
)
"""Each has another number of tokens."""

FROM = 3
"""The call from which on logits are traced in these tests."""


@pytest.fixture(autouse=True)
def early_traces(numpy_engine, monkeypatch):
    numpy_engine.trace_from(monkeypatch, FROM)


def scores(predictor, text):
    """The score of every token at every mask of a text, filled alone."""
    (found,) = predictor.fill([text], top_k=1000)
    blanks = found if isinstance(found[0], list) else [found]
    return {(blank, fill["token"]): fill["score"] for blank, fills in enumerate(blanks) for fill in fills}


def first_scores(lab, model):
    """The same for each text, by predictors that have not been called."""
    return {text: scores(lab.predictor(model), text) for text in TEXTS}


def check(predictor, expected, texts=TEXTS):
    for text in texts:
        assert scores(predictor, text) == pytest.approx(expected[text], abs=1e-5), text


def traces(numpy_engine, predictor):
    return numpy_engine.traces(predictor._loaded())


@pytest.mark.parametrize("family", FAMILIES)
def test_later_calls_have_the_scores_of_the_first(lab, numpy_engine, family):
    model = lab.model(family)
    expected, predictor = first_scores(lab, model), lab.predictor(model)
    # The scores of one text would not do for another.
    assert expected[TEXTS[0]] != pytest.approx(expected[TEXTS[5]], abs=1e-4)
    check(predictor, expected, TEXTS[: FROM - 1])
    assert traces(numpy_engine, predictor) in ([], None)
    check(predictor, expected, TEXTS[FROM - 1 :])
    assert traces(numpy_engine, predictor) in ([True], None)
    check(predictor, expected, TEXTS[::-1])
    # One pass for every length: it is still the same, and rows of one length are filled together.
    together = predictor.fill([TEXTS[5]] * 4 + [TEXTS[0]] * 3, top_k=1)
    assert [found[0]["score"] for found in together] == pytest.approx(
        [max(expected[TEXTS[5]].values())] * 4 + [max(expected[TEXTS[0]].values())] * 3, abs=1e-5
    )
    assert traces(numpy_engine, predictor) in ([True], None)


def test_logits_of_every_token_stay_the_same_beside_those_of_masks(lab, numpy_engine):
    model = lab.model("bert")
    expected, predictor = first_scores(lab, model), lab.predictor(model)
    (first,) = predictor.logits([TEXTS[1]])
    for _ in range(FROM):
        check(predictor, expected)
        (later,) = predictor.logits([TEXTS[1]])
        assert later.dtype == np.float32
        assert later == pytest.approx(first, abs=1e-5)
    assert traces(numpy_engine, predictor) in ([True, True], None)


def test_later_calls_see_new_weights(lab, numpy_engine):
    predictor, other = lab.predictor(lab.model("bert")), lab.model("bert", seed=2)
    check(predictor, first_scores(lab, lab.model("bert")))
    assert traces(numpy_engine, predictor) in ([True], None)
    predictor._loaded().assign(read_weights(other))
    check(predictor, first_scores(lab, other))


def test_later_calls_see_another_head(lab, numpy_engine):
    predictor = lab.predictor(lab.model("bert"))
    expected = first_scores(lab, lab.model("bert"))
    check(predictor, expected)
    predictor.model().sparse_head = None
    check(predictor, expected, TEXTS[: FROM - 1])
    assert traces(numpy_engine, predictor) in ([True], None)
    check(predictor, expected)
    assert traces(numpy_engine, predictor) in ([True, True], None)


def test_a_class_that_cannot_be_traced_is_called_as_before(lab, numpy_engine, monkeypatch):
    attempts = []

    def fail(ids):
        attempts.append(ids)
        raise ValueError("a length must be known")

    predictor = lab.predictor(lab.model("bert"))
    (first,) = lab.predictor(lab.model("bert")).logits([TEXTS[1]])
    numpy_engine.change_traced_ids(monkeypatch, predictor._loaded(), fail)
    expected = first_scores(lab, lab.model("bert"))
    check(predictor, expected, TEXTS[:FROM])
    # What a failed trace leaves in the model does not reach a batch without masked positions.
    assert predictor.logits([TEXTS[1]])[0] == pytest.approx(first, abs=1e-5)
    check(predictor, expected)
    assert traces(numpy_engine, predictor) in ([False], None)
    assert len(attempts) == (0 if traces(numpy_engine, predictor) is None else 1)


def test_a_class_that_computes_something_else_when_traced_is_called_as_before(lab, numpy_engine, monkeypatch):
    attempts = []

    def change(ids):
        attempts.append(ids)
        return ids * 0 + 6

    predictor = lab.predictor(lab.model("bert"))
    expected = first_scores(lab, lab.model("bert"))
    numpy_engine.change_traced_ids(monkeypatch, predictor._loaded(), change)
    check(predictor, expected)
    check(predictor, expected)
    assert traces(numpy_engine, predictor) in ([False], None)
    assert len(attempts) == (0 if traces(numpy_engine, predictor) is None else 1)


def test_a_later_call_that_fails_is_computed_as_before(lab, numpy_engine, monkeypatch):
    """The first batch may be one for which the traced pass happens to work."""
    predictor = lab.predictor(lab.model("bert"))
    expected = first_scores(lab, lab.model("bert"))
    numpy_engine.change_traced_ids(monkeypatch, predictor._loaded(), numpy_engine.short_ids)
    check(predictor, expected, [TEXTS[0]] * FROM)
    assert traces(numpy_engine, predictor) in ([True], None)
    check(predictor, expected)
    assert traces(numpy_engine, predictor) in ([False], None)


def test_a_comparison_of_heads_and_a_run_have_no_traces(lab, numpy_engine):
    """A resumed run must compute what the whole run does, whatever the number of batches before."""
    predictor = lab.predictor(lab.model("bert"))
    trainer = lab.trainer(model=str(lab.model("bert")))
    trainer.specs()
    batch = {"input_ids": np.array([[2, 7, 4, 8, 3]]), "masked_positions": np.array([[2]])}
    for _ in range(FROM + 1):
        trainer.network.logits(batch)
        with predictor._loaded().in_float32():
            predictor._loaded().logits(batch)
    assert numpy_engine.traces(trainer.network) in ([], None)
    assert traces(numpy_engine, predictor) in ([], None)
    for _ in range(FROM):
        predictor._loaded().logits(batch)
    assert traces(numpy_engine, predictor) in ([True], None)
