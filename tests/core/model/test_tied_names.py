"""One parameter under two names, as the versions of transformers store it."""

from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlm_core import RequestError
from mlm_core.model.initialization import ParameterSpecs, initial_weights
from mlm_core.model.tied_names import under_model_names

HEADS = ("lm_head", "cls.predictions", "predictions")
TABLE = "bert.embeddings.word_embeddings.weight"
TRAINED, STALE = np.arange(5, dtype=np.float32), np.zeros(5, np.float32)


def read(stored, shapes):
    settings = SimpleNamespace(initializer_range=0.02, pad_token_id=0, model_type="bert")
    return initial_weights(ParameterSpecs(shapes, "bert"), stored, settings, 0, "m")


@given(
    head=st.sampled_from(HEADS),
    wanted=st.sets(st.sampled_from(["bias", "decoder.bias"]), min_size=1),
    held=st.sets(st.sampled_from(["bias", "decoder.bias"]), min_size=1),
)
def test_a_stored_bias_is_never_lost(head, wanted, held):
    stored = {f"{head}.{end}": TRAINED for end in held}
    initial = read(stored, {f"{head}.{end}": (5,) for end in wanted})
    assert initial.drawn == [] and initial.unused == []
    assert all((array == TRAINED).all() for array in initial.weights.values())


@pytest.mark.parametrize("head", HEADS)
@pytest.mark.parametrize("end", ["bias", "decoder.bias"])
def test_of_two_biases_that_differ_the_trained_one_counts(head, end):
    stored = {f"{head}.bias": STALE, f"{head}.decoder.bias": TRAINED}
    for order in (stored, dict(reversed(stored.items()))):
        initial = read(order, {f"{head}.{end}": (5,)})
        assert (initial.weights[f"{head}.{end}"] == TRAINED).all() and initial.unused == []
        assert initial.passed_over == [f"{head}.bias"]
    same = {f"{head}.bias": TRAINED, f"{head}.decoder.bias": TRAINED.copy()}
    assert read(same, {f"{head}.{end}": (5,)}).passed_over == []


def test_two_parameters_of_a_model_stay_two():
    stored = {"lm_head.bias": STALE, "lm_head.decoder.bias": TRAINED}
    named = under_model_names(stored, dict.fromkeys(stored, (5,)))
    assert all(named[name] is stored[name] for name in stored)
    assert read(stored, dict.fromkeys(stored, (5,))).passed_over == []


def test_biases_without_a_second_name_stay():
    stored = {"lm_head.dense.bias": TRAINED, "bert.decoder.weight": TRAINED}
    assert under_model_names(stored, {"lm_head.dense.bias": (5,), "lm_head.bias": (5,)}) == stored


@pytest.mark.parametrize("matrix", ["lm_head.decoder.weight", "cls.predictions.decoder.weight"])
def test_a_tied_table_may_be_stored_as_the_output_matrix_alone(matrix):
    table = np.arange(10, dtype=np.float32).reshape(5, 2)
    initial = read({matrix: table}, {TABLE: (5, 2)})
    assert (initial.weights[TABLE] == table).all() and initial.drawn == [] and initial.unused == []


def test_an_output_matrix_of_another_size_is_no_word_table():
    with pytest.raises(RequestError, match="lacks 1 parameter of the encoder"):
        read({"lm_head.decoder.weight": np.zeros((4, 2), np.float32)}, {TABLE: (5, 2)})


@pytest.mark.parametrize("tied", [True, False])
def test_a_matrix_of_its_own_begins_as_the_table_it_was_tied_to(tied):
    table = np.arange(10, dtype=np.float32).reshape(5, 2)
    settings = SimpleNamespace(
        initializer_range=0.02, pad_token_id=0, model_type="bert", tie_word_embeddings=tied
    )
    shapes = {TABLE: (5, 2), "lm_head.decoder.weight": (5, 2)}
    initial = initial_weights(ParameterSpecs(shapes, "bert"), {TABLE: table}, settings, 0, "m")
    assert initial.drawn == ([] if tied else ["lm_head.decoder.weight"])
    assert (initial.weights["lm_head.decoder.weight"] == table).all() == tied
    own = {TABLE: table, "lm_head.decoder.weight": table + 1}
    kept = initial_weights(ParameterSpecs(shapes, "bert"), own, settings, 0, "m")
    assert (kept.weights["lm_head.decoder.weight"] == table + 1).all()
