"""benchmarks/gpu: the whole program, tiny, on the CPU; its rounds and deadlines; the tables in docs/."""

import json
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

sys.path += [str(Path(__file__).parents[2] / name) for name in ("benchmarks/gpu", "benchmarks")]

import contract
import table
from first_runs import translated
from outcome import write_step
from peak import mfu, peak_flops
from processes import run_rounds, workers
from settings import PARTS, SETUP, Deadline, Settings
from shapes import MODELS, SIZES
from tracing import summary
from training_step import flops_of_a_token
from variants import CEILINGS, STEPS, TENSORFLOW, TRACED, Variant

ROOT = Path(__file__).parents[2]
GPU = ROOT / "benchmarks" / "gpu"
KINDS = {
    "run", "versions", "part", "matmul", "launch", "copy", "transfer", "seed", "update", "attention",
    "contract", "repeat_bf16_dropout", "gpu_and_cpu_float32", "step", "trace", "graph_noise",
}  # fmt: skip
ONE_TEST = "tests/contract/test_optimizer.py"


@pytest.fixture(scope="module")
def measured(tmp_path_factory):
    """What the program leaves: a directory with facts."""
    if find_spec("torch") is None:
        pytest.skip("PyTorch is not installed")
    out = tmp_path_factory.mktemp("measured")
    given = {"OUT": str(out), "DEVICE": "cpu", "TINY": "1", "ROUNDS": "2", "TESTS": ONE_TEST, "LIMIT": "1500"}
    inherited = {name: value for name, value in os.environ.items() if name not in ("PARTS", "WORK")}
    done = subprocess.run(
        [sys.executable, str(GPU / "measure.py")], env=inherited | given, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout[-5000:] + done.stderr[-5000:]
    return out


def facts_of(directory):
    return [json.loads(line) for line in (directory / "facts.jsonl").read_text().splitlines()]


def test_every_kind_of_fact_is_found(measured):
    facts = facts_of(measured)
    assert {fact["fact"] for fact in facts if "problem" not in fact} == KINDS
    # Attention on a CPU has one of the backends.
    assert {fact["fact"] for fact in facts if "problem" in fact} <= {"attention"}
    by_kind = {fact["fact"]: fact for fact in facts}
    assert by_kind["contract"]["passed"] > 0 and by_kind["contract"]["exit_code"] == 0
    assert by_kind["repeat_bf16_dropout"]["same_bytes"]
    assert by_kind["gpu_and_cpu_float32"]["same_batches"]
    assert by_kind["graph_noise"]["same"] and by_kind["graph_noise"]["other"]
    assert by_kind["update"]["norms_apart"] < 1e-5
    steps = {fact["owner"]: fact for fact in facts if fact["fact"] == "step"}
    assert set(steps) == {"recipe", "mlm", "bare"}
    for step in steps.values():
        assert 0 < step["low"] <= step["ms"] <= step["high"] and len(step["rounds"]) == 2
        assert not any(name.startswith("mfu") for name in step)
    assert [steps[owner]["head"] for owner in ("recipe", "mlm", "bare")] == ["dense", "deep", "deep"]


def test_the_tables_show_what_was_found_and_that_the_rest_was_not_run(measured, tmp_path):
    whole = table.tables(measured)
    assert "| contract suite | 6 tests passed | not run |" in whole
    assert "| two bf16 runs with dropout | same bytes | not run |" in whole
    (recipe,) = (line for line in whole.splitlines() if line.startswith("| HF recipe, float32"))
    assert recipe.count("not run") == len(table.COLUMNS) - 1
    (other,) = (line for line in whole.splitlines() if line.startswith("| HF recipe, bf16"))
    assert other.count("not run") == len(table.COLUMNS)
    # Products and attention have the tables' shapes only at full size.
    for kind in sorted(KINDS - {"run", "part", "transfer", "seed", "matmul", "attention"}):
        lines = [line for line in facts_of(measured) if line["fact"] != kind]
        (tmp_path / "facts.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
        assert table.tables(tmp_path).count("not run") > whole.count("not run"), kind


def test_without_facts_nothing_was_run():
    rows = [line for line in table.tables(None).splitlines() if line.startswith("| ") and "not run" in line]
    assert len(rows) == 4 + len(table.STEPS) + len(table.DETAILS) + 9
    assert all(set(row.strip("|").split(" | ")[1:]) <= {"not run", "not run "} for row in rows)


def test_the_documentation_has_the_tables_of_the_newest_facts():
    page = (ROOT / "docs" / "speed.md").read_text(encoding="utf-8")
    directory = table.newest()
    assert table.with_tables(page, directory) == page, (
        "run: python benchmarks/gpu/table.py --write docs/speed.md"
    )


def test_facts_with_a_later_date_are_newer(tmp_path):
    for name, date in (("gpu-A-2", "2027-01-02"), ("gpu-A-1", "2027-01-03"), ("gpu-B", None)):
        (tmp_path / name).mkdir()
        run = {"fact": "run"} | ({"date": date} if date else {})
        (tmp_path / name / "facts.jsonl").write_text(json.dumps(run) + "\n")
    assert table.newest(tmp_path) == tmp_path / "gpu-A-1"
    assert table.newest(tmp_path / "gpu-B") is None


def test_a_problem_is_told_from_what_was_not_run(tmp_path):
    named = {"owner": "mlm", "engine": "torch", "precision": "bf16", "options": []}
    problems = {
        "16x128": "exit code 1: OutOfMemoryError",
        "bert": "cut: out of time",
        "modern": "exit code 1: x",
    }
    facts = [{"fact": "step", "size": size, "problem": said, **named} for size, said in problems.items()]
    facts = [{"fact": "run", "card": "x", "rounds": 4}, *facts]
    (tmp_path / "facts.jsonl").write_text("".join(json.dumps(fact) + "\n" for fact in facts) + '{"fact": "st')
    (row,) = (line for line in table.tables(tmp_path).splitlines() if line.startswith("| `mlm`, bf16 |"))
    assert row == "| `mlm`, bf16 | out of memory | not run | not run | not run | failed |"


ANSWERING = """
import sys, json
name, path = sys.argv[1:]
print(json.dumps({"seconds": 0.1}), flush=True)
for line in sys.stdin:
    with open(path, "a") as file: file.write(name)
    print(json.dumps({"seconds": json.loads(line)["steps"], "peak_gb": None}), flush=True)
"""


def test_rounds_go_forth_and_back(tmp_path):
    commands = {name: [sys.executable, "-c", ANSWERING, name, str(tmp_path / "order")] for name in "ABC"}
    with workers(commands, tmp_path) as group:
        run_rounds(group, 4, Deadline(60))
        assert [worker.rounds for worker in group] == [[6] * 4] * 3
    assert (tmp_path / "order").read_text() == "ABCCBAABCCBA"


def test_one_that_fails_or_hangs_is_cut_and_the_others_are_measured(tmp_path):
    answering = [sys.executable, "-c", ANSWERING, "A", str(tmp_path / "order")]
    failing = [sys.executable, "-c", "raise MemoryError('out of memory')"]
    with workers({"good": answering, "bad": failing}, tmp_path) as (good, bad):
        run_rounds([good, bad], 2, Deadline(60))
        assert good.rounds == [6, 6] and good.problem is None
        assert bad.rounds == [] and bad.problem == "exit code 1: MemoryError: out of memory"
    with workers({"hanging": [sys.executable, "-c", "import time; time.sleep(600)"]}, tmp_path) as (hanging,):
        run_rounds([hanging], 2, Deadline(0.5))
        assert hanging.problem == "cut: out of time"


def test_what_was_measured_before_a_cut_is_written(tmp_path):
    class Facts:
        def write(self, kind, **values):
            written.append((kind, values))

    written = []
    settings = Settings(tmp_path, tmp_path, "cpu", tiny=False, limit=1, parts=(), rounds=4)
    variant = Variant.parse("mlm:torch:16x128:bf16")
    commands = {"A": [sys.executable, "-c", ANSWERING, "A", str(tmp_path / "order")]}
    with workers(commands, tmp_path) as (worker,):
        run_rounds([worker], 1, Deadline(60))
        worker.facts["head"], worker.problem = "deep", "cut: out of time"
        write_step(variant, worker, settings, Facts(), "NVIDIA H200")
    ((kind, values),) = written
    assert kind == "step" and values["problem"] == "cut: out of time" and values["ms"] == 6000
    assert values["mfu_dense"] > values["mfu_sparse"] > 0


def test_a_trace_counts_what_is_on_the_gpu_once():
    def event(cat, name, start, length):
        return {"cat": cat, "name": name, "ts": start, "dur": length}

    long = "void at::native::vectorized_elementwise_kernel<" + 60 * "x"
    events = [
        event("kernel", long + "A", 0, 1000), event("kernel", long + "B", 500, 1000),
        event("gpu_memcpy", "Memcpy", 3000, 500), event("overhead", "Command Buffer Full", 0, 9000),
        event("gpu_user_annotation", "Optimizer.step", 0, 9000),
        event("cuda_runtime", "cudaLaunchKernel", 0, 1), event("cuda_driver", "cuLaunchKernelEx", 1, 1),
        event("cuda_runtime", "cudaStreamSynchronize", 2, 1), event("cuda_runtime", "cudaMemcpyAsync", 3, 1),
        event("cuda_runtime", "cudaGraphLaunch", 3, 1),
        {"ph": "M", "name": "process_name"},
    ]  # fmt: skip
    found = summary(events, 2)
    counted = {name: found[name] for name in ("launches", "graphs", "syncs", "copies", "kernels_ms")}
    assert counted == {"launches": 1, "graphs": 0.5, "syncs": 0.5, "copies": 0.5, "kernels_ms": 1.0}
    assert {name for name, _, _ in found["top"]} == {long + "A", long + "B", "Memcpy"}
    assert summary([], 2)["kernels_ms"] is None


def test_the_arithmetic_of_a_step():
    distil, bert, modern = (MODELS[name] for name in ("distil", "bert", "modern"))
    assert distil.flops_per_token(128, 20) == flops_of_a_token()
    # With everything at all positions the masked ones do not matter.
    assert bert.flops_per_token(512, 77, dense=True) == bert.flops_per_token(512, 512)
    per_layer = 12 * 768**2 + 2 * 512 * 768
    assert bert.flops_per_token(512, 77, dense=True) == 6 * (12 * per_layer + 768**2 + 768 * 30522)
    # Two of three of its layers see 129 tokens.
    assert sum(modern.keys(layer, 512) for layer in range(22)) == 8 * 512 + 14 * 129
    assert distil.padded().vocabulary == 50304 and modern.padded() == modern


def test_mfu_is_only_of_matrix_units():
    assert peak_flops("NVIDIA H200", "bf16") == 989e12
    assert peak_flops("NVIDIA H200", "tf32") == 494.5e12
    assert peak_flops("NVIDIA H200", "float32") is None and peak_flops("a card unknown", "bf16") is None
    assert mfu("NVIDIA H200", "float32", 1e6, SIZES["bert"], MODELS["bert"]) == {}


def test_every_row_of_the_table_is_measured_by_some_variant():
    groups = [*STEPS.values(), *CEILINGS.values(), *TENSORFLOW.values()]
    measured = [variant for group in groups for variant in group]
    assert len(measured) == len(set(measured))
    assert set(TRACED) <= set(measured)
    assert {Variant.parse(str(variant)) for variant in measured} == set(measured)
    found = {(variant.owner, variant.engine, variant.precision, *variant.options) for variant in measured}
    assert set(table.STEPS.values()) <= found
    for size in ("16x128", "256x128"):
        pairs = {(variant.owner, variant.precision) for variant in measured if variant.size == size}
        assert pairs >= {(owner, what) for owner in ("recipe", "mlm") for what in ("float32", "tf32", "bf16")}
    with pytest.raises(ValueError, match="no such variant"):
        Variant.parse("mlm:torch:16x128:bf16:faster")


def test_all_parts_fit_into_one_loan():
    assert SETUP + sum(PARTS.values()) < 560


def test_the_tests_of_the_contract_are_there():
    for name in contract.TESTS:
        path, _, function = name.partition("::")
        assert f"def {function}" in (ROOT / path).read_text(encoding="utf-8")


def test_the_first_runs_are_read_in_the_form_of_now():
    facts = translated([
        {"fact": "step", "name": "guide16t", "ms": 2.0, "tokens_per_second": 1e6, "card": "NVIDIA H200"},
        {"fact": "step", "name": "mlm16b", "ms": 2.0, "tokens_per_second": 1e6},
        {"fact": "profile", "name": "prof16", "wall_ms": 4.0, "gpu_busy": 0.25, "launches": 9, "graphs": 0,
         "syncs": 1, "copies": 2, "top": []},
        {"fact": "h2d_us", "pageable": 1},
    ])  # fmt: skip
    run, recipe, mlm, trace = facts
    assert run["card"] == "NVIDIA H200"
    assert (recipe["owner"], recipe["size"], recipe["precision"]) == ("recipe", "16x128", "tf32")
    # The same rate is twice the share of half the peak.
    assert recipe["mfu_sparse"] == pytest.approx(2 * mlm["mfu_sparse"])
    assert trace["busy"] == 0.5
