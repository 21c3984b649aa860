"""The sparse head of architectures that have a masked-LM class only in PyTorch."""

import json
import subprocess
import sys
from pathlib import Path

SCRIPT = Path(__file__).with_name("torch_alone.py")


def test_their_sparse_heads_equal_the_dense_heads(request):
    python = request.config.getoption("--other-python") or sys.executable
    done = subprocess.run([python, str(SCRIPT)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    found = json.loads(done.stdout.splitlines()[-1])
    assert len(found) >= 15 and "modernbert" in found
    for name, apart in found.items():
        assert apart["logits"] < 1e-5 and apart["gradients"] < 1e-5, (name, apart)
