"""Models, weights and the slot format."""

import json
import math

import numpy as np
import pytest
from safetensors import safe_open
from tiny_models import FAMILIES, full_shapes
from transformers import AutoConfig, EsmConfig

from mlm_core import RequestError
from mlm_core.model.initialization import draw_parameter, initial_weights
from mlm_core.model.weight_files import read_weights


@pytest.fixture(params=FAMILIES)
def family(request):
    return request.param


@pytest.fixture
def model(numpy_engine, lab, family):
    """A model with the weights of its directory, without dropout."""
    directory = lab.model(family, dropout=0.0)
    made = numpy_engine.Model(AutoConfig.from_pretrained(directory))
    made.assign(read_weights(directory))
    return made


def batch(rows=5, length=16, seed=0):
    draw = np.random.RandomState(seed)
    labels = np.full((rows, length), -100)
    ids = draw.randint(5, 30, size=(rows, length))
    for row in range(rows):
        chosen = draw.choice(length, size=row, replace=False)  # row 0 has no label
        labels[row, chosen] = draw.randint(5, 30, size=row)
    return ids, labels


def slots(ids, labels, width=6):
    positions, values = np.zeros((len(ids), width), int), np.full((len(ids), width), -100)
    for row in range(len(ids)):
        (chosen,) = np.nonzero(labels[row] != -100)
        positions[row, : len(chosen)], values[row, : len(chosen)] = chosen, labels[row, chosen]
    return {"input_ids": ids, "masked_positions": positions, "labels": values}


def test_canonical_names_are_the_published_ones(model, family, lab):
    vocabulary = AutoConfig.from_pretrained(lab.model(family, dropout=0.0)).vocab_size
    assert dict(model.specs.shapes) == full_shapes(family, vocabulary)
    assert model.specs.base_prefix == family


def test_weights_survive_the_framework(model, family, lab):
    stored = read_weights(lab.model(family, dropout=0.0))
    exported = model.export()
    assert set(exported) == set(stored)
    for name, array in stored.items():
        assert exported[name].dtype == np.float32
        assert (exported[name] == array).all(), name


def test_loss_is_the_sum_over_masked_tokens(model):
    ids, labels = batch()
    logits = model.forward({"input_ids": ids})["logits"].astype(np.float64)
    shifted = logits - logits.max(-1, keepdims=True)
    log_probability = shifted - np.log(np.exp(shifted).sum(-1, keepdims=True))
    rows, columns = np.nonzero(labels != -100)
    expected = -log_probability[rows, columns, labels[rows, columns]].sum()
    correct = (logits.argmax(-1) == labels)[rows, columns].sum()
    for inputs in (slots(ids, labels), {"input_ids": ids, "labels": labels}):
        output = model.forward(inputs)
        assert output["loss_sum"] == pytest.approx(expected, rel=1e-5)
        assert output["correct"] == correct
        assert output["masked_tokens"] == len(rows) == 10
        assert np.squeeze(output["loss"]) == pytest.approx(expected / 10, rel=1e-5)
        assert output["logits"].dtype == np.float32


def test_slots_hold_the_logits_of_their_positions(model):
    ids, labels = batch()
    inputs = slots(ids, labels)
    dense = model.forward({"input_ids": ids})["logits"]
    gathered = model.forward({name: inputs[name] for name in ("input_ids", "masked_positions")})["logits"]
    expected = np.take_along_axis(dense, inputs["masked_positions"][:, :, None], axis=1)
    assert np.abs(gathered - expected).max() < 1e-5


def test_slots_have_the_gradients_of_full_width_labels(model):
    ids, labels = batch()
    by_slots = model.gradients(slots(ids, labels))
    full_width = model.gradients({"input_ids": ids, "labels": labels})
    assert set(by_slots) == set(model.specs.shapes)
    for name in by_slots:
        assert np.abs(by_slots[name] - full_width[name]).max() < 1e-6, name


def test_the_sparse_head_has_the_loss_and_the_gradients_of_the_dense_one(model):
    made = slots(*batch())
    dense, gradients = model.forward(made), model.gradients(made)
    # After the last layer's attention, not only after the encoder.
    assert model.use_sparse_head(made).endswith(("SelfOutput", "LayerNorm", "LayerNormalization"))
    sparse, of_sparse = model.forward(made), model.gradients(made)
    assert np.abs(sparse["logits"] - dense["logits"]).max() < 1e-5
    assert float(sparse["loss_sum"]) == pytest.approx(float(dense["loss_sum"]), rel=1e-6)
    assert sparse["correct"] == dense["correct"]
    for name, gradient in gradients.items():
        assert np.abs(of_sparse[name] - gradient).max() < 1e-6, name
    # Without positions it is the class itself, with logits at every position.
    ids = {"input_ids": made["input_ids"]}
    assert model.forward(ids)["logits"].shape == (*made["input_ids"].shape, dense["logits"].shape[-1])


