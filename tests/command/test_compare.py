"""mlm compare: two engines, engines of known speed, and ones that fail."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest
from command_line import ENGINES, register
from tiny_models import write_model

from mlm_core.__main__ import main

ROUNDS, STEPS, WARM_UP = 5, 3, 3

PACED_ENGINE = """
import time
from mlm_torch.engine import TorchEngine

class Engine(TorchEngine):
    name = "{name}"
    def _trainer_class(self):
        from mlm_torch.step import MaskedLMTrainer
        from mlm_torch.trainer import TorchTrainer
        step = MaskedLMTrainer.training_step
        def paced(self, *arguments, **options):
            begun = time.perf_counter()
            loss = step(self, *arguments, **options)
            # What a step of a tiny model takes is noise; this is not.
            time.sleep(max(0.0, {seconds} - (time.perf_counter() - begun)))
            return loss
        MaskedLMTrainer.training_step = paced
        return TorchTrainer
"""

FAILING_ENGINE = """
from mlm_torch.engine import TorchEngine

class Engine(TorchEngine):
    name = "failing"
    def _trainer_class(self):
        import os
        from mlm_torch.step import MaskedLMTrainer
        from mlm_torch.trainer import TorchTrainer
        step, count = MaskedLMTrainer.training_step, []
        def failing(self, *arguments, **options):
            count.append(1)
            if len(count) > 8:
                os.kill(os.getpid(), 9)
            return step(self, *arguments, **options)
        MaskedLMTrainer.training_step = failing
        return TorchTrainer
