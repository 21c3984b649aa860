"""Architectures that have a masked-LM class only in PyTorch."""

import json
import subprocess
import sys
from pathlib import Path

import pytest


def printed(request, script, *arguments):
    """What a script beside this file prints, as the environment's Python runs it."""
    python = request.config.getoption("--other-python") or sys.executable
    command = [python, str(Path(__file__).with_name(script)), *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout.splitlines()[-1])


@pytest.fixture(scope="module")
def heads(request):
    return printed(request, "torch_alone.py")


def test_their_sparse_heads_equal_the_dense_heads(heads):
    assert len(heads) >= 15 and "modernbert" in heads
    for name, found in heads.items():
        assert found["logits"] < 1e-5 and found["gradients"] < 1e-5, (name, found)


def test_a_pre_norm_layer_computes_its_end_at_the_masked_positions_alone(heads):
    """A post-norm layer has a module that receives all that is needed, and needs no such place."""
    pre_norm = {name for name, found in heads.items() if found["place"] == "PreNorm"}
    assert pre_norm == {"modernbert", "eurobert"} & set(heads)
    for name in pre_norm:
        found = heads[name]
        assert found["mlp"] == [[4, 16], [4, 3]], (name, found)
        # One graph, or compiling would have failed.
        assert max(found["compiled"].values()) < 1e-5, (name, found)


def test_arrays_that_are_stored_otherwise_are_read(request, tmp_path):
    """transformers 5 stores gte's arrays, for example, by the names of the code that gte had first."""
    result = printed(request, "stored_otherwise.py", tmp_path)
    expected = {"gte", "jina_embeddings_v3", "nomic_bert"} if int(result["transformers"][0]) >= 5 else set()
    assert set(result["found"]) == expected
    for name, found in result["found"].items():
        assert not found["drawn"] and not found["unused"], (name, found)
        assert found["read"] < 1e-5 and found["saved"] < 1e-5, (name, found)


def test_modernbert_computes_its_windows_alone(request):
    found = printed(request, "sliding_windows.py")
    for name, one in found.items():
        assert one["logits"] < 1e-5 and one["gradients"] < 1e-5 and one["one graph"] < 1e-5, (name, one)
    # Blocks of eight queries see four more keys on each side; a whole layer sees all, without a mask.
    local = [-12, -16, -16, -12]
    assert found["whole windows"]["keys"] == [32, *local, *local, 32]
    local = [-12, -16, -16, -16, -9]
    assert found["other length"]["keys"] == [37, *local, *local, 37]
    # Many blocks of queries in one call.
    assert found["many windows"]["keys"] == [128, -16, -16, 128]
    assert found["many, other length"]["keys"] == [131, -16, -16, 131]
    # Too short, padded, or with noise of its own for each weight: as transformers does it.
    for name in ("short", "padded", "dropout"):
        assert found[name]["keys"] == found[name]["stock keys"]
