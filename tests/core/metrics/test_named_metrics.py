"""Metrics of the `evaluate` library, offline. Importing it imports every installed framework: so in a
process."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

METRIC = """
import datasets
import evaluate


class {name}(evaluate.Metric):
    def _info(self):
        kind = datasets.Value("{kind}")
        features = datasets.Features({{"predictions": kind, "references": kind}})
        return evaluate.MetricInfo(description="", citation="", inputs_description="", features=features)

    def _compute(self, predictions, references, scale=1):
        right = sum(one == other for one, other in zip(predictions, references))
        share = scale * right / len(references)
        return {{"{name}": share, "first_{name}": str(references[0]), "odd_{name}": [float("nan"), 1.0]}}
"""

PROGRAM = """
import json, sys
import numpy as np
from mlm_core import RequestError
from mlm_core.metrics.named import NamedMetrics

class Tokenizer:
    def convert_ids_to_tokens(self, ids):
        return [f"token {number}" for number in ids]

def measured(names, batches, options):
    metrics = NamedMetrics(names, options, Tokenizer())
    for predictions, labels in batches:
        metrics.add(np.array(predictions), np.array(labels))
    return metrics.compute()

out = []
for names, batches, options in json.load(sys.stdin):
    try:
        out.append(measured(names, batches, options))
    except RequestError as error:
        out.append(str(error))
print(json.dumps(out))
"""

BATCHES = [([[5, 6], [7, 0]], [[5, 9], [7, -100]]), ([[1, 2]], [[-100, -100]]), ([[4, 4]], [[4, -100]])]
"""Four labels that count; three predictions are right."""


@pytest.fixture(scope="module")
def measured(tmp_path_factory):
    directory = tmp_path_factory.mktemp("metrics")
    for name, kind in (("Ids", "int64"), ("Tokens", "string")):
        path = directory / f"{name.lower()}.py"
        path.write_text(METRIC.format(name=name, kind=kind), encoding="utf-8")
    same = METRIC.format(name="Ids", kind="int64")
    (directory / "same.py").write_text(same, encoding="utf-8")
    number = same.replace("return {", "return share, {")
    (directory / "number.py").write_text(number, encoding="utf-8")
    ids, tokens = str(directory / "ids.py"), str(directory / "tokens.py")
    ours = str(Path(__file__).parents[3] / "mlm_core" / "metrics" / "masked.py")
    requests = {
        "both": ([ids, tokens], BATCHES, {"scale": 2}),
        "ours": ([ours], BATCHES, {}),
        "alike": ([ids, str(directory / "same.py")], BATCHES, {}),
        "a number": ([str(directory / "number.py")], BATCHES, {}),
        "wrong option": ([ids], BATCHES, {"average": "macro"}),
        "no such file": (["none.py"], BATCHES, {}),
        "not here": (["f1"], BATCHES, {}),
    }
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        input=json.dumps(list(requests.values())),
        capture_output=True,
        text=True,
        cwd=directory,
        env=os.environ | {"USE_TF": "0", "HF_HOME": str(directory / "home")},
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return dict(zip(requests, json.loads(done.stdout.splitlines()[-1]), strict=True))


def test_metrics_see_the_masked_positions_as_ids_or_as_tokens(measured):
    found = measured["both"]
    assert (found["Ids"], found["first_Ids"]) == (1.5, "5")
    assert (found["Tokens"], found["first_Tokens"]) == (1.5, "token 5")
    # JSON has no nan.
    assert found["odd_Ids"] == [None, 1.0]


def test_masked_accuracy_is_a_metric_too(measured):
    assert measured["ours"] == {"masked_accuracy": 0.75, "masked_tokens": 4}


@pytest.mark.parametrize(
    ("request_name", "message"),
    [
        ("wrong option", "failed (.*--metric-option"),
        ("alike", "returns Ids, and so does another metric"),
        ("a number", "returned tuple, not named values"),
        ("no such file", "--metric none.py: cannot be loaded"),
        ("not here", "--metric f1: cannot be loaded"),
    ],
)
def test_errors_are_one_line(measured, request_name, message):
    start, _, end = message.partition(".*")
    assert start in measured[request_name] and end in measured[request_name]
    assert "\n" not in measured[request_name]


SUMS = """
import json
import numpy as np
from mlm_core.metrics.masked import MaskedAccuracy, MaskedPerplexity
perplexity, accuracy = MaskedPerplexity(), MaskedAccuracy()
for losses, predictions, labels in (([1.0, 9.0], [3, 4], [3, -100]), ([2.0, 3.0], [5, 6], [5, 7])):
    perplexity.add_batch(predictions=losses, references=labels)
    accuracy.add_batch(predictions=predictions, references=labels)
print(json.dumps([perplexity.compute(), accuracy.compute()]))
"""


def test_masked_metrics_divide_once(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", SUMS],
        capture_output=True,
        text=True,
        env=os.environ | {"USE_TF": "0", "HF_HOME": str(tmp_path)},
        check=False,
    )
    assert done.returncode == 0, done.stderr
    perplexity, accuracy = json.loads(done.stdout)
    assert perplexity == {"loss": 2.0, "perplexity": pytest.approx(7.389056), "masked_tokens": 3}
    assert accuracy == {"masked_accuracy": pytest.approx(2 / 3), "masked_tokens": 3}