def test_the_class_itself_saves_it(model, tmp_path):
    """transformers' own method saves no weights besides the class's own."""
    model.network.save_pretrained(tmp_path, safe_serialization=True)
    (path,) = tmp_path.glob("*.safetensors")
    with safe_open(path, "np") as file:
        saved = [file.get_slice(name).get_shape() for name in file.keys()]  # noqa: SIM118 - no mapping
    ours = [list(shape) for shape in model.specs.shapes.values()]
    assert sorted(map(sorted, saved)) == sorted(map(sorted, ours))


def test_nothing_masked_is_loss_0(model):
    ids, _ = batch()
    output = model.forward(slots(ids, np.full_like(ids, -100)))
    assert float(output["loss_sum"]) == float(np.squeeze(output["loss"])) == 0.0
    assert int(output["masked_tokens"]) == 0


def test_a_stock_loop_trains_the_slot_model(model, numpy_engine):
    batches = [slots(*batch(seed=seed)) for seed in range(3)]
    expected = [float(np.squeeze(model.forward(made)["loss"])) for made in batches]
    assert numpy_engine.stock_training_loss(model.network, batches) == pytest.approx(expected, abs=2e-4)


def test_a_stock_loop_reports_the_mean_over_all_masked_tokens(model, numpy_engine):
    batches = [slots(*batch(seed=seed)) for seed in range(3)]
    # The mean of the batches' means would be another number.
    batches[1]["labels"][:, 1:] = -100
    outputs = [model.forward(made) for made in batches]
    tokens = sum(int(output["masked_tokens"]) for output in outputs)
    expected = sum(float(output["loss_sum"]) for output in outputs) / tokens
    reported = numpy_engine.stock_loss_of_all(model.network, batches)
    assert reported == pytest.approx([expected] * len(reported), abs=2e-4)


def test_initialization_is_distributed_as_the_framework_itself_would(numpy_engine, lab, family):
    """The same standard deviations, zeros and ones as the class's own initialization."""
    config = AutoConfig.from_pretrained(lab.model(family, dropout=0.0))
    own = numpy_engine.Model(config).export()
    drawn = {name: draw_parameter(name, array.shape, config, 5) for name, array in own.items()}
    for name, array in own.items():
        if array.ndim == 1:
            assert (drawn[name] == array).all(), name
    matrices = [name for name, array in own.items() if array.ndim > 1]
    ours = np.concatenate([drawn[name].ravel() for name in matrices])
    theirs = np.concatenate([own[name].ravel() for name in matrices])
    # TensorFlow truncates its normals at two deviations, which reduces the standard deviation by 12%.
    assert len(ours) > 5000
    assert ours.std() == pytest.approx(theirs.std(), rel=0.2)


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize(
    ("rows", "outputs"), [((3, 40), 24), ((67,), 24), ((2, 3), 200), ((1,), 5), ((4, 0), 6)], ids=str
)
def test_a_linear_layer_is_a_product(numpy_engine, rows, outputs, bias, threads):
    """Many rows, far fewer rows than outputs, one row, no row: PyTorch computes each case differently."""
    draw = np.random.RandomState(0)
    inputs, upstream = draw.randn(*rows, 16), draw.randn(*rows, outputs)
    weight, added = draw.randn(outputs, 16), draw.randn(outputs)
    flat = upstream.reshape(-1, outputs)
    expected = [inputs @ weight.T + bias * added, upstream @ weight, flat.T @ inputs.reshape(-1, 16)]
    expected += [flat.sum(0)] if bias else []
    given = [array.astype(np.float32) for array in (inputs, weight, added, upstream)]
    arguments = (*given[:2], given[2] if bias else None, given[3])
    for found in (numpy_engine.linear(*arguments, threads), numpy_engine.gpu_linear(*arguments)):
        assert len(found) == len(expected)
        for array, wanted in zip(found, expected, strict=True):
            np.testing.assert_allclose(array, wanted, rtol=1e-4, atol=1e-4)


def test_gelu_and_its_gradient_follow_the_formula(numpy_engine):
    draw = np.random.RandomState(0)
    values, given = (np.float32(draw.randn(3, 4, 50) * 3) for _ in range(2))
    below = 0.5 * (1 + np.vectorize(math.erf)(values.astype(float) / math.sqrt(2)))
    density = np.exp(-(values.astype(float) ** 2) / 2) / math.sqrt(2 * math.pi)
    output, gradient = numpy_engine.gelu(values, given)
    np.testing.assert_allclose(output, values * below, atol=2e-6)
    np.testing.assert_allclose(gradient, given * (below + values * density), atol=5e-6)


