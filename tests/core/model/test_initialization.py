import json
from types import SimpleNamespace

import numpy as np
import pytest
from safetensors import safe_open
from safetensors.numpy import save_file
from tiny_models import FAMILIES, config, encoder_shapes, full_shapes, head_shapes, write_model

from mlm_core import RequestError
from mlm_core.model.initialization import ParameterSpecs, draw_parameter, initial_weights
from mlm_core.model.weight_files import read_weights, write_weights


def settings(architecture):
    return SimpleNamespace(**config(architecture, 30))


@pytest.mark.parametrize("architecture", FAMILIES)
def test_a_missing_head_is_drawn_and_the_encoder_kept(tmp_path, architecture):
    write_model(tmp_path, architecture, head=False)
    stored = read_weights(tmp_path)
    vocabulary = stored["embeddings.word_embeddings.weight"].shape[0]
    specs = ParameterSpecs(full_shapes(architecture, vocabulary), architecture)
    initial = initial_weights(specs, stored, settings(architecture), 3, str(tmp_path))
    assert set(initial.drawn) == set(head_shapes(architecture, vocabulary))
    assert set(initial.weights) == set(specs.shapes)
    for name in encoder_shapes(architecture, vocabulary):
        assert (initial.weights[f"{architecture}.{name}"] == stored[name]).all()


def test_a_parameter_depends_on_seed_and_name_only():
    one = draw_parameter("lm_head.dense.weight", (8, 8), settings("roberta"), 1)
    assert (one == draw_parameter("lm_head.dense.weight", (8, 8), settings("roberta"), 1)).all()
    assert (one != draw_parameter("lm_head.dense.weight", (8, 8), settings("roberta"), 2)).any()
    assert (one != draw_parameter("lm_head.other.weight", (8, 8), settings("roberta"), 1)).any()
    assert one.dtype == np.float32


def test_distribution():
    drawn = draw_parameter("roberta.encoder.layer.0.x.weight", (300, 300), settings("roberta"), 1)
    assert abs(drawn.mean()) < 4 * 0.05 / 300
    assert abs(drawn.std() - 0.05) < 4 * 0.05 / (2**0.5 * 300)
    assert (draw_parameter("lm_head.layer_norm.weight", (8,), settings("roberta"), 1) == 1).all()
    assert (draw_parameter("lm_head.bias", (8,), settings("roberta"), 1) == 0).all()


@pytest.mark.parametrize(
    ("architecture", "name", "zero"),
    [
        ("roberta", "roberta.embeddings.word_embeddings.weight", True),
        ("roberta", "roberta.embeddings.position_embeddings.weight", True),
        ("bert", "bert.embeddings.word_embeddings.weight", True),
        ("bert", "bert.embeddings.position_embeddings.weight", False),
    ],
)
def test_padding_rows(architecture, name, zero):
    made = settings(architecture)
    drawn = draw_parameter(name, (20, 4), made, 0)
    assert (drawn[made.pad_token_id] == 0).all() == zero
    assert (np.delete(drawn, made.pad_token_id, axis=0) != 0).any(axis=1).all()


def test_wrong_weights_are_an_error(tmp_path):
    write_model(tmp_path, "bert")
    stored = read_weights(tmp_path)
    vocabulary = stored["cls.predictions.bias"].shape[0]
    specs = ParameterSpecs(full_shapes("bert", vocabulary), "bert")
    short = {name: array for name, array in stored.items() if "layer.1" not in name}
    with pytest.raises(RequestError, match="lacks 16 parameters of the encoder"):
        initial_weights(specs, short, settings("bert"), 0, "m")
    stored["cls.predictions.bias"] = stored["cls.predictions.bias"][:-1]
    with pytest.raises(RequestError, match="has shape"):
        initial_weights(specs, stored, settings("bert"), 0, "m")


def test_an_untied_output_matrix_is_an_error(tmp_path):
    write_model(tmp_path, "bert")
    stored = read_weights(tmp_path)
    specs = ParameterSpecs({name: array.shape for name, array in stored.items()}, "bert")
    table = stored["bert.embeddings.word_embeddings.weight"]
    tied = stored | {"cls.predictions.decoder.weight": table.copy(), "bert.pooler.dense.weight": table}
    initial = initial_weights(specs, tied, settings("bert"), 0, "m")
    assert initial.unused == ["cls.predictions.decoder.weight", "bert.pooler.dense.weight"]
    untied = stored | {"cls.predictions.decoder.weight": table + 1}
    with pytest.raises(RequestError, match="uses instead"):
        initial_weights(specs, untied, settings("bert"), 0, "m")


def test_legacy_names(tmp_path):
    write_model(tmp_path, "bert")
    stored = read_weights(tmp_path)
    old = {
        name.replace("LayerNorm.weight", "LayerNorm.gamma").replace("LayerNorm.bias", "LayerNorm.beta"): array
        for name, array in stored.items()
    }
    specs = ParameterSpecs({name: array.shape for name, array in stored.items()}, "bert")
    initial = initial_weights(specs, old, settings("bert"), 0, "m")
    assert initial.drawn == []
    assert all((initial.weights[name] == stored[name]).all() for name in stored)


def test_bfloat16_and_float16_become_float32(tmp_path):
    exact = np.array([1.0, -2.5, 0.15625], dtype=np.float32)
    bits = (exact.view(np.uint32) >> 16).astype("<u2").tobytes()
    header = json.dumps({"w": {"dtype": "BF16", "shape": [3], "data_offsets": [0, 6]}}).encode()
    header += b" " * (-len(header) % 8)
    (tmp_path / "model.safetensors").write_bytes(len(header).to_bytes(8, "little") + header + bits)
    assert (read_weights(tmp_path)["w"] == exact).all()
    save_file({"w": exact.astype(np.float16)}, tmp_path / "model.safetensors")
    assert (read_weights(tmp_path)["w"] == exact).all()


def test_sharded_weights(tmp_path):
    save_file({"a": np.ones(2, np.float32)}, tmp_path / "model-1.safetensors")
    save_file({"b": np.zeros(3, np.float32)}, tmp_path / "model-2.safetensors")
    index = {"weight_map": {"a": "model-1.safetensors", "b": "model-2.safetensors"}}
    (tmp_path / "model.safetensors.index.json").write_text(json.dumps(index))
    assert {name: array.shape for name, array in read_weights(tmp_path).items()} == {"a": (2,), "b": (3,)}


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        (None, b"", "has no model.safetensors"),
        ("pytorch_model.bin", b"x", "has pytorch_model.bin but no"),
        ("model.safetensors", b"short", "damaged"),
        ("model.safetensors", b"\xff" * 64, "damaged"),
        ("model.safetensors.index.json", b'{"weight_map": {"a": "gone.safetensors"}}', "damaged"),
        ("model.safetensors.index.json", b"{", "damaged"),
    ],
)
def test_bad_weight_files_are_an_error(tmp_path, name, content, message):
    if name:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(RequestError, match=message):
        read_weights(tmp_path)


def test_written_weights_open_in_pytorch(tmp_path):
    transposed = np.arange(6, dtype=np.float32).reshape(2, 3).T
    write_weights(tmp_path / "model.safetensors", {"w": transposed})
    with safe_open(tmp_path / "model.safetensors", "np") as file:
        assert file.metadata() == {"format": "pt"}
        assert (file.get_tensor("w") == transposed).all()
    assert [path.name for path in tmp_path.iterdir()] == ["model.safetensors"]