"""


@pytest.fixture(scope="module")
def packages(tmp_path_factory):
    directory = tmp_path_factory.mktemp("packages")
    register(directory, "steady", PACED_ENGINE.format(name="steady", seconds=0.2))
    register(directory, "slow", PACED_ENGINE.format(name="slow", seconds=0.25))
    register(directory, "failing", FAILING_ENGINE)
    return directory


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return write_model(tmp_path_factory.mktemp("model"), "bert", dropout=0.0)


@pytest.fixture
def compare(packages, model, jsonl, tmp_path):
    """A comparison: its finished process and its report."""
    command = [sys.executable, "-m", "mlm_core", "compare", "--dataset", str(jsonl), "--model", str(model)]
    command += ["--block-size", "16", "--batch-size", "8", "--threads", "1", "--device", "cpu"]
    command += ["--output-dir", str(tmp_path / "report")]
    environment = os.environ | {"PYTHONPATH": str(packages)}

    def run(*words, ended=subprocess.Popen.wait):
        length = [] if "--rounds" in words else ["--rounds", str(ROUNDS)]
        process = subprocess.Popen(
            [*command, "--steps", str(STEPS), *length, *words],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment,
            # Whoever runs the tests may have had Ctrl-C ignored.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
        )  # fmt: skip
        try:
            ended(process)
            out, said = process.communicate()
        finally:
            process.kill()
        assert "Traceback" not in said, said
        path = tmp_path / "report" / "report.json"
        report = json.loads(path.read_text(encoding="utf-8")) if path.exists() else None
        return subprocess.CompletedProcess(command, process.returncode, out, said), report

    return run


def test_both_engines_on_the_same_work(compare, tmp_path):
    done, report = compare("--backends", "torch,tf")
    assert done.returncode == 0, done.stderr
    (point,) = report["points"]
    assert [variant["name"] for variant in point["columns"]] == ["torch", "tf"]
    for variant in point["columns"]:
        assert [len(steps) for steps in variant["rounds"]] == [STEPS] * ROUNDS
        assert len(variant["warm_up"]) == WARM_UP
        rate, seconds = variant["tokens_per_second"], variant["step_seconds"]
        assert 0 < rate["low"] <= rate["median"] <= rate["high"]
        assert 0 < seconds["p50"] <= seconds["p90"] <= seconds["p99"]
        assert 0 < variant["seconds_to"]["started"] < variant["seconds_to"]["ready"]
        assert variant["memory"]["process"] > 100 and variant["memory"]["device"] is None
        # Of products so small, the measured limit is rough.
        assert 0 < variant["utilisation"] < 2
        assert len(variant["products"]) == ROUNDS + 1
        assert variant["evaluation"]["tokens_per_second"] > 0
        # In the others' turns it rests.
        assert variant["idle_share"] < 0.01
    (comparison,) = point["comparisons"]
    assert (comparison["column"], comparison["to"]) == ("tf", "torch")
    speed, same = comparison["speed"], comparison["same_work"]
    assert speed["low"] <= speed["value"] <= speed["high"]
    assert same["agrees"] and same["batches"] and same["text"]
    assert same["steps"] == WARM_UP + ROUNDS * STEPS and same["differences"]["largest"] < 1e-3
    assert list(same["tolerances"]) == ["held_out_before", "first_loss", "largest", "held_out"]
    assert report["fail_below"] is None
    assert "They received the same batches, and their losses agree" in done.stdout
    page = (tmp_path / "report" / "report.html").read_text(encoding="utf-8")
    assert all(f">{name}<" in page for name in ENGINES)
    assert "| torch |" in (tmp_path / "report" / "report.md").read_text(encoding="utf-8")


def test_a_slower_engine_is_called_slower_and_the_same_one_a_tie(compare, tmp_path, capsys):
    done, report = compare("--backends", "steady,slow,steady", "--fail-below", "0.9", "--json")
    assert done.returncode == 1
    slow, again = report["points"][0]["comparisons"]
    assert (slow["column"], slow["to"]) == ("slow", "steady (1)")
    assert slow["speed"]["verdict"] == "slower"
    assert slow["speed"]["value"] == pytest.approx(0.8, abs=0.05)
    assert again["column"] == "steady (2)" and again["speed"]["value"] == pytest.approx(1, abs=0.05)
    assert again["same_work"]["differences"]["largest"] == 0
    assert report["fail_below"] == 0.9
    # Laid next to itself, nothing has changed.
    path = str(tmp_path / "report" / "report.json")
    capsys.readouterr()
    assert main(["compare", "--from", path, path, "--fail-below", "0.95"]) == 0
    assert capsys.readouterr().out.splitlines()[-1].startswith("this meets --fail-below 0.95")
    assert main(["compare", "--from", path, path, "--fail-below", "2"]) == 1
    assert capsys.readouterr().out.splitlines()[-1].startswith("this does not meet --fail-below 2.0")


def test_a_column_that_dies_is_a_row_and_the_others_finish(compare):
    done, report = compare("--backends", "failing,torch,tf")
    assert done.returncode == 0, done.stderr
    failing, *others = report["points"][0]["columns"]
    assert "killed by signal 9" in failing["problem"]["message"]
    assert [len(variant["rounds"]) for variant in others] == [ROUNDS, ROUNDS]
    (comparison,) = report["points"][0]["comparisons"]
    assert (comparison["column"], comparison["to"]) == ("tf", "torch")
    assert "failing failed: killed by signal 9" in done.stdout


def test_an_interrupt_keeps_the_rounds_that_are_done(compare):
    def interrupted(process):
        # In some round of very many: start-up takes longest.
        for line in process.stderr:
            if line.startswith("rounds:"):
                break
        time.sleep(1)
        process.send_signal(signal.SIGINT)

    done, report = compare("--backends", "steady,slow", "--rounds", "1000", ended=interrupted)
    assert done.returncode == 130
    assert report["complete"] is False
    counts = [len(variant["rounds"]) for variant in report["points"][0]["columns"]]
    assert min(counts) >= 1 and max(counts) - min(counts) <= 1


def test_variants_sweeps_and_the_guide(compare):
    words = ["--variants", "torch:bf16,torch:dense", "--sweep", "batch-size=4,8", "--baseline", "guide"]
    done, report = compare(*words, "--rounds", "2")
    assert done.returncode == 0, done.stderr
    assert [point["name"] for point in report["points"]] == ["--batch-size 4", "--batch-size 8"]
    for point, rows in zip(report["points"], (4, 8), strict=True):
        names = [variant["name"] for variant in point["columns"]]
        assert names == ["torch:bf16", "torch:dense", "guide:torch"]
        assert all(variant["work"]["rows_in_a_step"] == rows for variant in point["columns"])
        assert point["columns"][0]["work"]["precision"] == "bf16"
        dense, *guides = point["comparisons"]
        # 16 bits keep three digits.
        assert 1e-6 < dense["same_work"]["differences"]["largest"] < 2e-2 and dense["same_work"]["agrees"]
        assert [(found["column"], found["to"]) for found in guides] == [
            ("torch:bf16", "guide:torch"),
            ("torch:dense", "guide:torch"),
        ]
        assert all(found["same_work"] is None and found["speed"]["verdict"] == "unclear" for found in guides)
        assert point["columns"][2]["utilisation"] > 0


def test_one_backend_and_a_sweep(compare):
    """The values are the variants, in one comparison."""
    done, report = compare("--backends", "torch", "--sweep", "batch-size=4,8", "--rounds", "2")
    assert done.returncode == 0, done.stderr
    (point,) = report["points"]
    assert [variant["name"] for variant in point["columns"]] == [
        "torch --batch-size 4",
        "torch --batch-size 8",
    ]
    assert [variant["work"]["rows_in_a_step"] for variant in point["columns"]] == [4, 8]
    (found,) = point["comparisons"]
    assert found["same_work"] is None and found["speed"]["value"] > 0
    assert "so their losses are not compared" in done.stdout
    # What the system tells of others; our own processes are not others.
    assert len(point["load"]["others"]["rounds"]) == 2 and len(point["load"]["before"]) == 3
    assert all(len(line) <= 80 for line in done.stdout.splitlines()[:3])


def test_the_guide_in_tensorflow(compare):
    """One framework is enough: its Hugging Face recipe is the other variant, with equal steps."""
    words = ["--backends", "tf", "--baseline", "guide", "--gradient-accumulation-steps", "2"]
    done, report = compare(*words, "--rounds", "2")
    assert done.returncode == 0, done.stderr
    own, guide = report["points"][0]["columns"]
    assert (own["name"], guide["name"]) == ("tf", "guide:tf")
    assert "problem" not in own and "problem" not in guide
    assert own["work"] == guide["work"] and own["work"]["rows_in_a_step"] == 16


@pytest.mark.parametrize(
    ("words", "option"),
    [
        (["--backends", "torch"], "--backends"),
        (["--backends", "torch", "--sweep", "batch-size=8"], "--backends"),
        (["--backends", "torch,jax"], "--backend"),
        (["--backends", "torch:bf16,tf"], "--backends"),
        (["--variants", "torch:int8,tf"], "--variants"),
        (["--variants", "torch,tf", "--backends", "torch,tf"], "--variants"),
        (["--baseline", "paper"], "--baseline"),
        (["--sweep", "seed=1,2"], "--sweep"),
        (["--sweep", "batch-size=0,2"], "--batch-size"),
        (["--rounds", "1"], "--rounds"),
        (["--steps", "none"], "--steps"),
        (["--fail-below", "much"], "--fail-below"),
        (["--from", "a.json", "b.json"], "--from"),
        (["--dataset", "nowhere.jsonl"], "--dataset"),
        (["--model", "no/such/model"], "--model"),
        (["--from", "a.json", "b.json", "--seed", "1"], "--from"),
        (["--output-dir", __file__], "--output-dir"),
        (["--epochs", "3"], "--epochs"),
    ],
)
def test_wrong_requests(words, option, capsys):
    assert main(["compare", "--json", *words]) == 2
    error = json.loads(capsys.readouterr().out)["error"]
    assert error["option"] == option
