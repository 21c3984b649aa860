"""What a trained model leaves out is named."""

from __future__ import annotations

from mlm_core.model.left_out import left_out


def test_a_pooler_and_files_of_sentence_transformers(tmp_path):
    (tmp_path / "modules.json").write_text("[]")
    (tmp_path / "1_Pooling").mkdir()
    unused = ["bert.pooler.dense.weight", "bert.pooler.dense.bias", "cls.seq_relationship.weight"]
    modules, files = left_out(unused, tmp_path)
    assert "bert.pooler.dense, cls.seq_relationship" in modules and "neither trained nor saved" in modules
    assert "modules.json, 1_Pooling" in files


def test_second_names_of_a_tensor_are_not_left_out(tmp_path):
    assert left_out(["lm_head.decoder.weight", "cls.predictions.decoder.bias"], tmp_path) == []
    assert left_out([], None) == []


def test_many_modules_are_counted():
    (line,) = left_out([f"head.{number}.weight" for number in range(10)], None)
    assert line.endswith("and 6 more")
