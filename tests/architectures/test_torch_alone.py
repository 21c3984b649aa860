"""Architectures that have a masked-LM class only in PyTorch."""

import json
import subprocess
import sys
from pathlib import Path


def printed(request, script, *arguments):
    """What a script beside this file prints, as the environment's Python runs it."""
    python = request.config.getoption("--other-python") or sys.executable
    command = [python, str(Path(__file__).with_name(script)), *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout.splitlines()[-1])


def test_their_sparse_heads_equal_the_dense_heads(request):
    found = printed(request, "torch_alone.py")
    assert len(found) >= 15 and "modernbert" in found
    for name, apart in found.items():
        assert apart["logits"] < 1e-5 and apart["gradients"] < 1e-5, (name, apart)


def test_arrays_that_are_stored_otherwise_are_read(request, tmp_path):
    """transformers 5 stores gte's arrays, for example, by the names of the code that gte had first."""
    result = printed(request, "stored_otherwise.py", tmp_path)
    expected = {"gte", "jina_embeddings_v3", "nomic_bert"} if int(result["transformers"][0]) >= 5 else set()
    assert set(result["found"]) == expected
    for name, found in result["found"].items():
        assert not found["drawn"] and not found["unused"], (name, found)
        assert found["read"] < 1e-5 and found["saved"] < 1e-5, (name, found)