def test_layer_norm_and_its_gradients_follow_the_formula(numpy_engine):
    draw = np.random.RandomState(0)
    values, given = (draw.randn(3, 4, 50) * 3 + 5 for _ in range(2))
    scale, shift, epsilon = draw.randn(50), draw.randn(50), 1e-5

    def normalized(values):
        centred = values - values.mean(-1, keepdims=True)
        return centred / np.sqrt((centred**2).mean(-1, keepdims=True) + epsilon)

    single = [np.float32(array) for array in (values, scale, shift, given)]
    output, gradients = numpy_engine.layer_norm(*single[:3], epsilon, single[3])
    unit = normalized(values)
    np.testing.assert_allclose(output, unit * scale + shift, atol=1e-5)
    np.testing.assert_allclose(gradients[1], (given * unit).sum((0, 1)), atol=1e-4)
    np.testing.assert_allclose(gradients[2], given.sum((0, 1)), atol=1e-4)
    # The derivative along a direction, by differences.
    way, small = draw.randn(*values.shape), 1e-5
    change = (normalized(values + small * way) - normalized(values - small * way)) / (2 * small)
    assert (gradients[0] * way).sum() == pytest.approx((given * scale * change).sum(), rel=1e-4)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"scale": False},
        {"center": False},
        {"axis": 1},
        {"dtype": "mixed_bfloat16"},
        {"dtype": "mixed_float16"},
    ],
    ids=str,
)
def test_layers_normalise_as_the_frameworks_own(numpy_engine, engine, options):
    if engine.name != "tf":
        pytest.skip("PyTorch's layers are unchanged")
    values = np.float32(np.random.RandomState(0).randn(3, 4, 50) * 3 + 5)
    (ours, our_gradient), (theirs, their_gradient) = numpy_engine.normalizing(values, **options)
    least = 0.05 if "dtype" in options else 1e-5
    np.testing.assert_allclose(ours, theirs, atol=least)
    np.testing.assert_allclose(our_gradient, their_gradient, atol=least)


def test_a_model_has_the_fast_layers(numpy_engine, engine, lab):
    if engine.name != "tf":
        pytest.skip("PyTorch's layers are unchanged")
    model = numpy_engine.Model(AutoConfig.from_pretrained(lab.model("roberta")))
    # GELU in two layers and the head; norms after the embeddings, twice in each layer, and in the head.
    assert numpy_engine.replaced(model) == (3, 6)


def test_gather(numpy_engine):
    hidden = np.random.RandomState(0).rand(3, 7, 2).astype(np.float32)
    positions = np.array([[0, 6], [3, 3], [5, 0]])
    expected = np.stack([hidden[row, positions[row]] for row in range(3)])
    assert (numpy_engine.gather(hidden, positions) == expected).all()


def test_a_family_without_a_masked_head_is_refused(lab, tmp_path):
    directory = lab.model("bert")
    for path in directory.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    settings = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps(settings | {"model_type": "gpt2"}))
    with pytest.raises(RequestError, match="no masked-LM head"):
        lab.predictor(tmp_path).model()


def test_padding_does_not_change_the_share_of_masked_tokens(numpy_engine):
    """With token_dropout, ESM scales word vectors by that share, which padding is no part of."""
    settings = EsmConfig(
        vocab_size=30,
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=32,
        pad_token_id=0,
        mask_token_id=4,
        token_dropout=True,
        position_embedding_type="rotary",
        initializer_range=0.2,
    )
    made = numpy_engine.Model(settings)
    made.assign(initial_weights(made.specs, None, settings, 7, "esm").weights)
    short = np.array([[5, 4, 6, 7]])
    padded = np.concatenate([short, np.zeros((1, 4), int)], axis=1)
    labels = np.where(short == 4, 9, -100)

    alone = made.forward(slots(short, labels) | {"attention_mask": np.ones_like(short)})
    beside = made.forward(
        slots(padded, np.where(padded == 4, 9, -100)) | {"attention_mask": (padded != 0).astype(int)}
    )
    none = made.forward(slots(short, labels))

    np.testing.assert_allclose(beside["logits"][:, 0], alone["logits"][:, 0], atol=3e-6)
    np.testing.assert_allclose(none["logits"][:, 0], alone["logits"][:, 0], atol=1e-6)
